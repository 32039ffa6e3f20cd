"""Runs the tests for `make test` and reports what they reach: the whole, then the pure modules on their own.

    run_tests.py                     every test, two processes; the two coverage floors must hold
    run_tests.py PYTEST-ARGUMENT...  a part of the tests, without a coverage floor

The whole must keep at least 90 % of its lines and branches, the pure modules all of theirs.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHOLE_FLOOR_PERCENT = 90
PURE = [  # names that a pure module may have; one that no room has yet counts for nothing
    *("model", "lifecycle", "risk", "exits", "exit_rules", "levels", "score", "indicators"),
    *("size", "route", "grammar", "tickers", "protections", "reconcile", "pnl"),
]


def python(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode


def pure_modules() -> list[str]:
    """The modules that decide and compute, and touch nothing: they are known by their names."""
    core = ROOT / "layers" / "core" / "outcry"
    return sorted(str(path.relative_to(ROOT)) for name in PURE for path in core.rglob(f"{name}.py"))


def run_everything() -> int:
    python("-m", "coverage", "erase")
    tests = python("-m", "coverage", "run", "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal")
    for unfinished in ROOT.glob(".coverage.*"):
        if unfinished.stat().st_size == 0:  # of a process that a test killed before it could write
            unfinished.unlink()
    python("-m", "coverage", "combine", "-q")
    print("\nCoverage, lines and branches, of everything:", flush=True)
    whole = python("-m", "coverage", "report", f"--fail-under={WHOLE_FLOOR_PERCENT}")
    print("\nCoverage, lines and branches, of the pure modules:", flush=True)
    pure = python("-m", "coverage", "report", "--fail-under=100", f"--include={','.join(pure_modules())}")
    return 1 if tests or whole or pure else 0


def main(arguments: list[str]) -> int:
    started = time.monotonic()
    failed = python("-m", "pytest", *arguments) if arguments else run_everything()
    print(f"\ntest: {'FAILED' if failed else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
