"""Plays the plan of a seed and has the run judged: a busy time in which everything breaks, then calm, in which everything must end.

The calm: nothing breaks any more, dead letters and rows set aside are redriven, every account has a signer that the venue knows, and,
where the plan says so, the desk is flattened. When all is still, everything is done once more (every order is rung for, every account
reconciled) and nothing may change. What is judged is judged by `local.audit`; nothing here decides whether a run was right but whether
it came to rest.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from local.audit.judge import judge
from local.audit.repeats import differences, dump, new_fills
from local.audit.store import events_of, read_facts, read_ledger
from local.audit.verdict import Bounds
from local.hyperliquid.clockwork import PriceEvent
from local.hyperliquid.config import build_config
from local.simulation import people
from local.simulation.desks import ACCOUNTS, MASTERS, desk
from local.simulation.plan import Nuisance, Plan, Step, What
from local.simulation.prices import STEP_S
from local.simulation.strikes import Strikes
from local.simulation.world import NOON, Site, World
from outcry.controls.model import DESK
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.queues import Queue

AFTER_FAULTS = timedelta(minutes=3)  # what breaks at the venue lasts two minutes at most
AFTER_LAST_PRICE = timedelta(seconds=45)  # until a pass has seen what it set off, and the feed lists it
LONGEST_CALM = timedelta(minutes=40)
FUNDING_IS_READ_BY = 4  # minutes past the full hour
# The venue's clock is at most two seconds off. Nothing happens between reading our clock and the commit that it is for. A stop that
# somebody took off is noticed when open orders are read: each minute, or a pass later for each read that fails.
BOUNDS = Bounds(skew_ms=2_000, race_ms=0, detect_ms=120_000)


@dataclass(slots=True)
class Outcome:
    """What came of one seed. `looked_at`: on how many things each invariant was judged, by its name."""

    seed: int
    violations: list[str] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    minutes: float = 0.0
    trace: list[tuple[int, str, str]] = field(default_factory=list)


class Drawn:
    """The queues' mishaps of a plan: see `Mishaps`."""

    def __init__(self, nuisance: Nuisance, random: Random, counts: Counter[str]) -> None:
        self._nuisance, self._random, self._counts = nuisance, random, counts

    def stop(self) -> None:
        self._nuisance = Nuisance()

    def twins(self, queue: Queue) -> int:
        return int(self._happens(self._nuisance.twins, "queue_duplicate"))

    def lateness_s(self, queue: Queue) -> float:
        is_late = self._happens(self._nuisance.late, "queue_delay")
        return self._random.uniform(0, self._nuisance.late_s) if is_late else 0.0

    def refuses(self, queue: Queue) -> bool | None:
        if not self._happens(self._nuisance.refuses, "queue_unreachable"):
            return None
        return self._random.random() < 0.5

    def _happens(self, share: float, kind: str) -> bool:
        happens = share > 0 and self._random.random() < share
        self._counts[kind] += happens
        return happens


def play(place: Site, plan: Plan, *, is_traced: bool = False) -> Outcome:
    """Play the plan of one seed, and judge it."""
    began_s = time.perf_counter()
    outcome = Outcome(plan.seed)
    start = NOON + timedelta(minutes=plan.start_minute)
    mishaps = Drawn(plan.nuisance, Random(f"{plan.seed}:mishaps"), outcome.faults)
    with World(
        place,
        plan.seed,
        desk=desk(accounts=plan.accounts, time_limit=plan.time_limit),
        config=build_config({"switches": plan.switches.model_dump(), "seed": plan.seed}),
        prices=_prices(plan, start),
        mishaps=mishaps,
        start=start,
    ) as world:
        run = _Run(world, plan, place, mishaps, start)
        try:
            run.play(outcome)
        except Exception as broken:  # noqa: BLE001 - the edge: this seed failed, and the next one is played
            outcome.violations.append(f"RUN: the simulation stopped: {broken!r}")
        outcome.faults += run.faults()
        outcome.counts += run.counts()
        outcome.minutes = (world.now - start) / timedelta(minutes=1)
        outcome.trace = list(world.trace) if is_traced else []
    outcome.seconds = time.perf_counter() - began_s
    return outcome


