"""SQL of the fill feed: what was executed, and to which order and position it belongs. Private to this room."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.runtime.database import Row, Transaction
from outcry.venues.port import FundingPayment, VenueFill


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """Up to which time the account's fills were read, at first since the account is known; and the youngest fills that are stored."""

    fills_to: datetime
    known: frozenset[str]


def fills_read_to(tx: Transaction, account_id: str, *, overlap: timedelta) -> ReadSoFar:
    """How far the account's fills were read, and which are stored of those that `overlap` lists again."""
    row = tx.one(
        """
        select coalesce(a.fills_read_to, a.created_at) as fills_to,
               array(select f.fill_id from fills f
                      where f.account_id = a.account_id and f.venue = a.venue
                        and f.filled_at >= coalesce(a.fills_read_to, a.created_at) - cast(:overlap as interval)) as known
          from accounts a where a.account_id = :account_id
        """,
        account_id=account_id,
        overlap=overlap,
    )
    assert row is not None, "an order names an account that exists"
    return ReadSoFar(row["fills_to"], frozenset(row["known"]))


def funding_read_to(tx: Transaction, account_id: str) -> datetime:
    """Up to which time the account's funding was read; at first since the account is known."""
    row = tx.one(
        "select coalesce(funding_read_to, created_at) as funding_to from accounts where account_id = :account_id",
        account_id=account_id,
    )
    assert row is not None, "an order names an account that exists"
    return row["funding_to"]  # type: ignore[no-any-return]


def insert_new(
    tx: Transaction, account_id: str, venue: str, network: str, fills: Sequence[VenueFill], *, now: datetime
) -> list[Row]:
    """Store the fills that are not known yet, each with the order that its client or venue id names; returns those.

    `trace_id` is that of the order; None for a fill of others. How far the feed was read moves along, never backwards.
    """
    if not fills:
        return []
    return tx.all(
        """
        with moved as (
            update accounts set fills_read_to = :read_to
             where account_id = :account_id and (fills_read_to is null or fills_read_to < :read_to)
        ), listed as (
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
        rows=json.dumps([_listed(fill) for fill in fills]),
        read_to=max(fill.filled_at for fill in fills),
        account_id=account_id,
        venue=venue,
        network=network,
        now=now,
    )


def _listed(fill: VenueFill) -> dict[str, Any]:
    return {
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


def booked(tx: Transaction, position_id: UUID) -> list[Row]:
    """The position's fills, oldest first: each with the share that is ours, and with the order behind it."""
    return tx.all(
        """
        select f.is_buy, f.price, coalesce(f.our_size, f.size) as size, f.fee_usd * coalesce(f.our_size, f.size) / f.size as fee_usd,
               f.filled_at, f.is_liquidation, o.kind, o.leg, o.plan ->> 'reason' as reason
          from fills f left join orders o using (order_id)
         where f.position_id = :position_id order by f.filled_at, f.fill_key
        """,
        position_id=position_id,
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


def leave_to_others(tx: Transaction, fill_key: int, why: str) -> None:
    """Take a fill of an order of ours out of its position: it opened nothing."""
    tx.execute(
        "update fills set position_id = null, quarantine = :why where fill_key = :fill_key",
        why=why,
        fill_key=fill_key,
    )


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


def move_funding(tx: Transaction, account_id: str, read_to: datetime) -> None:
    """Remember how far the account's funding was read; never backwards."""
    tx.execute(
        """
        update accounts set funding_read_to = :read_to
         where account_id = :account_id and (funding_read_to is null or funding_read_to < :read_to)
        """,
        account_id=account_id,
        read_to=read_to,
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
        {
            "market": p.market,
            "amount_usd": str(p.amount_usd),
            "paid_at": p.paid_at.isoformat(),
            "held_size": None if p.held_size is None else str(p.held_size),
        }
        for p in payments
    ]
    if not rows:
        return []
    touched = tx.all(
        """
        insert into funding_payments (account_id, venue, market, paid_at, amount_usd, held_size, position_id, recorded_at)
        select :account_id, :venue, f.market, f.paid_at, f.amount_usd, f.held_size, p.position_id, :now
          from jsonb_to_recordset(cast(:rows as jsonb))
               as f (market text, amount_usd numeric, paid_at timestamptz, held_size numeric)
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


def executed(tx: Transaction, order_id: UUID) -> tuple[Decimal, Decimal | None]:
    """What the feed lists of an order, and what was acknowledged for its latest attempt; None: nothing was."""
    row = tx.one(
        """
        select filled_size, (select acked_size from actions a
                              where a.order_id = o.order_id and a.attempt = o.attempt and a.kind = 'place') as acked_size
          from orders o where order_id = :order_id
        """,
        order_id=order_id,
    )
    assert row is not None, "orders are never deleted"
    return row["filled_size"], row["acked_size"]


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
