"""Asks for every locked package whether its version has a known vulnerability, for `make audit`. Needs the network.

    audit.py [LOCK ...]        every lock of the project, or the named ones

Promises: passes only if every package of every lock was looked up and nothing was found. A package that could not be looked up
fails the audit and is named, and so does an index that could not be reached; neither is ever taken for a clean answer. A package
that is locked for other platforms alone is named too, and does not fail. Changes no file.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIP_AUDIT = ROOT / ".tools" / "audit" / "bin" / "pip-audit"
TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit of one lock said, as sentences."""

    audited: int
    failures: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()


def locks(root: Path) -> list[Path]:
    """Every lock of the project: what is deployed, what is shipped, and the tools."""
    found = [
        *root.glob("requirements-*.txt"),
        *root.glob("layers/*/requirements.txt"),
        *root.glob("tools/*.txt"),
    ]
    return sorted(found)


def locked(text: str) -> list[Requirement]:
    """The packages of a lock, each with its marker."""
    lines = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    return [Requirement(line.removesuffix("\\").strip()) for line in lines]


def judge(requirements: list[Requirement], said: dict[str, Any]) -> Verdict:
    """Hold what pip-audit said against what is locked: silence about a package is a failure, not a pass."""
    answers = {canonicalize_name(answer["name"]): answer for answer in said["dependencies"]}
    failures: list[str] = []
    elsewhere: list[str] = []
    audited = 0
    for requirement in requirements:
        answer = answers.get(canonicalize_name(requirement.name))
        pin = f"{requirement.name}{requirement.specifier}"
        if answer is None and requirement.marker is not None and not requirement.marker.evaluate():
            elsewhere.append(pin)
        elif answer is None:
            failures.append(f"{pin} could not be audited: pip-audit said nothing about it")
        elif "skip_reason" in answer:
            failures.append(f"{pin} could not be audited: {answer['skip_reason']}")
        else:
            audited += 1
            failures += [_vulnerability(pin, found) for found in answer["vulns"]]
    return Verdict(audited, tuple(failures), tuple(elsewhere))


def _vulnerability(pin: str, found: dict[str, Any]) -> str:
    fixed = ", ".join(found.get("fix_versions") or []) or "no version yet"
    return f"{pin} has the known vulnerability {found['id']}, fixed in {fixed}"


def audit(lock: Path) -> Verdict:
    """Look up one lock. An index that does not answer is a failure like any other."""
    # "--disable-pip" because a lock needs no resolution; "--require-hashes" so that an unlocked line cannot slip in
    command = [str(PIP_AUDIT), "--disable-pip", "--require-hashes", "--requirement", str(lock)]
    command += ["--format", "json", "--desc", "off", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(0, (f"nothing was audited: no answer within {TIMEOUT_S} s",))
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return Verdict(0, (f"nothing was audited: {_last_line(done.stderr)}",))
    return judge(locked(lock.read_text()), said)


def _last_line(text: str) -> str:
    """The sentence at the end of what a program said about its failure."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "pip-audit ended without a word"


def main(arguments: list[str]) -> int:
    failed = 0
    for lock in [Path(given) for given in arguments] or locks(ROOT):
        verdict = audit(lock)
        failed += len(verdict.failures)
        name = lock.resolve().relative_to(ROOT) if lock.resolve().is_relative_to(ROOT) else lock
        print(f"{'FAILED' if verdict.failures else 'ok    '} {name}: {verdict.audited} packages audited")
        for failure in verdict.failures:
            print(f"       {failure}")
        if verdict.elsewhere:
            print(f"       for other platforms alone, not audited here: {', '.join(verdict.elsewhere)}")
    print(f"audit: {'FAILED, ' + str(failed) + ' findings' if failed else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
