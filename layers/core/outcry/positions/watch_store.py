"""SQL of watching the book: many positions read and written at once. Open to orders and monitoring alone.

Promises: a fixed number of statements however many positions; what a pass writes is written only to rows that nobody changed
since they were read. Many values travel as one text each: the driver takes longer over an array than the server over its rows.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from outcry.agents.model import Trailing
from outcry.positions.model import PositionStatus
from outcry.positions.standing import Standing
from outcry.runtime.database import Transaction
from outcry.runtime.side import Side

_STATUSES = {status.value: status for status in PositionStatus}
_SIDES = {side.value: side for side in Side}


class Moved(NamedTuple):
    """What a pass writes of a position, and the version that it was read with."""

    key: str
    version: int
    peak: Decimal
    trail_price: Decimal | None
    crossed_since: datetime | None


def standing(tx: Transaction, position_ids: Sequence[str]) -> list[Standing]:
    """These positions as they are now.

    All rows come as one value, because reading thousands of rows one by one takes the driver longer than everything else.
    """
    if not position_ids:
        return []
    row = tx.one(
        """
        select cast(json_agg(json_build_array(
                   position_id, account_id, venue, network, position_key, market, side, status, version,
                   cast(greatest(size + acked_size, 0) as text), cast(entry_price as text), cast(stop_price as text),
                   cast(liquidation_price as text), cast(peak as text), cast(trail_price as text), crossed_since, protected_at,
                   opened_at, rules ->> 'trailing', rules -> 'time_limit_s', rules ->> 'liquidation_buffer_frac', trace_id)) as text)
               as listed
          from positions where position_id = any(cast(string_to_array(:ids, ',') as uuid[]))
        """,
        ids=",".join(position_ids),
    )
    return [_standing(*values) for values in json.loads(row["listed"])] if row and row["listed"] else []


def _standing(
    key: str,
    account_id: str,
    venue: str,
    network: str,
    position_key: str,
    market: str,
    side: str,
    status: str,
    version: int,
    held: str,
    entry: str | None,
    stop: str | None,
    liquidation: str | None,
    peak: str | None,
    trail: str | None,
    crossed_since: str | None,
    protected_at: str | None,
    opened_at: str | None,
    trailing: str | None,
    time_limit_s: int | None,
    buffer: str,
    trace_id: str,
) -> Standing:
    number, moment = Decimal, datetime.fromisoformat
    return Standing(
        key,
        account_id,
        venue,
        network,
        position_key,
        market,
        _SIDES[side],
        _STATUSES[status],
        version,
        number(held),
        None if entry is None else number(entry),
        None if stop is None else number(stop),
        None if liquidation is None else number(liquidation),
        None if peak is None else number(peak),
        None if trail is None else number(trail),
        None if crossed_since is None else moment(crossed_since),
        None if protected_at is None else moment(protected_at),
        None if opened_at is None else moment(opened_at),
        None if trailing is None else _trailing(trailing),
        None if time_limit_s is None else timedelta(seconds=time_limit_s),
        number(buffer),
        trace_id,
    )


@lru_cache(maxsize=1024)
def _trailing(stored: str) -> Trailing:
    """A trail's rules are its agent's: thousands of positions share a few."""
    return Trailing(**{name: Decimal(value) for name, value in json.loads(stored).items()})


def write_watches(tx: Transaction, moved: Sequence[Moved], *, now: datetime) -> int:
    """Write what moved in a monitor's pass, in one statement: peak, trail, crossing time; rows that stood still are absent."""
    if not moved:
        return 0
    return tx.execute(
        """
        update positions p
           set peak = w.peak, trail_price = w.trail_price, crossed_since = w.crossed_since, updated_at = :now, version = p.version + 1
          from unnest(cast(string_to_array(:keys, ',') as uuid[]), cast(string_to_array(:versions, ',') as integer[]),
                      cast(string_to_array(:peaks, ',') as numeric[]), cast(string_to_array(:trails, ',', '') as numeric[]),
                      cast(string_to_array(:crossed, ',', '') as timestamptz[]))
               as w (position_id, version, peak, trail_price, crossed_since)
         where p.position_id = w.position_id and p.version = w.version
        """,
        keys=",".join([each.key for each in moved]),
        versions=",".join([str(each.version) for each in moved]),
        peaks=",".join([str(each.peak) for each in moved]),
        trails=",".join(["" if each.trail_price is None else str(each.trail_price) for each in moved]),
        crossed=",".join(
            ["" if each.crossed_since is None else each.crossed_since.isoformat() for each in moved]
        ),
        now=now,
    )


def write_liquidations(tx: Transaction, moved: Sequence[tuple[Standing, Decimal]], *, now: datetime) -> int:
    """Keep the liquidation prices that the venue names, of rows that nobody changed since they were read."""
    if not moved:
        return 0
    rows: list[dict[str, Any]] = [
        {"position_id": position.key, "version": position.version, "price": str(price)}
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
