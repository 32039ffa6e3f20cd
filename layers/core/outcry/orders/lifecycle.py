"""Where an order and an action may go from where they are, and how a lapsed claim is taken over. Pure.

Promises:
- A terminal state is left by nothing.
- UNKNOWN is left only with what the venue said.
- A request that was SENT is resolved, never sent afresh: the same bytes or a question, nothing else.
"""

import hashlib
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from outcry.orders.model import Action, ActionStatus, OrderStatus

_O = OrderStatus
_A = ActionStatus

TERMINAL = frozenset(
    {_O.SKIPPED, _O.FILLED, _O.PARTIAL_DONE, _O.TRIGGERED, _O.REJECTED, _O.CANCELLED, _O.EXPIRED}
)

ORDER_MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    _O.PLANNED: frozenset({_O.APPROVED, _O.SKIPPED, _O.CANCELLED}),
    _O.APPROVED: frozenset({_O.WORKING, _O.CANCELLED, _O.EXPIRED, _O.REJECTED}),
    _O.WORKING: frozenset({_O.RESTING, _O.UNKNOWN, _O.CANCELLING} | (TERMINAL - {_O.SKIPPED})),
    _O.RESTING: frozenset(
        {_O.TRIGGERED, _O.CANCELLING, _O.CANCELLED, _O.FILLED, _O.PARTIAL_DONE, _O.REJECTED, _O.UNKNOWN}
    ),
    _O.CANCELLING: frozenset({_O.CANCELLED, _O.TRIGGERED, _O.FILLED, _O.PARTIAL_DONE, _O.UNKNOWN}),
    _O.UNKNOWN: frozenset({_O.WORKING, _O.RESTING} | (TERMINAL - {_O.SKIPPED})),
}

ACTION_MOVES: dict[ActionStatus, frozenset[ActionStatus]] = {
    _A.PREPARED: frozenset({_A.SIGNED, _A.SENT, _A.EXPIRED}),
    _A.SIGNED: frozenset({_A.SENT, _A.EXPIRED}),
    _A.SENT: frozenset({_A.ACKED, _A.REFUSED, _A.UNKNOWN, _A.SIGNED, _A.EXPIRED}),
    _A.UNKNOWN: frozenset({_A.ACKED, _A.REFUSED, _A.EXPIRED}),
}


def may_become(status: OrderStatus, target: OrderStatus) -> bool:
    """Whether an order in `status` may be moved to `target`; staying where it is counts as yes unless terminal."""
    return target in ORDER_MOVES.get(status, frozenset()) or (status is target and status not in TERMINAL)


def action_may_become(status: ActionStatus, target: ActionStatus) -> bool:
    """Whether an action in `status` may be moved to `target`."""
    return target in ACTION_MOVES.get(status, frozenset())


class Takeover(StrEnum):
    """What whoever finds an action must do with it."""

    SIGN = "SIGN"
    SEND = "SEND"
    LET_EXPIRE = "LET_EXPIRE"
    RESOLVE = "RESOLVE"
    READ = "READ"


def take_over(status: ActionStatus, *, is_expired: bool) -> Takeover:
    """Continue an action from its state, whoever began it."""
    match status:
        case ActionStatus.PREPARED:
            return Takeover.LET_EXPIRE if is_expired else Takeover.SIGN
        case ActionStatus.SIGNED:
            return Takeover.LET_EXPIRE if is_expired else Takeover.SEND
        case ActionStatus.SENT | ActionStatus.UNKNOWN:
            return Takeover.RESOLVE
        case _:
            return Takeover.READ


def is_expired(action: Action, now: datetime) -> bool:
    """Whether the venue would refuse the action's bytes as too late. An action without an expiry never is."""
    return action.expires_at is not None and now > action.expires_at


def client_order_id(order_id: UUID, attempt: int) -> str:
    """The first 16 bytes of SHA-256(order id | attempt), as 0x and 32 hex digits: the form that Hyperliquid takes."""
    return "0x" + hashlib.sha256(f"{order_id}|{attempt}".encode()).hexdigest()[:32]
