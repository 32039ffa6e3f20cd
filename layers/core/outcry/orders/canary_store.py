"""SQL of canaries. Private to this room.

Promises: an account has at most one canary under way; a finished one is never changed; the build is noted once, by the
transaction that approves the entry.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.runtime.database import Row, Transaction

_CANARY = """
    canary_id, idempotency_key, account_id, network, market, entry_order_id, build_id, started_by, started_at, finished_at, passed,
    report
"""


def insert(
    tx: Transaction, *, key: str, account_id: str, network: str, market: str, started_by: str, now: datetime
) -> None:
    """Begin a canary; nothing where one of this key was begun. Raises UniqueViolation where another one of the account runs."""
    tx.execute(
        """
        insert into canaries (idempotency_key, account_id, network, market, started_by, started_at)
        values (:key, :account_id, :network, :market, :started_by, :now)
        on conflict (idempotency_key) do nothing
        """,
        key=key,
        account_id=account_id,
        network=network,
        market=market,
        started_by=started_by,
        now=now,
    )


def of_key(tx: Transaction, key: str, *, lock: bool = False) -> Row | None:
    """The canary of a key, or None."""
    return tx.one(
        f"select {_CANARY} from canaries where idempotency_key = :key {'for update' if lock else ''}", key=key
    )


def running_key(tx: Transaction, account_id: str) -> str | None:
    """The key of the account's canary that is not finished, or None."""
    row = tx.one(
        "select idempotency_key from canaries where account_id = :account_id and finished_at is null",
        account_id=account_id,
    )
    return None if row is None else str(row["idempotency_key"])


def set_entry(tx: Transaction, canary_id: int, order_id: UUID) -> None:
    """Say which order is its entry."""
    tx.execute(
        "update canaries set entry_order_id = :order_id where canary_id = :canary_id and entry_order_id is null",
        order_id=order_id,
        canary_id=canary_id,
    )


def note_build(tx: Transaction, order_id: UUID, build_id: str) -> bool:
    """Note which build approves the canary's entry. False where the order is no canary's that is under way."""
    return (
        tx.execute(
            "update canaries set build_id = :build_id where entry_order_id = :order_id and finished_at is null",
            build_id=build_id,
            order_id=order_id,
        )
        == 1
    )


def has_passed(tx: Transaction, account_id: str, build_id: str) -> bool:
    """Whether a canary has passed on this account with this build."""
    row = tx.one(
        """
        select exists (select 1 from canaries where account_id = :account_id and build_id = :build_id and passed) as found
        """,
        account_id=account_id,
        build_id=build_id,
    )
    return bool(row and row["found"])


def finish(tx: Transaction, canary_id: int, *, passed: bool, report: dict[str, Any], now: datetime) -> Row:
    """Finish it, once, and return the verdict that stands, `passed` and `report`: this one, or that of whoever finished it before.

    One whose entry no function has approved cannot have passed.
    """
    tx.execute(
        """
        update canaries set finished_at = :now, passed = :passed and build_id is not null, report = cast(:report as jsonb)
         where canary_id = :canary_id and finished_at is null
        """,
        passed=passed,
        report=json.dumps(report),
        now=now,
        canary_id=canary_id,
    )
    stands = tx.one("select passed, report from canaries where canary_id = :canary_id", canary_id=canary_id)
    assert stands is not None, "a canary is never deleted"
    return stands


def requests(tx: Transaction, order_id: UUID) -> list[Row]:
    """Every request of the entry, and of all orders of the position that it opened, with what the venue answered."""
    return tx.all(
        """
        select o.order_id, o.kind as order_kind, o.leg, o.sequence, a.attempt, a.kind, a.status, a.signed, a.answer, a.raw_answer,
               a.prepared_at
          from actions a join orders o using (order_id)
         where o.order_id = :order_id
            or o.position_id = (select position_id from orders where order_id = :order_id)
         order by a.prepared_at, a.nonce
        """,
        order_id=order_id,
    )


def entry_detail(tx: Transaction, key: str) -> str | None:
    """The detail of the entry of this key, as it was recorded."""
    row = tx.one(
        "select o.detail from canaries c join orders o on o.order_id = c.entry_order_id where c.idempotency_key = :key",
        key=key,
    )
    return None if row is None else row["detail"]


def stops(tx: Transaction, position_id: UUID) -> list[Row]:
    """The stops of a position, oldest first."""
    return tx.all(
        """
        select order_id, sequence, status, trigger_price, reason, attempt from orders
         where position_id = :position_id and kind = 'protect' and leg = 'stop' order by sequence
        """,
        position_id=position_id,
    )


def exit_size(tx: Transaction, position_id: UUID) -> Decimal:
    """What exits that a person ordered have filled of a position."""
    row = tx.one(
        """
        select coalesce(sum(filled_size), 0) as size from orders
         where position_id = :position_id and kind = 'exit' and plan ->> 'reason' = 'PERSON'
        """,
        position_id=position_id,
    )
    return Decimal(row["size"]) if row else Decimal(0)


def result(tx: Transaction, position_id: UUID) -> Row:
    """What the position's fills say: bought, sold, and their fees in US dollars."""
    row = tx.one(
        """
        select coalesce(sum(size) filter (where is_buy), 0) as bought, coalesce(sum(size) filter (where not is_buy), 0) as sold,
               coalesce(sum(fee_usd), 0) as fees_usd,
               coalesce(sum(case when is_buy then -price * size else price * size end), 0) as cash_usd
          from fills where position_id = :position_id
        """,
        position_id=position_id,
    )
    assert row is not None, "a sum without a group is one row"
    return row
