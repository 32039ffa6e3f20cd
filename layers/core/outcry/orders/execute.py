"""Advances orders: claims one, does its next step, and carries on with the orders that the step makes.

Promises:
- Nothing is done to an order without holding its claim, and each write says so.
- A step's new orders (the stop after a fill) are carried out in the same invocation, before anything slower.
- An order that waits is given back with the time at which it is due again; an order that is done is given back for good.
- An infrastructure fault is raised, so that the queue delivers again; the claim is given back first where that is possible. What
  protects or closes a position is tried again within seconds, ever more rarely, by one doorbell however many messages fail.
- A doorbell of an order that is not in this database is a fault, never acknowledged: it may be another database that we look at.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import store, unknown_store
from outcry.orders.actions_store import may_have_run
from outcry.orders.cancel import CancelStep
from outcry.orders.carry import Carrier, Held
from outcry.orders.entry import EntryStep
from outcry.orders.exit import ExitStep
from outcry.orders.fills import FillCollector
from outcry.orders.lifecycle import TERMINAL
from outcry.orders.model import STOP_LEG, Order, OrderKind, OrderStatus
from outcry.orders.pages import page_exit_fails, page_not_understood
from outcry.orders.passage import note
from outcry.orders.plan import plan_exit
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again
from outcry.orders.protect import ProtectStep
from outcry.orders.resolve import Resolver
from outcry.positions import store as positions_store
from outcry.positions.model import GONE
from outcry.runtime.database import Transaction
from outcry.runtime.errors import InfrastructureError, UnknownAnswer
from outcry.runtime.leases import LONGEST_BACKOFF_S, ORDERS, quarantine, release
from outcry.runtime.observability import logger
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason

CLAIM_MARGIN = timedelta(seconds=5)
AFTER_AN_ERROR_S = 30
# of what is urgent, doubled with each further error; a position without a stop is closed after 20 s
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

        Does nothing where somebody else holds the claim. Raises InfrastructureError, also where there is no such order.
        """
        self._advance(order_id, deadline, budget=[MOST_STEPS])
        self._desk.book_weights()

    def give_up(self, order_id: UUID, error: Exception) -> None:
        """An order failed on its last delivery: end what was never sent, keep what may have run due, and page.

        - An exit is never given up: it stays due, the sweep rings it again, and a person is paged each hour that it fails.
        - What was sent, or may have been, is never set aside: it stays due until the venue has said what became of it.
        - A planned entry is set aside; one that holds a place gives it back; a stop that was never sent closes its position.
        """
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            order = store.load(tx, order_id)
            if order is None or order.status in TERMINAL:
                return
            if order.kind is OrderKind.EXIT:
                page_exit_fails(tx, order, error, now=now)
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
        try:
            todo = self._work(held, deadline, budget)
        except UnknownAnswer as error:
            self._set_aside(held, error)
            return
        except Exception as error:
            self._give_back(held, _after_an_error_s(held), type(error).__name__)
            raise  # the queue delivers again; the sweep is the net
        if todo.left is None:
            self._give_back(held, todo.again_s, None)
        else:
            note(held.order, todo.left.status, todo.left.reason)
            self._follow(todo.follow, deadline, budget)

    def _set_aside(self, held: Held, error: UnknownAnswer) -> None:
        """The venue answered what nobody has catalogued: keep the body, page, and conclude nothing.

        An entry that was not sent is set aside, or gives its place back; whatever may have run, or protects, stays due, ever more
        rarely, and is carried on by the first build that knows the answer. Nothing is raised: a message cannot mend it.
        """
        order, now = held.order, self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            unknown_store.keep(tx, order.venue, order.network, error, now=now)
            page_not_understood(tx, order, error, now=now)
        self._give_back(held, _after_an_unknown_answer_s(held), f"UnknownAnswer: {error}"[:300])
        if order.kind is OrderKind.ENTER:
            with self._desk.database.transaction() as tx:
                fresh = self._load(tx, order.order_id)
                if fresh.status not in TERMINAL:
                    self._end_or_keep(tx, fresh, now, f"UnknownAnswer: {error}")

    def _work(self, held: Held, deadline: datetime, budget: list[int]) -> Next:
        """Do steps until nothing is to be done now; returns what the last of them said."""
        todo: Next = self._step(held, budget)
        while todo.left is None:
            self._follow(todo.follow, deadline, budget)
            if todo.order is not None:
                if budget[0] <= 0 or self._desk.clock.now() >= deadline:
                    return again(1)
                held = replace(held, order=todo.order)
            elif todo.then is None:
                return todo
            todo = self._step(held, budget, todo.then)
        return todo

    def _follow(self, orders: Sequence[UUID], deadline: datetime, budget: list[int]) -> None:
        """Carry on with each of these, also where one of them fails: a stop never waits for a take-profit step."""
        failures: list[InfrastructureError] = []
        for order_id in orders:
            try:
                self._advance(order_id, deadline, budget)
            except InfrastructureError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _step(self, held: Held, budget: list[int], step: Callable[[Held], Next] | None = None) -> Next:
        budget[0] -= 1
        if held.order.status in TERMINAL:
            return Next()
        return (step or self._steps[held.order.kind])(held)

    def _claim(self, order_id: UUID, now: datetime, deadline: datetime) -> Held | None:
        with self._desk.database.transaction() as tx:
            claimed = store.claim(
                tx, order_id, token=self._desk.new_id(), now=now, lasting=deadline - now + CLAIM_MARGIN
            )
            if claimed is None:
                self._load(tx, order_id)
                return None
            mine, order, requests = claimed
            if order.status in TERMINAL:
                release(tx, ORDERS, mine)
                return None
        return Held(order, mine, self._desk.account(order.account_id), requests)

    def _load(self, tx: Transaction, order_id: UUID) -> Order:
        """Orders are never deleted: one that is not there was planned in another database, as it is after half a restore."""
        order = store.load(tx, order_id)
        if order is None:
            raise InfrastructureError(
                f"order {order_id} is not in this database: whoever rang for it works with another"
            )
        return order

    def _give_back(self, held: Held, waits_s: int | None, error: str | None) -> None:
        now = self._desk.clock.now()
        due = None if waits_s is None else now + timedelta(seconds=waits_s)
        is_rung = error is None or held.order.kind in _URGENT
        coming = None if error is None or due is None else _doorbell_on_its_way(held, now)
        if coming is not None and due is not None:
            due, is_rung = min(due, coming), False
        with self._desk.database.transaction() as tx:
            left = store.give_back(tx, held.claim, next_ring_at=due, error=error)
        if left is None:
            logger.warning(
                "A claim lapsed before its order was given back", extra={"order_id": str(held.order.order_id)}
            )
            return
        status, reason = left
        note(held.order, status, reason)
        if waits_s is not None and status not in TERMINAL and is_rung:
            self._ring(held, waits_s)

    def _ring(self, held: Held, delay_s: int) -> None:
        ring = Ring(str(held.order.order_id), held.order.trace_id)
        self._desk.doorbell.ring(_queue_of(held.order.kind), [ring], delay_s=delay_s)

    def _ring_later(self, order_id: UUID) -> None:
        with self._desk.database.transaction() as tx:
            order = self._load(tx, order_id)
        if order.status not in TERMINAL:
            ring = Ring(str(order_id), order.trace_id)
            self._desk.doorbell.ring(_queue_of(order.kind), [ring], delay_s=1)


