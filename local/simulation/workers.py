"""The processes of a simulation: threads of which exactly one runs at a time, and who runs next is drawn from the seed.

Promises:
- A worker gives way only at an edge at which no transaction is open, when it waits, and when its job ends. So what happens
  between two edges happens at once, and the same seed makes the same order, however fast or slow the machine is.
- Time passes in waits alone. Nobody waits for real: the clock is moved to the next moment at which somebody has something to do.
- A worker that is killed at an edge is dead: `Died` is raised there, and at each further edge that its `finally` blocks come to.
  A transaction that is open then is rolled back, as Postgres does with a connection that is gone.

`Crew` is the scheduler; `Crew.passed` is what `edges.watch` is given.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Final

from outcry.runtime.clock import FixedClock
from outcry.runtime.edges import Edge

GIVES_WAY: Final = frozenset({Edge.BEGIN, Edge.AFTER_COMMIT, Edge.BEFORE_SEND, Edge.AFTER_REPLY})
SWITCHES = 0.25  # of the edges at which somebody else could run, how often one does
LONGEST_WAIT_S = (
    120.0  # of real time for another thread's turn: only a fault of the simulation itself takes so long
)

Job = Callable[[], None]
Hook = Callable[["Worker", Edge, str], None]


class Died(BaseException):
    """The process is gone: no handler of errors sees this, and no clean-up of it does any work."""


class Worker:
    """One process: a thread that does one job after another, and is dead for good once it was killed.

    `passed` counts the edges of the present job; it is killed at the edge of number `kill_at`, and at the first edge after `limit`,
    the time limit of its function.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.passed = 0
        self.kill_at: int | None = None
        self.limit: datetime | None = None
        self.is_dead = False
        self.was_at_limit = False
        self.is_in_hook = False
        self.job: Job | None = None
        self.wake_at: datetime | None = None
        self.failure: BaseException | None = None
        self.turn = threading.Semaphore(0)
        self.thread: threading.Thread | None = None

    @property
    def is_free(self) -> bool:
        return self.job is None and not self.is_dead

    def die(self) -> None:
        """End here. Raises Died, now and at every further edge."""
        self.is_dead = True
        raise Died(self.name)


