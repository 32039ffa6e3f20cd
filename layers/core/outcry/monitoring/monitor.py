"""One pass over the positions of some accounts: marks, reconciliation, exit rules, and one write of what changed.

Promises:
- One mark read per venue, one account read per account, and a fixed number of statements however many accounts and positions
  there are; fills and open orders are read only where something does not add up, and open orders once a minute besides.
- Nothing is written of a position that stood still.
- No decision without a fresh mark: stale, missing or frozen marks raise an alarm and change nothing.
- A pass never trades. It plans exits and stops, and rings the ledger.
- After each pass the account whose signer is due to be asked about is looked at (`standing`).
- Where the address is short of request weight, a pass leaves out what can wait, then accounts that hold nothing, for a minute at
  most; never the marks, nor what holds something or does not add up.
- Two passes over one account never run at the same time; a pass that comes too late is dropped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from outcry.agents import roster
from outcry.agents.model import Account
from outcry.monitoring import store
from outcry.monitoring.act import Actor
from outcry.monitoring.book import Book, Page
from outcry.monitoring.cover import Cover
from outcry.monitoring.exits import decide
from outcry.monitoring.inspect import Inspector, Seen
from outcry.monitoring.standing import Standing
from outcry.orders.fills import FillCollector
from outcry.orders.ports import Desk
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, UnknownAnswer, VenueUnreachable
from outcry.runtime.leases import end_leases, try_leases
from outcry.runtime.observability import logger
from outcry.runtime.queues import Queue, Ring
from outcry.venues.port import Marks, Venue
from outcry.venues.settling import Settles
from outcry.venues.weights import ACCOUNT_WEIGHT, LIST_WEIGHT, MARKS_WEIGHT

LATE = timedelta(seconds=20)
LEASE = "monitor:"
MARK_MAX_AGE = timedelta(seconds=10)
MARKETS_KEPT_FOR = timedelta(hours=1)
TIME_TO_ASK = timedelta(seconds=10)
CALM_UNREAD_FOR = timedelta(seconds=40)  # every third pass reads it: a minute unread is neglect


@dataclass(slots=True)
class _Leases:
    """The accounts that are this pass's alone, until the leases are given back."""

    names: list[str]
    holder: UUID

    @property
    def account_ids(self) -> list[str]:
        return [name.removeprefix(LEASE) for name in self.names]

    def end(self, tx: Transaction) -> None:
        end_leases(tx, self.names, holder=self.holder)


