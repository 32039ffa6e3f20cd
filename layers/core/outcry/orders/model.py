"""Orders (one intent each) and actions (one signed request each). Pure data."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from outcry.runtime.side import Side


class OrderKind(StrEnum):
    ENTER = "enter"
    EXIT = "exit"
    PROTECT = "protect"
    CANCEL = "cancel"


class OrderStatus(StrEnum):
    PLANNED = "PLANNED"
    SKIPPED = "SKIPPED"
    APPROVED = "APPROVED"
    WORKING = "WORKING"
    RESTING = "RESTING"
    CANCELLING = "CANCELLING"
    UNKNOWN = "UNKNOWN"
    FILLED = "FILLED"
    PARTIAL_DONE = "PARTIAL_DONE"
    TRIGGERED = "TRIGGERED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class ActionKind(StrEnum):
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    SET_LEVERAGE = "set_leverage"
    NOOP = "noop"


class ActionStatus(StrEnum):
    PREPARED = "PREPARED"
    SIGNED = "SIGNED"
    SENT = "SENT"
    ACKED = "ACKED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    EXPIRED = "EXPIRED"


STOP_LEG = "stop"
Requests = frozenset[tuple[int, ActionKind]]  # of one order, by attempt and kind


@dataclass(frozen=True, slots=True)
class Order:
    """One intent of one deployment in one place. `attempt` counts placements, each with its own client order id."""

    order_id: UUID
    deployment_id: str
    kind: OrderKind
    subject: str
    leg: str
    sequence: int
    account_id: str
    venue: str
    network: str
    position_key: str
    market: str
    side: Side
    position_id: UUID | None
    signal_id: int | None
    status: OrderStatus
    reason: str | None
    plan: dict[str, Any]
    size: Decimal | None
    limit_price: Decimal | None
    trigger_price: Decimal | None
    leverage: Decimal | None
    attempt: int
    filled_size: Decimal
    not_after: datetime | None
    created_at: datetime
    trace_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """What an order is to do, before it is one. `place`: account, venue, network, position key, market; `sequence` None: the next."""

    deployment_id: str
    kind: OrderKind
    subject: str
    leg: str
    place: tuple[str, str, str, str, str]
    side: Side
    plan: dict[str, Any]
    sequence: int | None = None
    status: OrderStatus = OrderStatus.PLANNED
    position_id: UUID | None = None
    signal_id: int | None = None
    size: Decimal | None = None
    trigger_price: Decimal | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One signed request: its nonce, its exact bytes, and what became of it."""

    action_id: UUID
    order_id: UUID
    attempt: int
    kind: ActionKind
    status: ActionStatus
    signer_id: str | None
    signer_address: str
    nonce: int
    expires_at: datetime | None
    payload: str
    cloid: str | None
    signed: str | None
    answer: dict[str, Any] | None
    refusal: str | None
    venue_order_id: str | None
    acked_size: Decimal | None
    acked_price: Decimal | None
    sends: int
    prepared_at: datetime
