"""SQL of the book. Open to orders and monitoring alone: they change positions, each in its own transaction.

Recording a fill never fails on a rule of the book: what cannot be attributed is stored all the same and marked.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.positions.model import Position, PositionStatus
from outcry.positions.pnl import Acknowledged, BookedFill
from outcry.runtime.database import Row, Transaction
from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan, plan_from_json, plan_to_json

_POSITION = """
    position_id, deployment_id, account_id, venue, network, position_key, market, cast(side as text) as side, status, size,
    acked_size, opened_size, entry_price, rules, stop_price, liquidation_price, peak, trail_price, targets_hit, crossed_since,
    protect_by, protected_at, exit_reason, opened_at, version, trace_id
"""
# What is written when a place is taken and never again; a statement that changes one of these must end `known` of `load_many`.
_CONSTANT = """
    position_id, deployment_id, account_id, venue, network, position_key, market, side, rules, trace_id
"""
_CHANGING = """
    status, targets_hit, exit_reason, version, cast(size as text), cast(acked_size as text), cast(opened_size as text),
    cast(entry_price as text), cast(stop_price as text), cast(liquidation_price as text), cast(peak as text),
    cast(trail_price as text), crossed_since, protect_by, protected_at, opened_at
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
        f"select {_POSITION} from positions where position_id = :position_id {'for update' if lock else ''}",
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


def load_many(
    tx: Transaction, position_ids: Sequence[str], known: Mapping[str, Position]
) -> dict[str, Position]:
    """These positions by id, as they are now. Of those in `known` only what can change is read again.

    All rows come as one value, because reading thousands of rows one by one takes the driver longer than everything else.
    """
    found: dict[str, Position] = {}
    fresh = [key for key in position_ids if key not in known]
    if fresh:
        for constant, changing in _listed(
            tx, f"json_build_array({_CONSTANT}), json_build_array({_CHANGING})", fresh
        ):
            found[constant[0]] = _position(_constants(constant), changing)
    rest = [key for key in position_ids if key in known]
    if rest:
        for key, changing in _listed(tx, f"position_id, json_build_array({_CHANGING})", rest):
            found[key] = _position(known[key], changing)
    return found


def _listed(tx: Transaction, columns: str, position_ids: Sequence[str]) -> list[Any]:
    row = tx.one(
        f"""
        select cast(json_agg(json_build_array({columns})) as text) as listed from positions
         where position_id = any(cast(string_to_array(:ids, ',') as uuid[]))
        """,
        ids=",".join(position_ids),
    )
    return json.loads(row["listed"]) if row and row["listed"] else []


def _constants(row: Sequence[Any]) -> Position:
    """A position with what never changes, to be filled with what does."""
    key, deployment_id, account_id, venue, network, position_key, market, side, rules, trace_id = row
    zero = Decimal(0)
    return Position(
        position_id=UUID(key),
        deployment_id=deployment_id,
        account_id=account_id,
        venue=venue,
        network=network,
        position_key=position_key,
        market=market,
        side=Side(side),
        status=PositionStatus.OPENING,
        size=zero,
        acked_size=zero,
        opened_size=zero,
        entry_price=None,
        plan=plan_from_json(rules),
        stop_price=None,
        liquidation_price=None,
        peak=None,
        trail_price=None,
        targets_hit=0,
        crossed_since=None,
        protect_by=None,
        protected_at=None,
        exit_reason=None,
        opened_at=None,
        version=-1,
        trace_id=trace_id,
    )


def _position(constant: Position, row: Sequence[Any]) -> Position:
    """The position with its changing columns, in the order of `_CHANGING`."""
    status, targets_hit, exit_reason, version, size, acked_size, opened_size = row[:7]
    entry, stop, liquidation, peak, trail = row[7:12]
    crossed_since, protect_by, protected_at, opened_at = row[12:]
    number, moment = Decimal, datetime.fromisoformat
    return Position(
        constant.position_id,
        constant.deployment_id,
        constant.account_id,
        constant.venue,
        constant.network,
        constant.position_key,
        constant.market,
        constant.side,
        PositionStatus(status),
        number(size),
        number(acked_size),
        number(opened_size),
        None if entry is None else number(entry),
        constant.plan,
        None if stop is None else number(stop),
        None if liquidation is None else number(liquidation),
        None if peak is None else number(peak),
        None if trail is None else number(trail),
        targets_hit,
        None if crossed_since is None else moment(crossed_since),
        None if protect_by is None else moment(protect_by),
        None if protected_at is None else moment(protected_at),
        exit_reason,
        None if opened_at is None else moment(opened_at),
        version,
        constant.trace_id,
    )


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
    """Set columns of one position and count its version up."""
    columns = "".join(f", {name} = :{name}" for name in fields)
    tx.execute(
        f"update positions set updated_at = :now, version = version + 1{columns} where position_id = :position_id",
        now=now,
        position_id=position_id,
        **fields,
    )


def abandon(tx: Transaction, position_id: UUID, *, reason: str, now: datetime) -> bool:
    """Give the place of an entry that came to nothing back. False where something is held after all."""
    touched = tx.execute(
        """
        update positions set status = 'ABANDONED', exit_reason = :reason, closed_at = :now, updated_at = :now, version = version + 1
         where position_id = :position_id and status = 'OPENING' and size = 0 and acked_size = 0
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


def fills_of(tx: Transaction, position_id: UUID) -> list[BookedFill]:
    """The position's fills, oldest first."""
    rows = tx.all(
        "select is_buy, price, size, fee_usd from fills where position_id = :position_id order by filled_at, fill_key",
        position_id=position_id,
    )
    return [BookedFill(row["is_buy"], row["price"], row["size"], row["fee_usd"]) for row in rows]


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
    """Funding received less paid for this position, in US dollars."""
    row = tx.one(
        "select coalesce(sum(amount_usd), 0) as usd from funding_payments where position_id = :id",
        id=position_id,
    )
    return Decimal(row["usd"]) if row else Decimal(0)


def write_watches(tx: Transaction, changes: Iterable[dict[str, Any]], *, now: datetime) -> int:
    """Write what moved in a monitor's pass, in one statement: peak, trail, crossing time; rows that stood still are absent."""
    rows = list(changes)
    if not rows:
        return 0
    return tx.execute(
        """
        update positions p
           set peak = w.peak, trail_price = w.trail_price, crossed_since = w.crossed_since, updated_at = :now, version = p.version + 1
          from jsonb_to_recordset(cast(:rows as jsonb))
               as w (position_id uuid, version integer, peak numeric, trail_price numeric, crossed_since timestamptz)
         where p.position_id = w.position_id and p.version = w.version
        """,
        rows=json.dumps(rows, default=str),
        now=now,
    )


def write_liquidations(tx: Transaction, moved: Sequence[tuple[Position, Decimal]], *, now: datetime) -> int:
    """Keep the liquidation prices that the venue names, of rows that nobody changed since they were read."""
    if not moved:
        return 0
    rows = [
        {"position_id": str(position.position_id), "version": position.version, "price": str(price)}
        for position, price in moved
    ]
    return tx.execute(
        """
        update positions p set liquidation_price = r.price, updated_at = :now, version = p.version + 1
          from jsonb_to_recordset(cast(:rows as jsonb)) as r (position_id uuid, version integer, price numeric)
         where p.position_id = r.position_id and p.version = r.version
        """,
        rows=json.dumps(rows),
        now=now,
    )