class Monitor:
    """Watches accounts. `live` names the venue that gives the marks: also for paper accounts."""

    def __init__(self, desk: Desk, collector: FillCollector, *, live: tuple[str, str]) -> None:
        self._desk = desk
        self._live = live
        self._book = Book()
        self._inspector = Inspector(desk, collector)
        self._cover = Cover(desk, self._inspector)
        self._actor = Actor(desk, self._book)
        self._markets_fresh_until: datetime | None = None
        self._standing = Standing(desk)
        self._calm: dict[str, datetime] = {}  # accounts that hold nothing, and when they were read

    def run(self, account_ids: Sequence[str], *, due_at: datetime, deadline: datetime, trace_id: str) -> int:
        """Run one pass; returns how many positions it looked at. Raises VenueUnreachable where no marks came."""
        now = self._desk.clock.now()
        if now - due_at > LATE:
            logger.warning(
                "A tick came too late and was dropped", extra={"late_s": (now - due_at).total_seconds()}
            )
            return 0
        holder = self._desk.new_id()
        names = [f"{LEASE}{account_id}" for account_id in account_ids]
        with self._desk.database.transaction() as tx:
            ours = try_leases(tx, names, holder=holder, now=now, lasting=deadline - now)
            self._desk.remember(roster.accounts_named(tx, self._desk.unknown(account_ids)))
            if self._desk.weights is not None and ours:
                self._desk.weights.book(tx, ahead=MARKS_WEIGHT + ACCOUNT_WEIGHT * len(ours))
        if not ours:
            return 0
        leases = _Leases(ours, holder)
        try:
            count = self._pass(leases, now)
            self._look_after_signers(leases.account_ids, deadline)
            return count
        except BaseException:
            with self._desk.database.transaction() as tx:
                leases.end(tx)
            raise

    def _look_after_signers(self, account_ids: Sequence[str], deadline: datetime) -> None:
        """After everything else, and only where the venue may take its time to answer."""
        now = self._desk.clock.now()
        if deadline - now < TIME_TO_ASK:
            return
        rings = self._standing.check(account_ids, now)
        if rings:
            self._desk.doorbell.ring(Queue.EXITS, rings)

    def _pass(self, leases: _Leases, now: datetime) -> int:
        live = self._desk.venue(*self._live)
        marks = self._marks(live)
        accounts = self._on_record(leases.account_ids)
        due = [account for account in accounts if not self._can_wait(account, now)]
        seen = [found for account in due if (found := self._see(account, marks)) is not None]
        watched_ids = [account.account_id for account in accounts]
        with self._desk.database.transaction() as tx:
            for venue in self._quoted():
                store.write_marks(tx, venue.name, venue.network, marks)
            frozen = store.is_feed_frozen(tx, *self._live)
            refresh = self._are_markets_old(tx, live, now)
            pages = self._book.read(tx, watched_ids)
            unclear = self._inspector.compare(tx, seen, pages)
        if refresh and self._desk.affords(LIST_WEIGHT):
            self._read_markets(live, now)
        if unclear:
            self._inspector.read_fills(unclear)
            with self._desk.database.transaction() as tx:
                pages = self._book.read(tx, watched_ids)
                self._inspector.compare(tx, seen, pages)
        self._inspector.read_funding(seen, pages)
        rings = self._decide(pages.values(), marks, now, frozen=frozen)
        rings += self._cover.check(seen, pages, now)
        positions = sum(len(page.shelf.entries) for page in pages.values())
        self._note_calm(seen, pages, now)
        with self._desk.database.transaction() as tx:
            self._inspector.note(tx, seen, pages, now)
            detail = {"accounts": len(accounts), "seen": len(seen), "positions": positions}
            store.beat(tx, f"monitor_{self._live[0]}", now=now, detail=detail)
            leases.end(tx)
        if rings:
            self._desk.doorbell.ring(Queue.EXITS, rings)
        return positions

    def _can_wait(self, account: Account, now: datetime) -> bool:
        """Whether the address is short of weight, and the account held nothing when it was read a moment ago."""
        read_at = self._calm.get(account.account_id)
        return read_at is not None and now - read_at < CALM_UNREAD_FOR and not self._desk.affords(0)

    def _note_calm(self, seen: Sequence[Seen], pages: Mapping[str, Page], now: datetime) -> None:
        for name in [name for name in self._calm if name in pages and pages[name].shelf.entries]:
            del self._calm[name]
        for one in seen:
            name = one.account.account_id
            if one.is_watched and not pages[name].shelf.entries and not one.snapshot.holdings:
                self._calm[name] = now

    def _marks(self, live: Venue) -> Marks:
        """Raises VenueUnreachable, also where the answer is not understood: then a person is told, and nothing is decided."""
        try:
            return live.marks()
        except UnknownAnswer as error:
            self._inspector.page_unread_venue(live, "marks", error)
            raise VenueUnreachable("the marks are not understood") from error

    def _on_record(self, account_ids: Sequence[str]) -> list[Account]:
        """The accounts, without those that cannot be loaded: one of these stops the watch over no other."""
        found = []
        for account_id in account_ids:
            try:
                found.append(self._desk.account(account_id))
            except BugError:
                logger.error(
                    "An account is not on record and is not watched", extra={"account_id": account_id}
                )
        return found

    def _are_markets_old(self, tx: Transaction, live: Venue, now: datetime) -> bool:
        """Whether nobody has read the venue's markets for an hour; asked of the database once an hour."""
        if self._markets_fresh_until is not None and now < self._markets_fresh_until:
            return False
        read_at = store.markets_read_at(tx, live.name, live.network)
        if read_at is None or now - read_at > MARKETS_KEPT_FOR:
            return True
        self._markets_fresh_until = read_at + MARKETS_KEPT_FOR
        return False

    def _quoted(self) -> list[Venue]:
        """The live venue, and those that trade at its marks."""
        live = self._desk.venue(*self._live)
        return [live, *(venue for venue in self._desk.venues.values() if isinstance(venue, Settles))]

    def _see(self, account: Account, marks: Marks) -> Seen | None:
        """What the venue shows of an account; None where it could not be read: then nothing is concluded about it."""
        try:
            venue = self._desk.venue(account.venue, account.network)
            if isinstance(venue, Settles):
                venue.settle(marks, [account.address])
            return Seen(account, venue, venue.account(account.address))
        except (VenueUnreachable, BugError) as error:
            self._inspector.page_unreadable(account, error)
            logger.warning(
                "An account could not be read in this pass", extra={"account_id": account.account_id}
            )
            return None

    def _read_markets(self, live: Venue, now: datetime) -> None:
        try:
            markets = live.markets()
        except (
            VenueUnreachable,
            UnknownAnswer,
        ) as error:  # known facts serve meanwhile: no pass waits for these
            self._inspector.page_unread_venue(live, "markets", error)
            logger.warning("Markets could not be read in this pass", extra={"venue": live.name})
            return
        with self._desk.database.transaction() as tx:
            for venue in self._quoted():
                store.write_markets(tx, venue.name, venue.network, markets, now=now)

    def _decide(self, pages: Collection[Page], marks: Marks, now: datetime, *, frozen: bool) -> list[Ring]:
        fresh = self._desk.clock.now() - marks.received_at <= MARK_MAX_AGE
        if frozen and any(page.shelf.entries for page in pages):
            return self._actor.tell_frozen(self._live[0], now)
        prices = marks.prices if fresh else {}
        moved = []
        for page in pages:
            for market, watch, position in page.shelf.watched:
                mark = prices.get(market)
                if mark is None:
                    self._actor.tell_no_mark(position, now)
                    continue
                if watch.low < mark < watch.high and now < watch.until:
                    continue  # what `decide` would find first: for a position that stands still the call costs more
                decision = decide(watch, mark, now)
                if decision is not None:
                    moved.append((position, decision))
        return self._actor.follow(moved, now)
