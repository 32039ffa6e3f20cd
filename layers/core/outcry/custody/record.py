"""A signer as its row says: whose it is, how its key is kept, where it stands, and what the venue said about it. Never an opened key."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outcry.custody.envelope import SealContext, SealedKey
from outcry.custody.kms_signer import KmsKey
from outcry.custody.modes import Custody


@dataclass(frozen=True, slots=True)
class Confirmation:
    """When and by which answer the venue confirmed a signer, until when, and since when it does not and in which words."""

    verified_at: datetime | None = None
    verified_by: str | None = None
    valid_until: datetime | None = None
    refused_at: datetime | None = None
    venue_says: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether the venue confirmed it at the last look. Its end may have passed since."""
        return self.verified_at is not None and self.refused_at is None

    def has_ended(self, now: datetime) -> bool:
        """Whether the approval's end is past. The venue may go on taking the signer for a while: that is not relied on."""
        return self.valid_until is not None and self.valid_until <= now


class SignerStatus(StrEnum):
    """Where a signer stands here. CREATED waits for its approval at the venue, DRAINING only finishes what it began."""

    CREATED = "CREATED"
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class SignerRecord:
    """One signer: whose it is, how its key is kept, and where it stands. Times are aware UTC."""

    signer_id: str
    account_id: str
    venue: str
    network: str
    slot: int
    version: int
    status: SignerStatus
    confirmation: Confirmation
    created_at: datetime
    key: SealedKey | KmsKey

    @property
    def valid_until(self) -> datetime | None:
        """When its approval ends, as far as is known."""
        return self.confirmation.valid_until

    @property
    def address(self) -> str:
        """The signer's address, lower case."""
        return self.key.address

    @property
    def key_arn(self) -> str:
        """The key of KMS that wraps the signer's key, or is it."""
        return self.key.key_arn

    @property
    def custody(self) -> Custody:
        """How the signer's key is kept."""
        return custody_of(self.key)

    @property
    def context(self) -> SealContext:
        """What this row's key must have been sealed for. It is the row's own, so moved bytes do not open."""
        return SealContext(
            account=self.account_id, signer=self.signer_id, venue=self.venue, version=self.version
        )


def custody_of(key: SealedKey | KmsKey) -> Custody:
    """How a key of this kind is kept."""
    return Custody.ENVELOPE if isinstance(key, SealedKey) else Custody.KMS
