"""Scripted faults: what the local X does wrong, when, and how often.

A fault waits until `after` matching requests have passed and then takes the next `times` of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("status", "timeout", "reset", "truncate", "not_json", "malformed", "partial", "short")


class FaultError(ValueError):
    """A fault that cannot be scripted; the message names field and fix."""


@dataclass(slots=True)
class Fault:
    """One scripted fault.

    `status` answers with that HTTP status; `timeout` says nothing for `seconds` and hangs up; `reset` hangs
    up at once; `truncate` sends half of the body; `not_json` sends a page of HTML with 200; `malformed`
    spoils the first post of the answer; `partial` adds an error to a 200 that is not harmless; `short` leaves
    out a post that `meta` counts.
    """

    kind: str
    status: int = 500
    path: str = ""
    times: int = 1
    after: int = 0
    seconds: float = 30.0


def read_fault(raw: object) -> Fault:
    """Validate a fault as it is posted. Raises FaultError."""
    if not isinstance(raw, Mapping):
        raise FaultError('not an object: write {"kind": "status", "status": 503, "times": 1}')
    unknown = sorted(set(raw) - {"kind", "status", "path", "times", "after", "seconds"})
    if unknown:
        raise FaultError(f"{unknown[0]} is no field of a fault: remove it")
    if raw.get("kind") not in KINDS:
        raise FaultError(f"kind = {raw.get('kind')!r} cannot be used: write one of {', '.join(KINDS)}")
    for field, smallest in (("status", 300), ("times", 1), ("after", 0)):
        value: Any = raw.get(field, smallest)
        if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
            raise FaultError(f"{field} = {value!r} cannot be used: write a whole number from {smallest}")
    return Fault(**{**raw, "seconds": float(raw.get("seconds", 30.0)), "path": str(raw.get("path", ""))})


class Faults:
    """The script. Not safe for threads: the server asks under its lock."""

    def __init__(self) -> None:
        self._script: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        self._script.append(fault)

    def clear(self) -> None:
        """Forget what has not happened yet."""
        self._script.clear()

    def strike(self, path: str) -> Fault | None:
        """The fault that takes this request, if one does."""
        for fault in self._script:
            if not path.startswith(fault.path):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._script.remove(fault)
            return fault
        return None
