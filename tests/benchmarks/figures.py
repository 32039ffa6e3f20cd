"""What a measured figure is: its samples, its target, and what was counted; and how time is taken.

Promises: every figure says what is included and what is left out. Nothing here judges: a figure beside its target is
a statement, never a pass or a fail.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

US, MS, COUNT = "us", "ms", "count"
_PER_SECOND = {US: 1_000_000.0, MS: 1_000.0}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `target` is the most that DESIGN section 8 allows, in `unit`; None where it sets none."""

    group: str
    name: str
    unit: str
    samples: tuple[float, ...]
    counted: str
    target: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third; of fewer than four samples, the least and the greatest."""
        if len(self.samples) < 4:
            return min(self.samples), max(self.samples)
        first, _, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return first, third

    def as_json(self) -> dict[str, Any]:
        first, third = self.quartiles
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "target": self.target,
            "median": self.median,
            "quartiles": [first, third],
            "min": min(self.samples),
            "max": max(self.samples),
            "runs": len(self.samples),
            "counted": self.counted,
        }


def figure(
    group: str,
    name: str,
    unit: str,
    seconds: Sequence[float],
    counted: str,
    *,
    target: float | None = None,
) -> Figure:
    """A figure of times that were taken in seconds, or of plain counts."""
    factor = _PER_SECOND.get(unit, 1.0)
    return Figure(group, name, unit, tuple(each * factor for each in seconds), counted, target)


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection in the block: what the benchmark itself keeps would be searched through again and again."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the wall, and seconds that this thread and the database's server computed: on a busy machine these say more."""

    wall: float
    cpu: float
    served: float = 0.0


def taken(work: Callable[[], object]) -> Taken:
    """What the work took, in seconds."""
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return Taken(time.perf_counter() - wall, time.thread_time() - cpu)


def own_cpu(samples: Sequence[Taken]) -> str:
    """The median of the computing, for what is said about a figure."""
    said = f"{statistics.median(each.cpu for each in samples) * 1000:.1f} ms of it computing in this process"
    served = statistics.median(each.served for each in samples)
    return f"{said}, {served * 1000:.1f} ms in the server" if served else said


def timed(work: Callable[[], object]) -> float:
    """How long the work took, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spin() -> float:
    """Seconds for a fixed amount of work: its spread within a run is the machine's noise, not the project's."""

    def work() -> int:
        total = 0
        for number in range(200_000):
            total += number & 7
        return total

    return timed(work)


def drop_first[T](samples: Sequence[T], *, most: int = 1) -> Sequence[T]:
    """Without the first runs, in which statements are prepared and caches are filled."""
    return samples[min(most, len(samples) - 1) :]
