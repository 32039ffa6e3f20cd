"""Looks at accounts: what their venues show, what the book says, and what has to be read because they differ.

Promises:
- Every account is read once and compared in one transaction; the ledger is asked only about accounts that do not add up.
- Fills are read where the book is behind, funding once an hour, whichever process read it last.
- A foreign holding is believed after two agreeing sightings at least ten seconds apart; it is recorded, noticed, and left alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Account
from outcry.monitoring import store
from outcry.monitoring.book import Page, Shelf
from outcry.monitoring.reconcile import LAG, Finding, Held, Verdict, is_same_sighting, reconcile
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import unknown_store
from outcry.orders.fills import FUNDING_SETTLES, FillCollector
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions import watch_store
from outcry.positions.model import PositionStatus
from outcry.positions.standing import Standing
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, UnknownAnswer, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.side import Side
from outcry.venues.port import AccountSnapshot, Venue
from outcry.venues.weights import LIST_WEIGHT

SIGHTINGS_APART = timedelta(seconds=10)
SNAPSHOT_MAX_AGE = timedelta(seconds=60)
PENDING_TOO_LONG = timedelta(minutes=5)
FUNDING_LISTED_AFTER = timedelta(seconds=10)
FUNDING_WAITS_FOR = timedelta(minutes=30)  # less than half of FUNDING_SETTLES, after which a profit is final
LIQUIDATION_MOVED_FRAC = Decimal("0.001")
_CLEAR = frozenset({Verdict.IN_STEP, Verdict.WAIT})


@dataclass(slots=True)
class Seen:
    """What a venue showed of an account in this pass, and what the comparison with the book found."""

    account: Account
    venue: Venue
    snapshot: AccountSnapshot
    findings: list[Finding] = field(default_factory=list)
    is_compared: bool = False
    is_unread: bool = False
    orders_were_read: bool = False
    funding_was_read: bool = False
    earlier: tuple[datetime, dict[str, Decimal]] | None = None  # read only where something does not add up

    @property
    def is_watched(self) -> bool:
        """Whether everything that this pass asked about the account was answered and compared with the book."""
        return self.is_compared and not self.is_unread


class Inspector:
    """Brings the book of accounts in step with their venues."""

    def __init__(self, desk: Desk, collector: FillCollector) -> None:
        self._desk = desk
        self._collector = collector
        self._noted: dict[str, tuple[datetime, Mapping[str, Decimal]]] = {}

    def compare(self, tx: Transaction, seen: Sequence[Seen], pages: Mapping[str, Page]) -> list[Seen]:
        """Compare each account with the book; returns those that do not add up."""
        now = self._desk.clock.now()
        differing: list[Seen] = []
        for one in seen:
            page = pages[one.account.account_id]
            one.is_unread = one.is_unread or _is_stale(one, page.known.taken_at, now)
            one.is_compared = (
                not one.is_unread
            )  # nothing is concluded about an account whose fills could not be read
            one.findings = []
            if one.is_compared and (page.shelf.is_waiting or page.shelf.sizes != _shown(one)):
                differing.append(one)
        if not differing:
            return []
        names = [one.account.account_id for one in differing]
        moving = store.in_flight(tx, names)
        earlier = store.last_snapshots(tx, names)
        for one in differing:
            one.earlier = earlier.get(one.account.account_id)
            places = _places(pages[one.account.account_id].shelf, moving)
            one.findings = reconcile(places, _shown(one), one.snapshot.taken_at)
        return [one for one in differing if any(finding.verdict not in _CLEAR for finding in one.findings)]

    def read_fills(self, unclear: Iterable[Seen]) -> None:
        """Read the fills of accounts that do not add up. One that does not answer is left for the next pass."""
        for one in unclear:
            try:
                self._collector.collect(one.account)
            except (VenueUnreachable, BugError) as error:
                one.is_unread = True
                self.page_unreadable(one.account, error)
                logger.warning(
                    "Fills could not be read in this pass", extra={"account_id": one.account.account_id}
                )

    def page_unreadable(self, account: Account, error: Exception) -> None:
        """An answer that nobody has catalogued is no outage: a person must look, while the others go on."""
        if not isinstance(error, BugError):
            return
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            if isinstance(error, UnknownAnswer):
                unknown_store.keep(tx, account.venue, account.network, error, now=now)
            tell(
                tx,
                level=Level.PAGE,
                topic="reconcile",
                subject=f"{account.account_id} cannot be read: its venue answers what is not known",
                text=f"{error}. Its stops at the venue stay; nothing is concluded about it until this is mended.",
                dedupe_key=f"unreadable:{account.account_id}:{now:%Y-%m-%dT%H}",
                now=now,
            )

    def page_unread_venue(self, venue: Venue, what: str, error: Exception) -> None:
        """What a venue answers to everybody is not understood: a person must look."""
        if not isinstance(error, UnknownAnswer):
            return
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            unknown_store.keep(tx, venue.name, venue.network, error, now=now)
            tell(
                tx,
                level=Level.PAGE,
                topic="reconcile",
                subject=f"The {what} of {venue.name} are not understood",
                text=f"{error}. Stops at the venue stay; without marks no exit rule decides, without markets known ones serve.",
                dedupe_key=f"unread-venue:{venue.name}:{venue.network}:{what}:{now:%Y-%m-%dT%H}",
                now=now,
            )

    def read_funding(self, seen: Iterable[Seen], pages: Mapping[str, Page]) -> None:
        """Funding comes hourly; it is asked for once after each full hour."""
        now = self._desk.clock.now()
        listed_at = now.replace(minute=0, second=0, microsecond=0) + FUNDING_LISTED_AFTER
        if now < listed_at:
            return
        for one in seen:
            name = one.account.account_id
            read_at = pages[name].known.funding_read_at
            if read_at is not None and read_at >= listed_at:
                continue
            if now < listed_at + FUNDING_WAITS_FOR and not self._desk.affords(LIST_WEIGHT):
                continue
            try:
                self._collector.collect_funding(one.account, one.venue)
                one.funding_was_read = True
            except (VenueUnreachable, BugError) as error:
                self.page_unreadable(one.account, error)
                logger.warning("Funding could not be read in this pass", extra={"account_id": name})

    def note(self, tx: Transaction, seen: Sequence[Seen], pages: Mapping[str, Page], now: datetime) -> None:
        """Write what was concluded, and what each account is worth and holds now."""
        watch_store.write_liquidations(tx, _moved_liquidations(seen, pages), now=now)
        names = [one.account.account_id for one in seen]
        found = [(one, finding) for one in seen for finding in one.findings]
        held = {
            (name, entry.position.position_key): entry.position
            for name in {one.account.account_id for one, _ in found}
            for entry in pages[name].shelf.entries
        }
        foreign = [(one, finding) for one, finding in found if finding.verdict is Verdict.FOREIGN]
        absent = [(one, finding) for one, finding in found if finding.verdict is Verdict.ABSENT]
        shown = [(one.account.account_id, finding.position_key) for one, finding in foreign]
        compared = [one.account.account_id for one in seen if one.is_compared]
        on_record = [name for name in compared if pages[name].known.has_foreign]
        if on_record:
            store.end_discovered(tx, on_record, shown, now=now)
        for one, finding in absent:
            if _is_absent_again(one, held[one.account.account_id, finding.position_key]):
                positions_store.mark_absent(tx, one.account.account_id, finding.position_key, now=now)
        for one, finding in found:
            position = held.get((one.account.account_id, finding.position_key))
            if (
                finding.verdict is Verdict.IN_STEP
                and position
                and position.status is PositionStatus.CLOSE_PENDING
            ):
                positions_store.reopen(tx, position.position_id, now=now)
        for one, finding in foreign:
            self._note_foreign(tx, one, finding, one.earlier, now)
        store.write_snapshots(
            tx,
            {one.account.account_id: one.snapshot for one in seen},
            unchanged={one.account.account_id for one in seen if self._is_noted(one, pages)},
            watched={one.account.account_id for one in seen if one.is_watched},
            orders_read={one.account.account_id for one in seen if one.orders_were_read},
            funding_read={one.account.account_id for one in seen if one.funding_was_read},
            now=now,
        )
        self._noted |= {one.account.account_id: (one.snapshot.taken_at, _shown(one)) for one in seen}
        waiting = [name for name in names if pages[name].shelf.is_waiting]
        if waiting:
            self._page_waiting(tx, waiting, now)
        provisional = [name for name in names if pages[name].known.has_provisional]
        if provisional:
            store.finalise(tx, provisional, before=now - FUNDING_SETTLES, now=now)

    def _is_noted(self, one: Seen, pages: Mapping[str, Page]) -> bool:
        """Whether the last snapshot that is stored is one that this process stored, with the same holdings."""
        name = one.account.account_id
        noted = self._noted.get(name)
        return noted is not None and noted[0] == pages[name].known.taken_at and noted[1] == _shown(one)

    def _page_waiting(self, tx: Transaction, names: Sequence[str], now: datetime) -> None:
        for row in store.stale_pending(tx, names, now=now, after=PENDING_TOO_LONG):
            tell(
                tx,
                level=Level.PAGE,
                topic="reconcile",
                subject=f"{row['market']} on {row['account_id']} is gone at the venue, but no fill explains it",
                text="Its profit stays unknown until the fills are found. Compare the account's history with the ledger.",
                dedupe_key=f"close-pending:{row['position_id']}",
                now=now,
                trace_id=row["trace_id"],
            )

    def _note_foreign(
        self,
        tx: Transaction,
        one: Seen,
        finding: Finding,
        earlier: tuple[datetime, dict[str, Decimal]] | None,
        now: datetime,
    ) -> None:
        key, account = finding.position_key, one.account
        holding = one.snapshot.holdings.get(key)
        if earlier is None or holding is None:
            return
        apart = one.snapshot.taken_at - earlier[0]
        if not is_same_sighting(earlier[1].get(key), holding.size, apart=apart, at_least=SIGHTINGS_APART):
            return
        if not store.insert_discovered(
            tx,
            account,
            market=key,
            side=Side.LONG if finding.foreign_size > 0 else Side.SHORT,
            size=abs(finding.foreign_size),
            entry_price=holding.entry_price,
            now=now,
        ):
            return
        tell(
            tx,
            level=Level.WARNING,
            topic="reconcile",
            subject=f"{account.account_id} holds {finding.foreign_size} {key} that is not ours",
            text="It is observed and never sold. No entry is made in this market while it is there.",
            dedupe_key=f"foreign:{account.account_id}:{key}:{now:%Y-%m-%dT%H}",
            now=now,
        )


def _shown(one: Seen) -> Mapping[str, Decimal]:
    return one.snapshot.holdings.sizes


def _places(shelf: Shelf, moving: Mapping[tuple[str, str], tuple[bool, datetime | None]]) -> list[Held]:
    """What the book says of each place of an account, and whether it is changing: also of one that it holds nothing in any more.

    An exit may be booked after the venue was read: what the venue showed then was ours, and is nobody else's.
    """
    places = {
        entry.position.position_key: entry.position.held * entry.position.side.sign for entry in shelf.entries
    }
    left = {key: Decimal(0) for account_id, key in moving if account_id == shelf.account_id}
    return [
        Held(key, size, *moving.get((shelf.account_id, key), (False, None)))
        for key, size in (left | places).items()
    ]


def _is_stale(one: Seen, known_at: datetime | None, now: datetime) -> bool:
    """Whether an answer is older than what is known already, or too old to conclude anything from."""
    taken_at = one.snapshot.taken_at
    return now - taken_at > SNAPSHOT_MAX_AGE or (known_at is not None and taken_at < known_at)


def _is_absent_again(one: Seen, position: Standing) -> bool:
    """Whether two answers, far enough apart and both later than the entry, show nothing where we hold something."""
    if one.earlier is None or one.earlier[1].get(position.position_key):
        return False
    taken_at = one.earlier[0]
    after_entry = position.opened_at is None or taken_at - LAG > position.opened_at
    return after_entry and one.snapshot.taken_at - taken_at >= SIGHTINGS_APART


def _moved_liquidations(seen: Sequence[Seen], pages: Mapping[str, Page]) -> list[tuple[Standing, Decimal]]:
    """Positions whose venue names another liquidation price than the book: the venue's own figure is the one that counts."""
    moved = []
    for one in seen:
        prices, shelf = one.snapshot.holdings.liquidation_prices, pages[one.account.account_id].shelf
        if prices == shelf.liquidation_prices:
            continue
        for position in shelf.held:
            price, known = prices.get(position.market), position.liquidation_price
            if price is None or price <= 0:
                continue
            if known is None or abs(price - known) > known * LIQUIDATION_MOVED_FRAC:
                moved.append((position, price))
    return moved
