"""`python -m local sim …`: plays seeds and says what came of them. Exit code 0 where there was no violation, else 1.

`make sim SEEDS=500`, `make sim SEED=12345`, `make sim SCENARIO=lost-reply`, `make mutants`.
"""

import argparse
import time
from collections.abc import Sequence

from local.simulation import mutants, scenarios
from local.simulation.jobs import results
from local.simulation.report import Summary, of_a_failure, of_all

_PROGRESS_S = 20


def main(arguments: Sequence[str]) -> int:
    """Run the simulation as asked."""
    asked = _parser().parse_args(arguments)
    if asked.scenario:
        return scenarios.main(asked.scenario)
    if asked.mutants:
        return mutants.main(most=asked.seeds, jobs=asked.jobs)
    first, seeds = (asked.seed, 1) if asked.seed is not None else (asked.first, asked.seeds)
    return _simulate(first, seeds, asked.jobs, asked.mutant)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local sim",
        description="A whole desk on a virtual clock, broken in every way that a seed draws, and judged by the audit.",
    )
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="how many seeds (default: 100)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first of them (default: 1)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="this seed alone: what a failure is played again with"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes at once (default: 2)")
    parser.add_argument("--scenario", choices=scenarios.NAMES, help="one told story instead of drawn ones")
    parser.add_argument("--mutant", choices=mutants.NAMES, help="with this guard removed on purpose")
    parser.add_argument(
        "--mutants", action="store_true", help="remove each guard in turn, until a seed notices"
    )
    return parser


def _simulate(first: int, seeds: int, jobs: int, mutant: str | None) -> int:
    began_s = last_s = time.monotonic()
    summary = Summary()
    for result in results(first, seeds, jobs=jobs, mutant=mutant):
        summary.add(result)
        if result.violations:
            print("\n".join(of_a_failure(result, mutant)), flush=True)
        now_s = time.monotonic()
        if now_s - last_s > _PROGRESS_S:
            last_s = now_s
            print(f"{summary.counts['runs']} of {seeds} seeds, violations {summary.violations}", flush=True)
    print("\n".join(of_all(summary, time.monotonic() - began_s)))
    return 1 if summary.violations else 0
