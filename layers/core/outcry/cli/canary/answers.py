"""Each stored answer of the venue, read again by our parser and compared with what was recorded then.

Promises: an answer that the parser does not know, an outcome that is still unknown, and one that now reads differently are
faults, whatever has settled the request since; an answer that never came, or came with another HTTP status than
200, is none where the venue's own record has settled it. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcry.orders.outcomes import to_json
from outcry.runtime.database import Row
from outcry.venues.hyperliquid import wire
from outcry.venues.port import Ambiguous, RefusalKind, Refused

_SETTLED = frozenset({"ACKED", "REFUSED", "EXPIRED"})


@dataclass(frozen=True, slots=True)
class Judged:
    """One request and how its answer reads. `fault` is empty where nothing is wrong."""

    order: str
    kind: str
    status: str
    says: str
    fault: str

    def document(self) -> dict[str, Any]:
        """For the report."""
        return {
            "order": self.order,
            "kind": self.kind,
            "status": self.status,
            "says": self.says,
            "fault": self.fault or None,
        }


def judge(requests: Sequence[Row]) -> list[Judged]:
    """Every request of a canary, oldest first."""
    return [_judged(row) for row in requests]


def _judged(row: Row) -> Judged:
    order = f"{row['order_kind']} {row['leg']}" if row["order_kind"] != "cancel" else "cancel"
    says, fault = _read(row)
    return Judged(order, row["kind"], row["status"], says, fault)


def _read(row: Row) -> tuple[str, str]:
    """What the answer says, and what is wrong with it."""
    if row["status"] not in _SETTLED:
        return "-", f"what became of it is not known: it is {row['status']}"
    if row["raw_answer"] is None:
        recorded = (row["answer"] or {}).get("is")
        if row["status"] == "EXPIRED" or recorded in {"filled", "resting", "done", "refused"}:
            return "no answer came; the venue's own record settled it", ""
        return "-", "it has neither an answer nor a record"
    doubt = _doubt(row["answer"] or {})
    if doubt.startswith("HTTP "):
        return f"its server answered with {doubt}; the venue's own record settled it", ""
    outcome = wire.read_outcome(wire.action_type(row["signed"]), row["raw_answer"])
    if isinstance(outcome, Ambiguous):
        return "-", f"the parser does not know the answer: {outcome.why}"
    if isinstance(outcome, Refused) and outcome.kind is RefusalKind.NONCE_USED:
        return "it was there already; the venue's own record settled it", ""
    if isinstance(outcome, Refused) and outcome.kind in {RefusalKind.UNKNOWN, RefusalKind.BUG}:
        return outcome.text, "the catalogue of refusals does not know it" if (
            outcome.kind is RefusalKind.UNKNOWN
        ) else "we built a request that the venue cannot accept"
    read = to_json(outcome)
    if read != {name: value for name, value in (row["answer"] or {}).items() if name != "doubt"}:
        return str(
            read["is"]
        ), f"it was recorded as {(row['answer'] or {}).get('is')} and reads differently now"
    return str(outcome.text if isinstance(outcome, Refused) else read["is"]), ""


def _doubt(answer: Mapping[str, Any]) -> str:
    """Why the first answer settled nothing; empty where it did."""
    return str(answer.get("doubt") or answer.get("why") or "")
