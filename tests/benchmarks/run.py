"""`make bench`: measures the figures of docs/how-it-is-tested.md on this machine, and prints them beside their targets.

Promises: no verdict. The exit code is 0 unless something broke (1) or was asked for wrongly (2); a slow machine is not a failure.
Ends by itself, and leaves nothing behind.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import custody, exit_rules, imports, ledger, passes, pipeline, reading, scaling, store
from tests.benchmarks.database import Server, running_server
from tests.benchmarks.figures import Figure, spin

NOW = datetime(2026, 1, 5, tzinfo=UTC)
Measure = Callable[[Server, bool], Iterator[Figure]]
GROUPS: dict[str, Measure] = {
    exit_rules.GROUP: lambda _, quick: exit_rules.figures(quick=quick),
    passes.GROUP: lambda server, quick: passes.figures(server, quick=quick),
    scaling.GROUP: lambda server, quick: scaling.figures(server, quick=quick),
    ledger.GROUP: lambda server, quick: ledger.figures(server, quick=quick),
    pipeline.GROUP: lambda server, quick: pipeline.figures(server, quick=quick),
    reading.GROUP: lambda server, quick: reading.figures(server, quick=quick),
    custody.GROUP: lambda server, quick: custody.figures(server, quick=quick),
    imports.GROUP: lambda _, quick: imports.figures(quick=quick),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; the exit code."""
    options = _options(arguments)
    began = time.monotonic()
    found: list[Figure] = []
    with running_server(NOW) as server:
        machine = _machine(server)
        print(_heading(machine))
        for name in options.only or GROUPS:
            before = min(spin() for _ in range(5))
            for each in GROUPS[name](server, options.quick):
                found.append(each)
                print(_line(each), flush=True)
            machine["spin_ms"][name] = [
                round(before * 1000, 2),
                round(min(spin() for _ in range(5)) * 1000, 2),
            ]
    machine["elapsed_s"] = round(time.monotonic() - began, 1)
    print(_footing(machine))
    if options.json is not None:
        body = {"machine": machine, "figures": [each.as_json() for each in found]}
        options.json.write_text(json.dumps(body, indent=2) + "\n")
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measures the figures of docs/how-it-is-tested.md."
    )
    parser.add_argument(
        "--only", action="append", choices=list(GROUPS), help="this group alone; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer runs, and fewer positions where there are many"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args(arguments)
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no folder {options.json.parent}")
    return options


def _machine(server: Server) -> dict[str, Any]:
    with server.database() as database, database.transaction() as tx:
        settings = store.settings(tx)
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_1m": os.getloadavg()[0],
        "postgres": settings,
        "spin_ms": {},
    }


def _heading(machine: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in sorted(machine["postgres"].items()))
    columns = f"{'':<46}{'target':>9}{'median':>10}{'quartiles':>19}{'min .. max':>21}{'runs':>6}"
    return (
        f"Python {machine['python']} on {machine['system']}, {machine['cores']} cores, load {machine['load_1m']:.1f};"
        f" Postgres with {settings}\n\n{columns}"
    )


def _line(each: Figure) -> str:
    first, third = each.quartiles
    target = "" if each.target is None else f"<= {each.target:g}"
    spread = f"{_number(first)} .. {_number(third)}"
    ends = f"{_number(min(each.samples))} .. {_number(max(each.samples))}"
    unit = "" if each.unit == "count" else f" {each.unit}"
    name = f"{each.group}: {each.name}{f' [{each.unit}]' if unit else ''}"
    return (
        f"{name:<46}{target:>9}{_number(each.median):>10}{spread:>19}{ends:>21}{len(each.samples):>6}\n"
        f"    {each.counted}"
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _footing(machine: dict[str, Any]) -> str:
    taken = [value for pair in machine["spin_ms"].values() for value in pair]
    return (
        f"\n{machine['elapsed_s']:.0f} s. A fixed piece of work took {min(taken):.1f} to {max(taken):.1f} ms between the figures:"
        " where that spread is wide, something else was running."
    )


if __name__ == "__main__":
    sys.exit(main())
