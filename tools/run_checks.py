"""Runs every static check of `make check`, two at a time, and says of each what it found and how long it
took.

Promises: all of them run, whatever the first ones say; the exit code is 0 only if all passed. Changes no
file.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPED = ["layers/core/outcry", "functions", "local", "tests", "tools"]
LINT_IMPORTS = (
    "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
)

LINT_TEMPLATE = "import sys; from cfnlint.runner import main; sys.exit(main())"
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
CHECKOV = str(ROOT / ".tools" / "checkov" / "bin" / "python")
TEMPLATES = ("template.yaml", *(f"infra/{path.name}" for path in sorted((ROOT / "infra").glob("*.yaml"))))


def _files(names: Sequence[str]) -> list[str]:
    return [part for name in names for part in ("--file", name)]


# Slowest first, so that the rest fills the other core beside it. By default with our own interpreter.
CHECKS: list[tuple[str, list[str]]] = [
    ("types: mypy --strict", ["-m", "mypy", "--strict", *TYPED]),
    ("secrets: detect-secrets", ["tools/scan_secrets.py"]),
    (
        "template: checkov",
        [CHECKOV, "-m", "checkov.main", "--config-file", ".checkov.yaml", *_files(TEMPLATES)],
    ),
    ("template: its rules, and who may do what", [*PYTEST, "tests/infra"]),
    ("template: cfn-lint with serverless rules", ["-c", LINT_TEMPLATE, "--non-zero-exit-code", "warning"]),
    ("imports between rooms: import-linter", ["-c", LINT_IMPORTS, "--no-logo"]),
    ("architecture: tests/architecture", [*PYTEST, "tests/architecture"]),
    ("lint: ruff check", ["-m", "ruff", "check", "."]),
    ("format: ruff format --check", ["-m", "ruff", "format", "--check", "--output-format", "concise", "."]),
]


def command(arguments: Sequence[str]) -> list[str]:
    """What is run for a check: a program of its own by its path, anything else with our own interpreter."""
    return [*arguments] if arguments[0].startswith("/") else [sys.executable, *arguments]


def run(check: tuple[str, list[str]]) -> bool:
    name, arguments = check
    started = time.monotonic()
    done = subprocess.run(
        command(arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'layers' / 'core'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = done.returncode == 0
    said = "" if passed else f"\n{done.stdout.rstrip()}"
    print(f"{'ok    ' if passed else 'FAILED'} {name} ({time.monotonic() - started:.1f} s){said}", flush=True)
    return passed


def main() -> int:
    with ThreadPoolExecutor(max_workers=2) as pool:
        passed = list(pool.map(run, CHECKS))
    print(f"check: {sum(passed)} of {len(CHECKS)} passed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
