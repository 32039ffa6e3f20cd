"""Looks at accounts: what their venues show, what the book says, and what has to be read or placed because they differ.

Promises:
- Every account is read once and compared in one transaction. Fills are read where the book is behind, funding once an hour, open
  orders where a stop may be missing and once a minute besides.
- A position of ours without a resting stop for five seconds is given a new one, whoever had it in hand.
- A foreign holding is believed after two agreeing sightings at least ten seconds apart; it is recorded, noticed, and left alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Account
from outcry.monitoring import store
from outcry.monitoring.book import Entry
from outcry.monitoring.reconcile import LAG, Finding, Held, Verdict, is_same_sighting, reconcile
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.fills import FUNDING_SETTLES, FillCollector
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import plan_exit, plan_protection
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions import watch_store
from outcry.positions.model import Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.queues import Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import AccountSnapshot, OpenOrder, TriggerKind, Venue

SIGHTINGS_APART = timedelta(seconds=10)
UNPROTECTED_FOR = timedelta(seconds=5)
SNAPSHOT_MAX_AGE = timedelta(seconds=60)
PROTECT_WITHIN = timedelta(seconds=20)
PENDING_TOO_LONG = timedelta(minutes=5)
LOOK_AT_ORDERS_EVERY = timedelta(seconds=60)
FUNDING_LISTED_AFTER = timedelta(seconds=10)
LIQUIDATION_MOVED_FRAC = Decimal("0.001")
_HELD = frozenset({PositionStatus.OPEN, PositionStatus.UNMANAGED})
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
    earlier: tuple[datetime, dict[str, Decimal]] | None = None

    @property
    def is_watched(self) -> bool:
        """Whether everything that this pass asked about the account was answered and compared with the book."""
        return self.is_compared and not self.is_unread


class Inspector:
    """Brings the book of accounts in step with their venues."""

    def __init__(self, desk: Desk, collector: FillCollector) -> None:
        self._desk = desk
        self._collector = collector
        self._funding_read: dict[str, datetime] = {}
        self._orders_read: dict[str, datetime] = {}

    def compare(self, tx: Transaction, seen: Sequence[Seen], entries: Sequence[Entry]) -> list[Seen]:
        """Compare each account with the book; returns those that do not add up."""
        names = [one.account.account_id for one in seen]
        moving = store.in_flight(tx, names)
        earlier = store.last_snapshots(tx, names)
        now = self._desk.clock.now()
        places: dict[str, list[Held]] = {}
        for entry in entries:
            position = entry.position
            busy, changed_at = moving.get((position.account_id, position.position_key), (False, None))
            held = Held(position.position_key, position.held * position.side.sign, busy, changed_at)
            places.setdefault(position.account_id, []).append(held)
        for one in seen:
            shown = {market: holding.size for market, holding in one.snapshot.holdings.items()}
            one.earlier = earlier.get(one.account.account_id)
            one.is_unread = one.is_unread or _is_stale(one, now)
            one.findings = []
            if not one.is_unread:  # nothing is concluded about an account whose fills could not be read
                one.findings = reconcile(places.get(one.account.account_id, []), shown, one.snapshot.taken_at)
            one.is_compared = not one.is_unread
        return [one for one in seen if any(finding.verdict not in _CLEAR for finding in one.findings)]

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
            tell(
                tx,
                level=Level.PAGE,
                topic="reconcile",
                subject=f"{account.account_id} cannot be read: its venue answers what is not known",
                text=f"{error}. Its stops at the venue stay; nothing is concluded about it until this is mended.",
                dedupe_key=f"unreadable:{account.account_id}:{now:%Y-%m-%dT%H}",
                now=now,
            )

    def read_funding(self, seen: Iterable[Seen]) -> None:
        """Funding comes hourly; it is asked for once after each full hour."""
        now = self._desk.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        for one in seen:
            name = one.account.account_id
            if self._funding_read.get(name) == hour or now - hour < FUNDING_LISTED_AFTER:
                continue
            try:
                self._collector.collect_funding(one.account, one.venue)
                self._funding_read[name] = hour
            except (VenueUnreachable, BugError):
                logger.warning("Funding could not be read in this pass", extra={"account_id": name})

    def note(self, tx: Transaction, seen: Sequence[Seen], entries: Sequence[Entry], now: datetime) -> None:
        """Write what was concluded, and what each account is worth and holds now."""
        watch_store.write_liquidations(tx, _moved_liquidations(seen, entries), now=now)
        names = [one.account.account_id for one in seen]
        held = {(e.position.account_id, e.position.position_key): e.position for e in entries}
        found = [(one, finding) for one in seen for finding in one.findings]
        foreign = [(one, finding) for one, finding in found if finding.verdict is Verdict.FOREIGN]
        absent = [(one, finding) for one, finding in found if finding.verdict is Verdict.ABSENT]
        shown = [(one.account.account_id, finding.position_key) for one, finding in foreign]
        store.end_discovered(tx, [one.account.account_id for one in seen if one.is_compared], shown, now=now)
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
            watched={one.account.account_id for one in seen if one.is_watched},
            now=now,
        )
        self._note_waiting(tx, names, now)

    def _note_waiting(self, tx: Transaction, names: Sequence[str], now: datetime) -> None:
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
        store.finalise(tx, names, before=now - FUNDING_SETTLES, now=now)

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

    def check_protection(self, seen: Iterable[Seen], entries: Sequence[Entry], now: datetime) -> list[Ring]:
        """See that every stop rests that should; returns the orders to ring."""
        by_account: dict[str, list[Position]] = {}
        for entry in entries:
            position = entry.position
            if position.status in _HELD and position.held > 0:
                by_account.setdefault(position.account_id, []).append(position)
        rings: list[Ring] = []
        for one in seen:
            held = by_account.get(one.account.account_id, [])
            if held and self._is_to_look(one.account.account_id, held, now):
                rings += self._look(one, held, now)
        return rings

    def _is_to_look(self, account_id: str, held: Sequence[Position], now: datetime) -> bool:
        last = self._orders_read.get(account_id)
        doubtful = any(p.protected_at is None or p.crossed_since is not None for p in held)
        return doubtful or last is None or now - last >= LOOK_AT_ORDERS_EVERY

    def _look(self, one: Seen, held: Sequence[Position], now: datetime) -> list[Ring]:
        try:
            open_orders = one.venue.open_orders(one.account.address)
        except (VenueUnreachable, BugError) as error:
            one.is_unread = True
            self.page_unreadable(one.account, error)
            logger.warning(
                "Open orders could not be read in this pass", extra={"account_id": one.account.account_id}
            )
            return []
        self._orders_read[one.account.account_id] = now
        resting = {order.cloid for order in open_orders if order.cloid}
        bare = [p for p in held if self._is_bare(p, now) or _is_undercovered(p, open_orders)]
        terms = {p.market: self._desk.market(one.venue, p.market) for p in bare}
        with self._desk.database.transaction() as tx:
            rings = [
                Ring(str(row["order_id"]), row["trace_id"])
                for row in store.resting_protections(tx, one.account.account_id)
                if row["cloid"] not in resting and row["answered_at"] < now - UNPROTECTED_FOR
            ]
            rings += self._plan_lost_targets(tx, one, held, now)
            placing = store.working_protections(tx, [p.position_id for p in bare])
            for position in bare:
                market = terms[position.market]
                assert market is not None, "a held position names a listed market"
                if position.position_id in placing:
                    rings.append(Ring(str(placing[position.position_id]), position.trace_id))
                elif position.stop_price is not None:
                    trigger = one.venue.fit_price(market, position.stop_price, up=position.side is Side.LONG)
                    rings.append(self._protect_again(tx, position, trigger, now))
                else:
                    rings.append(self._close_bare(tx, position, now))
        return rings

    def _plan_lost_targets(
        self, tx: Transaction, one: Seen, held: Sequence[Position], now: datetime
    ) -> list[Ring]:
        """A take-profit step that was taken off at the venue is planned again; one that is crossed by now is taken at once."""
        by_id = {position.position_id: position for position in held}
        return [
            Ring(
                str(
                    plan_protection(
                        tx,
                        by_id[row["position_id"]],
                        leg=row["leg"],
                        kind=TriggerKind.TAKE_PROFIT,
                        trigger_price=row["trigger_price"],
                        size=min(row["size"], by_id[row["position_id"]].held),
                        now=now,
                        trace_id=by_id[row["position_id"]].trace_id,
                        cause=Reason.TAKE_PROFIT,
                    )
                ),
                by_id[row["position_id"]].trace_id,
            )
            for row in store.lost_targets(tx, one.account.account_id)
            if row["position_id"] in by_id
        ]

    def _is_bare(self, position: Position, now: datetime) -> bool:
        opened = position.opened_at
        return position.protected_at is None and opened is not None and now - opened > UNPROTECTED_FOR

    def _protect_again(self, tx: Transaction, position: Position, trigger: Decimal, now: datetime) -> Ring:
        order_id = plan_protection(
            tx,
            position,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=trigger,
            size=position.held,
            now=now,
            trace_id=position.trace_id,
            cause=Reason.TRAILING_STOP if position.trail_price is not None else Reason.STOP_LOSS,
        )
        positions_store.update(tx, position.position_id, now=now, protect_by=now + PROTECT_WITHIN)
        return Ring(str(order_id), position.trace_id)

    def _close_bare(self, tx: Transaction, position: Position, now: datetime) -> Ring:
        """The levels of this position were never worked out: there is nothing to rest, so it is closed."""
        order_id = plan_exit(tx, position, Reason.UNPROTECTED, now=now, trace_id=position.trace_id)
        return Ring(str(order_id), position.trace_id)


def _is_stale(one: Seen, now: datetime) -> bool:
    """Whether an answer is older than what is known already, or too old to conclude anything from."""
    taken_at = one.snapshot.taken_at
    return now - taken_at > SNAPSHOT_MAX_AGE or (one.earlier is not None and taken_at < one.earlier[0])


def _is_absent_again(one: Seen, position: Position) -> bool:
    """Whether two answers, far enough apart and both later than the entry, show nothing where we hold something."""
    if one.earlier is None or one.earlier[1].get(position.position_key):
        return False
    taken_at = one.earlier[0]
    after_entry = position.opened_at is None or taken_at - LAG > position.opened_at
    return after_entry and one.snapshot.taken_at - taken_at >= SIGHTINGS_APART


def _is_undercovered(position: Position, open_orders: Sequence[OpenOrder]) -> bool:
    """Whether the stops that rest do not cover all of a position that grew: the stop is then replaced by a larger one."""
    if position.protected_at is None:
        return False
    covered = sum(
        (
            order.size
            for order in open_orders
            if order.market == position.market
            and order.trigger is not None
            and order.trigger.kind is TriggerKind.STOP
            and order.is_buy == (position.side is Side.SHORT)
        ),
        Decimal(0),
    )
    return Decimal(0) < covered < position.held


def _moved_liquidations(seen: Sequence[Seen], entries: Sequence[Entry]) -> list[tuple[Position, Decimal]]:
    """Positions whose venue names another liquidation price than the book: the venue's own figure is the one that counts."""
    by_account = {one.account.account_id: one for one in seen}
    moved = []
    for entry in entries:
        position = entry.position
        one = by_account.get(position.account_id)
        holding = one.snapshot.holdings.get(position.market) if one else None
        price = holding.liquidation_price if holding else None
        if price is None or price <= 0 or position.status not in _HELD:
            continue
        known = position.liquidation_price
        if known is None or abs(price - known) > known * LIQUIDATION_MOVED_FRAC:
            moved.append((position, price))
    return moved
