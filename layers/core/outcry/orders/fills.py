"""Fills and funding, read from the venue's feeds and booked: the only source of sizes and of profit.

Promises:
- A fill is stored once, whoever reads it and however often. Storing never fails on a rule of the book: what belongs to no
  position is kept and marked.
- A position is closed only when its fills bring our size to zero; its profit is fills, fees and funding.
- A fill that no order of ours explains is given to our position only as far as it reduced what we held; size that others
  brought into a place is never taken for ours, and is the first to go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.agents.model import Account
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import fills_store
from outcry.orders.model import STOP_LEG
from outcry.orders.plan_protection import protect_opened
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions.model import GONE, Position, PositionStatus
from outcry.positions.pnl import BookedFill, Tally, realised, tally, unlisted
from outcry.runtime.database import Row, Transaction
from outcry.runtime.metrics import FILLS
from outcry.runtime.observability import logger
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import Venue

OVERLAP = timedelta(seconds=120)
_KNOWN = frozenset(each.name for each in fields_of(Position)) - {"status"}
FUNDING_SETTLES = timedelta(minutes=70)  # one funding period and its lag: profit is provisional until then


@dataclass(frozen=True, slots=True)
class Collected:
    """What one reading changed, and how the positions stand after it that were added up again."""

    new_fills: int
    positions: Mapping[UUID, Position]


class FillCollector:
    """Reads an account's feeds and books what is new."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self, account: Account, *, also: Sequence[UUID] = ()) -> Collected:
        """Read fills since the cursor (with overlap), book them, and re-add the positions that they touch, and `also`.

        Raises VenueUnreachable; nothing is concluded from an answer that did not come.
        """
        venue = self._desk.venue(account.venue, account.network)
        with self._desk.database.transaction() as tx:
            so_far = fills_store.fills_read_to(tx, account.account_id, overlap=OVERLAP)
        listed = venue.fills(account.address, so_far.fills_to - OVERLAP)
        fills = [fill for fill in listed if fill.fill_id not in so_far.known]
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            new = fills_store.insert_new(
                tx, account.account_id, account.venue, account.network, fills, now=now
            )
            touched = {row["position_id"] for row in new if row["position_id"] is not None}
            touched |= {owner for row in new if (owner := _owner_of_foreign(tx, account, row)) is not None}
            orders = sorted({row["order_id"] for row in new if row["order_id"] is not None})
            if orders:
                fills_store.sum_orders(tx, orders, now=now)
            books = [rebook(tx, position_id, now=now) for position_id in sorted(touched.union(also))]
            bare = positions_store.without_levels(tx, account.account_id)
        _tell(new)
        rings = [ring for book in books for ring in book.rings]
        rings += [ring for position in bare for ring in self._give_levels(position)]
        if rings:
            self._desk.doorbell.ring(Queue.EXITS, rings)
        return Collected(len(new), {book.position.position_id: book.position for book in books})

    def _give_levels(self, position: Position) -> list[Ring]:
        """A fill that was heard of before its entry's answer opened this position: plan its stop and its ladder now."""
        venue = self._desk.venue(position.venue, position.network)
        market = self._desk.market(venue, position.market)
        assert market is not None, "a held position names a listed market"
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            planned = protect_opened(tx, position.position_id, market=market, venue=venue, now=now)
        return [Ring(str(order_id), position.trace_id) for order_id in planned]

    def collect_funding(self, account: Account, venue: Venue) -> None:
        """Read and book funding since the cursor. Late payments still post to positions that are closed already."""
        with self._desk.database.transaction() as tx:
            cursor = fills_store.funding_read_to(tx, account.account_id)
        payments = venue.funding(account.address, cursor - OVERLAP)
        if not payments:
            return
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            touched = fills_store.insert_funding(tx, account.account_id, account.venue, payments, now=now)
            fills_store.move_funding(tx, account.account_id, max(payment.paid_at for payment in payments))
            for position_id in sorted(set(touched)):
                rebook(tx, position_id, now=now)


def _tell(new: Sequence[Row]) -> None:
    """Count the new fills, and tell those of ours in the log."""
    FILLS.record(len(new))
    for row in new:
        if row["order_id"] is not None:
            ids = ("fill_id", "order_id", "position_id", "trace_id")
            logger.info("A fill was recorded", extra={name: str(row[name]) for name in ids})


def _owner_of_foreign(tx: Transaction, account: Account, row: Row) -> UUID | None:
    """Our position that a fill without an order of ours reduced, if it did; otherwise the fill is marked as foreign."""
    if row["order_id"] is not None:
        _leave_out_what_netted(tx, row)
        return None
    position = positions_store.latest_in_place(tx, account.account_id, account.venue, row["position_key"])
    reduces = position is not None and row["is_buy"] == (position.side is Side.SHORT)
    our_part = Decimal(0)
    if position is not None and reduces and position.status not in GONE:
        our_part = _our_part(tx, position, row)
    if position is None or our_part <= 0:
        fills_store.mark_foreign(tx, row["fill_key"], "no order of ours explains it")
        return None
    fills_store.attribute(tx, row["fill_key"], position.position_id, our_size=our_part)
    return position.position_id


def _leave_out_what_netted(tx: Transaction, row: Row) -> None:
    """An entry that met size of others on the other side closed that first: only the rest of its fill is ours to hold."""
    before = Decimal(row["size_before"] or 0)
    if row["position_id"] is None or before == 0 or (before > 0) == row["is_buy"]:
        return
    position = positions_store.load(tx, row["position_id"])
    if position is not None and row["is_buy"] == (position.side is Side.LONG):
        ours = Decimal(row["size"]) - abs(before)
        if ours > 0:
            fills_store.attribute(tx, row["fill_key"], position.position_id, our_size=ours)
        else:
            fills_store.leave_to_others(
                tx, row["fill_key"], "it closed what others held, and nothing of it is ours"
            )


