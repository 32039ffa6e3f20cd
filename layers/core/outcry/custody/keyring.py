"""What other rooms may ask of custody: make a signer, let it sign or stop it, open it, and take its nonces.

Promises:
- Making a signer gives an address and never a key. A sealed one asks KMS for GenerateDataKey alone, one inside KMS for
  CreateKey and GetPublicKey alone; which of the two is chosen for each signer, and stays so.
- No signer becomes ACTIVE before the venue itself confirmed it (`approval`); what it says later is kept on the signer's row.
- `Keyring` opens what is ACTIVE at the time of asking: a revocation holds from the next call on, although what was opened
  is kept in memory to spare KMS. Only the function that executes orders is given one.
- KMS is never asked inside of a transaction, and a nonce is taken inside of the caller's.

Never returns, logs or formats key material.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from outcry.custody import approval, envelope, kms_signer, store
from outcry.custody.approval import Verdict
from outcry.custody.envelope import RandomBytes, SealContext, SealedKey
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner, KmsKey, KmsSigner
from outcry.custody.modes import Custody
from outcry.custody.record import Confirmation, SignerRecord, SignerStatus
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction, UniqueViolation
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError, OutcryError
from outcry.venues.approving import Approves
from outcry.venues.port import DigestSigner

SLOTS = (1, 2)
DAILY = timedelta(days=1)
_ID_LENGTH = 63
_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class CreatedSigner:
    """A signer that was just made: what has to be approved at the venue, and for whom."""

    signer_id: str
    account_id: str
    venue: str
    network: str
    slot: int
    version: int
    address: str
    custody: Custody
    key_arn: str


@dataclass(frozen=True, slots=True)
class OpenedSigner:
    """A signer that can sign now. `signer_id` names the row that its nonces come from."""

    signer_id: str
    key: DigestSigner
    confirmation: Confirmation


# ─── made, activated, revoked ───────────────────────────────────────────────────────────────────────────────


def create_signer(
    database: Database,
    kms: Kms,
    account_id: str,
    slot: int,
    *,
    key_arn: str,
    clock: Clock,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> CreatedSigner:
    """Make a signer with a sealed key for the account in a free slot, as CREATED.

    Raises ConfigurationError for an account, slot or network that cannot have one, InfrastructureError where
    KMS or the database does not answer, or where somebody else was faster.
    """
    place = _free_place(database, account_id, slot)
    sealed = envelope.create(kms, key_arn, place.context, random_bytes)
    return _stored(database, place, sealed, Custody.ENVELOPE, clock.now())


def create_kms_signer(
    database: Database,
    kms: Kms,
    account_id: str,
    slot: int,
    *,
    owner: KeyOwner,
    clock: Clock,
    pause: Callable[[float], None] = time.sleep,
) -> CreatedSigner:
    """Make a signer whose key is made in KMS and stays there, for the account in a free slot, as CREATED.

    Raises as `create_signer` does. A key that was made for a signer that was not is named in the error and in the log.
    """
    place = _free_place(database, account_id, slot)
    key = kms_signer.create(kms, place.context.signer, owner, pause)
    try:
        return _stored(database, place, key, Custody.KMS, clock.now())
    except OutcryError as error:
        raise kms_signer.orphaned(place.context.signer, key.key_arn, error) from error


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a new signer goes: looked up before its key is made, and found taken by `_stored` where somebody was faster."""

    context: SealContext
    network: str
    slot: int


def _free_place(database: Database, account_id: str, slot: int) -> _Place:
    if slot not in SLOTS:
        raise ConfigurationError("slot", slot, "use 1 or 2")
    with database.transaction() as tx:
        place = store.account_place(tx, account_id)
        if place is None:
            raise ConfigurationError("account", account_id, "apply a desk that has this account first")
        if place.network == "paper":
            raise ConfigurationError("account", account_id, "a paper account trades without a signer")
        holder = store.slot_holder(tx, account_id, slot)
        if holder is not None:
            raise ConfigurationError("slot", slot, f"revoke {holder} first, or use the other slot")
        version = store.next_version(tx, account_id)
    context = SealContext(
        account=account_id, signer=_signer_id(account_id, version), venue=place.venue, version=version
    )
    return _Place(context, place.network, slot)


def _stored(
    database: Database, place: _Place, key: SealedKey | KmsKey, custody: Custody, now: datetime
) -> CreatedSigner:
    context = place.context
    try:
        with database.transaction() as tx:
            store.insert(tx, context, place.slot, key, now)
    except UniqueViolation as taken:
        raise InfrastructureError(
            f"signer {context.signer} was not stored: {taken.constraint} is taken; ask again"
        ) from taken
    return CreatedSigner(
        signer_id=context.signer,
        account_id=context.account,
        venue=context.venue,
        network=place.network,
        slot=place.slot,
        version=context.version,
        address=key.address,
        custody=custody,
        key_arn=key.key_arn,
    )


def _signer_id(account_id: str, version: int) -> str:
    """A readable id that fits its column; a long account's name is cut and told apart by its digest."""
    plain = f"{account_id}-signer-{version}"
    if len(plain) <= _ID_LENGTH:
        return plain
    tail = f"-{hashlib.sha256(account_id.encode()).hexdigest()[:_DIGEST_LENGTH]}-signer-{version}"
    return account_id[: _ID_LENGTH - len(tail)] + tail


