"""SQL of watching the book: many positions read and written at once. Open to orders and monitoring alone.

Promises: a fixed number of statements however many positions; what a pass writes is written only to rows that nobody changed
since they were read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.positions.model import Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_from_json

# What is written when a place is taken and never again; a statement that changes one of these must end `known` of `load_many`.
_CONSTANT = """
    position_id, deployment_id, account_id, venue, network, position_key, market, side, rules, trace_id
"""
_CHANGING = """
    status, targets_hit, exit_reason, version, cast(size as text), cast(acked_size as text), cast(opened_size as text),
    cast(entry_price as text), cast(stop_price as text), cast(liquidation_price as text), cast(peak as text),
    cast(trail_price as text), crossed_since, protect_by, protected_at, opened_at
"""


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