class Crew:
    """Gives turns. Its owner's thread, which plays the outside world, has the turn whenever no worker has it.

    `horizon` tells the next moment at which the outside world has something to do, or None.
    """

    def __init__(self, clock: FixedClock, random: Random, horizon: Callable[[], datetime | None]) -> None:
        self._clock = clock
        self._random = random
        self._horizon = horizon
        self._busy: list[Worker] = []
        self._by_thread: dict[int, Worker] = {}
        self._owner = threading.Semaphore(0)
        self._workers: list[Worker] = []
        self.hooks: list[Hook] = []

    # ─── the owner's side ───────────────────────────────────────────────────────────────────────────────────

    def begin(
        self, worker: Worker, job: Job, *, kill_at: int | None = None, limit: datetime | None = None
    ) -> None:
        """Give a free worker a job; it runs when `run` gives it a turn."""
        if not worker.is_free:
            raise AssertionError(f"{worker.name} is not free")
        worker.passed, worker.kill_at, worker.limit = 0, kill_at, limit
        worker.job, worker.wake_at, worker.failure = job, self._clock.now(), None
        if worker.thread is None:
            worker.thread = threading.Thread(target=self._live, args=(worker,), name=worker.name, daemon=True)
            self._workers.append(worker)
            worker.thread.start()
        self._busy.append(worker)

    def run(self) -> None:
        """Let workers run until none can run at the present moment. Raises what a job raised that no process may raise."""
        chosen = self._choose(None)
        while chosen is not None:
            chosen.turn.release()
            self._wait(self._owner)
            self._raise_failures()
            chosen = self._choose(None)

    def next_wake(self) -> datetime | None:
        """The earliest moment for which a worker waits."""
        return min((worker.wake_at for worker in self._busy if worker.wake_at is not None), default=None)

    def close(self) -> None:
        """End every worker's thread. Those with a job half-way die at the edge where they wait."""
        for worker in [*self._busy]:
            worker.is_dead = True
            worker.turn.release()
            self._wait(self._owner)
        for worker in self._workers:
            worker.is_dead = True
            worker.turn.release()
            if worker.thread is not None:
                worker.thread.join(LONGEST_WAIT_S)

    # ─── a worker's side ────────────────────────────────────────────────────────────────────────────────────

    @property
    def current(self) -> Worker | None:
        """The worker whose thread this is; None in the owner's."""
        return self._by_thread.get(threading.get_ident())

    def passed(self, edge: Edge, what: str) -> None:
        """An edge was reached: die here, or let the hooks act, or give way. What is no worker's, or a hook's own, passes at once."""
        worker = self.current
        if worker is None or worker.is_in_hook:
            return
        if worker.is_dead:
            raise Died(worker.name)
        worker.passed += 1
        worker.is_in_hook = True
        try:
            for hook in self.hooks:
                hook(worker, edge, what)
        finally:
            worker.is_in_hook = False
        if worker.passed == worker.kill_at:
            worker.die()
        if edge not in GIVES_WAY:
            return
        if worker.limit is not None and self._clock.now() >= worker.limit:
            worker.was_at_limit = True
            worker.die()
        if len(self._busy) > 1 and self._random.random() < SWITCHES:
            self._give_way(worker)
            if worker.is_dead:
                raise Died(worker.name)

    def pause(self, seconds: float) -> None:
        """Wait on the virtual clock. In the owner's thread that moves the clock at once."""
        worker = self.current
        until = self._clock.now() + timedelta(seconds=seconds)
        if worker is None:
            self._clock.advance(timedelta(seconds=seconds))
            return
        if worker.is_dead:
            raise Died(worker.name)
        if self._is_nothing_due_before(worker, until):
            self._clock.advance(until - self._clock.now())
            return
        worker.wake_at = until
        self._give_way(worker, stays=False)
        if worker.is_dead:
            raise Died(worker.name)

    # ─── turns ──────────────────────────────────────────────────────────────────────────────────────────────

    def _live(self, worker: Worker) -> None:
        self._by_thread[threading.get_ident()] = worker
        while True:
            worker.turn.acquire()
            job = worker.job
            if job is None:
                return
            try:
                if not worker.is_dead:
                    job()
            except Died:
                worker.is_dead = True
            except BaseException as failure:  # noqa: BLE001 - carried to the owner's thread, which raises it
                worker.failure = failure
            worker.job = worker.wake_at = None
            self._owner.release()

    def _give_way(self, worker: Worker, *, stays: bool = True) -> None:
        """Let another worker run, or, where none can, the owner. `stays`: keep the turn where nobody else can run."""
        other = self._choose(worker)
        if other is None and stays:
            return
        (self._owner if other is None else other.turn).release()
        self._wait(worker.turn)

    def _choose(self, but: Worker | None) -> Worker | None:
        now = self._clock.now()
        able = [
            worker
            for worker in self._busy
            if worker is not but and worker.wake_at is not None and worker.wake_at <= now
        ]
        if not able:
            return None
        return able[0] if len(able) == 1 else self._random.choice(able)

    def _is_nothing_due_before(self, worker: Worker, until: datetime) -> bool:
        if any(
            other.wake_at is not None and other.wake_at <= until
            for other in self._busy
            if other is not worker
        ):
            return False
        horizon = self._horizon()
        return horizon is None or horizon > until

    def _raise_failures(self) -> None:
        ended = [worker for worker in self._busy if worker.job is None]
        self._busy = [worker for worker in self._busy if worker.job is not None]
        for worker in ended:
            if worker.failure is not None:
                raise worker.failure

    def _wait(self, turn: threading.Semaphore) -> None:
        if not turn.acquire(timeout=LONGEST_WAIT_S):
            raise AssertionError("a worker of the simulation never gave its turn back")
