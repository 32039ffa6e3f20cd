"""Who works on what: claims on rows, and leases for work that only one process may do at a time.

Promises: a row is worked on by whoever holds its claim, and by nobody else until the claim lapses. A lapsed claim is taken
over by the row's state, never started over (each stage decides how). Every later write says `claim_token = mine`, so a
process that was thought dead and comes back writes nothing. Sweeps ring exits first and back off exponentially.

Never relied on: queue order, single delivery, concurrency limits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from outcry.runtime.database import Row, Transaction
from outcry.runtime.metrics import CLAIMS_LAPSED

MAX_RINGS_PER_SWEEP = 500
FIRST_BACKOFF_S = 15
LONGEST_BACKOFF_S = 900
_OF_CLAIM = frozenset({"claim_key", "claim_until", "claim_attempts", "claim_due_at", "had_lapsed"})


@dataclass(frozen=True, slots=True)
class Claimable:
    """A table whose rows are claimed, and the name and type of its key."""

    table: str
    key: str
    key_type: str = "bigint"


POSTS = Claimable("posts", "post_id")
CALLS = Claimable("calls", "call_id")
ORDERS = Claimable("orders", "order_id", "uuid")
NOTICES = Claimable("notices", "notice_id")


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write to one row until `until`."""

    key: Any
    token: UUID
    until: datetime
    attempts: int
    due_at: datetime | None = field(default=None, compare=False)
    row: Row = field(default_factory=dict, compare=False, repr=False)  # what was asked for with it


def claim(
    tx: Transaction,
    what: Claimable,
    keys: Sequence[Any],
    *,
    token: UUID,
    now: datetime,
    lasting: timedelta,
    columns: str = "",
    brief: tuple[str, timedelta] | None = None,
) -> list[Claim]:
    """Claim those of the rows that nobody holds, or whose claim lapsed; quarantined rows are left alone.

    `columns`: what of each row comes along. `brief`: a condition, and for how long at most rows are claimed for which it holds.
    Both are fragments of the caller's own SQL, never input.
    """
    where, at_most = brief or ("false", lasting)
    rows = tx.all(
        f"""
        with free as (
               select {what.key} as free_key, claim_token is not null as had_lapsed from {what.table}
                where {what.key} = any(cast(:keys as {what.key_type}[]))
                  and quarantined_at is null and (claimed_until is null or claimed_until <= :now)
                order by {what.key} for no key update skip locked)
        update {what.table} set claim_token = :token, attempts = attempts + 1,
               claimed_until = case when {where} then cast(:soon as timestamptz) else cast(:until as timestamptz) end
          from free where {what.key} = free_key
        returning {what.key} as claim_key, claimed_until as claim_until, attempts as claim_attempts,
                  next_ring_at as claim_due_at, had_lapsed
                  {f", {columns}" if columns else ""}
        """,
        token=token,
        until=now + lasting,
        soon=now + min(lasting, at_most),
        keys=list(keys),
        now=now,
    )
    lapsed = sum(row["had_lapsed"] for row in rows)
    if lapsed:
        CLAIMS_LAPSED.record(lapsed)
    return [
        Claim(
            row["claim_key"],
            token,
            row["claim_until"],
            row["claim_attempts"],
            row["claim_due_at"],
            {name: row[name] for name in row if name not in _OF_CLAIM},
        )
        for row in rows
    ]


def release(
    tx: Transaction,
    what: Claimable,
    held: Claim,
    *,
    next_ring_at: datetime | None = None,
    error: str | None = None,
) -> bool:
    """Give a row back, due again at `next_ring_at` (None: done). False: the claim was no longer ours."""
    touched = tx.execute(
        f"""
        update {what.table} set claim_token = null, claimed_until = null, next_ring_at = :next_ring_at,
               last_error = cast(:error as text), attempts = case when cast(:error as text) is null then 0 else attempts end
         where {what.key} = cast(:key as {what.key_type}) and claim_token = :token
        """,
        next_ring_at=next_ring_at,
        error=error,
        key=held.key,
        token=held.token,
    )
    return touched == 1


