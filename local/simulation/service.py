"""What Lambda does around the functions: environments that are kept and reused, and what becomes of each invocation.

Promises: an environment answers one invocation at a time; a batch is handed over as Lambda's poller does, and what the answer does not
name is deleted; an invocation that dies, at an edge where it is killed or at its function's time limit, answers nothing, takes its
environment with it, and its messages are visible again after their queue's timeout.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from local.simulation import functions
from local.simulation.queues import Letter, Queues
from local.simulation.workers import Crew, Worker
from outcry.runtime import deliveries, edges
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.edges import Edge

MOST_ENVIRONMENTS = 3  # of one function; the template allows more, and three at once show what more would
RUNNING, ANSWERED, FAILED, DIED = "running", "answered", "failed", "died"


@dataclass(slots=True, eq=False)
class Environment:
    """One execution environment of a function."""

    function: str
    worker: Worker
    database: Database
    built: functions.Built

    def close(self) -> None:
        self.database.close()
        self.built.close()


@dataclass(slots=True)
class Delivery:
    """What became of one invocation: `running`, `answered`, `failed` (some of it comes again) or `died`; and the edges it passed."""

    function: str
    letters: tuple[Letter, ...] = ()
    outcome: str = RUNNING
    passed: list[tuple[Edge, str]] = field(default_factory=list)


class Service:
    """Every environment, and what runs in them. `note` writes a line of the trace."""

    def __init__(
        self,
        clock: Clock,
        crew: Crew,
        queues: Queues,
        order: Random,
        *,
        make: Callable[[str], Environment],
        note: Callable[[str, str], None],
    ) -> None:
        self._clock, self._crew, self._queues, self._order = clock, crew, queues, order
        self._make, self._note = make, note
        self.environments: list[Environment] = []
        self.running: list[tuple[Environment, Delivery]] = []
        self.delivered: dict[str, int] = {}
        self.deaths = self.deaths_at_limit = 0
        crew.hooks.append(self._note_edge)

    def new(self, function: str) -> Environment:
        """A cold environment."""
        made = self._make(function)
        self.environments.append(made)
        return made

    def free(self, function: str) -> Environment | None:
        """A warm environment that has nothing to do, or a cold one; None where all that there may be are at work."""
        of_it = [each for each in self.environments if each.function == function]
        for each in of_it:
            if each.worker.is_free:
                return each
        return self.new(function) if len(of_it) < MOST_ENVIRONMENTS else None

    def has_room(self, function: str) -> bool:
        """Whether `free` would find one."""
        of_it = [each for each in self.environments if each.function == function]
        return len(of_it) < MOST_ENVIRONMENTS or any(each.worker.is_free for each in of_it)

    def dispatch(self) -> None:
        """Hand what is visible to free environments, queue by queue in a drawn order."""
        feeding = functions.sources()
        order = [(function, queue) for function, queues in feeding.items() for queue in queues]
        self._order.shuffle(order)
        for function, queue in order:
            batch, _ = feeding[function][queue]
            while self._queues.visible(queue):
                free = self.free(function)
                if free is None:
                    break
                letters = self._queues.receive(queue, self._order.randint(1, batch))
                if letters:
                    self.begin(free, letters)

    def begin(
        self, environment: Environment, letters: Sequence[Letter], *, kill_at: int | None = None
    ) -> Delivery:
        """Invoke an environment that is free: with messages, or for its schedule. It runs when the crew gives it a turn."""
        function = environment.function
        limit = self._clock.now() + functions.time_limit(function)
        for letter in letters:
            if letter.receives == 0:
                self._queues.take(letter)
        delivery = Delivery(function, tuple(letters))
        said = ", ".join(f"{letter.queue} {letter.row} ({letter.receives})" for letter in letters)
        self._note(environment.worker.name, f"begins {said}")
        self.running.append((environment, delivery))
        self.delivered[function] = self.delivered.get(function, 0) + max(1, len(letters))
        self._crew.begin(
            environment.worker,
            lambda: self._run(environment, delivery, limit - functions.MARGIN),
            kill_at=kill_at,
            limit=limit,
        )
        return delivery

    def gather(self) -> None:
        """Take note of what ended, and bury the dead."""
        ended = [each for each in self.running if each[0].worker.job is None]
        for environment, delivery in ended:
            if environment.worker.is_dead:
                delivery.outcome = DIED
                self.deaths += 1
                self.deaths_at_limit += environment.worker.was_at_limit
                self.environments.remove(environment)
                environment.close()
            self._note(environment.worker.name, delivery.outcome)
        if ended:
            self.running = [each for each in self.running if each not in ended]

    def _run(self, environment: Environment, delivery: Delivery, deadline: datetime) -> None:
        built = environment.built
        work, give_up = built.work, built.give_up
        if work is None or give_up is None:
            assert built.run is not None
            self._run_schedule(built.run, delivery)
            return
        answer = deliveries.answer(
            {"Records": [letter.record() for letter in delivery.letters]},
            lambda message: work(message, deadline),
            give_up,
            last_receive=functions.last_receive(),
        )
        edges.reached(Edge.BEFORE_SEND, f"answer of {environment.function}")
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for letter in delivery.letters:
            if letter.message_id not in failed:
                self._queues.delete(letter)
        delivery.outcome = FAILED if failed else ANSWERED

    def _run_schedule(self, run: Callable[[], object], delivery: Delivery) -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 - what a schedule raises ends its run; the next minute is the retry
            self._note(delivery.function, f"failed: {type(error).__name__}")
            delivery.outcome = FAILED
            return
        delivery.outcome = ANSWERED

    def _note_edge(self, worker: Worker, edge: Edge, what: str) -> None:
        self._note(worker.name, f"{edge} {what}")
        for environment, delivery in self.running:
            if environment.worker is worker:
                delivery.passed.append((edge, what))