def _after_an_error_s(held: Held) -> int:
    """In how many seconds a failed order is due again: what is urgent 2, 4, 8 and 16 s after each error in a row, then as all else."""
    if held.order.kind not in _URGENT:
        return AFTER_AN_ERROR_S
    doublings = min(held.claim.attempts - 1, 10)
    return min(SOON_AFTER_AN_ERROR_S << doublings, AFTER_AN_ERROR_S)


def _after_an_unknown_answer_s(held: Held) -> int:
    """In how many seconds to ask again for what was not understood: what is urgent within half a minute, all else ever more rarely."""
    if held.order.kind in _URGENT:
        return AFTER_AN_ERROR_S
    return min(AFTER_AN_ERROR_S << min(held.claim.attempts - 1, 10), LONGEST_BACKOFF_S)


def _doorbell_on_its_way(held: Held, now: datetime) -> datetime | None:
    """When the next doorbell of a failed order comes that was rung before; None: there is none that would come soon.

    A failure then rings no other, or messages would multiply, as each of them comes again by itself too. What a new order is
    first due at is the sweep's net, and not soon.
    """
    is_new = held.claim.attempts == 1 and held.order.status in {OrderStatus.PLANNED, OrderStatus.APPROVED}
    due_at = held.claim.due_at
    return None if is_new or due_at is None or due_at <= now else due_at


def _queue_of(kind: OrderKind) -> Queue:
    return Queue.ENTRIES if kind is OrderKind.ENTER else Queue.EXITS