def _prices(plan: Plan, start: datetime) -> list[PriceEvent]:
    start_ms = to_milliseconds(start)
    return sorted(
        (
            PriceEvent(start_ms + number * STEP_S * 1000, path.market, mark)
            for path in plan.paths
            for number, mark in enumerate(path.marks)
            if number == 0 or mark != path.marks[number - 1]
        ),
        key=lambda event: event.at_ms,
    )


class _Run:
    """One run on its way."""

    def __init__(self, world: World, plan: Plan, place: Site, mishaps: Drawn, start: datetime) -> None:
        self.world, self.plan, self._mishaps, self._start = world, plan, mishaps, start
        self.strikes = Strikes(place.ground, world.crew, world.service, world.queues, world.database)
        self._accounts = list(zip(ACCOUNTS, MASTERS, strict=True))[: plan.accounts]
        self._acts: dict[What, Callable[..., Any]] = {
            What.POST: lambda author, text: world.publish(author, text),  # noqa: PLW0108 - its names are the step's
            What.CONTROL: lambda mode, scope: people.control(world, mode, scope),
            What.RESUME: lambda scope: people.resume(world, scope),
            What.EXIT: lambda pick: people.close(world, pick),
            What.ROTATE: lambda account: people.rotate(world, *self._accounts[account]),
            What.FUNDING: lambda market, rate: world.control("funding_rate", market=market, rate=rate),
            What.VENUE: lambda **body: world.control("fault", **body),
            What.HOUSE: self.strikes.arm,
        }

    def play(self, outcome: Outcome) -> None:
        """The busy time, the calm, and the judgement."""
        world = self.world
        for step in self.plan.steps:
            self._arrange(step)
        world.run_until(self._start + timedelta(seconds=self.plan.busy_s))
        self._calm_down()
        is_settled = self._settle()
        world.engine.end_prices()
        world.run_until(world.now + AFTER_LAST_PRICE)
        is_settled = self._settle() and is_settled
        if not is_settled:
            outcome.violations.append(
                f"RUN: not at rest {LONGEST_CALM} after the last fault: {self._unfinished()}"
            )
        self._judge(outcome, is_settled=is_settled)
        if is_settled:
            self._repeat(outcome)

    def _arrange(self, step: Step) -> None:
        said = f"{step.what}: {dict(step.about)}"
        act = self._acts[step.what]
        self.world.at(self._start + timedelta(seconds=step.at_s), said, lambda: act(**step.about))

    def _calm_down(self) -> None:
        world = self.world
        world.note("world", "calm from here on")
        self._mishaps.stop()
        self.strikes.disarm()
        world.control("fault", clear=True)
        world.run_until(world.now + AFTER_FAULTS)
        self._look_after_signers()
        for scope in {str(step.about["scope"]) for step in self.plan.steps if step.what is What.CONTROL}:
            people.resume(world, scope)
        people.redrive_all(world)
        if self.plan.is_flattened:
            people.control(world, "flatten", DESK)

    def _look_after_signers(self) -> None:
        """A person gives an account another key where the venue does not take the one that it has, at once or from some time on."""
        for account_id, address in self._accounts:
            if not self._is_approved(account_id, address):
                people.rotate(self.world, account_id, address)

    def _is_approved(self, account_id: str, address: str) -> bool:
        """Whether the venue takes what the account's active signer signs."""
        active = self.world.rows(
            "select address from signers where account_id = :id and status = 'ACTIVE'", id=account_id
        )
        live = {agent.address for agent in self.world.engine.venue.agents.live()}
        return any(row["address"] in live for row in active)

    def _settle(self) -> bool:
        end = self.world.now + LONGEST_CALM
        while self.world.now < end:
            if self.world.settle(longest=timedelta(minutes=2)) and self._is_all_flat():
                return True
            self._look_after_signers()  # one may expire in the venue's own time
        return False

    def _is_all_flat(self) -> bool:
        if not self.plan.is_flattened:
            return True
        held = "select 1 from positions where is_owned and status not in ('CLOSED', 'ABANDONED') limit 1"
        return not self.world.rows(held)

    def _unfinished(self) -> str:
        rows = self.world.rows(
            """
            select kind, leg, status, last_error, next_ring_at from orders
             where finished_at is null and quarantined_at is null and status <> 'RESTING' order by created_at limit 5
            """
        )
        held = self.world.rows(
            "select market, status, size from positions where is_owned and status not in ('CLOSED', 'ABANDONED') limit 5"
        )
        return f"orders {[tuple(row.values()) for row in rows]}, positions {[tuple(row.values()) for row in held]}"

    def _judge(self, outcome: Outcome, *, is_settled: bool) -> None:
        world = self.world
        facts = read_facts(
            world.database,
            events_of(world.engine.journal.records),
            until_ms=world.engine.advance(),
            is_settled=is_settled,
            bounds=BOUNDS,
        )
        verdict = judge(facts)
        outcome.violations += verdict.violations
        for invariant, count in verdict.looked_at.items():
            outcome.looked_at[invariant.name] += count

    def _repeat(self, outcome: Outcome) -> None:
        """Everything once more, while no price moves: every order is rung for, every account reconciled, and nothing changes."""
        world = self.world
        begun, before, facts = world.now, dump(read_ledger(world.database)), self._venue_facts()
        rung = people.ring_everything(world) + people.redrive_all(world)
        world.run_until(world.now + timedelta(seconds=100))
        after = dump(read_ledger(world.database))
        if self._venue_facts() != facts:  # the venue did something by itself: that is no change of ours
            return
        outcome.looked_at["REDRIVE"] += rung
        outcome.violations += [f"REDRIVE: {what}" for what in new_fills(before, after)]
        # funding is paid and read around the full hour
        if FUNDING_IS_READ_BY <= begun.minute < 60 - FUNDING_IS_READ_BY:
            outcome.looked_at["RECONCILE"] += len(after.positions)
            outcome.violations += [f"RECONCILE: {what}" for what in differences(before, after)]

    def _venue_facts(self) -> int:
        """How much the venue did by itself: funding, triggers, liquidations."""
        journal = self.world.engine.journal
        by_itself = [fill for fill in journal.of("fill") if fill["by"] in {"trigger", "liquidation"}]
        return len(by_itself) + len(journal.of("funding"))

    # ─── what was done ──────────────────────────────────────────────────────────────────────────────────────

    def faults(self) -> Counter[str]:
        """What struck, by kind."""
        found = Counter(self.world.engine.faults.counts) + self.strikes.counts
        found["function_killed_at_its_limit"] += self.world.service.deaths_at_limit
        if self.plan.switches.clock_skew_ms:
            found["clock_skew"] += 1
        return +found

    def counts(self) -> Counter[str]:
        """How much happened."""
        journal = self.world.engine.journal
        return Counter(
            {
                "runs": 1,
                "deliveries": sum(self.world.service.delivered.values()),
                "processes died": self.world.service.deaths,
                "edges": sum(1 for _, who, _ in self.world.trace if who != "world"),
                "requests": len(journal.of("action")),
                "fills": len(journal.of("fill")),
                "orders": len(self.world.rows("select 1 from orders")),
                "entries filled": len(
                    self.world.rows("select 1 from orders where kind = 'enter' and filled_size > 0")
                ),
                "positions": len(self.world.rows("select 1 from positions")),
                "rows set aside": len(
                    self.world.rows("select 1 from orders where quarantined_at is not null")
                ),
            }
        )
