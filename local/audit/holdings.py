"""What an account holds in one place, split into what is ours and what was brought by hand. Pure.

From the venue's journal alone, so that no row of the ledger can say that a size is nobody's. A fill that a
request caused is ours, whatever became of the order behind it. A trade by hand is the owner's: where it
reduces, it takes what was brought by hand first and ours only for the rest. A liquidation asks nobody: it
takes ours first. What we open against a size that was brought by hand on the other side closes that first.
"""

from dataclasses import dataclass
from decimal import Decimal

from local.audit.model import VenueEvent

ZERO = Decimal(0)


@dataclass(slots=True)
class Holding:
    """Signed sizes, above zero long: the venue's net `size`, and `ours` of it. The rest was brought by hand."""

    size: Decimal = ZERO
    ours: Decimal = ZERO

    def play(self, fill: VenueEvent) -> None:
        """Move to what is held after the fill."""
        if fill.is_by_hand or fill.is_liquidation:
            self.ours -= self._taken(fill)
        else:
            self.ours += fill.signed_size - self._netted(fill)
        self.size += fill.signed_size

    @property
    def to_protect(self) -> Decimal:
        """How much of ours, signed, a reduce-only order could close: never more than the venue shows of it."""
        if self.ours > 0:
            return max(min(self.ours, self.size), ZERO)
        return min(max(self.ours, self.size), ZERO)

    def _netted(self, fill: VenueEvent) -> Decimal:
        """The signed part of an opening fill of ours that closed what was brought by hand on the other side: venues net."""
        beside = self.size - self.ours
        if self.ours * fill.signed_size < 0 or beside * fill.signed_size >= 0:
            return ZERO
        return min(abs(beside), abs(fill.signed_size)) * (1 if fill.signed_size > 0 else -1)

    def _taken(self, fill: VenueEvent) -> Decimal:
        """The signed part of ours that a fill which no request of ours caused brings away."""
        direction = 1 if self.ours > 0 else -1
        shown = max(self.size * direction, ZERO)
        reduced = min(max(-fill.signed_size * direction, ZERO), shown)
        beside = ZERO if fill.is_liquidation else max(shown - abs(self.ours), ZERO)
        return direction * min(max(reduced - beside, ZERO), abs(self.ours))