def quarantine(tx: Transaction, what: Claimable, key: Any, *, now: datetime, error: str) -> bool:
    """Set a row aside until a person redrives it. True the first time only."""
    touched = tx.execute(
        f"""
        update {what.table} set quarantined_at = :now, last_error = :error, claim_token = null, claimed_until = null
         where {what.key} = cast(:key as {what.key_type}) and quarantined_at is null
        """,
        now=now,
        error=error[:2000],
        key=key,
    )
    return touched == 1


def redrive(tx: Transaction, what: Claimable, keys: Sequence[Any], *, now: datetime) -> int:
    """Clear the quarantine of rows and make them due; returns how many."""
    return tx.execute(
        f"""
        update {what.table} set quarantined_at = null, attempts = 0, next_ring_at = :now
         where {what.key} = any(cast(:keys as {what.key_type}[])) and quarantined_at is not null
        """,
        keys=list(keys),
        now=now,
    )


def due(
    tx: Transaction,
    what: Claimable,
    *,
    now: datetime,
    where: str = "true",
    first: str = "next_ring_at",
    longest_s: int = LONGEST_BACKOFF_S,
) -> list[Any]:
    """The keys of rows that wait for work, at most 500, in order, each pushed back so that the next sweep rings it later.

    `where` and `first` are fragments of the caller's own SQL (a condition and an ordering), never input.
    """
    rows = tx.all(
        f"""
        with chosen as (
               select {what.key} as chosen_key from {what.table}
                where next_ring_at <= :now and quarantined_at is null
                  and (claimed_until is null or claimed_until <= :now) and {where}
                order by {first} limit {MAX_RINGS_PER_SWEEP} for no key update skip locked),
             placed as (select chosen_key, row_number() over () as place from chosen),
             pushed as (
               update {what.table} set next_ring_at = cast(:now as timestamptz) + make_interval(
                          secs => least(cast(:longest_s as integer), {FIRST_BACKOFF_S} * power(2, least(attempts, 10))))
                 from placed where {what.key} = chosen_key
               returning {what.key} as key, place)
        select key from pushed order by place
        """,
        now=now,
        longest_s=longest_s,
    )
    return [row["key"] for row in rows]


def try_lease(tx: Transaction, name: str, *, holder: UUID, now: datetime, lasting: timedelta) -> bool:
    """Take the named lease if nobody holds it. Single-runner work begins with this and ends with `end_lease`."""
    return (
        tx.execute(
            """
            insert into leases (name, holder, held_until) values (:name, :holder, :until)
            on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
             where leases.held_until <= :now
            """,
            name=name,
            holder=holder,
            until=now + lasting,
            now=now,
        )
        == 1
    )


def try_leases(
    tx: Transaction, names: Sequence[str], *, holder: UUID, now: datetime, lasting: timedelta
) -> list[str]:
    """Take those of the named leases that nobody holds, in one statement; returns which, in the order asked for.

    No name holds a comma: they travel as one text, since the driver takes longer over an array than the server over its rows.
    """
    rows = tx.all(
        """
        insert into leases (name, holder, held_until)
        select name, :holder, :until from unnest(string_to_array(:names, ',')) as name order by name
        on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
         where leases.held_until <= :now
        returning name
        """,
        names=",".join(names),
        holder=holder,
        until=now + lasting,
        now=now,
    )
    taken = {row["name"] for row in rows}
    return [name for name in names if name in taken]


def end_leases(tx: Transaction, names: Sequence[str], *, holder: UUID) -> None:
    """Give leases back, those that are still ours."""
    tx.execute(
        "delete from leases where name = any(string_to_array(:names, ',')) and holder = :holder",
        names=",".join(names),
        holder=holder,
    )


def end_lease(tx: Transaction, name: str, *, holder: UUID) -> None:
    """Give the named lease back, if it is still ours."""
    tx.execute("delete from leases where name = :name and holder = :holder", name=name, holder=holder)
