"""Protections: the stop over a position and its take-profit steps, resting at the venue, and gone with the position.

Promises:
- A stop that the venue acknowledged is read as protection; one that it refuses as already crossed closes the position now.
- No answer: the same bytes again, then a question; nothing is placed twice.
- Refused for now: tried again until the position's deadline, then the position is closed and a person is paged. A stop that comes
  to rest after the deadline, because whoever had it in hand died, stays; a person is paged too.
- When the position is gone, each resting protection is looked up and brought to its end.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.orders import store
from outcry.orders.carry import Barred, Carrier, Held
from outcry.orders.lifecycle import client_order_id
from outcry.orders.model import STOP_LEG, ActionKind, Order, OrderStatus
from outcry.orders.outcomes import Known, Void, ask_again_s
from outcry.orders.pages import page_late_stop, page_signer, page_unknown, page_unprotected
from outcry.orders.plan import has_open_exit, plan_cancel, plan_exit
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again, done, follow, go_on, left
from outcry.orders.risk import Refusal
from outcry.positions import store as positions_store
from outcry.positions.model import GONE, Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import (
    Ambiguous,
    Done,
    Filled,
    Market,
    NotSent,
    OrderState,
    Outcome,
    Place,
    RefusalKind,
    Refused,
    Resting,
    Trigger,
    TriggerKind,
    Venue,
)

PROTECTION_LIVES = timedelta(seconds=10)
SOON_ATTEMPTS = 12
PATIENCE_S = 15
TRIGGER_SLIPPAGE_FRAC = Decimal(
    "0.1"
)  # Hyperliquid gives market triggers 10 % (docs, take-profit and stop-loss orders)


@dataclass(slots=True)
class Rested:
    """What was found in the transaction that noted that a protection rests; no position: it was not noted here."""

    position: Position | None = None
    replaces: bool = False
    order: Order | None = None  # given back already: there is nothing more to do for it


class ProtectStep:
    """Advances protections."""

    def __init__(self, desk: Desk, carrier: Carrier) -> None:
        self._desk = desk
        self._carrier = carrier

    def __call__(self, held: Held) -> Next:
        """Place the protection, or see what became of the one that rests."""
        order = held.order
        assert order.position_id is not None
        if order.status in {OrderStatus.RESTING, OrderStatus.CANCELLING}:
            return self._look(held, self._position(order))
        venue = self._desk.venue_of(order)
        market = self._desk.market(venue, order.market)
        assert market is not None, "a held position names a listed market"
        rested = Rested()
        seen: list[Position] = []
        known = self._carrier.carry(
            held,
            self._request(held, venue, market),
            market,
            attempt=order.attempt,
            kind=ActionKind.PLACE,
            lasting=PROTECTION_LIVES,
            guard=lambda tx: self._still_wanted(tx, order, seen),
            still=lambda tx: self._still_wanted(tx, order, seen),
            learn=lambda tx, outcome: self._rest(tx, held, outcome, rested),
        )
        if isinstance(known, Barred):
            return self._end(held, OrderStatus.CANCELLED, Reason.NO_LONGER_NEEDED)
        return self._learn(held, seen[-1] if seen else self._position(order), known, rested)

    def _still_wanted(self, tx: Transaction, order: Order, seen: list[Position]) -> Refusal | None:
        """A protection of a position that is gone is not sent, nor sent once more."""
        position = _position(tx, order)
        seen.append(position)
        is_gone = position.status in GONE
        return Refusal(Reason.NO_LONGER_NEEDED, "its position is gone") if is_gone else None

    def _position(self, order: Order) -> Position:
        with self._desk.database.transaction() as tx:
            return _position(tx, order)

    def _request(self, held: Held, venue: Venue, market: Market) -> Place:
        order = held.order
        assert order.size is not None and order.trigger_price is not None
        closes_by_buying = order.side is Side.SHORT
        crossed = order.plan.get("crossed", False)
        worst = order.trigger_price * (1 - TRIGGER_SLIPPAGE_FRAC * order.side.sign)
        return Place(
            market=order.market,
            is_buy=closes_by_buying,
            size=order.size,
            price=venue.fit_price(market, worst, up=not closes_by_buying),
            reduce_only=True,
            cloid=client_order_id(order.order_id, order.attempt),
            trigger=None if crossed else Trigger(TriggerKind(order.plan["trigger"]), order.trigger_price),
        )

    def _learn(self, held: Held, position: Position, known: Known, rested: Rested) -> Next:
        match known:
            case Resting():
                return self._rests(held, known, rested)
            case Filled():
                return self._end(held, OrderStatus.TRIGGERED, Reason(held.order.plan["reason"]))
            case Refused():
                return self._refused(held, position, known)
            case Void():
                return self._retry(held, position, known.why, wait_s=1)
            case NotSent() | Ambiguous():
                self._set(held, OrderStatus.UNKNOWN if isinstance(known, Ambiguous) else OrderStatus.WORKING)
                return self._overdue(held, position, known.why) or again(ask_again_s(known, 2))
            case Done():
                raise AssertionError("a placement is never answered with a plain done")

    def _rest(self, tx: Transaction, held: Held, outcome: Outcome, rested: Rested) -> None:
        """Note that it rests, in the transaction that records the answer."""
        order = held.order
        if not isinstance(outcome, Resting):
            return
        assert order.position_id is not None
        now = self._desk.clock.now()
        position = positions_store.load(tx, order.position_id, lock=True)
        assert position is not None
        rested.position = position
        rested.replaces = order.leg == STOP_LEG and order.sequence > 0 and bool(self._older(tx, order))
        if rested.replaces or position.status in GONE:
            store.move(tx, order, OrderStatus.RESTING, held=held.claim, now=now, next_ring_at=None)
        else:
            rested.order = store.leave(tx, order, OrderStatus.RESTING, held=held.claim, now=now)
        if order.leg != STOP_LEG or position.status in GONE:
            return
        if position.protected_at is None and position.protect_by is not None and now > position.protect_by:
            page_late_stop(tx, held, position.protect_by, now=now)
        status = PositionStatus.OPEN if position.status is PositionStatus.UNMANAGED else position.status
        positions_store.update(
            tx,
            position.position_id,
            now=now,
            protected_at=now,
            stop_price=order.trigger_price,
            protect_by=None,
            status=status.value,
        )

    def _plan_cancel(self, tx: Transaction, position: Position, target: Order) -> list[UUID]:
        cancel = plan_cancel(
            tx,
            position,
            target.order_id,
            cloid=client_order_id(target.order_id, target.attempt),
            now=self._desk.clock.now(),
            trace_id=target.trace_id,
            reason=Reason.NO_LONGER_NEEDED,
        )
        return [] if cancel is None else [cancel]

    def _rests(self, held: Held, resting: Resting, rested: Rested) -> Next:
        """It was acknowledged. A stop that replaces another one is read back before the other is taken off."""
        if rested.position is None:  # it was acknowledged to somebody else, who did not get to note it
            with self._desk.database.transaction() as tx:
                store.load(tx, held.order.order_id, lock=True)  # before its position, as everywhere
                self._rest(tx, held, resting, rested)
        assert rested.position is not None
        if rested.position.status in GONE:
            return again(1)  # it came to rest after the position was gone: look at it again and take it off
        if rested.order is not None:
            return left(rested.order)
        return self._look(held, rested.position)

    def _older(self, tx: Transaction, order: Order) -> list[Order]:
        """The resting stops that this one replaces."""
        if order.leg != STOP_LEG or order.position_id is None:
            return []
        stops = store.of_position(tx, order.position_id, (order.kind,), unfinished=True)
        return [
            stop
            for stop in stops
            if stop.leg == STOP_LEG and stop.sequence < order.sequence and stop.status is OrderStatus.RESTING
        ]

    def _replace_older(self, held: Held, position: Position) -> Next:
        with self._desk.database.transaction() as tx:
            cancels = [
                cancel
                for older in self._older(tx, held.order)
                for cancel in self._plan_cancel(tx, position, older)
            ]
        return follow(*cancels)

    def _refused(self, held: Held, position: Position, refused: Refused) -> Next:
        now = self._desk.clock.now()
        match refused.kind:
            case RefusalKind.CROSSED if held.order.leg == STOP_LEG:
                return self._close(held, position, Reason(held.order.plan["reason"]), refused.text)
            case RefusalKind.CROSSED | RefusalKind.WIDEN if held.order.leg != STOP_LEG:
                return self._take_now(held)
            case RefusalKind.ALREADY_FLAT:
                return self._end(held, OrderStatus.CANCELLED, Reason.VENUE_ALREADY_FLAT)
            case RefusalKind.LATER | RefusalKind.WIDEN:
                return self._retry(held, position, refused.text, wait_s=self._patience_s(held))
            case RefusalKind.SIGNER:
                with self._desk.database.transaction() as tx:
                    page_signer(tx, held, refused, now=now)
                    positions_store.mark_unmanaged(tx, position.position_id, now=now)
                self._desk.signers.forget(held.account)
                return self._retry(held, position, refused.text, wait_s=60)
            case _:
                return self._refused_for_good(held, position, refused)

    def _patience_s(self, held: Held) -> int:
        """A first stop is tried again soon, for it has a deadline; what fails for long is tried ever more rarely."""
        return 2 if held.order.attempt < SOON_ATTEMPTS else PATIENCE_S

    def _refused_for_good(self, held: Held, position: Position, refused: Refused) -> Next:
        """A step is given up; a stop that an older one stands in for, too; without a stop, the position is closed.

        What was refused in words that nobody knows is tried again until the position's deadline: it may be a passing thing.
        """
        with self._desk.database.transaction() as tx:
            page_unknown(tx, held, refused, now=self._desk.clock.now())
            is_covered = bool(self._older(tx, held.order))
        if held.order.leg != STOP_LEG or is_covered:
            return self._end(held, OrderStatus.REJECTED, refused.reason)
        if refused.kind is RefusalKind.UNKNOWN:
            return self._retry(held, position, refused.text, wait_s=self._patience_s(held))
        return self._close(held, position, Reason.UNPROTECTED, refused.text)

    def _take_now(self, held: Held) -> Next:
        """A take-profit step whose price is already crossed is taken at once, by the same order, without a trigger."""
        plan = {**held.order.plan, "crossed": True}
        with self._desk.database.transaction() as tx:
            order = self._count_attempt(tx, held, plan=plan)
        return again(1) if held.order.plan.get("crossed") else go_on(order)

    def _retry(self, held: Held, position: Position, why: str, *, wait_s: int) -> Next:
        overdue = self._overdue(held, position, why)
        if overdue is not None:
            return overdue
        with self._desk.database.transaction() as tx:
            self._count_attempt(tx, held)
        return again(wait_s)

    def _overdue(self, held: Held, position: Position, why: str) -> Next | None:
        """Past the deadline, a position without a stop is closed; a missing take-profit step is no emergency."""
        unprotected = held.order.leg == STOP_LEG and position.protected_at is None
        if not unprotected or position.protect_by is None or self._desk.clock.now() < position.protect_by:
            return None
        with self._desk.database.transaction() as tx:
            page_unprotected(tx, held, why, now=self._desk.clock.now())
            current = positions_store.load(tx, position.position_id, lock=True)
            assert current is not None
            if current.status in GONE:
                return None
            if has_open_exit(tx, position.position_id):
                return None  # whichever is taken first, the exit or the stop
            exit_id = plan_exit(
                tx, current, Reason.UNPROTECTED, now=self._desk.clock.now(), trace_id=held.order.trace_id
            )
        return Next(follow=(exit_id,), again_s=5)

    def _close(self, held: Held, position: Position, reason: Reason, text: str) -> Next:
        """The stop cannot rest: close the position now."""
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            store.move(
                tx,
                held.order,
                OrderStatus.REJECTED,
                held=held.claim,
                now=now,
                reason=reason.value,
                detail=text[:500],
            )
            current = positions_store.load(tx, position.position_id, lock=True)
            assert current is not None
            if current.status in GONE:
                return done()
            exit_id = plan_exit(tx, current, reason, now=now, trace_id=held.order.trace_id, detail=text[:500])
        return follow(exit_id)

    def _look(self, held: Held, position: Position) -> Next:
        """What became of a protection that rested; raises VenueUnreachable."""
        order = held.order
        venue = self._desk.venue_of(order)
        report = venue.order(held.account.address, client_order_id(order.order_id, order.attempt))
        if report is None:
            cloid = client_order_id(order.order_id, order.attempt)
            if any(resting.cloid == cloid for resting in venue.open_orders(held.account.address)):
                return again(5)
            return self._end(held, OrderStatus.CANCELLED, Reason.NO_LONGER_NEEDED)
        if report.state is OrderState.OPEN:
            return (
                self._take_off(held, position)
                if position.status in GONE
                else self._replace_older(held, position)
            )
        if order.filled_size > 0 or report.state in {OrderState.FILLED, OrderState.TRIGGERED}:
            return self._end(held, OrderStatus.TRIGGERED, Reason(order.plan["reason"]))
        return self._end(held, OrderStatus.CANCELLED, Reason.NO_LONGER_NEEDED)

    def _take_off(self, held: Held, position: Position) -> Next:
        with self._desk.database.transaction() as tx:
            cancels = self._plan_cancel(tx, position, held.order)
        return Next(follow=tuple(cancels), again_s=3)

    def _end(self, held: Held, to: OrderStatus, reason: Reason) -> Next:
        with self._desk.database.transaction() as tx:
            now = self._desk.clock.now()
            ended = store.leave(tx, held.order, to, held=held.claim, now=now, reason=reason.value)
            if held.order.leg == STOP_LEG:
                store.forget_protection(tx, held.order)
        return left(ended)

    def _set(self, held: Held, to: OrderStatus) -> None:
        with self._desk.database.transaction() as tx:
            store.move(tx, held.order, to, held=held.claim, now=self._desk.clock.now())

    def _count_attempt(self, tx: Transaction, held: Held, **fields: Any) -> Order:
        return store.move(
            tx,
            held.order,
            OrderStatus.WORKING,
            held=held.claim,
            now=self._desk.clock.now(),
            attempt=held.order.attempt + 1,
            **fields,
        )


def _position(tx: Transaction, order: Order) -> Position:
    assert order.position_id is not None
    position = positions_store.load(tx, order.position_id)
    assert position is not None, "a protection names a position that exists"
    return position
