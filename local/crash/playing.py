"""Plays one case: to the moment before, killed where it says, delivered again as it says, on until all is quiet, and judged.

Promises: the same case plays the same way each time. Who judges has seen nothing but the venue's journal and the database.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from local.crash import judging
from local.crash.cases import Again, Case, Site
from local.crash.executioner import Executioner
from local.crash.scenarios import BY_NAME, Do, Scenario
from local.crash.stage import FED, Invocation, Stage, Unrest
from local.simulation.queues import Letter
from local.simulation.world import Site as Place
from outcry.runtime.queues import Queue

SOON = timedelta(seconds=30)
PERSON_TRIES_AGAIN_S = 20
Runs = Callable[[Stage, Invocation], None]
FEEDS = {
    Do.EXECUTE: (Queue.EXITS, Queue.ENTRIES),
    Do.GENERATE: (Queue.CALLS,),
    Do.TELL: (Queue.NOTICES,),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one case; `case` None is the undisturbed run. `sites` is what was done under test, `reached` the functions of
    ours that began a transaction, `end` what there was at the end.
    """

    case: Case | None
    complaints: tuple[str, ...]
    sites: tuple[Site, ...]
    reached: frozenset[str]
    was_struck: bool
    end: tuple[str, ...]


def record(place: Place, scenario: Scenario) -> Verdict:
    """Play a scenario undisturbed."""
    return _play(place, scenario, None, Executioner(), in_a_thread)


def play(place: Place, case: Case, runs: Runs | None = None) -> Verdict:
    """Play one case. `runs` carries out the invocations under test; threads of this process, where nothing is said."""
    return _play(place, BY_NAME[case.scenario], case, Executioner(case.site, case.kill), runs or in_a_thread)


def in_a_thread(stage: Stage, invocation: Invocation) -> None:
    """Carry out an invocation under test as the simulation does: its process is a thread, and Died ends it."""
    environment = stage.warm(invocation)
    stage.executioner.under_test.add(environment.worker)
    stage.run(invocation, environment)
    stage.executioner.under_test.discard(environment.worker)


def _play(
    place: Place, scenario: Scenario, case: Case | None, executioner: Executioner, runs: Runs
) -> Verdict:
    with Stage(place, executioner, scenario.switches, tells=scenario.tells) as stage:
        scenario.before(stage)
        _UnderTest(stage, scenario, case.again if case else Again.ONCE, runs).go()
        problems: list[str] = []
        try:
            if scenario.afterwards is not None:
                scenario.afterwards(stage)
            stage.settle()
        except Unrest as unrest:
            problems.append(f"it never came to rest: {unrest}")
        after = stage.aftermath()
    problems += [*judging.always(after), *scenario.end(after)]
    if case is not None and not executioner.has_struck():
        problems.append(f"there is no thing of number {case.site} to be killed at")
    return Verdict(
        case,
        tuple(p for p in problems if not (scenario.leaves and p.startswith(scenario.leaves))),
        tuple(executioner.sites),
        frozenset(executioner.reached),
        executioner.has_struck(),
        judging.digest(after),
    )


class _UnderTest:
    """The part of a play that is under test, up to the death, and the work that comes again because of it."""

    def __init__(self, stage: Stage, scenario: Scenario, again: Again, runs: Runs) -> None:
        self._stage = stage
        self._scenario = scenario
        self._again = again
        self._runs = runs
        self._executioner = stage.executioner

    def go(self) -> None:
        for step in self._scenario.under_test:
            if self._executioner.has_struck():
                return
            match step:
                case Do.WATCH:
                    self._watch()
                case Do.TICK:
                    self._stage.full_minute()
                    self._begin(Invocation("tick"))
                case Do.PERSON:
                    person = Invocation("person", does=self._scenario.person)
                    self._begin(person, tries_again_s=PERSON_TRIES_AGAIN_S)
                case _:
                    self._feed(FEEDS[step])

    def _watch(self) -> None:
        """Go to the next quarter of a minute for which the monitors are rung."""
        ticks = (Queue.TICKS_HYPERLIQUID,)
        while not self._executioner.has_struck():
            if self._stage.quarter():
                self._begin(Invocation("tick"))
            if self._stage.next_letter(ticks) is not None:
                self._feed(ticks)
                return

    # ─── a queue's messages ─────────────────────────────────────────────────────────────────────────────────

    def _feed(self, queues: Sequence[Queue]) -> None:
        if self._stage.next_letter(queues) is None:
            self._stage.wait_for(queues, SOON)
        while not self._executioner.has_struck() and (letter := self._stage.next_letter(queues)):
            self._test(Invocation(FED[letter.queue], letter))
            if self._executioner.has_struck():
                self._deliver_again(letter)

    def _deliver_again(self, letter: Letter) -> None:
        """What comes by itself is left to come; besides, once more at once, or twice together when the dead one's claim lapsed."""
        match self._again:
            case Again.TWICE:
                self._deliver_copies(letter, 1)
            case Again.CONCURRENTLY:
                self._stage.wait_until(self._stage.lapses_at())
                self._deliver_copies(letter, 2)

    def _deliver_copies(self, letter: Letter, many: int) -> None:
        """Each to a process of its own, and all at once."""
        queues, worker = self._stage.world.queues, self._stage.world.worker
        body = self._stage.as_of_now(letter)
        copies = [queues.put(letter.queue, body) for _ in range(many)]
        self._stage.world.deliver_together([(copy, worker(FED[letter.queue]), None) for copy in copies])

    # ─── what a schedule or a person begins ─────────────────────────────────────────────────────────────────

    def _begin(self, invocation: Invocation, tries_again_s: float | None = None) -> None:
        self._test(invocation)
        if not self._executioner.has_struck():
            return
        world, cold = self._stage.world, self._stage.cold
        match self._again:
            case Again.TWICE:
                world.invoke(cold(invocation))
            case Again.CONCURRENTLY:
                world.deliver_together([([], cold(invocation), None), ([], cold(invocation), None)])
        if tries_again_s is not None:
            self._stage.wait(tries_again_s)
            world.invoke(cold(invocation))

    def _test(self, invocation: Invocation) -> None:
        self._executioner.invocation += 1
        self._runs(self._stage, invocation)
