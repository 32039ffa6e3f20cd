"""SQL of a load run: calls to trade on, how far the ledger is, and how long its orders took. Reads the ledger's tables, writes none."""

from collections.abc import Sequence
from datetime import datetime

from local.load.desks import AUTHOR, Place
from outcry.runtime.database import Row, Transaction


def insert_signals(tx: Transaction, wanted: Sequence[Place], *, now: datetime) -> list[int]:
    """A post, a call and a signal for each of these places; the signals' ids in their order."""
    rows = tx.all(
        """
        with wanted as (select agent, market, row_number() over () as n
                          from unnest(cast(:agents as text[]), cast(:markets as text[])) as w (agent, market)),
        last as (select coalesce(max(post_id), 5000) as id from posts),
        heard as (
            insert into posts (post_id, edit_id, author_id, text, kind, created_at, received_at, source, raw, trace_id, status)
            select last.id + n, last.id + n, :author, 'a call', 'original', :now, :now, 'poll', '{}', 'load', 'CLASSIFIED'
              from wanted, last returning post_id
        ), called as (
            insert into calls (post_id, author_id, token, token_as_written, side, action, conviction, evidence, classifier,
                               heard_at, trace_id, status)
            select last.id + n, :author, market, market, 'LONG', 'OPEN', 0.9, 'a call', 'load', :now, 'load', 'DECIDED'
              from wanted, last where (select count(*) from heard) >= 0 returning call_id, post_id
        ), signalled as (
            insert into signals (agent_id, call_id, post_ids, token, side, action, status, breakdown, decided_at, trace_id)
            select w.agent, c.call_id, array[c.post_id], w.market, 'LONG', 'OPEN', 'TAKEN', '{}', :now, 'load'
              from called c, last, wanted w where c.post_id = last.id + w.n returning signal_id, post_ids
        )
        select signal_id from signalled order by post_ids
        """,
        agents=[place.agent for place in wanted],
        markets=[place.market for place in wanted],
        author=AUTHOR,
        now=now,
    )
    return [row["signal_id"] for row in rows]


def busy_places(tx: Transaction) -> dict[tuple[str, str], bool]:
    """Every place (account, market) in which something is, and whether that is a position that rests: open, protected, nothing under way.

    Whatever place is missing is free: nothing is held there and no order is on its way.
    """
    rows = tx.all(
        """
        select account_id, market, bool_or(rests) and not bool_or(works) as is_held
          from (select account_id, market, status = 'OPEN' and protected_at is not null as rests, false as works
                  from positions where is_owned and status not in ('CLOSED', 'ABANDONED')
                union all
                select o.account_id, o.market, false, o.status <> 'RESTING' or p.status in ('CLOSED', 'ABANDONED')
                  from orders o left join positions p using (position_id) where o.finished_at is null) as found
         group by 1, 2
        """
    )
    return {(row["account_id"], row["market"]): row["is_held"] for row in rows}


def overdue(tx: Transaction, *, late: datetime, now: datetime) -> list[Row]:
    """What the sweep would ring: orders that were due before `late` and that nobody holds."""
    return tx.all(
        """
        select order_id, kind from orders
         where next_ring_at <= :late and finished_at is null and quarantined_at is null
           and (claimed_until is null or claimed_until < :now)
         order by kind = 'enter', next_ring_at limit 500
        """,
        late=late,
        now=now,
    )


def count_orders(tx: Transaction) -> list[Row]:
    """How many orders there are, by kind and status."""
    return tx.all("select kind, status, reason, count(*) as n from orders group by 1, 2, 3 order by 1, 2, 3")


def total_orders(tx: Transaction) -> int:
    """How many orders there are."""
    row = tx.one("select count(*) as n from orders")
    return int(row["n"]) if row else 0


def unfinished(tx: Transaction) -> int:
    """Orders that are neither at their end nor resting at the venue."""
    row = tx.one("select count(*) as n from orders where finished_at is null and status <> 'RESTING'")
    return int(row["n"]) if row else 0


def left_over(tx: Transaction, *, now: datetime) -> Row:
    """What should not be there after a run: claims that lapsed with their work unfinished, rows set aside, messages of pages."""
    row = tx.one(
        """
        select (select count(*) from orders where claim_token is not null and claimed_until < :now and finished_at is null) as lapsed,
               (select count(*) from orders where quarantined_at is not null) as quarantined,
               (select count(*) from fills where quarantine is not null) as fills_quarantined,
               (select count(*) from notices where level = 'page') as pages
        """,
        now=now,
    )
    assert row is not None
    return row


def nonces(tx: Transaction) -> Row:
    """Requests, signers, nonces and client ids that more than one request has, and nonces above their signer's row.

    A no-op shares the nonce of what it kills.
    """
    row = tx.one(
        """
        with own as (select signer_address, nonce from actions where kind <> 'noop')
        select (select count(*) from actions) as requests,
               (select count(distinct signer_address) from actions) as signers,
               (select count(*) from (select 1 from own group by signer_address, nonce having count(*) > 1) as t) as doubled,
               (select count(*) from (select 1 from actions where kind = 'place' group by cloid having count(*) > 1) as t)
                   as doubled_cloids,
               (select count(*) from actions a join signers s using (signer_id) where a.nonce > s.last_nonce) as beyond
        """
    )
    assert row is not None
    return row


def exit_latencies_s(tx: Transaction, *, since: datetime, until: datetime) -> list[float]:
    """For each exit planned in this time: seconds from its row to the moment when its last fill was recorded."""
    rows = tx.all(
        """
        select extract(epoch from max(f.recorded_at) - o.created_at) as s from orders o join fills f using (order_id)
         where o.kind = 'exit' and o.created_at >= :since and o.created_at < :until group by o.order_id, o.created_at
        """,
        since=since,
        until=until,
    )
    return [float(row["s"]) for row in rows]


def entry_latencies_s(tx: Transaction) -> list[float]:
    """For each entry that was filled: seconds from its row to the stop that rests over it."""
    rows = tx.all(
        """
        select extract(epoch from s.answered_at - o.created_at) as s
          from orders o join orders p on p.position_id = o.position_id and p.kind = 'protect' and p.leg = 'stop' and p.sequence = 0
               join actions s on s.order_id = p.order_id and s.kind = 'place' and s.status = 'ACKED'
         where o.kind = 'enter' and o.status in ('FILLED', 'PARTIAL_DONE')
        """
    )
    return [float(row["s"]) for row in rows]
