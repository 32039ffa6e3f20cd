"""Looks at one account: what the venue shows, what the book says, and what has to be read or placed because they differ.

Promises:
- The account is read once. Fills and funding are read where the book is behind; open orders where a stop may be missing.
- A position of ours without a resting stop for five seconds is given a new one, whoever had it in hand.
- A foreign holding is believed after two agreeing sightings at least ten seconds apart; it is recorded, noticed, and left alone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Account
from outcry.monitoring import store
from outcry.monitoring.reconcile import Finding, Held, Verdict, is_same_sighting, reconcile
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.fills import FUNDING_SETTLES, FillCollector
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import plan_exit, plan_protection
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions.model import Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.queues import Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import AccountSnapshot, Marks, TriggerKind, Venue
from outcry.venues.settling import Settles

SIGHTINGS_APART = timedelta(seconds=10)
UNPROTECTED_FOR = timedelta(seconds=5)
PENDING_TOO_LONG = timedelta(minutes=5)
_HELD = frozenset({PositionStatus.OPEN, PositionStatus.UNMANAGED})


class Inspector:
    """Brings the book of an account in step with its venue."""

    def __init__(self, desk: Desk, collector: FillCollector) -> None:
        self._desk = desk
        self._collector = collector
        self._funding_read: dict[str, datetime] = {}

    def inspect(self, account: Account, marks: Marks, *, look_at_orders: bool) -> list[Ring]:
        """One look; returns the orders to ring. Raises VenueUnreachable: then nothing was concluded."""
        venue = self._desk.venue(account.venue, account.network)
        if isinstance(venue, Settles):
            venue.settle(marks, [account.address])
        snapshot = venue.account(account.address)
        findings = self._compare(account, snapshot)
        if any(finding.verdict not in {Verdict.IN_STEP, Verdict.WAIT} for finding in findings):
            self._collector.collect(account)
            findings = self._compare(account, snapshot)
        self._read_funding(account, venue)
        with self._desk.database.transaction() as tx:
            self._note(tx, account, snapshot, findings)
            store.write_snapshot(tx, account.account_id, snapshot)
            held = [
                p
                for p in positions_store.open_in(tx, [account.account_id])
                if p.status in _HELD and p.held > 0
            ]
        return self._check_protection(account, venue, held, look_at_orders)

    def _compare(self, account: Account, snapshot: AccountSnapshot) -> list[Finding]:
        with self._desk.database.transaction() as tx:
            book = positions_store.open_in(tx, [account.account_id])
            moving = store.in_flight(tx, [account.account_id])
        places = []
        for position in book:
            busy, changed_at = moving.get((account.account_id, position.position_key), (False, None))
            places.append(Held(position.position_key, position.held * position.side.sign, busy, changed_at))
        shown = {market: holding.size for market, holding in snapshot.holdings.items()}
        return reconcile(places, shown, snapshot.taken_at)

    def _note(
        self, tx: Transaction, account: Account, snapshot: AccountSnapshot, findings: list[Finding]
    ) -> None:
        now = self._desk.clock.now()
        earlier = store.last_snapshot(tx, account.account_id)
        foreign = [finding for finding in findings if finding.verdict is Verdict.FOREIGN]
        store.end_discovered(tx, account.account_id, [finding.position_key for finding in foreign], now=now)
        for finding in findings:
            if finding.verdict is Verdict.ABSENT:
                owner = positions_store.owner_of(tx, account.account_id, account.venue, finding.position_key)
                if owner is not None:
                    positions_store.mark_close_pending(tx, owner.position_id, now=now)
            elif finding.verdict is Verdict.FOREIGN:
                self._note_foreign(tx, account, snapshot, finding, earlier, now)
        for row in store.stale_pending(tx, [account.account_id], now=now, after=PENDING_TOO_LONG):
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
        due = store.provisional(tx, [account.account_id], before=now - FUNDING_SETTLES)
        if due:
            store.finalise(tx, due, now=now)

    def _note_foreign(
        self,
        tx: Transaction,
        account: Account,
        snapshot: AccountSnapshot,
        finding: Finding,
        earlier: tuple[datetime, Mapping[str, Decimal]] | None,
        now: datetime,
    ) -> None:
        key = finding.position_key
        holding = snapshot.holdings.get(key)
        if earlier is None or holding is None:
            return
        if not is_same_sighting(
            earlier[1].get(key), holding.size, apart=snapshot.taken_at - earlier[0], at_least=SIGHTINGS_APART
        ):
            return
        if store.discovered(tx, account.account_id, key) is not None:
            return
        store.insert_discovered(
            tx,
            {
                "account_id": account.account_id,
                "venue": account.venue,
                "network": account.network,
                "market": key,
                "side": (Side.LONG if finding.foreign_size > 0 else Side.SHORT).value,
                "size": abs(finding.foreign_size),
                "entry_price": holding.entry_price,
                "trace_id": f"discovered-{account.account_id}-{key}",
            },
            now=now,
        )
        tell(
            tx,
            level=Level.WARNING,
            topic="reconcile",
            subject=f"{account.account_id} holds {finding.foreign_size} {key} that is not ours",
            text="It is observed and never sold. No entry is made in this market while it is there.",
            dedupe_key=f"foreign:{account.account_id}:{key}:{now:%Y-%m-%dT%H}",
            now=now,
        )

    def _read_funding(self, account: Account, venue: Venue) -> None:
        """Funding comes hourly; it is asked for once after each full hour."""
        now = self._desk.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._funding_read.get(account.account_id) == hour or now - hour < timedelta(seconds=10):
            return
        self._collector.collect_funding(account, venue)
        self._funding_read[account.account_id] = hour

    def _check_protection(
        self, account: Account, venue: Venue, held: list[Position], look: bool
    ) -> list[Ring]:
        now = self._desk.clock.now()
        bare = [p for p in held if p.protected_at is None and self._is_overdue(p, now)]
        crossed = [p for p in held if p.crossed_since is not None]
        if not held or not (look or bare or crossed):
            return []
        resting = {order.cloid for order in venue.open_orders(account.address) if order.cloid}
        rings: list[Ring] = []
        with self._desk.database.transaction() as tx:
            believed = store.resting_stops(tx, [account.account_id])
            missing = [
                row
                for row in believed
                if row["cloid"] not in resting and row["answered_at"] < now - UNPROTECTED_FOR
            ]
            rings += [Ring(str(row["order_id"]), row["trace_id"]) for row in missing]
            placing = store.working_protections(tx, [p.position_id for p in bare])
            for position in bare:
                if position.position_id not in placing:
                    rings.append(self._protect_again(tx, position, venue, now))
        return rings

    def _is_overdue(self, position: Position, now: datetime) -> bool:
        return position.opened_at is not None and now - position.opened_at > UNPROTECTED_FOR

    def _protect_again(self, tx: Transaction, position: Position, venue: Venue, now: datetime) -> Ring:
        fresh = positions_store.load(tx, position.position_id, lock=True)
        assert fresh is not None
        if (
            fresh.stop_price is None
        ):  # its levels were never worked out: there is nothing to rest, so it is closed
            order_id = plan_exit(tx, fresh, Reason.UNPROTECTED, now=now, trace_id=fresh.trace_id)
            return Ring(str(order_id), fresh.trace_id)
        market = self._desk.market(venue, fresh.market)
        assert market is not None, "a held position names a listed market"
        order_id = plan_protection(
            tx,
            fresh,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=venue.fit_price(market, fresh.stop_price, up=fresh.side is Side.LONG),
            size=fresh.held,
            now=now,
            trace_id=fresh.trace_id,
            cause=Reason.TRAILING_STOP if fresh.trail_price is not None else Reason.STOP_LOSS,
        )
        positions_store.update(tx, fresh.position_id, now=now, protect_by=now + timedelta(seconds=20))
        return Ring(str(order_id), fresh.trace_id)
