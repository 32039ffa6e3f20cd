"""What a run found: one line for each thing that was tried, and the whole as one JSON object.

Promises: a step that raises is FAILED with its reason and the run goes on to what does not need it only where it says so; times
are the machine's own; nothing is reported that was not looked at.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_LONG = frozenset({"table"})  # told line by line by whoever found it


class StackFailure(Exception):
    """Something of the deployed stack is not as it should be. The message says what was seen and what was expected."""


@dataclass(slots=True)
class Step:
    """One thing that was tried."""

    name: str
    seconds: float
    failure: str | None
    facts: dict[str, Any]


@dataclass(slots=True)
class Report:
    """The steps so far; each is told as it ends."""

    steps: list[Step] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)

    @property
    def failed(self) -> list[str]:
        """The names of the steps that failed."""
        return [step.name for step in self.steps if step.failure is not None]

    def say(self, text: str) -> None:
        """A line of the transcript, with the seconds since the run began."""
        for line in text.splitlines() or [""]:
            print(f"{time.monotonic() - self._began_s:7.1f}  {line}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a step. What is put into the dictionary that it gives is reported with it. Raises what the step raises."""
        facts: dict[str, Any] = {}
        self.say(f"…      {name}")
        started = time.monotonic()
        failure: str | None = None
        try:
            yield facts
        except BaseException as error:
            failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            seconds = round(time.monotonic() - started, 1)
            self.steps.append(Step(name, seconds, failure, facts))
            said = "; ".join(f"{key} {value}" for key, value in facts.items() if key not in _LONG)
            self.say(
                f"{'ok    ' if failure is None else 'FAILED'} {name} ({seconds} s){': ' + said if said else ''}"
            )
            if failure is not None:
                self.say(failure)

    def as_json(self) -> str:
        """The whole run."""
        return json.dumps(
            {
                "steps": [
                    {"name": s.name, "seconds": s.seconds, "failure": s.failure, **s.facts}
                    for s in self.steps
                ],
                "failed": self.failed,
                "seconds": round(time.monotonic() - self._began_s, 1),
            },
            default=str,
        )


def wait_for[T](what: str, look: Callable[[], T | None], timeout_s: float, *, every_s: float = 0.5) -> T:
    """What `look` finds, asked again until it is something true. Raises StackFailure after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StackFailure(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(every_s)


def expect(condition: bool, otherwise: str) -> None:
    """Raises StackFailure with `otherwise` unless the condition holds."""
    if not condition:
        raise StackFailure(otherwise)
