"""SQL of the book. Open to orders and monitoring alone: they change positions, each in its own transaction.

Recording a fill never fails on a rule of the book: what cannot be attributed is stored all the same and marked.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.positions.model import Position, PositionStatus
from outcry.positions.pnl import Acknowledged
from outcry.runtime.database import Row, Transaction
from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan, plan_from_json, plan_to_json

_POSITION = """
    position_id, deployment_id, account_id, venue, network, position_key, market, cast(side as text) as side, status, size,
    acked_size, opened_size, entry_price, rules, stop_price, liquidation_price, peak, trail_price, targets_hit, crossed_since,
    protect_by, protected_at, exit_reason, opened_at, version, trace_id
"""


def position_from(row: Row) -> Position:
    """A position from its row."""
    fields = dict(row)
    fields["plan"] = plan_from_json(fields.pop("rules"))
    return Position(**{**fields, "side": Side(row["side"]), "status": PositionStatus(row["status"])})


def insert_opening(
    tx: Transaction,
    *,
    deployment_id: str,
    place: tuple[str, str, str, str, str],
    side: Side,
    plan: ExitPlan,
    leverage: Decimal,
    origin: str,
    now: datetime,
    trace_id: str,
) -> UUID:
    """Take a place. Raises UniqueViolation (one_owned_position_per_place) where it is taken already."""
    account_id, venue, network, position_key, market = place
    row = tx.one(
        """
        insert into positions (deployment_id, account_id, venue, network, position_key, market, side, origin, status, leverage,
                               rules, created_at, updated_at, trace_id)
        values (:deployment_id, :account_id, :venue, :network, :position_key, :market, cast(:side as side), :origin, 'OPENING',
                :leverage, cast(:rules as jsonb), :now, :now, :trace_id)
        returning position_id
        """,
        deployment_id=deployment_id,
        account_id=account_id,
        venue=venue,
        network=network,
        position_key=position_key,
        market=market,
        side=side.value,
        origin=origin,
        leverage=leverage,
        rules=json.dumps(plan_to_json(plan)),
        now=now,
        trace_id=trace_id,
    )
    assert row is not None
    position_id: UUID = row["position_id"]
    return position_id


def load(tx: Transaction, position_id: UUID, *, lock: bool = False) -> Position | None:
    """One position, or None; `lock` holds it until the transaction ends."""
    row = tx.one(
        f"select {_POSITION} from positions where position_id = :position_id {'for no key update' if lock else ''}",
        position_id=position_id,
    )
    return None if row is None else position_from(row)


def open_in(tx: Transaction, account_ids: Sequence[str]) -> list[Position]:
    """The owned positions of these accounts that still hold their place."""
    rows = tx.all(
        f"""
        select {_POSITION} from positions
         where account_id = any(cast(:account_ids as text[])) and is_owned and status not in ('CLOSED', 'ABANDONED')
         order by created_at
        """,
        account_ids=list(account_ids),
    )
    return [position_from(row) for row in rows]


def mark_absent(tx: Transaction, account_id: str, position_key: str, *, now: datetime) -> None:
    """The venue shows nothing in a place that we hold: the fills that say so are still to come."""
    tx.execute(
        """
        update positions set status = 'CLOSE_PENDING', updated_at = :now, version = version + 1
         where account_id = :account_id and position_key = :position_key and is_owned
           and status in ('OPEN', 'CLOSING', 'UNMANAGED')
        """,
        account_id=account_id,
        position_key=position_key,
        now=now,
    )


def reopen(tx: Transaction, position_id: UUID, *, now: datetime) -> None:
    """The venue shows what we hold after all: go on watching it, or closing it where an exit is at work."""
    tx.execute(
        """
        update positions p set status = case when exists (select 1 from orders o where o.position_id = p.position_id
                                                            and o.kind = 'exit' and o.finished_at is null)
                                             then 'CLOSING' else 'OPEN' end,
               updated_at = :now, version = version + 1
         where position_id = :position_id and status = 'CLOSE_PENDING'
        """,
        position_id=position_id,
        now=now,
    )


def mark_unmanaged(tx: Transaction, position_id: UUID, *, now: datetime) -> None:
    """Nobody can sign for a position that is held: people must look after it."""
    tx.execute(
        """
        update positions set status = 'UNMANAGED', updated_at = :now, version = version + 1
         where position_id = :position_id and status in ('OPEN', 'CLOSING')
        """,
        position_id=position_id,
        now=now,
    )


def mark_account_unmanaged(tx: Transaction, account_id: str, *, now: datetime) -> int:
    """Nobody can sign for an account: people must look after all that it holds. Returns how many positions were not so yet."""
    return tx.execute(
        """
        update positions set status = 'UNMANAGED', updated_at = :now, version = version + 1
         where account_id = :account_id and is_owned and status in ('OPEN', 'CLOSING')
        """,
        account_id=account_id,
        now=now,
    )


def manage_again(tx: Transaction, account_id: str, *, now: datetime) -> int:
    """Somebody can sign for the account again: its positions are watched, or closed where an exit is at work."""
    return tx.execute(
        """
        update positions p set status = case when exists (select 1 from orders o where o.position_id = p.position_id
                                                            and o.kind = 'exit' and o.finished_at is null)
                                             then 'CLOSING' else 'OPEN' end,
               updated_at = :now, version = version + 1
         where account_id = :account_id and is_owned and status = 'UNMANAGED'
        """,
        account_id=account_id,
        now=now,
    )


def without_levels(tx: Transaction, account_id: str) -> list[Position]:
    """Open positions of an account that nobody has given a stop price yet."""
    rows = tx.all(
        f"""
        select {_POSITION} from positions
         where account_id = :account_id and is_owned and status = 'OPEN' and stop_price is null and entry_price is not null
        """,
        account_id=account_id,
    )
    return [position_from(row) for row in rows]


def owner_of(tx: Transaction, account_id: str, venue: str, position_key: str) -> Position | None:
    """The owned position that holds a place now, or None."""
    row = tx.one(
        f"""
        select {_POSITION} from positions
         where account_id = :account_id and venue = :venue and position_key = :position_key
           and is_owned and status not in ('CLOSED', 'ABANDONED')
        """,
        account_id=account_id,
        venue=venue,
        position_key=position_key,
    )
    return None if row is None else position_from(row)


def latest_in_place(tx: Transaction, account_id: str, venue: str, position_key: str) -> Position | None:
    """The youngest owned position that a place ever had, gone or not."""
    row = tx.one(
        f"""
        select {_POSITION} from positions
         where account_id = :account_id and venue = :venue and position_key = :position_key and is_owned
         order by created_at desc limit 1
        """,
        account_id=account_id,
        venue=venue,
        position_key=position_key,
    )
    return None if row is None else position_from(row)


def update(tx: Transaction, position_id: UUID, *, now: datetime, **fields: Any) -> None:
    """Set columns of one position and count its version up. A position that has these values already is not written."""
    columns = "".join(f", {name} = :{name}" for name in fields)
    tx.execute(
        f"""
        update positions set updated_at = :now, version = version + 1{columns}
         where position_id = :position_id
           and ({", ".join(fields)}) is distinct from ({", ".join(f":{name}" for name in fields)})
        """,
        now=now,
        position_id=position_id,
        **fields,
    )


def abandon(tx: Transaction, position_id: UUID, *, reason: str, now: datetime) -> bool:
    """Give the place of an entry that came to nothing back. False where something is held after all, or ever was."""
    touched = tx.execute(
        """
        update positions set status = 'ABANDONED', exit_reason = :reason, closed_at = :now, updated_at = :now, version = version + 1
         where position_id = :position_id and status in ('OPENING', 'OPEN')
           and size = 0 and acked_size = 0 and opened_size = 0
        """,
        position_id=position_id,
        reason=reason,
        now=now,
    )
    return touched == 1


def begin_closing(tx: Transaction, position_id: UUID, *, reason: str, now: datetime) -> None:
    """Note that an exit is at work on an open position."""
    tx.execute(
        """
        update positions set status = 'CLOSING', exit_reason = :reason, updated_at = :now, version = version + 1
         where position_id = :position_id and status in ('OPEN', 'UNMANAGED')
        """,
        position_id=position_id,
        reason=reason,
        now=now,
    )


def mark_close_pending(tx: Transaction, position_id: UUID, *, now: datetime) -> None:
    """The venue shows nothing of ours; the fills that say so are still to come."""
    tx.execute(
        """
        update positions set status = 'CLOSE_PENDING', updated_at = :now, version = version + 1
         where position_id = :position_id and status in ('OPEN', 'CLOSING', 'UNMANAGED')
        """,
        position_id=position_id,
        now=now,
    )


def acknowledged_of(tx: Transaction, position_id: UUID) -> list[Acknowledged]:
    """What the venue acknowledged for this position's requests, against what the feed lists."""
    rows = tx.all(
        """
        select (o.kind = 'enter') = (o.side = 'LONG') as is_buy, a.acked_size,
               coalesce((select sum(f.size) from fills f where f.cloid = a.cloid and f.account_id = o.account_id), 0) as listed
          from actions a join orders o using (order_id)
         where o.position_id = :position_id and a.kind = 'place' and a.acked_size > 0
        """,
        position_id=position_id,
    )
    return [Acknowledged(row["is_buy"], row["acked_size"], row["listed"]) for row in rows]


