"""Signals and what they hand to the order ledger. Pure data."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan, plan_from_json, plan_to_json


@dataclass(frozen=True, slots=True)
class Call:
    """A call as agents judge it. Prices are in the token's own units, as stated.

    `spoken_at` is the time of the post, and never later than `heard_at`: a call's age counts from there.
    """

    call_id: int
    post_id: int
    author_id: int
    token: str
    side: Side
    is_close: bool
    conviction: Decimal
    entry_low: Decimal | None
    entry_high: Decimal | None
    stop: Decimal | None
    targets: tuple[Decimal, ...]
    leverage: Decimal | None
    spoken_at: datetime
    heard_at: datetime
    is_decided: bool
    trace_id: str


@dataclass(frozen=True, slots=True)
class EntryPlan:
    """Everything that an entry needs to be approved later, on any account.

    `reference_price` is the mark at the decision (or the post's own entry where the mark passed it): the entry is
    refused when the mark ran more than `max_chase_frac` beyond it. `stop_frac` is the distance that sizes the
    trade. An entry that a person planned has no signal and no author; `is_canary` marks the minimum trade that proves an
    account (orders.canary), and nothing else.
    """

    signal_id: int | None
    agent_id: str
    author_id: int | None
    market: str
    side: Side
    score: Decimal
    reference_price: Decimal
    stop_frac: Decimal
    risk_frac: Decimal
    max_leverage: int
    max_slippage_frac: Decimal
    max_chase_frac: Decimal
    exits: ExitPlan
    not_after: datetime
    is_canary: bool = False

    def to_json(self) -> dict[str, Any]:
        """As stored with the order: decimals as strings."""
        return {
            "signal_id": self.signal_id,
            "agent_id": self.agent_id,
            "author_id": self.author_id,
            "market": self.market,
            "side": self.side.value,
            "score": str(self.score),
            "reference_price": str(self.reference_price),
            "stop_frac": str(self.stop_frac),
            "risk_frac": str(self.risk_frac),
            "max_leverage": self.max_leverage,
            "max_slippage_frac": str(self.max_slippage_frac),
            "max_chase_frac": str(self.max_chase_frac),
            "exits": plan_to_json(self.exits),
            "not_after": self.not_after.isoformat(),
            **({"is_canary": True} if self.is_canary else {}),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "EntryPlan":
        """The plan as it was stored. Raises KeyError or ValueError for anything else."""
        return cls(
            signal_id=None if stored["signal_id"] is None else int(stored["signal_id"]),
            agent_id=stored["agent_id"],
            author_id=None if stored["author_id"] is None else int(stored["author_id"]),
            market=stored["market"],
            side=Side(stored["side"]),
            score=Decimal(stored["score"]),
            reference_price=Decimal(stored["reference_price"]),
            stop_frac=Decimal(stored["stop_frac"]),
            risk_frac=Decimal(stored["risk_frac"]),
            max_leverage=int(stored["max_leverage"]),
            max_slippage_frac=Decimal(stored["max_slippage_frac"]),
            max_chase_frac=Decimal(stored["max_chase_frac"]),
            exits=plan_from_json(stored["exits"]),
            not_after=datetime.fromisoformat(stored["not_after"]),
            is_canary=stored.get("is_canary") is True,
        )
