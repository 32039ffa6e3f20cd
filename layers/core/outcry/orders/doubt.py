"""What is known of a request while it is not known what became of it, and what would settle it. Pure.

Two questions are kept apart. May it still run? Not once its bytes have expired, nor once the venue has said that its nonce is used
up: that is the moment `dead_at`. Did it run? The venue's record of the order and its fills say so; their silence says nothing until
both have had time to catch up with a request that can no longer run, and the size at the venue is all explained.

`Action already expired` proves the first alone. Were the nonce checked before the expiry for certain, it would prove that the
nonce was free, and so that nothing ran; but the order of the two checks is not documented, and nothing here rests on it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from outcry.orders.model import Action
from outcry.venues.port import VenueFill

# An order was seen missing from the venue's index 0.4 s after its fill had been acknowledged, and five seconds are the practice;
# two more for a clock that is wrong, and three because a wrong "never ran" buys twice.
INDEX_LAG = timedelta(seconds=10)
# How much later than a moment the venue's own clock must say an answer was taken, for the answer to show all that happened by then.
SETTLING = timedelta(seconds=2)
QUESTIONS_S = (0.0, 0.5, 1.0, 2.0)  # how long to wait before each question of one invocation
PAGE_AFTER = timedelta(minutes=2)
_PATIENCE = ((timedelta(seconds=30), 3), (timedelta(minutes=2), 10))
_SLOWLY_S = 60


class WaitsFor(StrEnum):
    """What would end a doubt, in words for people."""

    ANSWER = "an answer from the venue"
    EXPIRY = "its expiry, and the venue's lists to catch up"
    FINAL_STATUS = "the venue to say how the order ended"
    FILLS = "the fills of what the venue says was executed"
    SIZE = "fills that explain the size at the venue"
    SECOND_LOOK = "a second look that finds no trace of it either"
    WORDS = "a build that knows what the venue answers"


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was learned so far of a request that is SENT or UNKNOWN.

    `nonce_is_used`: by whom is open, but nothing can run under it any more. `never_ran`: it was free until a no-op of ours used it.
    `absent_at`: since when nothing at the venue has shown a trace of it, though it could have been listed by then.
    """

    why: str = "no answer was recorded"
    asked: int = 0
    asked_at: datetime | None = None
    dead_at: datetime | None = None
    nonce_is_used: bool = False
    never_ran: bool = False
    absent_at: datetime | None = None
    waits_for: str | None = None

    @staticmethod
    def of(action: Action) -> "Doubt":
        """As it is stored with the action."""
        kept = action.answer or {}
        return Doubt(
            why=str(kept.get("why") or kept.get("text") or Doubt().why),
            asked=int(kept.get("asked", 0)),
            asked_at=_moment(kept.get("asked_at")),
            dead_at=_moment(kept.get("dead_at")),
            nonce_is_used=bool(kept.get("nonce_is_used", False)),
            never_ran=bool(kept.get("never_ran", False)),
            absent_at=_moment(kept.get("absent_at")),
            waits_for=kept.get("waits_for"),
        )

    def to_json(self) -> dict[str, Any]:
        """As it is stored: beside the action's answer, of which it says that nothing is known."""
        return {
            "is": "unknown",
            "why": self.why,
            "asked": self.asked,
            "asked_at": None if self.asked_at is None else self.asked_at.isoformat(),
            "dead_at": None if self.dead_at is None else self.dead_at.isoformat(),
            "nonce_is_used": self.nonce_is_used,
            "never_ran": self.never_ran,
            "absent_at": None if self.absent_at is None else self.absent_at.isoformat(),
            "waits_for": self.waits_for,
        }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def dead_since(action: Action, now: datetime) -> datetime | None:
    """Since when nothing with the action's bytes can run; None: it still may."""
    moments = [moment for moment in (Doubt.of(action).dead_at, action.expires_at) if moment is not None]
    return min(moments) if moments and min(moments) < now else None


def ask_again_s(age: timedelta) -> int:
    """In how many seconds to ask again about a request of this age: often at first, and never not at all."""
    return next((seconds for limit, seconds in _PATIENCE if age < limit), _SLOWLY_S)


def explains(shown: Decimal, fills: Iterable[VenueFill], before: Collection[Decimal]) -> bool:
    """Whether the fills of one market, whoever made them, account for the signed size that the venue shows there.

    Each fill names the size before it, so the latest one says what was held after it; without any, one of `before` was held. Then
    no fill is missing from the list, and one that is not in it does not exist.
    """
    after = sizes_after((fill.filled_at, fill.size_before, fill.is_buy, fill.size) for fill in fills)
    return shown in (after or before)


def sizes_after(fills: Iterable[tuple[datetime, Decimal, bool, Decimal]]) -> set[Decimal]:
    """The signed size after the latest fills (time, size before, whether bought, size); several where they share a moment."""
    listed = list(fills)
    last = max((at for at, *_ in listed), default=None)
    latest = [
        (before, before + (size if bought else -size)) for at, before, bought, size in listed if at == last
    ]
    ends = {after for _, after in latest}
    return ends - {before for before, _ in latest} or ends
