"""A signer whose key was made in KMS and never leaves it: every signature is a request.

Promises:
- Making one asks KMS for CreateKey and GetPublicKey alone, using one for Sign alone. No process ever holds the key.
- A signature is checked against the address on record before anybody gets it; what does not fit is a BugError.
- KMS signs the same digest differently each time. Whoever sends a signature stores its bytes first, and sends those again.
- A key that was made and cannot be used is named in the error and in the log, so that a person can schedule its deletion:
  nothing of ours may delete a key.

KMS binds no context to a signature: which account a key signs for is what its row in our database says.
"""

from collections.abc import Callable
from dataclasses import dataclass

from outcry.custody.key_policy import signing_policy
from outcry.custody.kms import Kms
from outcry.custody.signature import address_from_der, signature_from_der
from outcry.custody.signer import DIGEST_BYTES
from outcry.runtime.errors import BugError, InfrastructureError, OutcryError, SignerRefused
from outcry.runtime.observability import logger
from outcry.venues.port import Signature

# KMS is eventually consistent: a key that was just made may be unknown, or not yet ours to read, for a few seconds.
_READINGS = 5
_BETWEEN_READINGS_S = 1.0


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key in KMS as it is stored: where it is, and the address that it signs for."""

    address: str
    key_arn: str


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Who may sign with a new key, who may read its address, and how it is marked for people who look at the account's keys."""

    execute_orders_role_arn: str
    signers_role_arn: str
    stack_name: str


class KmsSigner:
    """A signer at KMS. Implements `venues.port.DigestSigner`."""

    __slots__ = ("_key", "_kms", "_signer_id")

    def __init__(self, kms: Kms, signer_id: str, key: KmsKey) -> None:
        self._kms = kms
        self._signer_id = signer_id
        self._key = key

    @property
    def address(self) -> str:
        """The signer's address, lower case, 0x and 40 hex digits."""
        return self._key.address

    def sign_digest(self, digest: bytes) -> Signature:
        """Ask KMS to sign 32 bytes. Never called inside of a transaction.

        Raises SignerRefused where KMS refuses the key until a person acts, InfrastructureError where it does not answer, BugError
        for a digest of another length and for a signature that is not this signer's. Whatever it raises, there is nothing to send.
        """
        if len(digest) != DIGEST_BYTES:
            raise BugError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        der = self._kms.sign(self._signer_id, self._key.key_arn, digest)
        try:
            return signature_from_der(der, digest, self._key.address)
        except BugError as error:
            raise BugError(f"signer {self._signer_id}: {error}") from None

    def __repr__(self) -> str:
        return f"KmsSigner({self._key.address})"


def create(kms: Kms, signer_id: str, owner: KeyOwner, pause: Callable[[float], None]) -> KmsKey:
    """Make a key in KMS that `owner.execute_orders_role_arn` alone may sign with, and learn its address.

    Raises ConfigurationError for a role that is none; InfrastructureError where KMS refuses or does not answer: it says whether a
    key was made, and which.
    """
    policy = signing_policy(owner.execute_orders_role_arn, owner.signers_role_arn)
    tags = {"app": "outcry", "purpose": "signer", "signer": signer_id, "stack": owner.stack_name}
    try:
        key_arn = kms.new_signing_key(signer_id, policy, tags)
    except SignerRefused:
        raise
    except InfrastructureError as error:
        raise InfrastructureError(
            f"{error}; if a key was made all the same, it has the tag signer={signer_id} and no signer uses it"
        ) from None
    # said at once: what comes now may take longer than the function may run
    logger.info("A key was made in KMS", extra={"key_arn": key_arn, "signer_id": signer_id})
    try:
        return KmsKey(_address(kms, signer_id, key_arn, pause), key_arn)
    except OutcryError as error:
        raise orphaned(signer_id, key_arn, error) from None


def orphaned(signer_id: str, key_arn: str, why: Exception) -> InfrastructureError:
    """What to raise where a key was made and its signer, for all that is known, was not. Logs the key, since it costs money.

    It never tells anybody to delete a key without looking: a commit may have got through although its answer did not.
    """
    logger.error(
        "A key in KMS may be left without a signer", extra={"key_arn": key_arn, "signer_id": signer_id}
    )
    return InfrastructureError(
        f"{why}; unless `outcry signer show` lists {signer_id}, nothing uses the key {key_arn}:"
        " schedule its deletion, and ask again"
    )


def _address(kms: Kms, signer_id: str, key_arn: str, pause: Callable[[float], None]) -> str:
    for _ in range(_READINGS - 1):
        try:
            return address_from_der(kms.public_key(signer_id, key_arn))
        except InfrastructureError:
            pause(_BETWEEN_READINGS_S)
    return address_from_der(kms.public_key(signer_id, key_arn))
