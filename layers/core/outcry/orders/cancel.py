"""Cancels: take one resting order off the venue, and be sure that it is off.

Cancelling is harmless to repeat. What became of the target is read from the venue, never concluded from the cancel's answer: it
may have been triggered in the same moment.
"""

from datetime import timedelta
from uuid import UUID

from outcry.orders import store, unknown_store
from outcry.orders.carry import Barred, Carrier, Held
from outcry.orders.model import ActionKind, OrderStatus
from outcry.orders.outcomes import Void, ask_again_s
from outcry.orders.pages import page_not_understood, page_unknown
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again, left, widening_s
from outcry.runtime.errors import UnknownAnswer
from outcry.venues.port import Cancel, Done, OrderState, RefusalKind, Refused, Venue

CANCEL_LIVES = timedelta(seconds=10)
CANCEL_PATIENCE_S = 300


class CancelStep:
    """Advances cancels."""

    def __init__(self, desk: Desk, carrier: Carrier) -> None:
        self._desk = desk
        self._carrier = carrier

    def __call__(self, held: Held) -> Next:
        """Cancel the target, then look at it. Raises VenueUnreachable."""
        order = held.order
        venue = self._desk.venue_of(order)
        if self._has_ended(held, venue):
            return self._end(held, OrderStatus.CANCELLED)  # it may not have been asked for at all
        market = self._desk.market(venue, order.market)
        assert market is not None, "a resting order names a listed market"
        known = self._carrier.carry(
            held,
            Cancel(order.market, order.plan["cloid"]),
            market,
            attempt=order.attempt,
            kind=ActionKind.CANCEL,
            lasting=CANCEL_LIVES,
        )
        assert not isinstance(known, Barred), "a cancel is never barred"
        match known:
            case Done() | Refused(kind=RefusalKind.NOT_THERE):
                return self._end(held, OrderStatus.FILLED)
            case Refused():
                return self._refused(held, known)
            case _:
                attempt = order.attempt + 1 if isinstance(known, Void) else order.attempt
                self._go_on(held, attempt)
                return again(ask_again_s(known, 3))

    def _has_ended(self, held: Held, venue: Venue) -> bool:
        """Whether the target is off the book already. An answer in unknown words does not say so, and a cancel is harmless."""
        order = held.order
        try:
            report = venue.order(held.account.address, order.plan["cloid"])
        except UnknownAnswer as error:
            now = self._desk.clock.now()
            with self._desk.database.transaction() as tx:
                unknown_store.keep(tx, venue.name, venue.network, error, now=now)
                page_not_understood(tx, order, error, now=now)
            return False
        return report is not None and report.state is not OrderState.OPEN

    def _refused(self, held: Held, refused: Refused) -> Next:
        """It is asked for again ever more rarely, and a person hears why: the order goes on resting meanwhile."""
        if refused.kind is not RefusalKind.LATER:
            with self._desk.database.transaction() as tx:
                page_unknown(tx, held, refused, now=self._desk.clock.now())
        self._go_on(held, held.order.attempt + 1)
        return again(widening_s(held.order.attempt, first_s=3, most_s=CANCEL_PATIENCE_S))

    def _go_on(self, held: Held, attempt: int) -> None:
        with self._desk.database.transaction() as tx:
            now = self._desk.clock.now()
            store.move(tx, held.order, OrderStatus.WORKING, held=held.claim, now=now, attempt=attempt)

    def _end(self, held: Held, to: OrderStatus) -> Next:
        """The target is off the book: this cancel is done, and the target's own row is looked at next."""
        with self._desk.database.transaction() as tx:
            ended = store.leave(tx, held.order, to, held=held.claim, now=self._desk.clock.now())
        return left(ended, UUID(held.order.plan["target"]))
