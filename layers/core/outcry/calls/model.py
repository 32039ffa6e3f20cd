"""What was read in a post. Pure data, checked when it is made, so that later rooms can trust it.

Promises: a call's levels are positive and finite, its conviction lies in 0..1, its evidence is never empty;
a reading has
calls or a reason, never both. Levels are in the post's own units (see `TickerBook.price_factor`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

__all__ = ["Action", "Call", "PostToRead", "Reading", "Side"]

TOKEN = re.compile(r"[A-Z0-9]{1,20}\Z")
MAX_LEVEL = Decimal(10) ** 12
MIN_LEVEL = Decimal(10) ** -15
MAX_TARGETS = 10


class Action(StrEnum):
    """OPEN is a new or added position; CLOSE is a full exit, with the side of the position that is closed."""

    OPEN = "OPEN"
    CLOSE = "CLOSE"


@dataclass(frozen=True, slots=True)
class PostToRead:
    """What this room needs to know of a post."""

    post_id: int
    author_id: int
    text: str
    kind: str
    is_paid_partnership: bool
    created_at: datetime
    status: str
    last_error: str | None
    trace_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One trade that the author states: `token` is canonical (PEPE for kPEPE), `notes` say which stated
    levels were dropped.

    Raises ValueError where a field breaks the module's promises.
    """

    token: str
    token_as_written: str
    side: Side
    action: Action
    conviction: Decimal
    evidence: str
    entry_low: Decimal | None = None
    entry_high: Decimal | None = None
    stop: Decimal | None = None
    targets: tuple[Decimal, ...] = ()
    leverage: Decimal | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not TOKEN.match(self.token) or not self.token_as_written:
            raise ValueError("a call needs a token of 1 to 20 capital letters and digits")
        if not self.conviction.is_finite() or not 0 <= self.conviction <= 1:
            raise ValueError("conviction lies in 0..1")
        if not self.evidence.strip():
            raise ValueError("a call needs evidence")
        for level in (self.entry_low, self.entry_high, self.stop, self.leverage, *self.targets):
            if level is not None and not is_level(level):
                raise ValueError("levels are positive and finite")
        if (self.entry_low is None) != (self.entry_high is None):
            raise ValueError("an entry has both its ends")
        if self.entry_low is not None and self.entry_high is not None and self.entry_low > self.entry_high:
            raise ValueError("an entry's low end is not above its high end")
        if len(self.targets) > MAX_TARGETS:
            raise ValueError("too many targets")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a classifier makes of one post: calls, or why there are none. `detail` is for people."""

    calls: tuple[Call, ...] = ()
    reason: Reason | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if bool(self.calls) == (self.reason is not None):
            raise ValueError("a reading has calls or a reason")
        if len({(call.token, call.action) for call in self.calls}) != len(self.calls):
            raise ValueError("one post states a token and an action once")

    @property
    def is_suspicious(self) -> bool:
        """The post was refused for what its text tries, not for what it lacks."""
        return self.reason is Reason.SUSPICIOUS_TEXT


def no_call(detail: str | None = None) -> Reading:
    """The post states no trade of its author's own."""
    return Reading(reason=Reason.NO_CALL, detail=detail)


def suspicious(detail: str) -> Reading:
    """The post's text hides something or gives orders to whoever reads it."""
    return Reading(reason=Reason.SUSPICIOUS_TEXT, detail=detail)


def is_level(level: Decimal) -> bool:
    """A usable price or leverage: finite, positive, and of a size that prices have."""
    return level.is_finite() and MIN_LEVEL <= level <= MAX_LEVEL
