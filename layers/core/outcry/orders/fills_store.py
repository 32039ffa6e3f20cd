"""SQL of the fill feed: what was executed, and to which order and position it belongs. Private to this room."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.runtime.database import Row, Transaction
from outcry.venues.port import FundingPayment, VenueFill


def read_to(tx: Transaction, account_id: str) -> tuple[datetime, datetime]:
    """Up to which time the account's fills and funding were read; at first since the account is known."""
    row = tx.one(
        """
        select coalesce(fills_read_to, created_at) as fills, coalesce(funding_read_to, created_at) as funding
          from accounts where account_id = :account_id
        """,
        account_id=account_id,
    )
    assert row is not None, "an order names an account that exists"
    return row["fills"], row["funding"]


def insert_new(
    tx: Transaction, account_id: str, venue: str, network: str, fills: Sequence[VenueFill], *, now: datetime
) -> list[Row]:
    """Store the fills that are not known yet, each with the order that its client or venue id names; returns those.

    `trace_id` is that of the order; None for a fill of others.
    """
    rows = [
        {
            "fill_id": fill.fill_id,
            "market": fill.market,
            "is_buy": fill.is_buy,
            "price": str(fill.price),
            "size": str(fill.size),
            "fee_usd": str(fill.fee_usd),
            "venue_pnl_usd": str(fill.venue_pnl_usd),
            "size_before": str(fill.size_before),
            "cloid": fill.cloid,
            "venue_order_id": fill.venue_order_id,
            "is_liquidation": fill.is_liquidation,
            "filled_at": fill.filled_at.isoformat(),
        }
        for fill in fills
    ]
    if not rows:
        return []
    return tx.all(
        """
        with listed as (
            select * from jsonb_to_recordset(cast(:rows as jsonb)) as f (
                fill_id text, market text, is_buy boolean, price numeric, size numeric, fee_usd numeric, venue_pnl_usd numeric,
                size_before numeric, cloid text, venue_order_id text, is_liquidation boolean, filled_at timestamptz)
        ), owned as (
            select f.*, o.order_id, o.position_id
              from listed f
              left join lateral (
                  select a.order_id from actions a join orders ao using (order_id)
                   where a.kind = 'place' and ao.account_id = :account_id
                     and (a.cloid = f.cloid or (f.cloid is null and a.venue_order_id = f.venue_order_id))
                   limit 1) a on true
              left join orders o on o.order_id = a.order_id
        ), stored as (
            insert into fills (account_id, venue, network, fill_id, order_id, position_id, market, position_key, is_buy, price, size,
                               fee_usd, venue_pnl_usd, size_before, cloid, venue_order_id, is_liquidation, filled_at, recorded_at)
            select :account_id, :venue, :network, fill_id, order_id, position_id, market, market, is_buy, price, size,
                   fee_usd, venue_pnl_usd, size_before, cloid, venue_order_id, is_liquidation, filled_at, :now
              from owned order by filled_at
            on conflict (account_id, venue, fill_id) do nothing
            returning fill_key, fill_id, order_id, position_id, market, position_key, is_buy, size, size_before, is_liquidation,
                      filled_at)
        select stored.*, o.trace_id from stored left join orders o using (order_id) order by fill_key
        """,
        rows=json.dumps(rows),
        account_id=account_id,
        venue=venue,
        network=network,
        now=now,
    )


def attribute(tx: Transaction, fill_key: int, position_id: UUID, *, our_size: Decimal) -> None:
    """Give a fill without an order of ours to the position that it reduced, as far as that held anything."""
    tx.execute(
        "update fills set position_id = :position_id, our_size = :our_size where fill_key = :fill_key",
        position_id=position_id,
        our_size=our_size,
        fill_key=fill_key,
    )


def reserve_again(tx: Transaction, position_id: UUID) -> None:
    """Hold what a position's entry had reserved: it was given back too early."""
    tx.execute(
        "update reservations set released_at = null where position_id = :position_id", position_id=position_id
    )


def mark_foreign(tx: Transaction, fill_key: int, why: str) -> None:
    """Note why a fill belongs to no position of ours."""
    tx.execute("update fills set quarantine = :why where fill_key = :fill_key", why=why, fill_key=fill_key)


def size_until(tx: Transaction, position_id: UUID, fill_key: int, opens_by_buying: bool) -> Decimal:
    """What the position's fills added up to before the given one."""
    row = tx.one(
        """
        select coalesce(sum(case when is_buy = :opens_by_buying then 1 else -1 end * coalesce(our_size, size)), 0) as size
          from fills where position_id = :position_id and fill_key < :fill_key
        """,
        position_id=position_id,
        fill_key=fill_key,
        opens_by_buying=opens_by_buying,
    )
    return Decimal(row["size"]) if row else Decimal(0)


def move_cursor(
    tx: Transaction, account_id: str, *, fills_to: datetime | None = None, funding_to: datetime | None = None
) -> None:
    """Remember how far the feeds were read; never backwards."""
    tx.execute(
        """
        update accounts set fills_read_to = greatest(fills_read_to, cast(:fills_to as timestamptz)),
                            funding_read_to = greatest(funding_read_to, cast(:funding_to as timestamptz))
         where account_id = :account_id
        """,
        account_id=account_id,
        fills_to=fills_to,
        funding_to=funding_to,
    )


