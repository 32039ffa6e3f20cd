"""Advances orders: claims one, does its next step, and carries on with the orders that the step makes.

Promises:
- Nothing is done to an order without holding its claim, and each write says so.
- A step's new orders (the stop after a fill) are carried out in the same invocation, before anything slower.
- An order that waits is given back with the time at which it is due again; an order that is done is given back for good.
- An infrastructure fault is raised, so that the queue delivers again; the claim is given back first where that is possible.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import store
from outcry.orders.actions_store import may_have_run
from outcry.orders.cancel import CancelStep
from outcry.orders.carry import Carrier, Held
from outcry.orders.entry import EntryStep
from outcry.orders.exit import ExitStep
from outcry.orders.fills import FillCollector
from outcry.orders.lifecycle import TERMINAL
from outcry.orders.model import STOP_LEG, Order, OrderKind, OrderStatus
from outcry.orders.passage import note
from outcry.orders.plan import plan_exit
from outcry.orders.ports import Desk
from outcry.orders.progress import Next
from outcry.orders.protect import ProtectStep
from outcry.orders.resolve import Resolver
from outcry.positions import store as positions_store
from outcry.positions.model import GONE
from outcry.runtime.database import Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import ORDERS, claim, quarantine, release
from outcry.runtime.observability import logger
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason

CLAIM_MARGIN = timedelta(seconds=5)
AFTER_AN_ERROR_S = 30
SOON_AFTER_AN_ERROR_S = 2
_URGENT = frozenset({OrderKind.PROTECT, OrderKind.EXIT})
MOST_STEPS = 40  # of one invocation; whatever is left is rung again


class Executor:
    """The one way in to the ledger's work."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        carrier = Carrier(desk, Resolver(desk))
        self.collector = FillCollector(desk)
        self._steps: dict[OrderKind, Callable[[Held], Next]] = {
            OrderKind.ENTER: EntryStep(desk, carrier, self.collector),
            OrderKind.EXIT: ExitStep(desk, carrier, self.collector),
            OrderKind.PROTECT: ProtectStep(desk, carrier),
            OrderKind.CANCEL: CancelStep(desk, carrier),
        }

    def advance(self, order_id: UUID, *, deadline: datetime) -> None:
        """Advance the order, and what follows from it, until all of it waits or is done, or the deadline is near.

        Does nothing where somebody else holds the claim. Raises InfrastructureError.
        """
        self._advance(order_id, deadline, budget=[MOST_STEPS])

    def give_up(self, order_id: UUID, error: Exception) -> None:
        """An order failed on its last delivery: end what was never sent, keep what may have run due, and page.

        - An exit is never given up: it is only rung again by the sweep.
        - What was sent, or may have been, is never set aside: it stays due until the venue has said what became of it.
        - A planned entry is set aside; one that holds a place gives it back; a stop that was never sent closes its position.
        """
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            order = store.load(tx, order_id)
            if order is None or order.kind is OrderKind.EXIT or order.status in TERMINAL:
                return
            self._end_or_keep(tx, order, now, f"{type(error).__name__}: {error}")
            tell(
                tx,
                level=Level.PAGE,
                topic="quarantine",
                subject=f"An order of {order.market} on {order.account_id} failed on its last delivery",
                text=(
                    f"The {order.kind.value} ({order.leg}) failed: {type(error).__name__}. "
                    f"See `outcry orders`; where it was set aside, after a look: `outcry redrive orders {order_id}`."
                ),
                dedupe_key=f"quarantine:order:{order_id}:{now:%Y-%m-%dT%H}",
                now=now,
                trace_id=order.trace_id,
            )

    def _end_or_keep(self, tx: Transaction, order: Order, now: datetime, error: str) -> None:
        if order.kind is OrderKind.CANCEL or may_have_run(tx, order):
            return
        if order.status is OrderStatus.PLANNED:
            quarantine(tx, ORDERS, order.order_id, now=now, error=error)
            return
        if not store.finish_unclaimed(
            tx,
            order.order_id,
            OrderStatus.REJECTED,
            known=order.status,
            now=now,
            reason=Reason.VENUE_REFUSED.value,
        ):
            return
        assert order.position_id is not None
        if order.kind is OrderKind.ENTER:
            positions_store.abandon(tx, order.position_id, reason=Reason.VENUE_REFUSED.value, now=now)
            store.release_reservation(tx, order.order_id, now=now)
            return
        position = positions_store.load(tx, order.position_id, lock=True)
        if (
            order.leg == STOP_LEG
            and position is not None
            and position.status not in GONE
            and not position.protected_at
        ):
            plan_exit(tx, position, Reason.UNPROTECTED, now=now, trace_id=order.trace_id, detail=error[:300])

    def _advance(self, order_id: UUID, deadline: datetime, budget: list[int]) -> None:
        now = self._desk.clock.now()
        if budget[0] <= 0 or now >= deadline:
            self._ring_later(order_id)
            return
        held = self._claim(order_id, now, deadline)
        if held is None:
            return
        waits_s: int | None = None
        try:
            waits_s = self._work(held, deadline, budget)
        except Exception as error:
            self._give_back(
                held, AFTER_AN_ERROR_S, type(error).__name__
            )  # the queue delivers again; the sweep is the net
            raise
        self._give_back(held, waits_s, None)

    def _work(self, held: Held, deadline: datetime, budget: list[int]) -> int | None:
        """Do steps until nothing is to be done now; returns after how many seconds to come back, None for never."""
        todo: Next = self._step(held, budget)
        while True:
            own = [order_id for order_id in todo.follow if order_id == held.order.order_id]
            self._follow(
                [order_id for order_id in todo.follow if order_id != held.order.order_id], deadline, budget
            )
            if todo.then is not None:
                todo = todo.then(self._reread(held))
            elif own and budget[0] > 0 and self._desk.clock.now() < deadline:
                todo = self._step(self._reread(held), budget)
            else:
                return 1 if own else todo.again_s

    def _follow(self, orders: list[UUID], deadline: datetime, budget: list[int]) -> None:
        """Carry on with each of these, also where one of them fails: a stop never waits for a take-profit step."""
        failures: list[InfrastructureError] = []
        for order_id in orders:
            try:
                self._advance(order_id, deadline, budget)
            except InfrastructureError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _step(self, held: Held, budget: list[int]) -> Next:
        budget[0] -= 1
        if held.order.status in TERMINAL:
            return Next()
        return self._steps[held.order.kind](held)

    def _claim(self, order_id: UUID, now: datetime, deadline: datetime) -> Held | None:
        with self._desk.database.transaction() as tx:
            claims = claim(
                tx,
                ORDERS,
                [order_id],
                token=self._desk.new_id(),
                now=now,
                lasting=deadline - now + CLAIM_MARGIN,
            )
            order = store.load(tx, order_id) if claims else None
            if order is None:
                return None
            if order.status in TERMINAL:
                release(tx, ORDERS, claims[0])
                return None
        return Held(order, claims[0], self._desk.account(order.account_id))

    def _reread(self, held: Held) -> Held:
        with self._desk.database.transaction() as tx:
            order = store.load(tx, held.order.order_id)
        assert order is not None
        return Held(order, held.claim, held.account)

    def _give_back(self, held: Held, waits_s: int | None, error: str | None) -> None:
        now = self._desk.clock.now()
        due = None if waits_s is None else now + timedelta(seconds=waits_s)
        with self._desk.database.transaction() as tx:
            left = store.give_back(tx, held.claim, next_ring_at=due, error=error)
        if left is None:
            logger.warning(
                "A claim lapsed before its order was given back", extra={"order_id": str(held.order.order_id)}
            )
            return
        status, reason = left
        note(held.order, status, reason)
        if waits_s is not None and status not in TERMINAL and (error is None or held.order.kind in _URGENT):
            self._ring(held, waits_s)

    def _ring(self, held: Held, delay_s: int) -> None:
        ring = Ring(str(held.order.order_id), held.order.trace_id)
        self._desk.doorbell.ring(_queue_of(held.order.kind), [ring], delay_s=delay_s)

    def _ring_later(self, order_id: UUID) -> None:
        with self._desk.database.transaction() as tx:
            order = store.load(tx, order_id)
        if order is not None and order.status not in TERMINAL:
            ring = Ring(str(order_id), order.trace_id)
            self._desk.doorbell.ring(_queue_of(order.kind), [ring], delay_s=1)


def _queue_of(kind: OrderKind) -> Queue:
    return Queue.ENTRIES if kind is OrderKind.ENTER else Queue.EXITS
