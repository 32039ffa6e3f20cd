"""`python -m local crash`, `make crash`: every scenario, killed at every thing that it does, and delivered again in every way.

Promises: the table, the failures with the command that plays each again, and the total as the last line; exit code 1 where anything
failed, 2 where nothing could be played. Everything that was started is stopped. Nothing leaves this machine.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from local.crash.cases import Case, cases_of, read_case, select
from local.crash.playing import Verdict
from local.crash.pool import PoolError, pool
from local.crash.report import by_kill, failure, table
from local.crash.scenarios import BY_NAME, SCENARIOS
from local.processes import NotStarted

JOBS = 2
SHOWN = 40  # failures in words; the others are counted


def main(arguments: Sequence[str]) -> int:
    """Run the enumerator; the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _end)
    try:
        names = _names(options.scenario)
        chosen = [read_case(word) for word in options.case.split(",")] if options.case else None
        return _enumerate(names, chosen, options)
    except (ValueError, NotStarted, PoolError) as problem:
        print(f"crash: {problem}", file=sys.stderr)
        return 2


def _end(_: int, __: FrameType | None) -> None:
    """Whoever ends this process ends those that it started too: the pool is closed on the way out."""
    sys.exit(143)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local crash", description=__doc__)
    parser.add_argument("--scenario", default="", help="names, with commas; all where nothing is said")
    parser.add_argument("--case", default="", help="cases, with commas: entry:17:before_commit:twice")
    parser.add_argument("--jobs", type=int, default=JOBS, help="processes at once")
    parser.add_argument("--most", type=int, default=0, help="of each scenario, drawn; 0 for all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--things", action="store_true", help="only say what the scenarios do under test")
    return parser.parse_args(arguments)


def _names(wanted: str) -> list[str]:
    names = [name for name in wanted.split(",") if name] or [scenario.name for scenario in SCENARIOS]
    for name in names:
        if name not in BY_NAME:
            raise ValueError(f"there is no scenario {name!r}: use {', '.join(BY_NAME)}")
    return names


def _enumerate(names: list[str], chosen: list[Case] | None, options: argparse.Namespace) -> int:
    began_s = time.monotonic()
    if chosen is not None:
        names = _names(",".join(dict.fromkeys(case.scenario for case in chosen)))
    with pool(options.jobs) as processes:
        recorded = {str(task): verdict for task, verdict in processes.results(names)}
        if options.things:
            _say_things(names, recorded)
            return 0
        cases = chosen if chosen is not None else _cases(names, recorded, options)
        played: list[Verdict] = []
        for number, (_, verdict) in enumerate(processes.results(cases), start=1):
            played.append(verdict)
            _say_failure(verdict, played)
            if number % 500 == 0:
                print(f"{number} of {len(cases)} after {time.monotonic() - began_s:.0f} s", flush=True)
    broken = [name for name in names if recorded[name].complaints]
    for name in broken:
        print("\n".join(failure(None, name, recorded[name])))
    print("\n".join(table([recorded[name] for name in names], names, played)))
    print(f"killed: {by_kill(played)}")
    failed = sum(bool(verdict.complaints) for verdict in played)
    took_s = time.monotonic() - began_s
    green = "all green" if not failed and not broken else f"{failed + len(broken)} FAILED"
    print(f"{len(names)} scenarios, {len(played)} runs, {green}, in {took_s:.0f} s")
    return 0 if not failed and not broken else 1


def _cases(names: list[str], recorded: dict[str, Verdict], options: argparse.Namespace) -> list[Case]:
    cases: list[Case] = []
    for name in names:
        every = cases_of(name, recorded[name].sites)
        cases += select(every, options.most, options.seed) if options.most else every
    return cases


def _say_things(names: list[str], recorded: dict[str, Verdict]) -> None:
    for name in names:
        print(f"{name}: {BY_NAME[name].says}")
        for site in recorded[name].sites:
            print(f"  {site.number:>3}  {site.what:<22} {site.by}")


def _say_failure(verdict: Verdict, played: Sequence[Verdict]) -> None:
    if verdict.complaints and sum(bool(each.complaints) for each in played) <= SHOWN:
        print("\n".join(failure(verdict.case, "", verdict)), flush=True)
