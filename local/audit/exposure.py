"""How long what is ours stood at the venue without a stop over its whole size. Pure.

From the venue's journal alone: a position that the ledger closed, gave up or never had is as exposed as any
other. Covered means: resting reduce-only stop orders on the closing side add up to at least what is ours.
What the account's owner brought by hand is not ours to protect. An interval begins at the venue event that
opened the gap and ends when it is covered or flat; one still open at the end counts until then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from local.audit.holdings import Holding
from local.audit.model import Place, VenueEvent

ZERO = Decimal(0)


@dataclass(slots=True)
class _Stop:
    is_sell: bool
    size: Decimal


@dataclass(slots=True)
class _PlaceState:
    """What the venue shows in one place at a moment, and the longest gap up to it."""

    holding: Holding = field(default_factory=Holding)
    stops: dict[int, _Stop] = field(default_factory=dict)
    uncovered_since_ms: int | None = None
    longest_ms: int = 0
    longest_from_ms: int = 0

    def play(self, event: VenueEvent) -> None:
        """Move to what the place is after the event."""
        self.measure(event.time_ms)
        match event.kind:
            case "fill":
                self.holding.play(event)
            case "resting" if event.fields.get("tpsl") == "sl" and event.fields.get("reduce_only"):
                self.stops[int(event.fields["oid"])] = _Stop(event.fields["side"] == "A", event.number("sz"))
            case "resized" if int(event.fields["oid"]) in self.stops:
                self.stops[int(event.fields["oid"])].size = event.number("sz")
            case "gone":
                self.stops.pop(int(event.fields["oid"]), None)
        if self.is_covered():
            self.uncovered_since_ms = None
        elif self.uncovered_since_ms is None:
            self.uncovered_since_ms = event.time_ms

    def is_covered(self) -> bool:
        """Whether stops on the closing side cover what is ours of the venue's size."""
        exposed = self.holding.to_protect
        covered = sum((stop.size for stop in self.stops.values() if stop.is_sell == (exposed > 0)), ZERO)
        return covered >= abs(exposed)

    def measure(self, now_ms: int) -> None:
        """Account for the time up to `now_ms`, in which the place was as it still is."""
        since_ms = self.uncovered_since_ms
        if since_ms is not None and now_ms - since_ms > self.longest_ms:
            self.longest_ms, self.longest_from_ms = now_ms - since_ms, since_ms


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time one place was uncovered."""

    place: Place
    from_ms: int
    lasting_ms: int


def longest_gaps(events: Iterable[VenueEvent], addresses: frozenset[str], *, until_ms: int) -> list[Gap]:
    """The longest uncovered interval of each place of ours that had one, in venue time."""
    states: dict[Place, _PlaceState] = {}
    for event in events:
        if event.place[0] in addresses and event.place[1]:
            states.setdefault(event.place, _PlaceState()).play(event)
    for state in states.values():
        state.measure(until_ms)
    return [
        Gap(place, state.longest_from_ms, state.longest_ms)
        for place, state in states.items()
        if state.longest_ms
    ]
