"""What became of a request whose answer never came: asked, never guessed, never sent afresh.

The procedure (Hyperliquid docs on nonces; the nonce is what makes a request unique, not the client order id):
1. While the bytes live, and what they ask for is still wanted, send the identical bytes again. An ordinary answer is the answer.
   `duplicate nonce` says that they were admitted before, `Action already expired` that they are too late: nothing under that nonce
   can run any more, so the bytes are not sent again. What ran before is asked.
2. Ask for the order by its client id, and read the fill feed, with patience.
3. What is not wanted any more, or has expired and is still not listed, has its nonce used up by a no-op (`burn`). Where that is
   accepted, the request never ran, and that is final.
4. Otherwise absence is final only when the bytes cannot run any more, the venue's lists had time to catch up, the order is unknown
   and not among those that rest, no fill carries its id, and the fills explain the size that the venue shows, as of a moment after
   the bytes died; two looks, seconds apart, have to agree on it. Until then the request stays UNKNOWN, its row says what it waits
   for, and it is due again: soon at first, each minute later, with a page to a person each hour.

A request without an order of its own (leverage, cancel) may be repeated harmlessly, so it is given up once it has expired.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.orders import actions_store, doubt_store, unknown_store
from outcry.orders.burn import Burner
from outcry.orders.carry import Guard, Held, Learn, record
from outcry.orders.doubt import (
    INDEX_LAG,
    PAGE_AFTER,
    QUESTIONS_S,
    SETTLING,
    Doubt,
    WaitsFor,
    ask_again_s,
    dead_since,
    explains,
)
from outcry.orders.lifecycle import is_expired
from outcry.orders.model import Action, ActionKind, ActionStatus, OrderKind
from outcry.orders.outcomes import InDoubt, Known, Void, from_report, recorded
from outcry.orders.pages import page_in_doubt, page_not_understood, page_unknown
from outcry.orders.ports import Desk, LoadedSigner
from outcry.runtime.errors import UnknownAnswer, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.reasons import Reason
from outcry.venues.port import (
    Answer,
    Filled,
    OrderReport,
    OrderState,
    Outcome,
    RefusalKind,
    Refused,
    Resting,
    Venue,
    VenueFill,
)

# Before a claim ends: a question of two reads must not begin when it could outlast the claim.
ROOM_FOR_A_QUESTION = timedelta(seconds=4)


class Resolver:
    """Finds out what became of requests that are SENT or UNKNOWN."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._burn = Burner(desk)

    def __call__(
        self,
        held: Held,
        action: Action,
        signer: LoadedSigner | None = None,
        learn: Learn | None = None,
        still: Guard | None = None,
    ) -> Known:
        """What is known now; `InDoubt` where it has to be asked again later. `still` forbids to send the bytes once more."""
        venue = self._desk.venue_of(held.order)
        if action.status is ActionStatus.SENT:
            action = self._admit_doubt(held, action)
        if action.refusal is not None or (action.answer or {}).get("unreadable"):
            self._page_words(held, action)
        is_wanted = action.refusal is None and self._is_wanted(still)
        if is_wanted:
            action = self._repeat(held, venue, action, learn)
            if action.status is not ActionStatus.UNKNOWN:
                return recorded(action)
        if action.kind is not ActionKind.PLACE:
            return self._give_up_if_expired(held, action)
        if not is_wanted:
            action = self._burn(held, venue, action, signer)
        found = self._question(held, venue, action, learn, QUESTIONS_S)
        if isinstance(found, WaitsFor) and found is not WaitsFor.ANSWER and self._has_expired(action):
            action = self._burn(held, venue, action, signer)
            found = self._question(held, venue, action, learn, QUESTIONS_S[:1])
        return self._stay(held, action, found) if isinstance(found, WaitsFor) else found

    def _admit_doubt(self, held: Held, action: Action) -> Action:
        with self._desk.database.transaction() as tx:
            return actions_store.move_action(tx, action, ActionStatus.UNKNOWN, held=held.claim)

    def _page_words(self, held: Held, action: Action) -> None:
        """The first answer was in words, or in a shape, that nobody has catalogued: its raw body is kept with the action."""
        text = action.refusal or Doubt.of(action).why
        refused = Refused(RefusalKind.UNKNOWN, Reason.VENUE_REFUSED, text)
        with self._desk.database.transaction() as tx:
            page_unknown(tx, held, refused, now=self._desk.clock.now())

    def _is_wanted(self, still: Guard | None) -> bool:
        if still is None:
            return True
        with self._desk.database.transaction() as tx:
            return still(tx) is None

    # ─── the same bytes again ───────────────────────────────────────────────────────────────────────────────

    def _repeat(self, held: Held, venue: Venue, action: Action, learn: Learn | None) -> Action:
        now = self._desk.clock.now()
        if dead_since(action, now) is not None:
            return action
        assert action.signed is not None
        with self._desk.database.transaction() as tx:
            actions_store.count_send(tx, action, now=now)
        answer = venue.send(action.signed, address=held.account.address)
        known = record(self._desk, held, action, answer, learn)
        return self._mark(held, known, answer) if known.status is ActionStatus.UNKNOWN else known

    def _mark(self, held: Held, action: Action, answer: Answer) -> Action:
        """Keep what an answer that settles nothing proves all the same, and in unknown words what it said."""
        outcome = answer.outcome
        if not isinstance(outcome, Refused):
            return action
        now = self._desk.clock.now()
        doubt = Doubt.of(action)
        if outcome.kind in {RefusalKind.NONCE_USED, RefusalKind.EXPIRED}:
            is_used = doubt.nonce_is_used or outcome.kind is RefusalKind.NONCE_USED
            doubt = replace(doubt, dead_at=doubt.dead_at or now, nonce_is_used=is_used)
        else:
            doubt = replace(doubt, why=outcome.text)
        is_unknown = outcome.kind in {RefusalKind.UNKNOWN, RefusalKind.BUG}
        with self._desk.database.transaction() as tx:
            if is_unknown:
                page_unknown(tx, held, outcome, now=now)
            raw = answer.raw if is_unknown else None
            return doubt_store.note(tx, action, doubt, held=held.claim, raw=raw)

    # ─── questions ──────────────────────────────────────────────────────────────────────────────────────────

    def _question(
        self, held: Held, venue: Venue, action: Action, learn: Learn | None, waits_s: Sequence[float]
    ) -> Known | WaitsFor:
        """Ask after each of these waits, as far as the claim lasts, until something is known."""
        found: Known | WaitsFor = WaitsFor.ANSWER
        absent_since = Doubt.of(action).absent_at
        for wait_s in waits_s:
            if wait_s:
                enough = held.claim.until - ROOM_FOR_A_QUESTION - timedelta(seconds=wait_s)
                if self._desk.clock.now() > enough:
                    return found
                self._desk.pause(wait_s)
            try:
                found = self._ask(held, venue, action, learn)
            except VenueUnreachable:
                logger.warning("A question to the venue was not answered", extra={"venue": venue.name})
                return WaitsFor.ANSWER
            except UnknownAnswer as error:
                self._keep_unknown(held, venue, error)
                return WaitsFor.WORDS
            if not isinstance(found, WaitsFor):
                return found
            now = self._desk.clock.now()
            if found is not WaitsFor.SECOND_LOOK:
                absent_since = None
            elif absent_since is None:
                absent_since = now
            elif now - absent_since >= SETTLING:
                return self._void(held, action, "it cannot run any more, and the venue shows no trace of it")
        return found

    def _ask(self, held: Held, venue: Venue, action: Action, learn: Learn | None) -> Known | WaitsFor:
        """One question: what the fills say, what the venue's record says, and what their silence says."""
        assert action.cloid is not None
        report, unread = self._report(venue, held.account.address, action.cloid)
        with self._desk.database.transaction() as tx:
            since = min(doubt_store.feed_from(tx, held.order.account_id), action.prepared_at - INDEX_LAG)
        feed = [fill for fill in venue.fills(held.account.address, since) if fill.market == held.order.market]
        ours = [fill for fill in feed if _is_of(fill, action, report)]
        if ours:
            found = self._from_fills(held, venue, feed, ours)
            return found if isinstance(found, WaitsFor) else self._settle(held, action, found, learn)
        if unread is not None:
            raise unread
        if report is None:
            return self._from_absence(held, venue, action, feed, learn)
        known = self._from_report(held, venue, report, feed)
        return known if isinstance(known, WaitsFor) else self._settle(held, action, known, learn)

    def _report(
        self, venue: Venue, address: str, cloid: str
    ) -> tuple[OrderReport | None, UnknownAnswer | None]:
        """The venue's record of the order; one in unknown words is no absence, and the fills may tell all the same."""
        try:
            return venue.order(address, cloid), None
        except UnknownAnswer as error:
            return None, error

    def _from_fills(
        self, held: Held, venue: Venue, feed: Sequence[VenueFill], ours: Sequence[VenueFill]
    ) -> Outcome | WaitsFor:
        """All of it, or a part of it that the size at the venue shows to be all there is: fills may be listed one by one."""
        size = sum((fill.size for fill in ours), Decimal(0))
        last = max(fill.filled_at for fill in ours)
        is_all = held.order.size is not None and size >= held.order.size
        if not is_all and not self._explains(held, venue, feed, at_least=last):
            return WaitsFor.SIZE
        price = sum((fill.size * fill.price for fill in ours), Decimal(0)) / size
        return Filled(size, price, ours[0].venue_order_id)

    def _from_report(
        self, held: Held, venue: Venue, report: OrderReport, feed: Sequence[VenueFill]
    ) -> Outcome | WaitsFor:
        """What the venue's own record proves where no fill is listed. A state never implies a size. (DESIGN, section 4.)"""
        if report.state is OrderState.OPEN:
            return Resting(report.venue_order_id) if _may_rest(held) else WaitsFor.FINAL_STATUS
        known = from_report(report)
        if known is None:
            return WaitsFor.FILLS
        if report.state is OrderState.CANCELLED and not self._explains(
            held, venue, feed, at_least=report.changed_at
        ):
            return WaitsFor.FILLS  # what was cancelled may have been filled in part before
        return known

    def _from_absence(
        self, held: Held, venue: Venue, action: Action, feed: Sequence[VenueFill], learn: Learn | None
    ) -> Known | WaitsFor:
        if Doubt.of(action).never_ran:
            return self._void(held, action, "its nonce was free until a no-op used it up")
        now = self._desk.clock.now()
        dead_at = dead_since(action, now)
        # an attempt to close can at worst be repeated for what the venue still shows, so its size alone is proof enough
        lag = SETTLING if held.order.kind is OrderKind.EXIT else INDEX_LAG
        if dead_at is None or now <= dead_at + lag:
            return WaitsFor.EXPIRY
        if _may_rest(held):
            for resting in venue.open_orders(held.account.address):
                if resting.cloid == action.cloid:
                    return self._settle(held, action, Resting(resting.venue_order_id), learn)
        if not self._explains(held, venue, feed, at_least=dead_at + SETTLING):
            return WaitsFor.SIZE
        if held.order.kind is not OrderKind.EXIT:
            return WaitsFor.SECOND_LOOK  # an answer may leave a row out: two that agree are believed
        return self._void(held, action, "it cannot run any more, and the venue shows no trace of it")

    def _explains(self, held: Held, venue: Venue, feed: Sequence[VenueFill], *, at_least: datetime) -> bool:
        """Whether the venue, at that moment or later, showed the size that the listed fills add up to."""
        snapshot = venue.account(held.account.address)
        if snapshot.taken_at < at_least:
            return False
        holding = snapshot.holdings.get(held.order.market)
        with self._desk.database.transaction() as tx:
            before = doubt_store.sizes_last_stored(tx, held.order.account_id, held.order.market)
        return explains(Decimal(0) if holding is None else holding.size, feed, before)

    # ─── what follows ───────────────────────────────────────────────────────────────────────────────────────

    def _settle(self, held: Held, action: Action, outcome: Outcome, learn: Learn | None) -> Known:
        return recorded(record(self._desk, held, action, Answer(outcome, None), learn, is_proof=True))

    def _stay(self, held: Held, action: Action, waits_for: WaitsFor) -> InDoubt:
        """It stays UNKNOWN: say since when, what was asked and what it waits for."""
        now = self._desk.clock.now()
        known = Doubt.of(action)
        absent_at = (known.absent_at or now) if waits_for is WaitsFor.SECOND_LOOK else None
        doubt = replace(
            known, asked=known.asked + 1, asked_at=now, absent_at=absent_at, waits_for=waits_for.value
        )
        age = now - action.prepared_at
        with self._desk.database.transaction() as tx:
            doubt_store.note(tx, action, doubt, held=held.claim)
            if age > PAGE_AFTER:
                page_in_doubt(tx, held, doubt, since=action.prepared_at, now=now)
        return InDoubt(f"it is not known what became of it; it waits for {waits_for.value}", ask_again_s(age))

    def _give_up_if_expired(self, held: Held, action: Action) -> Known:
        dead_at = dead_since(action, self._desk.clock.now())
        if dead_at is not None and self._desk.clock.now() > dead_at + INDEX_LAG:
            return self._void(held, action, "it expired unanswered and may be asked for again")
        return self._stay(held, action, WaitsFor.EXPIRY)

    def _void(self, held: Held, action: Action, why: str) -> Known:
        """It never ran. Where the venue had refused it in unknown words, that is the refusal, and nothing is tried again blindly."""
        if action.refusal is not None:
            refused = Refused(RefusalKind.UNKNOWN, Reason.VENUE_REFUSED, action.refusal)
            return self._settle(held, action, refused, None)
        with self._desk.database.transaction() as tx:
            actions_store.move_action(tx, action, ActionStatus.EXPIRED, held=held.claim)
        logger.info("A request in doubt never ran", extra={"action_id": str(action.action_id), "proof": why})
        return Void(why)

    def _keep_unknown(self, held: Held, venue: Venue, error: UnknownAnswer) -> None:
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            unknown_store.keep(tx, venue.name, venue.network, error, now=now)
            page_not_understood(tx, held.order, error, now=now)

    def _has_expired(self, action: Action) -> bool:
        return is_expired(action, self._desk.clock.now())


def _is_of(fill: VenueFill, action: Action, report: OrderReport | None) -> bool:
    """Whether a fill belongs to the action: by the client id, or, where the feed names none, by the venue's id of its order."""
    if fill.cloid is not None:
        return fill.cloid == action.cloid
    return report is not None and fill.venue_order_id == report.venue_order_id


def _may_rest(held: Held) -> bool:
    """Whether the order is a trigger: nothing else of ours rests at a venue."""
    return held.order.kind is OrderKind.PROTECT and not held.order.plan.get("crossed", False)
