"""What became of a request whose answer never came: asked, never guessed, never sent afresh.

The procedure (Hyperliquid docs on nonces; the nonce is what makes a request unique, not the client order id):
1. While the bytes live, send the identical bytes again. An ordinary answer is the answer. `duplicate nonce` says that they
   were admitted before, so there is something to ask about.
2. Ask for the order by its client id, and read the fill feed.
3. Absence is final only when the bytes have expired, the index had time to catch up, the order is unknown, and no fill carries
   its id. Until then the request stays UNKNOWN, and its row is due again in seconds.

A request without an order of its own (leverage, cancel) may be repeated harmlessly, so it is given up once it has expired.
"""

from datetime import timedelta
from decimal import Decimal

from outcry.orders import actions_store
from outcry.orders.carry import Held, Learn, record
from outcry.orders.lifecycle import is_expired
from outcry.orders.model import Action, ActionKind, ActionStatus
from outcry.orders.outcomes import Known, Void, from_report, recorded
from outcry.orders.ports import Desk
from outcry.runtime.errors import VenueUnreachable
from outcry.runtime.observability import logger
from outcry.venues.port import Ambiguous, Answer, Filled, Outcome, Venue

INDEX_LAG = timedelta(seconds=5)
QUESTIONS = (0.0, 0.4, 0.8)  # seconds to wait before each question of one invocation


class Resolver:
    """Finds out what became of requests that are SENT or UNKNOWN."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, held: Held, action: Action, learn: Learn | None = None) -> Known:
        """What is known now; `Ambiguous` where it has to be asked again later."""
        venue = self._desk.venue_of(held.order)
        if action.status is ActionStatus.SENT:
            action = self._admit_doubt(held, action)
        again = self._repeat(held, venue, action, learn)
        if again is not None:
            return again
        if action.kind is not ActionKind.PLACE:
            return self._give_up_if_expired(held, action)
        seen: list[Decimal] = []
        for wait_s in QUESTIONS:
            if wait_s:
                self._desk.pause(wait_s)
            try:
                known = self._ask(held, venue, action, learn, seen)
            except VenueUnreachable as error:
                logger.warning("A question to the venue was not answered", extra={"venue": venue.name})
                return Ambiguous(str(error))
            if known is not None:
                return known
        return Ambiguous("the venue does not show yet what became of it")

    def _admit_doubt(self, held: Held, action: Action) -> Action:
        with self._desk.database.transaction() as tx:
            return actions_store.move_action(tx, action, ActionStatus.UNKNOWN, held=held.claim)

    def _repeat(self, held: Held, venue: Venue, action: Action, learn: Learn | None) -> Known | None:
        now = self._desk.clock.now()
        if is_expired(action, now):
            return None
        assert action.signed is not None
        with self._desk.database.transaction() as tx:
            actions_store.count_send(tx, action, now=now)
        answer = venue.send(action.signed, address=held.account.address)
        known = record(self._desk, held, action, answer, learn)
        return None if known.status is ActionStatus.UNKNOWN else recorded(known)

    def _ask(
        self, held: Held, venue: Venue, action: Action, learn: Learn | None, seen: list[Decimal]
    ) -> Known | None:
        """One question. A size smaller than was asked for counts only when two questions in a row showed it: fills may be listed
        one after the other.
        """
        assert action.cloid is not None
        report = venue.order(held.account.address, action.cloid)
        listed = [
            fill
            for fill in venue.fills(held.account.address, action.prepared_at - INDEX_LAG)
            if fill.cloid == action.cloid
        ]
        size = sum((fill.size for fill in listed), Decimal(0))
        price = sum((fill.size * fill.price for fill in listed), Decimal(0)) / size if size else None
        is_steady = bool(seen) and seen[-1] == size
        seen.append(size)
        if 0 < size < (held.order.size or size) and not is_steady:
            return None
        if report is not None:
            known = from_report(report, size, price)
            return None if known is None else self._settle(held, action, known, learn)
        if not self._is_long_expired(action):
            return None
        if price is not None:  # the index forgot the order, the feed did not
            filled = Filled(size, price, listed[0].venue_order_id)
            return self._settle(held, action, filled, learn)
        return self._void(held, action, "it expired, the venue does not know it, and nothing was filled")

    def _settle(self, held: Held, action: Action, known: Known, learn: Learn | None) -> Known:
        assert not isinstance(known, Void)
        outcome: Outcome = known
        return recorded(record(self._desk, held, action, Answer(outcome, None), learn, is_proof=True))

    def _give_up_if_expired(self, held: Held, action: Action) -> Known:
        if self._is_long_expired(action):
            return self._void(held, action, "it expired unanswered and may be asked for again")
        return Ambiguous("the venue did not answer yet")

    def _void(self, held: Held, action: Action, why: str) -> Void:
        with self._desk.database.transaction() as tx:
            actions_store.move_action(tx, action, ActionStatus.EXPIRED, held=held.claim)
        return Void(why)

    def _is_long_expired(self, action: Action) -> bool:
        return is_expired(action, self._desk.clock.now() - INDEX_LAG)
