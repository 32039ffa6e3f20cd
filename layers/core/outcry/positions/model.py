"""What a deployment holds in one place (account, venue, position key), and where it is in its life. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan


class PositionStatus(StrEnum):
    """OPENING takes the place; CLOSED and ABANDONED (its entry never filled) give it back."""

    OPENING = "OPENING"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    CLOSE_PENDING = "CLOSE_PENDING"
    CLOSED = "CLOSED"
    ABANDONED = "ABANDONED"
    UNMANAGED = "UNMANAGED"


GONE = frozenset({PositionStatus.CLOSED, PositionStatus.ABANDONED})


@dataclass(frozen=True, slots=True)
class Position:
    """One row of the book. `held` is what we must protect: fills, and what was acknowledged but is not yet listed."""

    position_id: UUID
    deployment_id: str | None
    account_id: str
    venue: str
    network: str
    position_key: str
    market: str
    side: Side
    status: PositionStatus
    size: Decimal
    acked_size: Decimal
    opened_size: Decimal
    entry_price: Decimal | None
    plan: ExitPlan
    stop_price: Decimal | None
    liquidation_price: Decimal | None
    peak: Decimal | None
    trail_price: Decimal | None
    targets_hit: int
    crossed_since: datetime | None
    protect_by: datetime | None
    protected_at: datetime | None
    exit_reason: str | None
    opened_at: datetime | None
    version: int
    trace_id: str

    @property
    def held(self) -> Decimal:
        """The size that we answer for, never below zero."""
        return max(self.size + self.acked_size, Decimal(0))
