"""Several processes that play cases, each on a Postgres and a venue of its own.

Promises: every task is answered once, in whatever order; a process that ends without an answer is an error that says so; none is left
behind.
"""

import contextlib
import logging
import multiprocessing
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from local.crash.cases import Case
from local.crash.place import place
from local.crash.playing import Verdict, play, record
from local.crash.scenarios import BY_NAME

Task = Case | str  # a case to play, or the name of a scenario to record
LOOKS_EVERY_S = 1.0
GRACE_S = 20.0


class PoolError(Exception):
    """A process ended in the middle of its work; the message says at what."""


class Pool:
    """`jobs` processes at work."""

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._todo: Any = context.Queue()
        self._done: Any = context.Queue()
        self._processes = [
            context.Process(target=_work, args=(self._todo, self._done), daemon=True) for _ in range(jobs)
        ]
        for process in self._processes:
            process.start()

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Verdict]]:
        """Every task with what came of it, as they come. Raises PoolError."""
        for task in tasks:
            self._todo.put(task)
        for _ in tasks:
            yield self._next()

    def _next(self) -> tuple[Task, Verdict]:
        while True:
            try:
                task, found = self._done.get(timeout=LOOKS_EVERY_S)
            except queue.Empty:
                if not all(process.is_alive() for process in self._processes):
                    raise PoolError("a process of the enumerator ended in the middle of its work") from None
                continue
            if isinstance(found, str):
                raise PoolError(f"{task} could not be played: {found}")
            return task, found

    def close(self) -> None:
        while not self._todo.empty():  # whoever ends early wants no more of it played
            with contextlib.suppress(queue.Empty):
                self._todo.get_nowait()
        for _ in self._processes:
            self._todo.put(None)
        for process in self._processes:
            process.join(GRACE_S)
            if process.is_alive():
                process.terminate()


@contextmanager
def pool(jobs: int) -> Iterator[Pool]:
    """Processes for as long as the block runs."""
    made = Pool(jobs)
    try:
        yield made
    finally:
        made.close()


def _work(todo: Any, done: Any) -> None:
    logging.disable(logging.CRITICAL)  # what is logged of thousands of deaths tells nobody anything
    with place() as here:
        while (task := todo.get()) is not None:
            try:
                found = record(here, BY_NAME[task]) if isinstance(task, str) else play(here, task)
            except Exception as error:  # noqa: BLE001 - carried to the process that prints
                done.put((task, f"{type(error).__name__}: {error}"))
                return
            done.put((task, found))
