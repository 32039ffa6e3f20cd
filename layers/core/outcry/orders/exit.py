"""Exits: an obligation that ends when the venue shows our size zero, and not before.

Promises:
- Nothing blocks an exit: no pause, no lock, no cap, no balance, no entry in front. A venue outage only sets the next ring.
- Each attempt is reduce-only and short-lived; its bound widens in steps to a floor and repeats there, with a page to a person.
- Only our own size is closed: what others hold in the place, as far as the fills tell, is never sold.
- An entry of the place that is not final is ended first where it was not sent; where it may have been, its nonce is used up. What the
  venue shows is closed meanwhile, and the exit ends only once the entry is final.
- What is refused again and again is tried ever more rarely, at least every five minutes; a person is paged each hour that it lasts.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from outcry.orders import actions_store, doubt_store, store, unknown_store
from outcry.orders.carry import Barred, Carrier, Held
from outcry.orders.doubt import INDEX_LAG
from outcry.orders.fills import FillCollector
from outcry.orders.lifecycle import client_order_id, is_expired
from outcry.orders.model import ActionKind, ActionStatus, Order, OrderKind, OrderStatus
from outcry.orders.outcomes import Known, Void, ask_again_s
from outcry.orders.pages import (
    page_exit_at_floor,
    page_exit_put_off,
    page_signer,
    page_unknown,
    page_unprotected,
    page_unreadable,
)
from outcry.orders.plan_protection import PROTECT_DEADLINE
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again, follow, go_on, left, widening_s
from outcry.orders.risk import exit_bound, is_at_exit_floor
from outcry.positions import store as positions_store
from outcry.positions.model import GONE, Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.errors import UnknownAnswer, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.reasons import Reason
from outcry.venues.port import Ambiguous, Done, Filled, NotSent, Outcome, Place, RefusalKind, Refused, Resting

EXIT_LIVES = timedelta(seconds=8)
OUTAGE_RING_S = 5
MOST_PATIENT_S = 15  # an attempt in doubt keeps the position waiting
REFUSED_FIRST_S, MOST_REFUSED_S = 15, 300
PAGE_AFTER_REFUSALS = 5
_FIRST_PATIENCE_S = {RefusalKind.LATER: 5, RefusalKind.SIGNER: 60}
PENDING_RING_S = 20  # the fills did not come at once: they are asked for in peace


class ExitStep:
    """Advances exits."""

    def __init__(self, desk: Desk, carrier: Carrier, collector: FillCollector) -> None:
        self._desk = desk
        self._carrier = carrier
        self._collector = collector

    def __call__(self, held: Held) -> Next:
        """Bring the position nearer to flat. Never raises for a venue that cannot be reached."""
        return self._patiently(self._advance, held)

    def _patiently(self, step: Callable[[Held], Next], held: Held) -> Next:
        try:
            return step(held)
        except VenueUnreachable:
            logger.warning(
                "An exit waits for a venue that does not answer", extra={"order_id": str(held.order.order_id)}
            )
            return again(OUTAGE_RING_S)
        except UnknownAnswer as error:
            order, now = held.order, self._desk.clock.now()
            with self._desk.database.transaction() as tx:
                unknown_store.keep(tx, order.venue, order.network, error, now=now)
                page_unreadable(tx, held, error, now=now)
            return again(PENDING_RING_S)

    def _advance(self, held: Held) -> Next:
        order = held.order
        assert order.position_id is not None
        if (order.attempt, ActionKind.PLACE) in held.requests and self._is_in_flight(order):
            # continue what is under way; the figures are prepared already
            return self._attempt(held, Decimal(0), Decimal(0))
        entry = self._kill_entry(order)
        if (
            entry is not None
        ):  # its own step uses up its nonce, now that an exit stands; then what is held is closed
            return follow(entry.order_id, then=self._close_on)
        return self._close(held)

    def _close(self, held: Held) -> Next:
        """Close of what the venue shows as much as is ours."""
        order = held.order
        assert order.position_id is not None
        collected = self._collector.collect(held.account, also=[order.position_id])
        position = collected.positions[order.position_id]
        self._tell_if_late(held, position)
        if position.status in GONE:
            return self._finish(held, position)
        venue = self._desk.venue_of(order)
        snapshot = venue.account(held.account.address)
        holding = snapshot.holdings.get(order.market)
        shown = Decimal(0) if holding is None else holding.size * order.side.sign
        if shown <= 0:
            return self._flat_but_open(held, position)
        size = min(shown - self._foreign(order, position), position.held)
        if size <= 0:  # what the venue shows is not ours, as far as the fills say
            return self._flat_but_open(held, position) if position.held > 0 else again(3)
        mark = venue.marks().prices.get(order.market)
        if mark is None:
            raise VenueUnreachable("no mark for a market that we hold")
        return self._attempt(held, size, mark)

    def _foreign(self, order: Order, position: Position) -> Decimal:
        """What others hold on our side of the place, by the latest fill that is listed: what it left beyond our own fills."""
        with self._desk.database.transaction() as tx:
            after = doubt_store.sizes_last_stored(tx, order.account_id, order.market)
        held_in_all = max(size * order.side.sign for size in after)
        return max(held_in_all - position.size, Decimal(0))

    def _is_in_flight(self, order: Order) -> bool:
        with self._desk.database.transaction() as tx:
            action = actions_store.action(tx, order.order_id, order.attempt, ActionKind.PLACE)
        return action is not None and action.status not in {
            ActionStatus.ACKED,
            ActionStatus.REFUSED,
            ActionStatus.EXPIRED,
        }

    def _kill_entry(self, order: Order) -> Order | None:
        """End an entry of this position that was never sent; return one that may still bring size."""
        assert order.position_id is not None
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            positions_store.begin_closing(tx, order.position_id, reason=str(order.plan["reason"]), now=now)
            entries = store.of_position(tx, order.position_id, (OrderKind.ENTER,), unfinished=True)
            for entry in entries:
                action = actions_store.action(tx, entry.order_id, entry.attempt, ActionKind.PLACE)
                if action is None and store.finish_unclaimed(
                    tx,
                    entry.order_id,
                    OrderStatus.CANCELLED,
                    known=entry.status,
                    now=now,
                    reason=Reason.NO_LONGER_NEEDED.value,
                ):
                    positions_store.abandon(tx, order.position_id, reason=str(order.plan["reason"]), now=now)
                    store.release_reservation(tx, entry.order_id, now=now)
                    continue
                acked = action is not None and action.status is ActionStatus.ACKED
                waited_out = (
                    action is not None
                    and is_expired(action, now - INDEX_LAG)
                    and action.status is ActionStatus.EXPIRED
                )
                if not acked and not waited_out:
                    return entry
        return None

    def _attempt(self, held: Held, size: Decimal, mark: Decimal) -> Next:
        order = held.order
        venue = self._desk.venue_of(order)
        market = self._desk.market(venue, order.market)
        assert market is not None, "a held position names a listed market"
        closes_by_buying = order.side.sign < 0
        bound = exit_bound(mark, order.side, widened(order)) if mark else Decimal(0)
        after: list[Order] = []
        known = self._carrier.carry(
            held,
            Place(
                market=order.market,
                is_buy=closes_by_buying,
                size=venue.fit_size(market, size),
                price=venue.fit_price(market, bound, up=closes_by_buying) if bound else bound,
                reduce_only=True,
                cloid=client_order_id(order.order_id, order.attempt),
            ),
            market,
            attempt=order.attempt,
            kind=ActionKind.PLACE,
            lasting=EXIT_LIVES,
            learn=lambda tx, outcome: self._count(tx, held, outcome, after),
        )
        assert not isinstance(known, Barred), "an exit is never barred"
        if not after:
            return self._learn(held, known)
        # an entry that was in front was looked at before this attempt, if it was begun here; no other can come to this position
        is_begun_here = mark > 0
        return go_on(after[0], self._close_on if is_begun_here else None)

    def _close_on(self, held: Held) -> Next:
        return self._patiently(self._close, held)

    def _count(self, tx: Transaction, held: Held, outcome: Outcome, after: list[Order]) -> None:
        """After a fill the next attempt sees what is left: it is begun in the transaction that records the answer."""
        if not isinstance(outcome, Filled):
            return
        fields: dict[str, Any] = {}
        if refusals(held.order):
            plan = {name: value for name, value in held.order.plan.items() if name != "refused"}
            fields = {"plan": plan, "detail": None}
        after.append(self._begin_next(tx, held, **fields))

    def _learn(self, held: Held, known: Known) -> Next:
        order = held.order
        now = self._desk.clock.now()
        match known:
            case Filled():
                return self._next_attempt(held, wait_s=0)
            case Refused(kind=RefusalKind.WIDEN):
                at_floor = is_at_exit_floor(widened(order))
                if at_floor:
                    with self._desk.database.transaction() as tx:
                        page_exit_at_floor(tx, held, now=now)
                wider = {"plan": {**order.plan, "widened": widened(order) + 1}}
                return self._next_attempt(held, wait_s=5 if at_floor else 0, **wider)
            case Refused(kind=RefusalKind.ALREADY_FLAT):
                plan = {**order.plan, "refused": refusals(order) + 1}
                wait_s = widening_s(refusals(order), first_s=1, most_s=PENDING_RING_S)
                return self._next_attempt(held, wait_s=wait_s, plan=plan)
            case Void():
                return self._next_attempt(held, wait_s=1)
            case Refused():
                return self._refused(held, known, now)
            case NotSent():
                return again(OUTAGE_RING_S)
            case Ambiguous() | Resting() | Done():
                with self._desk.database.transaction() as tx:
                    store.move(tx, order, OrderStatus.UNKNOWN, held=held.claim, now=now)
                return again(min(ask_again_s(known, 2), MOST_PATIENT_S))

    def _refused(self, held: Held, refused: Refused, now: datetime) -> Next:
        """Try again ever more rarely, with the reason on the order's row, and page each hour that it lasts."""
        order = held.order
        assert order.position_id is not None
        first_s = _FIRST_PATIENCE_S.get(refused.kind, REFUSED_FIRST_S)
        with self._desk.database.transaction() as tx:
            if refused.kind is RefusalKind.SIGNER:
                page_signer(tx, held, refused, now=now)
                positions_store.mark_unmanaged(tx, order.position_id, now=now)
            elif refused.kind is not RefusalKind.LATER:
                page_unknown(tx, held, refused, now=now)
            elif refusals(order) >= PAGE_AFTER_REFUSALS:
                page_exit_put_off(tx, held, refused, now=now)
        if refused.kind is RefusalKind.SIGNER:
            self._desk.signers.forget(held.account)
        plan = {**order.plan, "refused": refusals(order) + 1}
        wait_s = widening_s(refusals(order), first_s=first_s, most_s=MOST_REFUSED_S)
        return self._next_attempt(held, wait_s=wait_s, plan=plan, detail=refused.text[:500])

    def _next_attempt(self, held: Held, *, wait_s: int, **fields: Any) -> Next:
        """Whatever the last attempt did, the next one reads the venue again and closes what is left."""
        with self._desk.database.transaction() as tx:
            order = self._begin_next(tx, held, **fields)
        return go_on(order) if wait_s == 0 else again(wait_s)

    def _begin_next(self, tx: Transaction, held: Held, **fields: Any) -> Order:
        return store.move(
            tx,
            held.order,
            OrderStatus.WORKING,
            held=held.claim,
            now=self._desk.clock.now(),
            attempt=held.order.attempt + 1,
            **fields,
        )

    def _flat_but_open(self, held: Held, position: Position) -> Next:
        """The venue shows nothing of ours, but the fills do not say so yet."""
        if position.held == 0 and position.status is PositionStatus.OPENING:
            return again(3)
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            positions_store.mark_close_pending(tx, position.position_id, now=now)
        return again(PENDING_RING_S if position.status is PositionStatus.CLOSE_PENDING else 2)

    def _tell_if_late(self, held: Held, position: Position) -> None:
        """A position that has had no stop since its deadline is a person's business, also while it is being closed."""
        now = self._desk.clock.now()
        opened_at = position.opened_at
        protect_by = position.protect_by or (opened_at and opened_at + PROTECT_DEADLINE)
        if position.protected_at is not None or protect_by is None or now <= protect_by:
            return
        with self._desk.database.transaction() as tx:
            page_unprotected(tx, held, "whoever was closing it was held up", now=now)

    def _finish(self, held: Held, position: Position) -> Next:
        with self._desk.database.transaction() as tx:
            fresh = store.load(tx, held.order.order_id)
            was_filled = fresh is not None and fresh.filled_size > 0
            to = OrderStatus.FILLED if was_filled else OrderStatus.CANCELLED
            reason = held.order.plan["reason"] if was_filled else Reason.NO_LONGER_NEEDED.value
            now = self._desk.clock.now()
            ended = store.leave(tx, held.order, to, held=held.claim, now=now, reason=reason)
            resting = store.of_position(tx, position.position_id, (OrderKind.PROTECT,), unfinished=True)
        return left(ended, *[order.order_id for order in resting])


def refusals(order: Order) -> int:
    """How often in a row the venue refused the exit for a reason that is not its price."""
    return int(order.plan.get("refused", 0))


def widened(order: Order) -> int:
    """How often the exit found nothing within its bound: that alone widens it, and nothing else that may go wrong."""
    return int(order.plan.get("widened", 0))
