"""Workers and the queues before them: messages are delivered at least once, some on purpose twice, and later where a delay was asked.

Promises: nothing that was rung is lost here; what failed comes again after a second, as SQS would have it; a sweep rings what is due, as
`tick` does; every process that was started is ended by its owner.
"""

import heapq
import multiprocessing as mp
import queue as queues
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from random import Random
from threading import Thread
from typing import Any

from local.load import store
from local.load.worker import Done, Inbox, Outbox, Ready, Rung, Setup, work, work_alone
from outcry.runtime.clock import SystemClock
from outcry.runtime.database import Database
from outcry.runtime.queues import Queue

_SPAWN = mp.get_context("spawn")
_AGAIN_S = 1.0
_SWEEP_EVERY_S = 2.0
_LATE = timedelta(seconds=10)
_SWEPT_AGAIN_AFTER = timedelta(seconds=30)
_END_LIMIT_S = 20.0


@dataclass(slots=True)
class Crew:
    """Workers at work. `inboxes` may be one for both queues. For one thread, whose `turn` moves everything along."""

    inboxes: Mapping[Queue, Inbox]
    outbox: Outbox
    workers: Sequence[BaseProcess | Thread]
    random: Random
    twice: float = 0.0
    database: Database | None = None
    waiting: list[tuple[float, int, Queue, str]] = field(default_factory=list)
    took_s: dict[Queue, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ready: int = 0
    started: float = field(default_factory=time.monotonic)
    _number: int = 0
    _swept_at: float = 0.0
    _swept: dict[str, datetime] = field(default_factory=dict)

    def ring(self, queue: Queue, order_id: str, *, delay_s: float = 0.0) -> None:
        """Have an order advanced; now and then by two workers at once."""
        self._number += 1
        heapq.heappush(self.waiting, (time.monotonic() + delay_s, self._number, queue, order_id))

    def turn(self, *, longest_s: float = 0.05) -> None:
        """Deliver what is due, and take in what the workers said."""
        now = time.monotonic()
        while self.waiting and self.waiting[0][0] <= now:
            _, _, queue, order_id = heapq.heappop(self.waiting)
            self._deliver(queue, order_id)
        if self.database is not None and now - self._swept_at >= _SWEEP_EVERY_S:
            self._swept_at = now
            self._sweep(self.database)
        until = now + longest_s
        while True:
            try:
                said = self.outbox.get(timeout=max(0.0, until - time.monotonic()))
            except queues.Empty:
                return
            self._hear(said)

    def _deliver(self, queue: Queue, order_id: str) -> None:
        copies = 2 if self.random.random() < self.twice else 1
        self.counts["delivered twice"] += copies - 1
        for _ in range(copies):
            self.inboxes[queue].put(order_id)
            self.counts["messages"] += 1

    def _hear(self, said: Ready | Rung | Done) -> None:
        match said:
            case Ready():
                self.ready += 1
            case Rung():
                self.ring(said.queue, said.order_id, delay_s=said.delay_s)
            case Done(error=None):
                self.took_s.setdefault(said.queue, []).append(said.took_s)
            case Done(error=error):
                self.counts[f"failed: {error}"] += 1
                self.ring(said.queue, said.order_id, delay_s=_AGAIN_S)

    def _sweep(self, database: Database) -> None:
        now = SystemClock().now()
        with database.transaction() as tx:
            rows = store.overdue(tx, late=now - _LATE, now=now)
        for row in rows:
            order_id = str(row["order_id"])
            if now - self._swept.get(order_id, now - _SWEPT_AGAIN_AFTER) >= _SWEPT_AGAIN_AFTER:
                self._swept[order_id] = now
                self.counts["swept"] += 1
                self.ring(Queue.ENTRIES if row["kind"] == "enter" else Queue.EXITS, order_id)

    @property
    def is_whole(self) -> bool:
        """Whether every worker still runs."""
        return all(worker.is_alive() for worker in self.workers)


@contextmanager
def crew_of(
    setups: Sequence[Setup],
    *,
    shared: bool,
    random: Random,
    twice: float,
    database: Database,
    as_threads: bool = False,
) -> Iterator[Crew]:
    """A worker for each setup, until the block ends. `shared`: one queue for both kinds of message, worked on by all."""
    box: Callable[[], Any] = queues.SimpleQueue if as_threads else _SPAWN.Queue
    outbox: Outbox = box()
    entries: Inbox = box()
    exits: Inbox = entries if shared else box()
    inboxes = {Queue.ENTRIES: entries, Queue.EXITS: exits}
    made = Thread if as_threads else _SPAWN.Process
    target = work if as_threads else work_alone
    workers: list[BaseProcess | Thread] = [
        made(target=target, args=(setup, inboxes[setup.queue], outbox), daemon=True) for setup in setups
    ]
    for worker in workers:
        worker.start()
    try:
        crew = Crew(inboxes, outbox, workers, random, twice, database)
        while crew.ready < len(workers) and crew.is_whole:
            crew.turn()
        yield crew
    finally:
        _end(workers, [inboxes[setup.queue] for setup in setups], outbox)


def _end(workers: Sequence[BaseProcess | Thread], inboxes: Sequence[Inbox], outbox: Outbox) -> None:
    for inbox in inboxes:
        inbox.put(None)
    until = time.monotonic() + _END_LIMIT_S
    while any(worker.is_alive() for worker in workers) and time.monotonic() < until:
        try:  # a process does not end while what it said is not taken
            outbox.get(timeout=0.05)
        except queues.Empty:
            continue
    for worker in workers:
        if isinstance(worker, BaseProcess) and worker.is_alive():
            worker.terminate()
        worker.join(_END_LIMIT_S)
