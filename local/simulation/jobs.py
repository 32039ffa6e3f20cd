"""Plays seeds in several processes at once, and gives their results as they come.

Promises: each process gets every n-th seed, so which seed runs beside which changes nothing; one that ends before its seeds are played
is a failure of the first seed that it did not tell about; all are ended, by their own process id, when the caller has had enough.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from local.simulation.report import Result

ROOT = Path(__file__).resolve().parents[2]
_PARTS_WITH_PATHS = ("layers/core", ".")


def results(first: int, seeds: int, *, jobs: int = 2, mutant: str | None = None) -> Iterator[Result]:
    """The result of each seed from `first` on, in the order in which they are done."""
    jobs = min(jobs, seeds)
    told: queue.Queue[Result | None] = queue.Queue()
    with contextlib.ExitStack() as stack:
        for number in range(jobs):
            own = range(first + number, first + seeds, jobs)
            process = stack.enter_context(_started(own, jobs, mutant))
            listener = threading.Thread(target=_listen, args=(process, own, told), daemon=True)
            listener.start()
            stack.callback(listener.join)
            stack.callback(process.terminate)
        left = jobs
        while left:
            result = told.get()
            if result is None:
                left -= 1
            else:
                yield result


def _started(seeds: range, step: int, mutant: str | None) -> subprocess.Popen[str]:
    arguments = [str(seeds.start), str(len(seeds)), str(step), *([mutant] if mutant else [])]
    path = os.pathsep.join(str(ROOT / part) for part in _PARTS_WITH_PATHS)
    return subprocess.Popen(
        [sys.executable, "-m", "local.simulation.process", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def _listen(process: subprocess.Popen[str], seeds: range, told: "queue.Queue[Result | None]") -> None:
    assert process.stdout is not None
    waiting = list(seeds)
    for line in process.stdout:
        told_of = json.loads(line)
        result = Result(**{**told_of, "violations": tuple(told_of["violations"])})
        waiting.remove(result.seed)
        told.put(result)
    if waiting:
        told.put(Result(waiting[0], ("RUN: its process ended without a word",), {}, {}, {}, 0.0, 0.0))
    told.put(None)
