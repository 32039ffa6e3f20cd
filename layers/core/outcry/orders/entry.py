"""An entry, from its plan to a protected position, in one invocation where the venue answers.

Promises:
- One place at a time: it is reserved before anything is signed, and given back only when it is proven that nothing was filled.
- Controls are read again in the transaction that prepares the request: no entry is prepared after a pause committed.
- The stop is planned in the transaction that learns of the fill, and placed before anything else is done.
- A partial fill is a position of that size; nothing goes after the rest.
"""

from datetime import datetime, timedelta
from uuid import UUID

from outcry.orders import fills_store, store
from outcry.orders.approval import PASSING, Approver, standing
from outcry.orders.carry import Barred, Carrier, Held
from outcry.orders.fills import FillCollector
from outcry.orders.lifecycle import client_order_id
from outcry.orders.model import ActionKind, Order, OrderKind, OrderStatus
from outcry.orders.outcomes import Known, Void, ask_again_s
from outcry.orders.pages import page_netted, page_signer, page_unknown
from outcry.orders.plan import has_open_exit
from outcry.orders.plan_protection import PROTECT_DEADLINE, plan_first_protections
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again, done, follow, go_on, left
from outcry.orders.risk import Refusal
from outcry.positions import store as positions_store
from outcry.positions.model import PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason
from outcry.signals.model import EntryPlan
from outcry.venues.port import (
    Ambiguous,
    Done,
    Filled,
    Market,
    NotSent,
    Outcome,
    Place,
    RefusalKind,
    Refused,
    Resting,
    SetLeverage,
)

ENTRY_LIVES = timedelta(seconds=15)
_TO_PROTECT = frozenset({PositionStatus.OPENING, PositionStatus.OPEN})


