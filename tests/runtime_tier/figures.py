"""What was measured of the built functions, as medians and beside an empty handler: the table at the end of `make runtime`."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from local.built import Built
from local.runtime_process import running

EMPTY = "an empty handler"
STARTS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """Several starts of one function: seconds from the process's start to its asking for an event, MB in RAM by then."""

    init_s: tuple[float, ...]
    memory_mb: tuple[float, ...]
    package_mb: float


@dataclass(slots=True)
class Figures:
    """All functions by name, EMPTY among them."""

    by_name: dict[str, Measured] = field(default_factory=dict)
    after_event_mb: dict[str, float] = field(default_factory=dict)

    def table(self) -> Iterator[str]:
        """The lines that a person reads. The ratio is what can be compared between machines."""
        empty = median(self.by_name[EMPTY].init_s)
        yield f"{'function':<22}{'init ms':>10}{'x empty':>9}{'RAM MB':>9}{'after event':>13}{'package MB':>12}"
        for name, measured in self.by_name.items():
            init_s, memory_mb = median(measured.init_s), median(measured.memory_mb)
            later = f"{self.after_event_mb[name]:.0f}" if name in self.after_event_mb else "-"
            times = f"{init_s * 1000:>10.0f}{init_s / empty:>9.1f}{memory_mb:>9.0f}"
            yield f"{name:<22}{times}{later:>13}{measured.package_mb:>12.1f}"
        yield f"medians of {STARTS} starts in turns, and one event each; the package unzipped, with its layers"

    def write(self, path: Path) -> None:
        """Keep every single start beside the build."""
        found = {
            name: {**asdict(each), "after_event_mb": self.after_event_mb.get(name)}
            for name, each in self.by_name.items()
        }
        path.write_text(json.dumps(found, indent=1))


def measure(functions: list[Built], package_mb: dict[str, float], logs: Path) -> dict[str, Measured]:
    """Start every function STARTS times, in turns, so that what the machine does meanwhile meets all alike."""
    starts: dict[str, list[tuple[float, float]]] = {function.name: [] for function in functions}
    for _ in range(STARTS):
        for function in functions:
            with running(function, {}, logs) as started:
                assert started.fault is None, started.fault
                starts[function.name].append((started.init_s, started.memory_mb()))
    return {
        name: Measured(
            tuple(init_s for init_s, _ in found), tuple(mb for _, mb in found), package_mb.get(name, 0.0)
        )
        for name, found in starts.items()
    }