def funding_of(tx: Transaction, position_id: UUID) -> Decimal:
    """Funding received less paid for this position, in US dollars: of each payment the share of our size in what the place held.

    Our size then is added up from the fills each time, so that one which is listed later than the payment corrects its share.
    """
    row = tx.one(
        """
        select coalesce(sum(case when g.held_size is null or g.held_size = 0 then g.amount_usd
                                 when ours.size >= g.held_size * ours.sign then g.amount_usd
                                 else round(g.amount_usd * greatest(ours.size, 0) / (g.held_size * ours.sign), 8) end), 0) as usd
          from funding_payments g
          join lateral (
               select coalesce(sum(case when f.is_buy = (p.side = 'LONG') then 1 else -1 end * coalesce(f.our_size, f.size)), 0) as size,
                      case p.side when 'LONG' then 1 else -1 end as sign
                 from positions p left join fills f on f.position_id = p.position_id and f.filled_at <= g.paid_at
                where p.position_id = g.position_id group by p.side) ours on true
         where g.position_id = :id
        """,
        id=position_id,
    )
    return Decimal(row["usd"]) if row else Decimal(0)


def leverage_of(tx: Transaction, position_id: UUID) -> Decimal:
    """The leverage that a position was entered with; 1 where it is not known."""
    row = tx.one(
        "select coalesce(leverage, 1) as leverage from positions where position_id = :id", id=position_id
    )
    return Decimal(row["leverage"]) if row else Decimal(1)