class EntryStep:
    """Advances entries."""

    def __init__(self, desk: Desk, carrier: Carrier, collector: FillCollector) -> None:
        self._desk = desk
        self._carrier = carrier
        self._collector = collector
        self._approver = Approver(desk)

    def __call__(self, held: Held) -> Next:
        """Advance one entry as far as it goes now. Raises VenueUnreachable from reads before anything was sent."""
        order = held.order
        if order.status is OrderStatus.PLANNED:
            approved = self._approver.approve(held)
            if isinstance(approved, Refusal):
                return again(5) if approved.reason in PASSING else done()
            return go_on(approved)
        venue = self._desk.venue_of(order)
        market = self._desk.market(venue, order.market)
        assert market is not None, "an approved entry names a listed market"
        if order.status is OrderStatus.APPROVED:
            refused = self._set_leverage(held, market)
            if refused is not None:
                return refused
        return self._place(held, market)

    def _set_leverage(self, held: Held, market: Market) -> Next | None:
        assert held.order.leverage is not None
        known = self._carrier.carry(
            held,
            SetLeverage(held.order.market, int(held.order.leverage)),
            market,
            attempt=held.order.attempt,
            kind=ActionKind.SET_LEVERAGE,
            lasting=ENTRY_LIVES,
            guard=lambda tx: self._still_allowed(tx, held.order),
            still=lambda tx: self._still_allowed(tx, held.order),
        )
        match known:
            case Done():
                return None
            case Barred():
                return self._withdraw(held, known.refusal.reason, known.refusal.detail)
            case Refused():
                return self._refused(held, known)
            case Void():
                return self._next_attempt(held)
            case _:
                return again(ask_again_s(known, 3))

    def _place(self, held: Held, market: Market) -> Next:
        order = held.order
        assert order.size is not None and order.limit_price is not None
        planned: list[UUID] = []
        known = self._carrier.carry(
            held,
            Place(
                market=order.market,
                is_buy=order.side.sign > 0,
                size=order.size,
                price=order.limit_price,
                reduce_only=False,
                cloid=client_order_id(order.order_id, order.attempt),
            ),
            market,
            attempt=order.attempt,
            kind=ActionKind.PLACE,
            lasting=ENTRY_LIVES,
            guard=lambda tx: self._still_allowed(tx, held.order),
            still=lambda tx: self._still_allowed(tx, held.order),
            learn=lambda tx, outcome: self._open(tx, held, market, outcome, planned),
        )
        return self._learn(held, market, known, planned)

    def _still_allowed(self, tx: Transaction, order: Order) -> Refusal | None:
        if order.position_id is not None and has_open_exit(tx, order.position_id):
            return Refusal(Reason.NO_LONGER_NEEDED, "its position is to be closed")
        return standing(tx, order, EntryPlan.from_json(order.plan), self._desk.clock.now())

    def _learn(self, held: Held, market: Market, known: Known | Barred, planned: list[UUID]) -> Next:
        match known:
            case Filled():
                return self._filled(held, market, known, planned)
            case Barred():
                return self._withdraw(held, known.refusal.reason, known.refusal.detail)
            case Refused():
                return self._refused(held, known)
            case Void():
                return self._next_attempt(held)
            case NotSent():
                return again(2)
            case Ambiguous():
                self._mark_unknown(held)
                return again(ask_again_s(known, 3))
            case Resting() | Done():
                self._mark_unknown(held)
                return again(2)

    def _open(
        self, tx: Transaction, held: Held, market: Market, outcome: Outcome, planned: list[UUID]
    ) -> None:
        """Book what was acknowledged and plan its protections, in the transaction that records the answer."""
        order = held.order
        assert order.position_id is not None and order.leverage is not None
        if not isinstance(outcome, Filled):
            return
        position = positions_store.load(tx, order.position_id, lock=True)
        assert position is not None
        if position.stop_price is not None or position.status not in _TO_PROTECT:
            return
        now = self._desk.clock.now()
        planned += plan_first_protections(
            tx,
            position,
            outcome,
            market=market,
            venue=self._desk.venue_of(order),
            leverage=order.leverage,
            now=now,
            protect_by=now + PROTECT_DEADLINE,
        )

    def _filled(self, held: Held, market: Market, filled: Filled, planned: list[UUID]) -> Next:
        """Place the protections at once, and only then read the fill feed."""
        if not planned:  # somebody else learned of the fill: what was planned then is unfinished, or done
            assert held.order.position_id is not None
            with self._desk.database.transaction() as tx:
                self._open(tx, held, market, filled, planned)
                waiting = store.of_position(tx, held.order.position_id, (OrderKind.PROTECT,), unfinished=True)
            planned = planned or [
                order.order_id for order in waiting if order.status is not OrderStatus.RESTING
            ]
        return follow(*planned, then=self._finalise)

    def _finalise(self, held: Held) -> Next:
        """Read the fills; the entry is final when the feed lists what was acknowledged."""
        order = held.order
        assert order.position_id is not None and order.size is not None
        stands = self._collector.collect(held.account, also=[order.position_id]).positions[order.position_id]
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            filled, acked = fills_store.executed(tx, order.order_id)
            if acked is None or filled < acked:
                return again(2)
            to = OrderStatus.FILLED if filled >= order.size else OrderStatus.PARTIAL_DONE
            final = store.leave(tx, order, to, held=held.claim, now=now)
            if to is OrderStatus.PARTIAL_DONE:
                fills_store.shrink_reservation(
                    tx, order.position_id, notional_usd=filled, planned_usd=order.size
                )
            if stands.held == 0 and self._gave_all_to_others(tx, order.position_id, now):
                page_netted(tx, held, now=now)
        return left(final)

    def _gave_all_to_others(self, tx: Transaction, position_id: UUID, now: datetime) -> bool:
        """Give the place back where the fills only closed what others held there: venues net. False where something was opened."""
        is_over = positions_store.abandon(tx, position_id, reason=Reason.FOREIGN_POSITION.value, now=now)
        if is_over:
            fills_store.release(tx, position_id, now=now)
        return is_over

    def _refused(self, held: Held, refused: Refused) -> Next:
        order = held.order
        is_out_of_requests = (
            refused.reason is Reason.VENUE_RATE_LIMIT
        )  # the next one of ten seconds is an exit's
        if is_out_of_requests:
            self._approver.reserve.forget(held.account)
        if refused.kind is RefusalKind.LATER and not is_out_of_requests and not self._is_late(order):
            return self._next_attempt(held, wait_s=5)
        if refused.kind is RefusalKind.SIGNER:
            with self._desk.database.transaction() as tx:
                page_signer(tx, held, refused, now=self._desk.clock.now())
            self._desk.signers.forget(held.account)
        if refused.kind in {RefusalKind.UNKNOWN, RefusalKind.BUG}:
            with self._desk.database.transaction() as tx:
                page_unknown(tx, held, refused, now=self._desk.clock.now())
        return self._end(held, OrderStatus.REJECTED, refused.reason, refused.text)

    def _next_attempt(self, held: Held, wait_s: int = 1) -> Next:
        """The last request was proven never to have run: a new one gets a new client id, while the entry is young enough."""
        if self._is_late(held.order):
            return self._end(
                held, OrderStatus.EXPIRED, Reason.ENTRY_TOO_LATE, "no attempt was executed in time"
            )
        with self._desk.database.transaction() as tx:
            # as it is now: a placement that was refused has made it WORKING since this step began
            fresh = store.load(tx, held.order.order_id)
            assert fresh is not None
            store.move(
                tx,
                fresh,
                OrderStatus.APPROVED if fresh.status is OrderStatus.APPROVED else OrderStatus.WORKING,
                held=held.claim,
                now=self._desk.clock.now(),
                attempt=held.order.attempt + 1,
            )
        return again(wait_s)

    def _withdraw(self, held: Held, reason: Reason, detail: str) -> Next:
        return self._end(held, OrderStatus.CANCELLED, reason, detail)

    def _end(self, held: Held, to: OrderStatus, reason: Reason, detail: str) -> Next:
        """The entry came to nothing: give the place and the reservation back."""
        assert held.order.position_id is not None
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            ended = store.leave(
                tx, held.order, to, held=held.claim, now=now, reason=reason.value, detail=detail[:500]
            )
            positions_store.abandon(tx, held.order.position_id, reason=reason.value, now=now)
            fills_store.release(tx, held.order.position_id, now=now)
        return left(ended)

    def _mark_unknown(self, held: Held) -> None:
        with self._desk.database.transaction() as tx:
            store.move(tx, held.order, OrderStatus.UNKNOWN, held=held.claim, now=self._desk.clock.now())

    def _is_late(self, order: Order) -> bool:
        return order.not_after is not None and self._desk.clock.now() > order.not_after