def activate_signer(tx: Transaction, signer_id: str, verdict: Verdict, *, now: datetime) -> None:
    """Let a signer that the venue confirms sign for its account; the one before it drains.

    Raises ConfigurationError where the venue does not confirm it, in the venue's words, and where it is unknown, draining or revoked:
    make a new one instead.
    """
    if not verdict.is_confirmed:
        raise ConfigurationError(
            "signer", signer_id, f"{verdict.says}. The owner approves it at the venue first"
        )
    if not store.activate(tx, signer_id, now):
        raise ConfigurationError(
            "signer", signer_id, "only a CREATED signer can be activated: make a new one"
        )
    store.confirm(tx, signer_id, until=verdict.until, by=verdict.source, now=now)


def activate_as_confirmed(
    database: Database, venue: Approves, signer_id: str, *, master: str, now: datetime
) -> Verdict:
    """Ask the venue about a signer of `master`, and let it sign where it is confirmed. Opens transactions of its own.

    Raises as `activate_signer` does, VenueUnreachable and UnknownAnswer where the venue does not say: then nothing is changed.
    """
    with database.transaction() as tx:
        signer = store.by_id(tx, signer_id)
    if signer is None:
        raise ConfigurationError("signer", signer_id, "there is none of that id")
    verdict = approval.ask(venue, signer, master=master, now=now)
    with database.transaction() as tx:
        activate_signer(tx, signer_id, verdict, now=now)
    return verdict


def note_verdict(tx: Transaction, signer: SignerRecord, verdict: Verdict, *, now: datetime) -> bool:
    """Keep what the venue says about a signer. True where it is another word than the last."""
    if verdict.is_confirmed:
        store.confirm(tx, signer.signer_id, until=verdict.until, by=verdict.source, now=now)
        return not signer.confirmation.is_given
    return store.refuse(tx, signer.signer_id, says=verdict.says, now=now)


def note_refusal(tx: Transaction, account_id: str, address: str | None, *, says: str, now: datetime) -> bool:
    """Keep that the venue refused a request for its signer: entries stop until it was asked about. False: custody has none here.

    `address` is the signer that was refused, None for the active one; one that drains or is revoked needs no note.
    """
    signers = store.of_account(tx, account_id)
    for signer in signers:
        if signer.status is SignerStatus.ACTIVE and address in {None, signer.address}:
            store.refuse(tx, signer.signer_id, says=says, now=now)
    return any(signer.status is SignerStatus.ACTIVE for signer in signers)


def unconfirmed_signers(tx: Transaction, now: datetime) -> Sequence[SignerRecord]:
    """The active signers with which no entry is made now, by account."""
    return store.unconfirmed(tx, now)


def account_to_look_at(
    tx: Transaction, account_ids: Sequence[str], *, now: datetime, again_after: timedelta
) -> str | None:
    """The account of these about whose signers the venue is to be asked next, None where it was asked about all today."""
    return store.due_for_a_look(tx, account_ids, daily=now - DAILY, soon=now - again_after, now=now)


def note_look(tx: Transaction, account_id: str, *, margin_mode: str, now: datetime) -> None:
    """Keep when the venue was asked about the account, and how it counts the account's margin."""
    store.note_look(tx, account_id, margin_mode=margin_mode, now=now)


def revoke_signer(tx: Transaction, signer_id: str, *, now: datetime) -> bool:
    """Stop a signer for good and free its slot. False where it was stopped already or never was."""
    return store.revoke(tx, signer_id, now)


def signers_of(tx: Transaction, account_id: str) -> Sequence[SignerRecord]:
    """Every signer that the account ever had, oldest first, sealed."""
    return store.of_account(tx, account_id)


# ─── opened ─────────────────────────────────────────────────────────────────────────────────────────────────


def open_signer(kms: Kms, record: SignerRecord) -> OpenedSigner:
    """A signer that can sign: its key unsealed and proven to be that of the address on record, or the way to its key in KMS.

    Raises BugError, which names the signer and never its key, for an envelope that is not this row's, was altered, or belongs to a
    revoked signer; SignerRefused where KMS refuses the key, InfrastructureError where it does not answer. For a key in KMS nothing
    is asked yet: each signature is held against the address.
    """
    if record.status is SignerStatus.REVOKED:
        raise BugError(f"signer {record.signer_id} is revoked and stays closed")
    return OpenedSigner(record.signer_id, _way_to_sign(kms, record), record.confirmation)


def _way_to_sign(kms: Kms, record: SignerRecord) -> DigestSigner:
    match record.key:
        case SealedKey() as sealed:
            return envelope.open_key(kms, record.context, sealed)
        case KmsKey() as key:
            return KmsSigner(kms, record.signer_id, key)


class Keyring:
    """The opened signers of one process."""

    def __init__(self, database: Database, kms: Kms) -> None:
        self._database = database
        self._kms = kms
        self._opened: dict[str, tuple[SealedKey | KmsKey, OpenedSigner]] = {}

    def active(self, account_id: str) -> OpenedSigner | None:
        """The signer that signs for the account now, or None. Opens a transaction of its own.

        Raises as `open_signer` does.
        """
        with self._database.transaction() as tx:
            record = store.active(tx, account_id)
        if record is None:
            self.forget(account_id)
            return None
        kept = self._opened.get(account_id)
        if kept is None or kept[1].signer_id != record.signer_id or kept[0] != record.key:
            kept = self._opened[account_id] = (record.key, open_signer(self._kms, record))
        return replace(kept[1], confirmation=record.confirmation)

    def next_nonce(self, tx: Transaction, signer_id: str, *, now: datetime) -> int:
        """A nonce that the signer never used, taken from its row in the caller's transaction.

        Raises BugError for an unknown or revoked signer.
        """
        return store.next_nonce(tx, signer_id, now)

    def forget(self, account_id: str) -> None:
        """Drop what is kept of the account's signer."""
        self._opened.pop(account_id, None)
