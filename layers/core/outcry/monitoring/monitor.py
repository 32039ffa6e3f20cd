"""One pass over the positions of some accounts: marks, reconciliation, exit rules, and one write of what changed.

Promises:
- One mark read per venue, one account read per account; fills and open orders are read only where something does not add up,
  and open orders once a minute besides.
- No decision without a fresh mark: stale, missing or frozen marks raise an alarm and change nothing.
- A pass never trades. It plans exits and stops, and rings the ledger.
- Two passes over one account never run at the same time; a pass that comes too late is dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from outcry.agents.model import Account
from outcry.monitoring import store
from outcry.monitoring.exits import Decision, Watched, decide, watch
from outcry.monitoring.inspect import Inspector
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.fills import FillCollector
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import plan_exit, plan_protection
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions.model import Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.errors import VenueUnreachable
from outcry.runtime.leases import end_lease, try_lease
from outcry.runtime.observability import logger
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import Marks, TriggerKind, Venue

LATE = timedelta(seconds=20)
MARK_MAX_AGE = timedelta(seconds=10)
UNPROTECTED_FOR = timedelta(seconds=5)
LOOK_AT_ORDERS_EVERY = timedelta(seconds=60)
MARKETS_KEPT_FOR = timedelta(hours=1)
_WATCHED = frozenset({PositionStatus.OPEN, PositionStatus.UNMANAGED})


@dataclass(slots=True)
class Pass:
    """What one pass found out and what it wants done after its write."""

    now: datetime
    marks: dict[tuple[str, str], Marks] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    decided: int = 0


class Monitor:
    """Watches accounts. `live` names the venue that gives the marks: also for paper accounts."""

    def __init__(self, desk: Desk, collector: FillCollector, *, live: tuple[str, str]) -> None:
        self._desk = desk
        self._collector = collector
        self._live = live
        self._inspector = Inspector(desk, collector)
        self._looked_at: dict[str, datetime] = {}

    def run(self, account_ids: Sequence[str], *, due_at: datetime, deadline: datetime, trace_id: str) -> int:
        """Run one pass; returns how many positions were decided on. Raises VenueUnreachable where no marks came."""
        now = self._desk.clock.now()
        if now - due_at > LATE:
            logger.warning(
                "A tick came too late and was dropped", extra={"late_s": (now - due_at).total_seconds()}
            )
            return 0
        holder = self._desk.new_id()
        with self._desk.database.transaction() as tx:
            ours = [
                account_id
                for account_id in account_ids
                if try_lease(tx, f"monitor:{account_id}", holder=holder, now=now, lasting=deadline - now)
            ]
        try:
            return self._pass(ours, now, trace_id)
        finally:
            with self._desk.database.transaction() as tx:
                for account_id in ours:
                    end_lease(tx, f"monitor:{account_id}", holder=holder)

    def _pass(self, account_ids: list[str], now: datetime, trace_id: str) -> int:
        current = Pass(now)
        live = self._desk.venue(*self._live)
        self._read_live(live, current)
        accounts = [self._desk.account(account_id) for account_id in account_ids]
        for account in accounts:
            self._reconcile(account, current)
        with self._desk.database.transaction() as tx:
            positions = positions_store.open_in(tx, account_ids)
            frozen = store.is_feed_frozen(tx, *self._live)
            if frozen:
                self._tell_frozen(tx, current)
        if not frozen:
            self._decide(positions, current, trace_id)
        with self._desk.database.transaction() as tx:
            positions_store.write_watches(tx, current.changes, now=current.now)
            store.beat(
                tx,
                f"monitor_{self._live[0]}",
                now=current.now,
                detail={"accounts": len(accounts), "positions": len(positions)},
            )
        if current.rings:
            self._desk.doorbell.ring(Queue.EXITS, current.rings)
        return current.decided

    def _read_live(self, live: Venue, current: Pass) -> None:
        marks = live.marks()
        current.marks[self._live] = marks
        with self._desk.database.transaction() as tx:
            store.write_marks(tx, live.name, live.network, marks)
            read_at = store.markets_read_at(tx, live.name, live.network)
        if read_at is None or current.now - read_at > MARKETS_KEPT_FOR:
            markets = live.markets()
            with self._desk.database.transaction() as tx:
                store.write_markets(tx, live.name, live.network, markets, now=current.now)

    def _reconcile(self, account: Account, current: Pass) -> None:
        """Bring the book of one account in step with its venue. An account that cannot be read is left for the next pass."""
        try:
            last = self._looked_at.get(account.account_id)
            look = last is None or current.now - last >= LOOK_AT_ORDERS_EVERY
            current.rings += self._inspector.inspect(account, current.marks[self._live], look_at_orders=look)
            if look:
                self._looked_at[account.account_id] = current.now
        except VenueUnreachable:
            logger.warning(
                "An account could not be read in this pass", extra={"account_id": account.account_id}
            )

    def _decide(self, positions: Sequence[Position], current: Pass, trace_id: str) -> None:
        marks = current.marks[self._live]
        fresh = self._desk.clock.now() - marks.received_at <= MARK_MAX_AGE
        for position in positions:
            mark = marks.prices.get(position.market)
            if position.status not in _WATCHED or position.entry_price is None:
                continue
            if mark is None or not fresh:
                self._tell_no_mark(position, current)
                continue
            current.decided += 1
            watched = watched_from(position)
            if watched is None:
                continue
            decision = decide(watch(watched), mark, current.now)
            if decision is not None:
                self._follow(position, decision, current)

    def _follow(self, position: Position, decision: Decision, current: Pass) -> None:
        if decision.exit is None:
            current.changes.append(
                {
                    "position_id": str(position.position_id),
                    "version": position.version,
                    "peak": str(decision.peak),
                    "trail_price": None if decision.trail_price is None else str(decision.trail_price),
                    "crossed_since": None
                    if decision.crossed_since is None
                    else decision.crossed_since.isoformat(),
                }
            )
        if decision.exit is None and decision.ratchet_to is None:
            return
        with self._desk.database.transaction() as tx:
            fresh = positions_store.load(tx, position.position_id, lock=True)
            if fresh is None or fresh.status not in _WATCHED:
                return
            if decision.exit is not None:
                order_id = plan_exit(
                    tx,
                    fresh,
                    decision.exit,
                    now=current.now,
                    trace_id=position.trace_id,
                    detail=decision.detail,
                )
            else:
                planned = self._plan_ratchet(tx, fresh, decision, current)
                if planned is None:
                    return
                order_id = planned
        current.rings.append(Ring(str(order_id), position.trace_id))

    def _plan_ratchet(
        self, tx: Transaction, position: Position, decision: Decision, current: Pass
    ) -> UUID | None:
        """A nearer stop: placed and read back before the old one goes (see `orders.protect`)."""
        assert decision.ratchet_to is not None
        if store.working_protections(tx, [position.position_id]):
            return None
        venue = self._desk.venue(position.venue, position.network)
        market = self._desk.market(venue, position.market)
        assert market is not None, "a held position names a listed market"
        return plan_protection(
            tx,
            position,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=venue.fit_price(market, decision.ratchet_to, up=position.side is Side.LONG),
            size=position.held,
            now=current.now,
            trace_id=position.trace_id,
            cause=Reason.TRAILING_STOP,
        )

    def _tell_frozen(self, tx: Transaction, current: Pass) -> None:
        tell(
            tx,
            level=Level.PAGE,
            topic="marks",
            subject=f"The marks of {self._live[0]} stand still",
            text="Not one mark moved over three passes. No exit rule decides until they move; stops at the venue stay.",
            dedupe_key=f"frozen:{self._live[0]}:{current.now:%Y-%m-%dT%H}",
            now=current.now,
        )

    def _tell_no_mark(self, position: Position, current: Pass) -> None:
        with self._desk.database.transaction() as tx:
            tell(
                tx,
                level=Level.PAGE,
                topic="marks",
                subject=f"No fresh mark for {position.market}",
                text="A position is held without a mark to decide on. Its stop at the venue stays.",
                dedupe_key=f"no-mark:{position.position_id}:{current.now:%Y-%m-%dT%H}",
                now=current.now,
                trace_id=position.trace_id,
            )


def watched_from(position: Position) -> Watched | None:
    """The position as the exit decision sees it; None before its levels are known."""
    if position.entry_price is None or position.stop_price is None:
        return None
    limit = position.plan.time_limit
    return Watched(
        side=position.side,
        entry_price=position.entry_price,
        stop_price=position.stop_price,
        stop_rests=position.protected_at is not None,
        trailing=position.plan.trailing,
        peak=position.peak if position.peak is not None else position.entry_price,
        trail_price=position.trail_price,
        resting_stop=position.stop_price,
        liquidation_price=position.liquidation_price,
        liquidation_buffer_frac=position.plan.liquidation_buffer_frac,
        ends_at=None if limit is None or position.opened_at is None else position.opened_at + limit,
        crossed_since=position.crossed_since,
    )
