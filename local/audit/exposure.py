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


@dataclass(frozen=True, slots=True)
class Gap:
    """One time for which a place was uncovered, by what it began, and how it ended: `covered`, `flat`, or not yet."""

    place: Place
    from_ms: int
    lasting_ms: int
    began: str = ""
    ended: str = ""

    @property
    def until_ms(self) -> int:
        return self.from_ms + self.lasting_ms


@dataclass(slots=True)
class _PlaceState:
    """What the venue shows in one place at a moment, and the gaps up to it."""

    place: Place
    holding: Holding = field(default_factory=Holding)
    stops: dict[int, _Stop] = field(default_factory=dict)
    uncovered_since: VenueEvent | None = None
    gaps: list[Gap] = field(default_factory=list)
    stretches: int = 0

    def play(self, event: VenueEvent) -> None:
        """Move to what the place is after the event."""
        was_flat = self.holding.to_protect == 0
        match event.kind:
            case "fill":
                self.holding.play(event)
            case "resting" if event.fields.get("tpsl") == "sl" and event.fields.get("reduce_only"):
                self.stops[int(event.fields["oid"])] = _Stop(event.fields["side"] == "A", event.number("sz"))
            case "resized" if int(event.fields["oid"]) in self.stops:
                self.stops[int(event.fields["oid"])].size = event.number("sz")
            case "gone":
                self.stops.pop(int(event.fields["oid"]), None)
        is_flat = self.holding.to_protect == 0
        self.stretches += was_flat and not is_flat
        if self.is_covered():
            self.end_gap(event.time_ms, "flat" if is_flat else "covered")
        elif self.uncovered_since is None:
            self.uncovered_since = event

    def is_covered(self) -> bool:
        """Whether stops on the closing side cover what is ours of the venue's size."""
        exposed = self.holding.to_protect
        covered = sum((stop.size for stop in self.stops.values() if stop.is_sell == (exposed > 0)), ZERO)
        return covered >= abs(exposed)

    def end_gap(self, now_ms: int, how: str) -> None:
        """Note the time for which the place was uncovered, if it was."""
        since, self.uncovered_since = self.uncovered_since, None
        if since is not None and now_ms > since.time_ms:
            self.gaps.append(Gap(self.place, since.time_ms, now_ms - since.time_ms, since.kind, how))


@dataclass(frozen=True, slots=True)
class Exposure:
    """Every gap of our places, and how often something of ours began to be held."""

    gaps: tuple[Gap, ...]
    stretches: int


def exposure(events: Iterable[VenueEvent], addresses: frozenset[str], *, until_ms: int) -> Exposure:
    """Every uncovered interval of each place of ours, in venue time."""
    states: dict[Place, _PlaceState] = {}
    for event in events:
        if event.place[0] in addresses and event.place[1]:
            states.setdefault(event.place, _PlaceState(event.place)).play(event)
    for state in states.values():
        state.end_gap(until_ms, "")
    return Exposure(
        tuple(gap for state in states.values() for gap in state.gaps),
        sum(state.stretches for state in states.values()),
    )


def longest_gaps(events: Iterable[VenueEvent], addresses: frozenset[str], *, until_ms: int) -> list[Gap]:
    """The longest uncovered interval of each place of ours that had one, in venue time."""
    longest: dict[Place, Gap] = {}
    for gap in exposure(events, addresses, until_ms=until_ms).gaps:
        if gap.place not in longest or gap.lasting_ms > longest[gap.place].lasting_ms:
            longest[gap.place] = gap
    return list(longest.values())
