"""What a check is given and what it finds.

Promises: a finding names its subject, says in one sentence how it is, and, unless it is well, what to do; it never carries
the content of a secret.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from outcry.cli.doctor.facts import Facts
from outcry.cli.stack import DeployedFunction
from outcry.runtime.clock import Clock
from outcry.runtime.settings import PREFIX


class Verdict(StrEnum):
    """How something is. Only BAD makes the command fail."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is: `says` in words, and `fix`, what to do about it, empty where nothing is to be done."""

    subject: str
    verdict: Verdict
    says: str
    fix: str = ""


def ok(subject: str, says: str) -> Finding:
    """It is as it should be."""
    return Finding(subject, Verdict.OK, says)


def warn(subject: str, says: str, fix: str) -> Finding:
    """It works, and a person should look at it."""
    return Finding(subject, Verdict.WARN, says, fix)


def bad(subject: str, says: str, fix: str) -> Finding:
    """Something does not work, or will not when it is needed."""
    return Finding(subject, Verdict.BAD, says, fix)


def skipped(subject: str, why: str) -> Finding:
    """It could not be looked at, or does not exist here."""
    return Finding(subject, Verdict.SKIPPED, why)


@dataclass(frozen=True, slots=True)
class Installation:
    """What is looked at: its settings as the functions have them, its clock, and what its database said.

    `facts` is None where the database did not answer, `functions` where no deployed stack was named.
    """

    network: str
    environment: Mapping[str, str]
    clock: Clock
    facts: Facts | None = None
    functions: tuple[DeployedFunction, ...] | None = None

    def setting(self, name: str) -> str | None:
        """A setting without its prefix; None where it is not set."""
        return self.environment.get(f"{PREFIX}{name}") or None


Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at: its name, how long it may take, and what to do where it could not even be looked at."""

    name: str
    look: Callable[[Installation], Findings]
    if_it_fails: str
    timeout_s: float = 15.0