def sum_orders(tx: Transaction, order_ids: Sequence[UUID], *, now: datetime) -> None:
    """Set the filled size and average price of orders from their fills, and make resting ones due for a look."""
    tx.execute(
        """
        update orders o set filled_size = s.size, average_price = s.usd / s.size, updated_at = :now,
               next_ring_at = case when o.finished_at is null then :now else o.next_ring_at end
          from (select order_id, sum(size) as size, sum(size * price) as usd from fills
                 where order_id = any(cast(:order_ids as uuid[])) group by order_id) s
         where o.order_id = s.order_id
        """,
        order_ids=[str(order_id) for order_id in order_ids],
        now=now,
    )


def insert_funding(
    tx: Transaction, account_id: str, venue: str, payments: Sequence[FundingPayment], *, now: datetime
) -> list[UUID]:
    """Store new funding, each payment with the position that held the market then; returns those positions."""
    rows = [
        {"market": p.market, "amount_usd": str(p.amount_usd), "paid_at": p.paid_at.isoformat()}
        for p in payments
    ]
    if not rows:
        return []
    touched = tx.all(
        """
        insert into funding_payments (account_id, venue, market, paid_at, amount_usd, position_id, recorded_at)
        select :account_id, :venue, f.market, f.paid_at, f.amount_usd, p.position_id, :now
          from jsonb_to_recordset(cast(:rows as jsonb)) as f (market text, amount_usd numeric, paid_at timestamptz)
          left join lateral (
              select position_id from positions
               where account_id = :account_id and venue = :venue and market = f.market and is_owned
                 and opened_at <= f.paid_at and (closed_at is null or closed_at >= f.paid_at)
               order by opened_at desc limit 1) p on true
        on conflict do nothing
        returning position_id
        """,
        rows=json.dumps(rows),
        account_id=account_id,
        venue=venue,
        now=now,
    )
    return [row["position_id"] for row in touched if row["position_id"] is not None]


def last_closing(tx: Transaction, position_id: UUID, closes_by_buying: bool) -> Row | None:
    """The position's last closing fill: its time, whether it was a liquidation, and the order behind it."""
    return tx.one(
        """
        select f.filled_at, f.is_liquidation, o.kind, o.leg, o.plan ->> 'reason' as reason
          from fills f left join orders o using (order_id)
         where f.position_id = :position_id and f.is_buy = :closes_by_buying
         order by f.filled_at desc, f.fill_key desc limit 1
        """,
        position_id=position_id,
        closes_by_buying=closes_by_buying,
    )


def first_fill_at(tx: Transaction, position_id: UUID) -> datetime | None:
    """When the position's first fill was executed."""
    row = tx.one(
        "select min(filled_at) as at from fills where position_id = :position_id", position_id=position_id
    )
    return row["at"] if row else None


def targets_hit(tx: Transaction, position_id: UUID) -> int:
    """How many take-profit steps have fills."""
    row = tx.one(
        """
        select count(distinct o.leg) as hit from fills f join orders o using (order_id)
         where o.position_id = :position_id and o.kind = 'protect' and o.leg like 'tp%'
        """,
        position_id=position_id,
    )
    return int(row["hit"]) if row else 0


def has_unfinished_entry(tx: Transaction, position_id: UUID) -> bool:
    """Whether an entry of this position may still bring size."""
    row = tx.one(
        """
        select exists (select 1 from orders o
                        where o.position_id = :position_id and o.kind = 'enter' and o.finished_at is null
                          and not exists (select 1 from actions a where a.order_id = o.order_id and a.kind = 'place'
                                             and a.attempt = o.attempt and a.status = 'ACKED')) as found
        """,
        position_id=position_id,
    )
    return bool(row and row["found"])


def release(tx: Transaction, position_id: UUID, *, now: datetime) -> None:
    """Give back what the position's entry had reserved."""
    tx.execute(
        "update reservations set released_at = :now where position_id = :position_id and released_at is null",
        position_id=position_id,
        now=now,
    )


def shrink_reservation(
    tx: Transaction, position_id: UUID, *, notional_usd: Decimal, planned_usd: Decimal
) -> None:
    """Hold only what was really entered, once an entry is final: the reserved sums scale with its notional."""
    tx.execute(
        """
        update reservations set notional_usd = notional_usd * :share, margin_usd = margin_usd * :share, risk_usd = risk_usd * :share
         where position_id = :position_id and released_at is null
        """,
        share=min(notional_usd / planned_usd, Decimal(1)),
        position_id=position_id,
    )


def wake_protections(tx: Transaction, position_id: UUID, *, now: datetime) -> list[Any]:
    """Make the position's unfinished protections due, so that they are looked up and brought to their end."""
    rows = tx.all(
        """
        update orders set next_ring_at = :now where position_id = :position_id and kind = 'protect' and finished_at is null
        returning order_id
        """,
        position_id=position_id,
        now=now,
    )
    return [row["order_id"] for row in rows]
