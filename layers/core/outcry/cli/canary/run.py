"""Takes a canary through its steps: plans each in the ledger, rings the functions, and looks until it is done.

Promises:
- Signs nothing and sends nothing to the venue but reads: whatever is traded, the deployed functions trade.
- A step that does not come about in time, or a fault of any kind, ends in the exit being planned and in a report that says what
  the venue still shows.
- It may be stopped and begun again at any point under the same key: what was done is not done again.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from outcry.agents.model import Account
from outcry.cli.canary.answers import judge
from outcry.cli.canary.report import Report, Step, StepName
from outcry.controls.gate import standing_controls
from outcry.orders import canary as ledger
from outcry.orders.canary import Canary
from outcry.orders.model import OrderStatus
from outcry.positions.model import GONE, Position, PositionStatus
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Row
from outcry.runtime.errors import ConfigurationError, InfrastructureError, OutcryError
from outcry.runtime.queues import Doorbell, Queue, Ring
from outcry.runtime.reasons import Reason
from outcry.venues.port import Market, OpenOrder, Venue

PATIENCE = timedelta(seconds=150)  # of one step: a lost doorbell is found by the next sweep, a minute later
LOOKS_EVERY_S = 1.0
_NEVER_OPENED = frozenset(
    {OrderStatus.SKIPPED, OrderStatus.REJECTED, OrderStatus.CANCELLED, OrderStatus.EXPIRED}
)

Rings = Sequence[tuple[Queue, Ring]]


class StepFailed(OutcryError):
    """The step cannot come about any more, or did not in time; the message says why."""


@dataclass(slots=True)
class Tools:
    """What a canary works with. `doorbell` is None where no queue is known: then the sweep finds what is planned."""

    database: Database
    clock: Clock
    venue: Venue
    doorbell: Doorbell | None
    pause: Callable[[float], None]


class CanaryRun:
    """One canary on its way."""

    def __init__(self, tools: Tools, account: Account, market: Market, report: Report, *, by: str) -> None:
        self._tools = tools
        self._account = account
        self._market = market
        self._report = report
        self._by = by
        # the verdict that was written down, by this run or another; None: none could be
        self.stands: Row | None = None

    def run(self) -> Report:
        """All steps, or as many as go well; then the verdict is written down. Never leaves a position without an exit planned.

        Raises ConfigurationError, UniqueViolation or InfrastructureError where it could not even be begun.
        """
        self._begin()
        try:
            self._step(StepName.OPEN, self._open)
            self._step(StepName.PROTECT, self._protect)
            self._step(StepName.RATCHET, self._ratchet)
            self._step(StepName.CLOSE, self._close)
            self._step(StepName.FLAT, self._flat)
            self._step(StepName.ANSWERS, self._answers)
        except StepFailed:
            pass  # the report says which step failed and why
        finally:
            self._end_safely()
        return self._report

    def _begin(self) -> None:
        mark = self._tools.venue.marks().prices.get(self._market.market)
        if mark is None:
            raise ConfigurationError("--market", self._market.market, "the venue gives no mark for it")
        with self._tools.database.transaction() as tx:
            self._report.despite = [f"{each.mode.value} of {each.scope}" for each in standing_controls(tx)]
            rings = ledger.begin(
                tx,
                self._account,
                self._tools.venue,
                self._market,
                mark,
                key=self._report.key,
                by=self._by,
                now=self._tools.clock.now(),
            )
        self._ring(rings)

    def _step(self, name: StepName, work: Callable[[], str]) -> None:
        began = self._tools.clock.now()
        passed, says = False, ""
        try:
            says, passed = work(), True
        except (StepFailed, InfrastructureError) as error:
            says = " ".join(str(error).split())
            raise StepFailed(says) from error
        finally:
            ended = self._tools.clock.now()
            took_ms = (ended - began) // timedelta(milliseconds=1)
            says = says or "it was stopped"
            self._report.steps.append(Step(name, passed, says, ended, took_ms))

    # ─── the steps ──────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> str:
        position = self._until("the entry was not filled", self._opened)
        return f"{position.held:f} {self._market.market} at {position.entry_price:f}, leverage 1"

    def _opened(self, canary: Canary) -> Position | None:
        entry = canary.entry
        if entry is not None and entry.status in _NEVER_OPENED and entry.filled_size == 0:
            why = Reason(entry.reason).sentence if entry.reason in set(Reason) else str(entry.reason)
            raise StepFailed(f"the entry was {entry.status.value}: {why} {self._detail(canary)}".strip())
        position = canary.position
        if position is None or position.entry_price is None or position.opened_size == 0:
            return None
        is_listed = entry is not None and entry.status in {OrderStatus.FILLED, OrderStatus.PARTIAL_DONE}
        return position if is_listed else None

    def _detail(self, canary: Canary) -> str:
        with self._tools.database.transaction() as tx:
            return ledger.detail_of(tx, self._report.key) if canary.entry is not None else ""

    def _protect(self) -> str:
        def rests(canary: Canary) -> OpenOrder | None:
            position = self._held(canary)
            if position.protected_at is None or position.stop_price is None:
                return None
            return self._only_stop_at(position.stop_price)

        stop = self._until("no stop came to rest at the venue", rests)
        assert stop.trigger is not None, "it was looked for by its trigger"
        return f"a stop over {stop.size:f} rests at {stop.trigger.price:f}"

    def _ratchet(self) -> str:
        with self._tools.database.transaction() as tx:
            rings = ledger.ratchet(
                tx, self._report.key, self._tools.venue, self._market, now=self._tools.clock.now()
            )
        self._ring(rings)

        def moved(canary: Canary) -> OpenOrder | None:
            self._held(canary)
            newer = [stop for stop in canary.stops if stop["sequence"] > 0]
            if not newer:
                raise StepFailed("the nearer stop was not planned")
            older_are_gone = all(
                stop["status"] == "CANCELLED" for stop in canary.stops if stop["sequence"] == 0
            )
            rests = newer[-1]["status"] == "RESTING" and older_are_gone
            return self._only_stop_at(newer[-1]["trigger_price"]) if rests else None

        stop = self._until("the stop was not moved", moved)
        assert stop.trigger is not None, "it was looked for by its trigger"
        return f"the stop rests at {stop.trigger.price:f}, and the old one is gone"

    def _close(self) -> str:
        self._plan_exit()
        position = self._until(
            "the position was not closed",
            lambda canary: (
                canary.position
                if canary.position and canary.position.status is PositionStatus.CLOSED
                else None
            ),
        )
        with self._tools.database.transaction() as tx:
            by_exit = ledger.closed_by_its_exit(tx, self._report.key)
        if by_exit != position.opened_size:
            raise StepFailed(
                f"the exit that was ordered sold {by_exit:f} of {position.opened_size:f}: something else closed the rest"
            )
        return "closed by the exit that was ordered"

    def _flat(self) -> str:
        def is_flat(_: Canary) -> Decimal | None:
            size, resting = self._size_at_venue(), self._resting()
            return size if size == 0 and not resting else None

        self._until("the venue still shows a position or an order in the market", is_flat)
        return "the venue shows no position and no order in the market"

    def _answers(self) -> str:
        with self._tools.database.transaction() as tx:
            shown = ledger.outcome(tx, self._report.key)
        self._report.cost_usd = shown.cost_usd
        judged = judge(shown.requests)
        self._report.answers = [each.document() for each in judged]
        faults = [f"{each.order} {each.kind}: {each.fault}" for each in judged if each.fault]
        if shown.bought != shown.sold or shown.bought == 0:
            faults.append(f"the fills say {shown.bought:f} bought and {shown.sold:f} sold")
        if shown.build != self._report.build:
            faults.append(
                f"the entry was approved by build {shown.build}, this command line is {self._report.build}"
            )
        if faults:
            raise StepFailed("; ".join(faults))
        return f"{len(judged)} answers read as they were recorded; {shown.bought:f} bought and sold"

    # ─── looking and ringing ────────────────────────────────────────────────────────────────────────────────

    def _until[T](self, otherwise: str, find: Callable[[Canary], T | None]) -> T:
        """Look again and again until it is found. Raises StepFailed once patience is at an end."""
        deadline = self._tools.clock.now() + PATIENCE
        trouble = ""
        while True:
            try:
                with self._tools.database.transaction() as tx:
                    canary = ledger.look(tx, self._report.key)
                found = find(canary)
                if found is not None:
                    return found
            except InfrastructureError as error:
                trouble = f": {' '.join(str(error).split())}"
            if self._tools.clock.now() >= deadline:
                raise StepFailed(f"{otherwise} within {PATIENCE.seconds} s{trouble}")
            self._tools.pause(LOOKS_EVERY_S)

    def _held(self, canary: Canary) -> Position:
        position = canary.position
        if position is None or position.status in GONE or position.status is PositionStatus.CLOSING:
            why = "" if position is None else f": {position.exit_reason}"
            raise StepFailed(f"the position is being closed, or is gone{why}")
        return position

    def _resting(self) -> list[OpenOrder]:
        resting = self._tools.venue.open_orders(self._account.address)
        return [order for order in resting if order.market == self._market.market]

    def _only_stop_at(self, price: Decimal) -> OpenOrder | None:
        """The one order that rests in the market, where it is the reduce-only stop at this price."""
        resting = self._resting()
        if len(resting) != 1 or resting[0].trigger is None or not resting[0].reduce_only:
            return None
        return resting[0] if resting[0].trigger.price == price else None

    def _size_at_venue(self) -> Decimal:
        holding = self._tools.venue.account(self._account.address).holdings.get(self._market.market)
        return Decimal(0) if holding is None else holding.size

    def _ring(self, rings: Rings) -> None:
        """Ring the functions. Where that is not possible the next sweep does: the rows are there."""
        if self._tools.doorbell is None:
            return
        for queue, ring in rings:
            with contextlib.suppress(InfrastructureError):
                self._tools.doorbell.ring(queue, [ring])

    # ─── the end ────────────────────────────────────────────────────────────────────────────────────────────

    def _plan_exit(self) -> None:
        with self._tools.database.transaction() as tx:
            rings = ledger.close(tx, self._report.key, now=self._tools.clock.now())
        self._ring(rings)

    def _end_safely(self) -> None:
        """Have closed whatever may be held, see what the venue shows, and write the verdict down."""
        report = self._report
        try:
            if not all(step.passed for step in report.steps):
                self._leave()
        except (StepFailed, InfrastructureError) as error:
            report.trouble = f"it is not closed yet: {' '.join(str(error).split())}"
        report.held, report.ours = self._size_at_venue_if_known(), self._ours()
        report.finished_at = self._tools.clock.now()
        try:
            with self._tools.database.transaction() as tx:
                stands = ledger.finish(
                    tx, report.key, passed=report.passed, report=report.document(), now=report.finished_at
                )
            self.stands = stands
        except InfrastructureError as error:
            report.trouble = f"the verdict could not be written down: {' '.join(str(error).split())}"

    def _leave(self) -> None:
        """Have the entry cancelled or the position closed, and wait for it, as long as for any step."""
        is_ordered = False

        def is_settled(canary: Canary) -> bool | None:
            nonlocal is_ordered
            entry, position = canary.entry, canary.position
            if position is None and (entry is None or entry.status in _NEVER_OPENED):
                return True
            if position is not None and position.status in GONE:
                return True
            if position is None or not is_ordered:
                self._plan_exit()
                is_ordered = position is not None
            return None

        self._until("neither the entry nor the position ended", is_settled)

    def _size_at_venue_if_known(self) -> Decimal | None:
        try:
            return self._size_at_venue()
        except OutcryError:
            return None

    def _ours(self) -> Decimal | None:
        """What the canary's own position holds. None while its entry may still be filled, and where the database is gone."""
        try:
            with self._tools.database.transaction() as tx:
                canary = ledger.look(tx, self._report.key)
        except InfrastructureError:
            return None
        if canary.position is None or canary.position.status in GONE:
            return Decimal(0)
        return canary.position.held or None
