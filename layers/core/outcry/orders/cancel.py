"""Cancels: take one resting order off the venue, and be sure that it is off.

Cancelling is harmless to repeat. What became of the target is read from the venue, never concluded from the cancel's answer: it
may have been triggered in the same moment.
"""

from datetime import timedelta
from uuid import UUID

from outcry.orders import store
from outcry.orders.carry import Barred, Carrier, Held
from outcry.orders.model import ActionKind, OrderStatus
from outcry.orders.outcomes import Void, ask_again_s
from outcry.orders.ports import Desk
from outcry.orders.progress import Next, again, follow
from outcry.venues.port import Cancel, Done, OrderState, RefusalKind, Refused

CANCEL_LIVES = timedelta(seconds=10)


class CancelStep:
    """Advances cancels."""

    def __init__(self, desk: Desk, carrier: Carrier) -> None:
        self._desk = desk
        self._carrier = carrier

    def __call__(self, held: Held) -> Next:
        """Cancel the target, then look at it. Raises VenueUnreachable."""
        order = held.order
        venue = self._desk.venue_of(order)
        report = venue.order(held.account.address, order.plan["cloid"])
        if report is not None and report.state is not OrderState.OPEN:
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
            case _:
                with self._desk.database.transaction() as tx:
                    store.move(
                        tx,
                        order,
                        OrderStatus.WORKING,
                        held=held.claim,
                        now=self._desk.clock.now(),
                        attempt=order.attempt + 1 if isinstance(known, Refused | Void) else order.attempt,
                    )
                return again(ask_again_s(known, 3))

    def _end(self, held: Held, to: OrderStatus) -> Next:
        """The target is off the book: this cancel is done, and the target's own row is looked at next."""
        with self._desk.database.transaction() as tx:
            store.move(tx, held.order, to, held=held.claim, now=self._desk.clock.now())
        return follow(UUID(held.order.plan["target"]))
