"""How long a position that the ledger owns stood at the venue without a stop over its whole size. Pure.

Covered means: resting reduce-only stop orders on the closing side add up to at least what is ours. What the
account's owner added by hand is not ours to protect. An interval begins at the venue event that opened the
gap and ends when it is covered, flat, or given up by the ledger; one still open at the end counts until then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from local.audit.model import Ledger, LedgerPosition, Place, VenueEvent

ZERO = Decimal(0)


@dataclass(slots=True)
class _Stop:
    is_sell: bool
    size: Decimal


@dataclass(slots=True)
class _PlaceState:
    """What the venue shows in one place at a moment."""

    size: Decimal = ZERO
    by_hand: Decimal = ZERO
    stops: dict[int, _Stop] = field(default_factory=dict)
    uncovered_since_ms: int | None = None
    longest_ms: int = 0
    longest_from_ms: int = 0

    def play(self, event: VenueEvent) -> None:
        """Move to what the place is after the event."""
        match event.kind:
            case "fill":
                self.size += event.signed_size
                if event.is_by_hand:
                    self.by_hand += event.signed_size
                if self.size == 0:
                    self.by_hand = ZERO
            case "resting" if event.fields.get("tpsl") == "sl" and event.fields.get("reduce_only"):
                self.stops[int(event.fields["oid"])] = _Stop(event.fields["side"] == "A", event.number("sz"))
            case "resized" if int(event.fields["oid"]) in self.stops:
                self.stops[int(event.fields["oid"])].size = event.number("sz")
            case "gone":
                self.stops.pop(int(event.fields["oid"]), None)

    def is_covered(self) -> bool:
        """Whether what is ours of the venue's size is covered by stops."""
        ours = self.size - self.by_hand
        if self.size == 0 or ours == 0 or (ours > 0) != (self.size > 0):
            return True
        covered = sum((stop.size for stop in self.stops.values() if stop.is_sell == (self.size > 0)), ZERO)
        return covered >= min(abs(ours), abs(self.size))

    def measure(self, now_ms: int, owned: Sequence[LedgerPosition], *, is_covered: bool) -> None:
        """Account for the time up to `now_ms`, in which the place was as it still is."""
        if is_covered:
            self.uncovered_since_ms = None
            return
        if self.uncovered_since_ms is None:
            self.uncovered_since_ms = now_ms
        for position in owned:
            begin = max(self.uncovered_since_ms, position.opened_ms)
            end = now_ms if position.closed_ms is None else min(now_ms, position.closed_ms)
            if end - begin > self.longest_ms:
                self.longest_ms, self.longest_from_ms = end - begin, begin


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time one place was uncovered."""

    place: Place
    from_ms: int
    lasting_ms: int


def longest_gaps(events: Iterable[VenueEvent], ledger: Ledger, *, until_ms: int) -> list[Gap]:
    """The longest uncovered interval of each place of ours that had one, in venue time."""
    states: dict[Place, _PlaceState] = {}
    owned: dict[Place, list[LedgerPosition]] = {}
    for position in ledger.positions:
        if position.is_owned:
            owned.setdefault(position.place, []).append(position)
    for event in events:
        if event.place[0] not in ledger.addresses or not event.place[1]:
            continue
        state = states.setdefault(event.place, _PlaceState())
        mine = owned.get(event.place, [])
        if state.uncovered_since_ms is not None:
            state.measure(event.time_ms, mine, is_covered=False)
        state.play(event)
        state.measure(event.time_ms, mine, is_covered=state.is_covered())
    for place, state in states.items():
        if state.uncovered_since_ms is not None:
            state.measure(until_ms, owned.get(place, []), is_covered=False)
    return [
        Gap(place, state.longest_from_ms, state.longest_ms)
        for place, state in states.items()
        if state.longest_ms
    ]
