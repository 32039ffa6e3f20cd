"""The signers' rows. SQL of custody lives here; other rooms go through `keyring`.

Promises: a row is never deleted, so that no address and no version is ever used twice; at most one signer
of an account is ACTIVE; a nonce is handed out once. Never sees an opened key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from outcry.custody.envelope import SealContext, SealedKey
from outcry.custody.kms_signer import KmsKey
from outcry.custody.modes import Custody
from outcry.custody.record import Confirmation, SignerRecord, SignerStatus, custody_of
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import BugError


@dataclass(frozen=True, slots=True)
class AccountPlace:
    """What of an account matters to its signers."""

    venue: str
    network: str


_SELECT = """
    select s.signer_id, s.account_id, a.venue, a.network, s.slot, s.version, s.status,
           s.verified_at, s.verified_by, s.valid_until, s.refused_at, s.venue_says,
           s.created_at, s.custody, s.address, s.key_arn, s.wrapped_key, s.seal_nonce, s.sealed_key
      from signers s join accounts a using (account_id)
     where """


def account_place(tx: Transaction, account_id: str) -> AccountPlace | None:
    """Where the account trades, or None where there is no such account."""
    row = tx.one("select venue, network from accounts where account_id = :account_id", account_id=account_id)
    return None if row is None else AccountPlace(row["venue"], row["network"])


def next_version(tx: Transaction, account_id: str) -> int:
    """The version of the account's next signer. Of two who ask at once, `insert` lets one in."""
    row = tx.one(
        "select coalesce(max(version), 0) + 1 as version from signers where account_id = :account_id",
        account_id=account_id,
    )
    assert row is not None
    return int(row["version"])


def slot_holder(tx: Transaction, account_id: str, slot: int) -> str | None:
    """The signer that is in the slot and not revoked."""
    row = tx.one(
        """
        select signer_id from signers
         where account_id = :account_id and slot = :slot and status <> 'REVOKED'
        """,
        account_id=account_id,
        slot=slot,
    )
    return None if row is None else str(row["signer_id"])


def insert(tx: Transaction, context: SealContext, slot: int, key: SealedKey | KmsKey, now: datetime) -> None:
    """Store a new signer as CREATED. Raises UniqueViolation for a slot, version or address that is taken."""
    sealed = key if isinstance(key, SealedKey) else None
    tx.execute(
        """
        insert into signers (signer_id, account_id, slot, version, custody, address, status, key_arn,
                             wrapped_key, seal_nonce, sealed_key, created_at, updated_at)
        values (:signer_id, :account_id, :slot, :version, :custody, :address, 'CREATED', :key_arn,
                :wrapped_key, :seal_nonce, :sealed_key, :now, :now)
        """,
        signer_id=context.signer,
        account_id=context.account,
        slot=slot,
        version=context.version,
        custody=custody_of(key).value,
        address=key.address,
        key_arn=key.key_arn,
        wrapped_key=sealed.wrapped_key if sealed else None,
        seal_nonce=sealed.seal_nonce if sealed else None,
        sealed_key=sealed.sealed_key if sealed else None,
        now=now,
    )


def activate(tx: Transaction, signer_id: str, now: datetime) -> bool:
    """Let this signer sign from now on; the one that did so until now drains. False where it may not.

    Only a signer that is CREATED, or ACTIVE already, can become ACTIVE.
    """
    account = tx.one(
        """
        select a.account_id from accounts a join signers s using (account_id)
         where s.signer_id = :signer_id for no key update of a
        """,
        signer_id=signer_id,
    )
    if account is None:
        return False
    changed = tx.execute(
        """
        update signers set status = 'ACTIVE', updated_at = :now
         where signer_id = :signer_id and status in ('CREATED', 'ACTIVE')
        """,
        signer_id=signer_id,
        now=now,
    )
    if changed == 0:
        return False
    tx.execute(
        """
        update signers set status = 'DRAINING', updated_at = :now
         where account_id = :account_id and signer_id <> :signer_id and status = 'ACTIVE'
        """,
        account_id=account["account_id"],
        signer_id=signer_id,
        now=now,
    )
    return True


def revoke(tx: Transaction, signer_id: str, now: datetime) -> bool:
    """Stop this signer for good and free its slot. False where there is none or it is revoked."""
    changed = tx.execute(
        """
        update signers set status = 'REVOKED', updated_at = :now
         where signer_id = :signer_id and status <> 'REVOKED'
        """,
        signer_id=signer_id,
        now=now,
    )
    return changed == 1


def of_account(tx: Transaction, account_id: str) -> Sequence[SignerRecord]:
    """Every signer that the account ever had, oldest first."""
    rows = tx.all(_SELECT + "s.account_id = :account_id order by s.version", account_id=account_id)
    return tuple(_record(row) for row in rows)


def by_id(tx: Transaction, signer_id: str) -> SignerRecord | None:
    """One signer."""
    row = tx.one(_SELECT + "s.signer_id = :signer_id", signer_id=signer_id)
    return None if row is None else _record(row)


