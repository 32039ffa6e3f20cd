"""SQL of the sweep: which accounts are watched and since when, and which trace a row belongs to. Private to this room."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from outcry.runtime.database import Transaction
from outcry.runtime.leases import Claimable

_TO_WATCH = "venue in ('hyperliquid', 'paper')"  # what trades on Hyperliquid's marks


def accounts_to_watch(tx: Transaction) -> list[str]:
    """Every account that trades on Hyperliquid's marks: live ones and paper ones."""
    rows = tx.all(f"select account_id from accounts where {_TO_WATCH} order by account_id")
    return [row["account_id"] for row in rows]


def all_watched_at(tx: Transaction, *, first_within: timedelta) -> datetime | None:
    """When the account was watched that was not watched for the longest time; None where there is none to watch.

    One that was never watched counts from when its first pass was due, `first_within` after it was added.
    """
    row = tx.one(
        f"""
        select min(coalesce(s.watched_at, a.created_at + make_interval(secs => :first_within_s))) as at
          from accounts a left join snapshots s using (account_id) where {_TO_WATCH}
        """,
        first_within_s=first_within.total_seconds(),
    )
    return row["at"] if row else None


def traces(tx: Transaction, what: Claimable, keys: Sequence[Any]) -> dict[str, str]:
    """The trace id of each row, by its key as text."""
    if not keys:
        return {}
    rows = tx.all(
        f"""
        select cast({what.key} as text) as key, coalesce(trace_id, '') as trace_id from {what.table}
         where {what.key} = any(cast(:keys as {what.key_type}[]))
        """,
        keys=[str(key) if what.key_type == "uuid" else key for key in keys],
    )
    return {row["key"]: row["trace_id"] for row in rows}


def wake_forgotten(tx: Transaction, *, now: datetime) -> int:
    """Make orders due that rest for a position which is gone: whatever lost their wake-up, their place must come free."""
    return tx.execute(
        """
        update orders o set next_ring_at = :now from positions p
         where p.position_id = o.position_id and p.status in ('CLOSED', 'ABANDONED')
           and o.kind = 'protect' and o.status in ('RESTING', 'CANCELLING') and o.finished_at is null and o.next_ring_at is null
        """,
        now=now,
    )
