"""How strongly an agent's authors speak for one side of a token: a number in [-1, 1], with its breakdown.

Pure. The score is the sum of weight x conviction x sign over the authors who hold a view, divided by the sum
of their weights, or by 100 where that is more: one author of little weight never speaks as for everybody.

Promises:
- Each author counts once per token, by the latest call; a CLOSE call takes back that author's earlier OPEN.
- The order in which calls are given does not matter; LONG and SHORT mirror; more conviction for a side never
  gives less score for it.
- The parts sum to the score exactly: each is cut toward zero at six decimals before it is added.
A call within the agent's evidence window counts in full and an older one not at all: recency has no other
scale here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any

from outcry.runtime.side import Side

FULL_WEIGHT = 100
_UNIT = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Heard:
    """A call as evidence: who said what about the token, and when it was spoken."""

    call_id: int
    post_id: int
    author_id: int
    side: Side
    is_close: bool
    conviction: Decimal
    spoken_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """What one author's view adds to the score; `contribution` carries the sign of its side."""

    call_id: int
    post_id: int
    author_id: int
    weight: int
    conviction: Decimal
    side: Side
    contribution: Decimal


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The score and where it comes from. `withdrew` are the authors who closed what they had called."""

    score: Decimal
    parts: tuple[Part, ...]
    withdrew: tuple[int, ...]
    divisor: int

    def toward(self, side: Side) -> Decimal:
        """The score as seen by `side`: above zero speaks for it."""
        return self.score * side.sign

    def to_json(self) -> dict[str, Any]:
        """As stored with the signal: decimals as text."""
        return {
            "score": str(self.score),
            "divisor": self.divisor,
            "parts": [
                {
                    "call_id": part.call_id,
                    "post_id": str(part.post_id),
                    "author_id": str(part.author_id),
                    "weight": part.weight,
                    "conviction": str(part.conviction),
                    "side": part.side.value,
                    "sign": part.side.sign,
                    "contribution": str(part.contribution),
                }
                for part in self.parts
            ],
            "withdrew": [str(author_id) for author_id in self.withdrew],
        }

    def sentence(self, usernames: Mapping[int, str]) -> str:
        """The breakdown for people. An author without a known handle is named by id."""

        def name(author_id: int) -> str:
            return f"@{usernames[author_id]}" if author_id in usernames else f"author {author_id}"

        if self.parts:
            said = "; ".join(
                f"{name(part.author_id)} {part.contribution:+f} ({part.side}, "
                f"conviction {part.conviction:f}, weight {part.weight})"
                for part in self.parts
            )
            text = f"Score {self.score:+f} of 1: {said}."
        else:
            text = "Score 0: no followed author holds a view."
        if self.withdrew:
            text += f" Withdrawn by {', '.join(name(author_id) for author_id in self.withdrew)}."
        return text


def score(calls: Iterable[Heard], weights: Mapping[int, int]) -> Breakdown:
    """Weigh the calls about one token. `weights` are 0..100 by author; who is not in it is not heard."""
    views: dict[int, Heard] = {}
    withdrew: set[int] = set()
    for call in sorted(calls, key=lambda call: (call.spoken_at, call.call_id)):
        author_id = call.author_id
        if author_id not in weights:
            continue
        if not call.is_close:
            views[author_id] = call
            withdrew.discard(author_id)
        elif author_id in views and views[author_id].side is call.side:
            del views[author_id]
            withdrew.add(author_id)
    divisor = max(FULL_WEIGHT, sum(weights[author_id] for author_id in views))
    parts = tuple(_part(views[author_id], weights[author_id], divisor) for author_id in sorted(views))
    total = sum((part.contribution for part in parts), Decimal(0))
    return Breakdown(total, parts, tuple(sorted(withdrew)), divisor)


def _part(call: Heard, weight: int, divisor: int) -> Part:
    with localcontext(rounding=ROUND_DOWN):
        contribution = (call.conviction * weight / divisor).quantize(_UNIT) * call.side.sign
    return Part(call.call_id, call.post_id, call.author_id, weight, call.conviction, call.side, contribution)
