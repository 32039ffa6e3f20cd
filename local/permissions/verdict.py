"""What came of asking for each row of the table: whether it is as designed, and the table as people read it.

Promises: a row is as designed only where design, templates' policies and a live call agree. A row under a limit is never counted
as enforced: it has to be seen as the limit says, and as designed where it was asked again of restated policies. What has to be
denied and is allowed is a fault under every limit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local.permissions.calls import Outcome
from local.permissions.limits import Limit
from local.permissions.table import Row

_WIDTHS = (19, 29, 44, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One row and its answers. `code` is what the call came to; `restated` is the same of the restated policies."""

    row: Row
    is_allowed_statically: bool
    live: Outcome
    code: str
    limit: Limit | None = None
    restated: Outcome | None = None

    @property
    def design(self) -> Outcome:
        """What was decided."""
        return Outcome.ALLOWED if self.row.is_allowed else Outcome.DENIED

    @property
    def kept(self) -> str:
        """How the row stands, in words to count by."""
        if _fault(self) is not None:
            return "not as designed"
        if self.limit is not None:
            return f"not enforced here: {self.limit.why}"
        return f"{self.design} as designed"

    def as_json(self) -> dict[str, Any]:
        """The line with every column."""
        return {
            "function": self.row.function,
            "action": self.row.action,
            "resource": self.row.resource,
            "context": dict(self.row.context),
            "design": self.design,
            "statically": Outcome.ALLOWED if self.is_allowed_statically else Outcome.DENIED,
            "live": self.live if self.limit is None else "not enforced here",
            "code": self.code,
            "why": None if self.limit is None else self.limit.why,
            "restated": self.restated,
        }


def faults(lines: Iterable[Line]) -> list[str]:
    """What is not as designed, one sentence each."""
    return [f"{_name(line.row)}: {fault}" for line in lines if (fault := _fault(line)) is not None]


def _fault(line: Line) -> str | None:
    design = line.design
    if line.is_allowed_statically is not line.row.is_allowed:
        return f"{design} by design, and the template says otherwise"
    if line.limit is None:
        return (
            None if line.live is design else f"{design} by design, and live it is {line.live} ({line.code})"
        )
    if line.live is not line.limit.seen:
        return (
            f"{line.live} live ({line.code}), and not {line.limit.seen} because “{line.limit.why}”:"
            " is that limit still one?"
        )
    if line.limit.is_restated and line.restated is not design:
        return f"{design} by design, and of the restated policies it is {line.restated}"
    return None


def _name(row: Row) -> str:
    context = ", ".join(f"{key} {value}" for key, value in row.context.items())
    return f"{row.function} {row.action} on {row.resource}{f' ({context})' if context else ''}"


def summary(lines: Sequence[Line]) -> dict[str, int]:
    """How many rows there are, and how many stand how."""
    return {"rows": len(lines), **Counter(line.kept for line in lines)}


def table(lines: Sequence[Line]) -> Iterator[str]:
    """The table by function and action: of how many things what is allowed, statically and live."""
    by_place: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        by_place.setdefault((line.row.function, line.row.action), []).append(line)
    yield _columns("function", "action", "statically allowed", "live allowed")
    for (function, action), of in by_place.items():
        statically = _allowed([line for line in of if line.is_allowed_statically], len(of))
        yield _columns(function, action, statically, _live(of))


def _columns(*cells: str) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _live(of: Sequence[Line]) -> str:
    enforced = [line for line in of if line.limit is None]
    parts = []
    if enforced:
        parts.append(_allowed([line for line in enforced if line.live is Outcome.ALLOWED], len(enforced)))
    limited = [line for line in of if line.limit is not None]
    if limited:
        first = limited[0]
        parts.append(f"{len(limited)} not enforced here")
        if first.limit is not None and first.limit.is_restated:
            allowed = [line for line in limited if line.restated is Outcome.ALLOWED]
            parts.append(f"restated {_allowed(allowed, len(limited))}")
    return "; ".join(parts)


def _allowed(lines: Sequence[Line], of: int) -> str:
    named = ", ".join(dict.fromkeys(line.row.resource for line in lines))
    return f"{len(lines)} of {of}: {named}" if lines else f"0 of {of}"
