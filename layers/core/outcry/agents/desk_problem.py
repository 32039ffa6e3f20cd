"""What is wrong with a desk file, said so that a person can mend it.

Promises: every problem names file, line, field, value and the fix, and all of them are reported at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from outcry.runtime.errors import OutcryError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class DeskProblem:
    """One thing to mend. `value` is what the file says there, None where it says nothing.

    `line` counts from 1; it is None for what only the database could tell, when the desk is applied.
    """

    source: str
    line: int | None
    field: str
    value: str | None
    fix: str

    def __str__(self) -> str:
        says = "is missing" if self.value is None else f"= {self.value}"
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.field} {says}: {self.fix}"


class DeskError(OutcryError):
    """A desk file cannot be used. `problems` holds everything that was found, in the order of the file."""

    def __init__(self, problems: Sequence[DeskProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def field_name(path: Path) -> str:
    """A path as people write it: `agents[0].strategy.exits.stop_frac`."""
    name = ""
    for step in path:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += f".{step}" if name else step
    return name or "the file"