def _our_part(tx: Transaction, position: Position, row: Row) -> Decimal:
    """How much of our size a fill by others took: what they had brought into the place goes first, the rest was ours."""
    ours = fills_store.size_until(tx, position.position_id, row["fill_key"], position.side is Side.LONG)
    size = Decimal(row["size"])
    if row["is_liquidation"]:
        return min(size, ours)
    before = Decimal(row["size_before"]) * position.side.sign
    foreign = max(before - ours, Decimal(0))
    return min(min(size, before) - foreign, ours)


@dataclass(frozen=True, slots=True)
class Rebooked:
    """A position as it stands after it was added up, and the protections to look at."""

    position: Position
    rings: tuple[Ring, ...] = ()


def rebook(tx: Transaction, position_id: UUID, *, now: datetime) -> Rebooked:
    """Add a position up again from its fills and write what changed."""
    position = positions_store.load(tx, position_id, lock=True)
    assert position is not None, "a fill names a position that exists"
    fills = fills_store.booked(tx, position_id)
    sums = tally(
        position.side,
        [BookedFill(row["is_buy"], row["price"], row["size"], row["fee_usd"]) for row in fills],
    )
    acked = unlisted(position.side, positions_store.acknowledged_of(tx, position_id))
    fields: dict[str, Any] = {
        "size": max(sums.size, Decimal(0)),
        "acked_size": acked,
        "opened_size": sums.opened_size,
        "closed_size": sums.closed_size,
        "fees_usd": sums.fees_usd,
        "targets_hit": len(
            {row["leg"] for row in fills if row["kind"] == "protect" and row["leg"] != STOP_LEG}
        ),
    }
    if sums.entry_price is not None:
        fields["entry_price"] = sums.entry_price
        fields["opened_at"] = fills[0]["filled_at"]
    if sums.size < 0:
        _page_oversold(tx, position, sums, now)
    held = sums.size + acked
    if position.status is PositionStatus.OPENING and held > 0:
        fields["status"] = PositionStatus.OPEN.value
    elif position.status in GONE and held > 0:
        fields |= _come_back(tx, position, held, now)
    elif held > position.held and position.protected_at is not None:
        fields["protected_at"] = None  # it grew: the stop that rests does not cover all of it any more
    is_flat = sums.opened_size > 0 and sums.size <= 0 and acked == 0
    if is_flat and not fills_store.has_unfinished_entry(tx, position_id):
        fields |= _closing(tx, position, sums, fills, now)
    positions_store.update(tx, position_id, now=now, **fields)
    known = {name: value for name, value in fields.items() if name in _KNOWN}
    rebooked = replace(position, **known, status=PositionStatus(fields.get("status", position.status)))
    if fields.get("status") != PositionStatus.CLOSED.value:
        return Rebooked(rebooked)
    fills_store.release(tx, position_id, now=now)
    woken = fills_store.wake_protections(tx, position_id, now=now)
    return Rebooked(rebooked, tuple(Ring(str(order_id), position.trace_id) for order_id in woken))


def _come_back(tx: Transaction, position: Position, held: Decimal, now: datetime) -> dict[str, Any]:
    """Size turned up for a position that was given up: it takes its place back, and people are told.

    Where another position holds the place by now, the fills stay with the one that they belong to, and a person must look.
    """
    owner = positions_store.owner_of(tx, position.account_id, position.venue, position.position_key)
    tell(
        tx,
        level=Level.PAGE,
        topic="positions",
        subject=f"{position.market} on {position.account_id} was filled after it was given up",
        text=(
            f"The fills show {held} held. "
            + (
                "It is protected and watched again."
                if owner is None
                else "Another position is in its place: look at the account."
            )
        ),
        dedupe_key=f"came-back:{position.position_id}:{held}",
        now=now,
        trace_id=position.trace_id,
    )
    if owner is not None:
        return {}
    fills_store.reserve_again(tx, position.position_id)
    return {"status": PositionStatus.OPEN.value, "exit_reason": None, "closed_at": None, "protected_at": None}


def _closing(
    tx: Transaction, position: Position, sums: Tally, fills: Sequence[Row], now: datetime
) -> dict[str, Any]:
    last = next(row for row in reversed(fills) if row["is_buy"] == (position.side is Side.SHORT))
    funding = positions_store.funding_of(tx, position.position_id)
    return {
        "status": PositionStatus.CLOSED.value,
        "exit_price": sums.exit_price,
        "realised_pnl_usd": realised(sums.gross_pnl_usd, sums.fees_usd, funding),
        "funding_usd": funding,
        "pnl_is_final": now - last["filled_at"] > FUNDING_SETTLES,
        "exit_reason": exit_reason(last).value,
        "closed_at": last["filled_at"],
        "crossed_since": None,
    }


def exit_reason(last: Row) -> Reason:
    """Why a position is closed, by the order behind its last closing fill."""
    if last["is_liquidation"]:
        return Reason.LIQUIDATED
    if last["kind"] is None:
        return Reason.CLOSED_ELSEWHERE
    if last["kind"] == "protect" and last["leg"] != STOP_LEG:
        return Reason.TAKE_PROFIT
    return Reason(last["reason"])


def _page_oversold(tx: Transaction, position: Position, sums: Tally, now: datetime) -> None:
    tell(
        tx,
        level=Level.PAGE,
        topic="positions",
        subject=f"{position.market} on {position.account_id} closed more than it held",
        text=f"Fills closed {sums.closed_size} of {sums.opened_size} opened. Look at the account before you trade on.",
        dedupe_key=f"oversold:{position.position_id}",
        now=now,
        trace_id=position.trace_id,
    )