def confirm(tx: Transaction, signer_id: str, *, until: datetime | None, by: str, now: datetime) -> None:
    """Keep that the venue confirms this signer, until when, and by which answer."""
    tx.execute(
        """
        update signers set verified_at = :now, verified_by = :by, valid_until = :until, refused_at = null, venue_says = null,
               updated_at = :now
         where signer_id = :signer_id
        """,
        signer_id=signer_id,
        by=by,
        until=until,
        now=now,
    )


def refuse(tx: Transaction, signer_id: str, *, says: str, now: datetime) -> bool:
    """Keep that the venue does not accept this signer, and since when. True where that is news."""
    changed = tx.execute(
        """
        update signers set refused_at = :now, venue_says = :says, updated_at = :now
         where signer_id = :signer_id and refused_at is null
        """,
        signer_id=signer_id,
        says=says,
        now=now,
    )
    return changed == 1


def due_for_a_look(
    tx: Transaction, account_ids: Sequence[str], *, daily: datetime, soon: datetime, now: datetime
) -> str | None:
    """The account of these whose signers are to be asked about next, if any.

    Each is due once a day (last asked before `daily`), when an approval ended since, and again from `soon` on where the active signer
    is not confirmed.
    """
    row = tx.one(
        """
        select a.account_id from accounts a left join account_checks k using (account_id)
         where a.account_id = any(cast(:ids as text[])) and a.venue <> 'paper'
           and exists (select 1 from signers s where s.account_id = a.account_id and s.status <> 'REVOKED')
           and (k.checked_at is null or k.checked_at <= :daily
                or exists (select 1 from signers s where s.account_id = a.account_id and s.status = 'ACTIVE'
                              and ((s.valid_until <= :now and s.valid_until > k.checked_at) or s.refused_at > k.checked_at
                                   or (k.checked_at <= :soon and (s.verified_at is null or s.refused_at is not null)))))
         order by k.checked_at nulls first, a.account_id limit 1
        """,
        ids=list(account_ids),
        daily=daily,
        soon=soon,
        now=now,
    )
    return None if row is None else str(row["account_id"])


def note_look(tx: Transaction, account_id: str, *, margin_mode: str, now: datetime) -> None:
    """Keep when the account was asked about, and how the venue counts its margin."""
    tx.execute(
        """
        insert into account_checks (account_id, checked_at, margin_mode) values (:account_id, :now, :mode)
        on conflict (account_id) do update set checked_at = excluded.checked_at, margin_mode = excluded.margin_mode
        """,
        account_id=account_id,
        mode=margin_mode,
        now=now,
    )


def unconfirmed(tx: Transaction, now: datetime) -> Sequence[SignerRecord]:
    """The active signers with which no entry is made now: never confirmed, not at the last look, or past their end."""
    rows = tx.all(
        _SELECT
        + """s.status = 'ACTIVE' and (s.verified_at is null or s.refused_at is not null or s.valid_until <= :now)
           order by s.account_id""",
        now=now,
    )
    return tuple(_record(row) for row in rows)


def active(tx: Transaction, account_id: str) -> SignerRecord | None:
    """The signer that signs for the account now."""
    row = tx.one(_SELECT + "s.account_id = :account_id and s.status = 'ACTIVE'", account_id=account_id)
    return None if row is None else _record(row)


def next_nonce(tx: Transaction, signer_id: str, now: datetime) -> int:
    """A nonce, in ms, that this signer never used: the clock's, or one above the last where that is higher.

    The row stays locked until the caller's transaction ends. Raises BugError for an unknown or revoked
    signer.

    Source: Hyperliquid docs, nonces-and-api-wallets.
    """
    row = tx.one(
        """
        update signers set last_nonce = greatest(last_nonce + 1, cast(:now_ms as bigint)), updated_at = :now
         where signer_id = :signer_id and status <> 'REVOKED' returning last_nonce
        """,
        signer_id=signer_id,
        now_ms=to_milliseconds(now),
        now=now,
    )
    if row is None:
        raise BugError(f"signer {signer_id} is unknown or revoked and gets no nonce")
    return int(row["last_nonce"])


def _record(row: Row) -> SignerRecord:
    return SignerRecord(
        signer_id=row["signer_id"],
        account_id=row["account_id"],
        venue=row["venue"],
        network=row["network"],
        slot=row["slot"],
        version=row["version"],
        status=SignerStatus(row["status"]),
        confirmation=Confirmation(
            *(
                row["verified_at"],
                row["verified_by"],
                row["valid_until"],
                row["refused_at"],
                row["venue_says"],
            )
        ),
        created_at=row["created_at"],
        key=_key(row),
    )


def _key(row: Row) -> SealedKey | KmsKey:
    if Custody(row["custody"]) is Custody.KMS:
        return KmsKey(address=row["address"], key_arn=row["key_arn"])
    return SealedKey(
        address=row["address"],
        key_arn=row["key_arn"],
        wrapped_key=row["wrapped_key"],
        seal_nonce=row["seal_nonce"],
        sealed_key=row["sealed_key"],
    )
