"""What a canary has shown: its steps with their times, what it cost, and what is still held. Pure data."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from outcry.cli.render import plain


class StepName(StrEnum):
    """The steps of a canary, in their order."""

    OPEN = "open"
    PROTECT = "protect"
    RATCHET = "ratchet"
    CLOSE = "close"
    FLAT = "flat"
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether it went well, in words how, when it ended, and how many milliseconds it took."""

    name: StepName
    passed: bool
    says: str
    ended_at: datetime
    took_ms: int


@dataclass(slots=True)
class Report:
    """One canary. `held` is the size that the venue still shows in the market at the end, None where it could not be asked; `ours` is
    what of it the canary's own position holds by the ledger, None where that is not known; `trouble` is what kept it from being ended
    in order."""

    key: str
    account_id: str
    network: str
    market: str
    build: str
    started_at: datetime
    despite: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    cost_usd: Decimal | None = None
    held: Decimal | None = None
    ours: Decimal | None = None
    finished_at: datetime | None = None
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether every step was reached and went well, nothing is held, and that could be written down."""
        done = [step.name for step in self.steps if step.passed]
        return done == list(StepName) and self.held == 0 and not self.trouble

    def document(self) -> dict[str, Any]:
        """The report as JSON: money as text, times in ISO 8601."""
        document: dict[str, Any] = plain({**asdict(self), "passed": self.passed})
        return document
