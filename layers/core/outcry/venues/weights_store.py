"""SQL of the request weights that were used, by venue, address and minute. Private to this room."""

from datetime import datetime

from outcry.runtime.database import Transaction

_MINUTE_S = 60


def book(tx: Transaction, venue: str, egress: str, *, now: datetime, weight: int, at_least: int) -> int:
    """Add to the minute (below zero: give back), no less than `at_least` in all; returns what a moving minute has used.

    Minutes that nobody asks about any more go in the same statement, those aside that somebody else is removing.
    """
    row = tx.one(
        """
        with gone as (
            delete from venue_weights
             where (venue, egress, minute) in (
                 select venue, egress, minute from venue_weights
                  where venue = :venue and egress = :egress
                    and minute < date_trunc('minute', cast(:now as timestamptz)) - interval '10 minutes'
                    for update skip locked)
        ), last as (
            select weight from venue_weights
             where venue = :venue and egress = :egress
               and minute = date_trunc('minute', cast(:now as timestamptz)) - interval '1 minute'
        )
        insert into venue_weights as w (venue, egress, minute, weight)
        values (:venue, :egress, date_trunc('minute', cast(:now as timestamptz)), greatest(:weight, :at_least, 0))
        on conflict (venue, egress, minute) do update set weight = greatest(w.weight + :weight, :at_least, 0)
        returning weight as this, coalesce((select weight from last), 0) as last
        """,
        venue=venue,
        egress=egress,
        now=now,
        weight=weight,
        at_least=at_least,
    )
    assert row is not None, "an upsert returns its row"
    gone_s = now.second + now.microsecond / 1_000_000
    return int(row["this"]) + int(int(row["last"]) * (1 - gone_s / _MINUTE_S))
