"""SQL of the minute's measurement: one small statement for each question, all of them answered by an index. Private to this room.

Promises: reads only, and says zero where there is nothing, so that a figure that is missing means that nobody measured.
"""

from datetime import datetime, timedelta

from outcry.runtime.database import Row, Transaction

_HELD = "is_owned and status not in ('CLOSED', 'ABANDONED') and size + acked_size > 0"
_WAITS = "next_ring_at is not null and quarantined_at is null"
LONGEST_WAY = timedelta(hours=6)  # from a decision to its entry's fill; agents act on far younger calls
# from a fill to its stop; after the deadline a position is closed
LONGEST_UNPROTECTED = timedelta(minutes=15)


def book(tx: Transaction) -> list[Row]:
    """Per nature of money: how many positions hold something, and how much at their entry prices."""
    return tx.all(
        f"""
        select venue = 'paper' as is_paper, count(*) as positions,
               coalesce(sum((size + acked_size) * entry_price), 0) as exposure_usd
          from positions where {_HELD} group by venue = 'paper'
        """
    )


def realised_since(tx: Transaction, since: datetime) -> list[Row]:
    """Per nature of money: the profit of what was closed since then; positions whose profit is not known are left out."""
    return tx.all(
        """
        select venue = 'paper' as is_paper, coalesce(sum(realised_pnl_usd), 0) as realised_usd
          from positions where closed_at >= :since and is_owned group by venue = 'paper'
        """,
        since=since,
    )


def unprotected(tx: Transaction, *, now: datetime) -> Row:
    """How many held positions have no stop at the venue, and for how long the worst of them is overdue."""
    row = tx.one(
        f"""
        select count(*) as positions,
               coalesce(greatest(0, extract(epoch from cast(:now as timestamptz)
                                        - min(coalesce(protect_by, opened_at, created_at)))), 0) as overdue_s
          from positions where {_HELD} and protected_at is null
        """,
        now=now,
    )
    assert row is not None
    return row


def unknown(tx: Transaction, *, now: datetime) -> Row:
    """How many orders are UNKNOWN, and since when the oldest request among them was sent."""
    row = tx.one(
        """
        select count(*) as orders, coalesce(greatest(0, extract(epoch from cast(:now as timestamptz) - min(asked.sent_at))), 0)
                   as age_s
          from orders o
          left join lateral (select min(a.sent_at) as sent_at from actions a
                              where a.order_id = o.order_id and a.status in ('SENT', 'UNKNOWN')) asked on true
         where o.finished_at is null and o.status = 'UNKNOWN'
        """,
        now=now,
    )
    assert row is not None
    return row


def quarantined(tx: Transaction) -> int:
    """How many rows were set aside until a person looks. Fills of others, which are marked for good, are not among them."""
    row = tx.one(
        """
        select (select count(*) from posts where quarantined_at is not null)
             + (select count(*) from calls where quarantined_at is not null)
             + (select count(*) from orders where quarantined_at is not null)
             + (select count(*) from notices where quarantined_at is not null) as found
        """
    )
    assert row is not None
    return int(row["found"])


def waiting(tx: Transaction, *, now: datetime) -> list[Row]:
    """Per kind of work: the age of the oldest row that waits for it, in seconds. A stop that rests waits for nothing."""
    return tx.all(
        f"""
        with since as (
            select 'posts' as work, min(received_at) as oldest from posts where {_WAITS}
            union all select 'calls', min(heard_at) from calls where {_WAITS}
            union all select 'entries', min(created_at) from orders where kind = 'enter' and {_WAITS}
            union all select 'exits', min(created_at) from orders where kind = 'exit' and {_WAITS}
            union all select 'protections', min(created_at) from orders
                       where kind = 'protect' and status in ('PLANNED', 'APPROVED', 'WORKING', 'UNKNOWN') and {_WAITS}
            union all select 'notices', min(created_at) from notices where {_WAITS})
        select work, coalesce(greatest(0, extract(epoch from cast(:now as timestamptz) - oldest)), 0) as age_s from since
        """,
        now=now,
    )


def untold(tx: Transaction, *, now: datetime) -> Row:
    """How many notices nobody was told, and the age of the oldest page among them."""
    row = tx.one(
        f"""
        select count(*) as notices,
               coalesce(greatest(0, extract(epoch from cast(:now as timestamptz)
                                        - min(created_at) filter (where level = 'page'))), 0) as page_age_s
          from notices where told_at is null and {_WAITS}
        """,
        now=now,
    )
    assert row is not None
    return row


def heartbeats(tx: Transaction, *, now: datetime) -> dict[str, float]:
    """Seconds since each stage last ran to its end."""
    rows = tx.all(
        """
        select stage, extract(epoch from greatest(interval '0', cast(:now as timestamptz) - beat_at)) as age_s
          from heartbeats
        """,
        now=now,
    )
    return {row["stage"]: row["age_s"] for row in rows}


def connections_percent(tx: Transaction) -> Row:
    """How much of what the database gives to ordinary roles is connected, by any role, to any database of the server.

    Counted from pg_stat_database, which tells every role the same: pg_stat_activity hides from a role what the sessions of
    roles are that it is no member of. A worker of the server's own in a database, such as autovacuum's, counts as one more.
    """
    row = tx.one(
        """
        select 100.0 * sum(numbackends) / (cast(current_setting('max_connections') as integer)
                   - cast(current_setting('superuser_reserved_connections') as integer)
                   - coalesce(cast(current_setting('reserved_connections', true) as integer), 0)) as percent
          from pg_stat_database
        """
    )
    assert row is not None
    return row


def post_to_fill_ms(tx: Transaction, since: datetime, until: datetime) -> list[float]:
    """For each entry that ended filled in that time: from its post's publication to its first fill."""
    rows = tx.all(
        """
        select extract(epoch from greatest(interval '0', f.first_at - p.created_at)) * 1000 as took_ms
          from signals s
          join orders o on o.signal_id = s.signal_id and o.kind = 'enter'
          join calls c on c.call_id = s.call_id
          join posts p on p.post_id = c.post_id
          join lateral (select min(filled_at) as first_at from fills where order_id = o.order_id) f on f.first_at is not null
         where s.decided_at > :earliest and s.status = 'TAKEN'
           and o.finished_at > :since and o.finished_at <= :until
         order by o.finished_at
        """,
        earliest=since - LONGEST_WAY,
        since=since,
        until=until,
    )
    return [row["took_ms"] for row in rows]


def fill_to_stop_ms(tx: Transaction, since: datetime, until: datetime, *, stop_leg: str) -> list[float]:
    """For each position whose first stop was acknowledged in that time: from its first fill to then."""
    rows = tx.all(
        """
        select extract(epoch from greatest(interval '0', a.answered_at - p.opened_at)) * 1000 as took_ms
          from positions p
          join orders o on o.position_id = p.position_id and o.kind = 'protect' and o.leg = :stop_leg and o.sequence = 0
          join actions a on a.order_id = o.order_id and a.kind = 'place' and a.status = 'ACKED'
         where (p.status not in ('CLOSED', 'ABANDONED') or p.closed_at > :earliest)
           and p.is_owned and p.opened_at > :earliest
           and a.answered_at > :since and a.answered_at <= :until
         order by a.answered_at
        """,
        stop_leg=stop_leg,
        earliest=since - LONGEST_UNPROTECTED,
        since=since,
        until=until,
    )
    return [row["took_ms"] for row in rows]
