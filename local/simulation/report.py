"""What a person reads of many runs: how much happened, what was broken, on how much each invariant rests, and what failed. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from local.audit.verdict import Invariant
from local.hyperliquid.draws import KINDS
from local.simulation.plan import FEED_BEHIND, House

OF_THE_QUEUES = ("queue_duplicate", "queue_delay", "queue_unreachable")
OF_THE_SERVICE = ("function_killed_at_its_limit",)
ALL_KINDS = (*sorted(KINDS), FEED_BEHIND, *(kind.value for kind in House), *OF_THE_SERVICE, *OF_THE_QUEUES)
OWN_CHECKS = {
    "REDRIVE": "a redrive adds no fill",
    "RECONCILE": "to reconcile twice is to do it once",
}
SHOWN = 8  # violations of one seed


@dataclass(frozen=True, slots=True)
class Result:
    """One seed, as the process that played it tells."""

    seed: int
    violations: tuple[str, ...]
    looked_at: Mapping[str, int]
    faults: Mapping[str, int]
    counts: Mapping[str, int]
    seconds: float
    minutes: float


@dataclass(slots=True)
class Summary:
    """All results so far."""

    looked_at: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    minutes: float = 0.0
    slowest_s: float = 0.0
    violations: int = 0
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.looked_at.update(result.looked_at)
        self.faults.update(result.faults)
        self.counts.update(result.counts)
        self.minutes += result.minutes
        self.slowest_s = max(self.slowest_s, result.seconds)
        self.violations += len(result.violations)
        if result.violations:
            self.failed.append(result)


def of_a_failure(result: Result, mutant: str | None = None) -> Iterator[str]:
    """A failing seed: its violations, and how to play it again."""
    yield f"seed {result.seed} failed:"
    for violation in result.violations[:SHOWN]:
        yield f"  {violation}"
    if len(result.violations) > SHOWN:
        yield f"  and {len(result.violations) - SHOWN} more"
    again = f" MUTANT={mutant}" if mutant else ""
    yield f"  again: make sim SEED={result.seed}{again}"


def of_all(summary: Summary, wall_s: float) -> Iterator[str]:
    """The whole report; its last line says how many violations there were."""
    counts = summary.counts
    hours = f"{summary.minutes / 60:.0f} hours of the virtual clock"
    yield f"runs {counts['runs']}, {hours}, {wall_s:.0f} s, the slowest {summary.slowest_s:.1f} s"
    yield ", ".join(f"{name} {count}" for name, count in counts.items() if name != "runs")
    yield ""
    struck = sum(summary.faults.values())
    yield f"faults injected {struck}, of {sum(summary.faults[kind] > 0 for kind in ALL_KINDS)} of {len(ALL_KINDS)} kinds"
    yield from _table([(kind, str(summary.faults[kind])) for kind in ALL_KINDS])
    yield ""
    yield "invariants, and on how many things each was judged"
    names = {invariant.name: invariant.value for invariant in Invariant} | OWN_CHECKS
    yield from _table([(said, str(summary.looked_at[name])) for name, said in names.items()], columns=1)
    if summary.failed:
        yield ""
        yield f"failing seeds: {' '.join(str(result.seed) for result in sorted(summary.failed, key=lambda r: r.seed))}"
    yield f"violations {summary.violations}"


def _table(rows: Sequence[tuple[str, str]], columns: int = 3) -> Iterator[str]:
    width = max(len(name) for name, _ in rows)
    cells = [f"{name:<{width}} {count:>7}" for name, count in rows]
    height = -(-len(cells) // columns)
    for line in range(height):
        yield "  " + "   ".join(cells[line::height])
