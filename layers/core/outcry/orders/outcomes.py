"""Outcomes as they are stored with an action, and read back by whoever continues it. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from outcry.orders.model import Action, ActionStatus
from outcry.runtime.reasons import Reason
from outcry.venues.port import (
    Ambiguous,
    Done,
    Filled,
    NotSent,
    OrderReport,
    OrderState,
    Outcome,
    RefusalKind,
    Refused,
    Resting,
    Unreadable,
)


@dataclass(frozen=True, slots=True)
class Void:
    """Proven: the request was never executed and never can be. A new attempt is allowed."""

    why: str


@dataclass(frozen=True, slots=True)
class InDoubt(Ambiguous):
    """The venue was asked and it is still not known: ask again after so many seconds."""

    again_s: int


Known = Outcome | Void


def ask_again_s(known: Known, otherwise_s: int) -> int:
    """In how many seconds to come back to what is not known yet."""
    return known.again_s if isinstance(known, InDoubt) else otherwise_s


def status_after(outcome: Outcome) -> ActionStatus:
    """Where an action goes after its bytes were sent and this was learned."""
    match outcome:
        case Filled() | Resting() | Done():
            return ActionStatus.ACKED
        case Refused(kind=RefusalKind.EXPIRED):
            return ActionStatus.EXPIRED
        case Refused(kind=RefusalKind.NONCE_USED):
            return ActionStatus.UNKNOWN
        case Refused():
            return ActionStatus.REFUSED
        case NotSent():
            return ActionStatus.SIGNED
    return ActionStatus.UNKNOWN


def to_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as stored."""
    match outcome:
        case Filled():
            return {
                "is": "filled",
                "size": str(outcome.size),
                "average_price": str(outcome.average_price),
                "venue_order_id": outcome.venue_order_id,
            }
        case Resting():
            return {"is": "resting", "venue_order_id": outcome.venue_order_id}
        case Done():
            return {"is": "done"}
        case Refused():
            return {
                "is": "refused",
                "kind": outcome.kind.value,
                "reason": outcome.reason.value,
                "text": outcome.text,
            }
    return {"is": "unknown", "why": outcome.why, "unreadable": isinstance(outcome, Unreadable)}


def recorded(action: Action) -> Known:
    """What is known about an action from its row alone. Raises KeyError for a row that this code did not write."""
    if action.status is ActionStatus.EXPIRED:
        return Void("it expired unsent, or the venue refused it as too late")
    answer = action.answer or {"is": "unknown", "why": "no answer was recorded"}
    match answer["is"]:
        case "filled":
            return Filled(Decimal(answer["size"]), Decimal(answer["average_price"]), answer["venue_order_id"])
        case "resting":
            return Resting(answer["venue_order_id"])
        case "done":
            return Done()
        case "refused":
            return Refused(RefusalKind(answer["kind"]), Reason(answer["reason"]), answer["text"])
        case _:
            return Ambiguous(answer["why"])


_REJECTIONS: dict[str, tuple[RefusalKind, Reason]] = {
    "iocCancelRejected": (RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
    "marketOrderNoLiquidityRejected": (RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
    "badTriggerPxRejected": (RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED),
    "reduceOnlyRejected": (RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT),
    "reduceOnlyCanceled": (RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT),
    "minTradeNtlRejected": (RefusalKind.FINAL, Reason.VENUE_MINIMUM),
    "perpMarginRejected": (RefusalKind.FINAL, Reason.VENUE_MARGIN),
    "tickRejected": (RefusalKind.BUG, Reason.VENUE_REFUSED),
}


def from_report(report: OrderReport) -> Refused | None:
    """What the venue's own record of an order proves where none of its fills is listed; None: that alone proves nothing.

    A state never implies a size, so an order that is said to be filled waits for its fills. (DESIGN, section 4.)
    """
    if report.state not in {OrderState.REJECTED, OrderState.CANCELLED}:
        return None
    kind, reason = _REJECTIONS.get(report.raw_status, (RefusalKind.FINAL, Reason.VENUE_REFUSED))
    return Refused(kind, reason, report.raw_status)
