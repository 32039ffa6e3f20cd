"""Whether the ledger's sizes and profits are the venue's, after every venue event. Pure.

Sizes: after each moment at which something happened at the venue, its signed size without what was brought by
hand, less what the fills that the ledger's positions own add up to by then; at the end, also less what those
positions say they hold. A fill that the ledger keeps for nobody, or for a position that it gave up, is none of
these: it shows. Profits: each stretch from flat to flat at the venue (a trip) earned what its fills
realised, less fees, plus funding; the ledger's closed positions of that stretch must say the same.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from local.audit.holdings import Holding
from local.audit.model import Ledger, LedgerPosition, Place, VenueEvent

ZERO = Decimal(0)
BOOKING_LAG_MS = 60_000  # a trip that ended this recently may still be being booked


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where and when the two sizes differed most, and what of the ledger was counted."""

    place: Place
    time_ms: int
    venue_size: Decimal
    ledger_size: Decimal
    counted: str = "fills"

    @property
    def difference(self) -> Decimal:
        return abs(self.venue_size - self.ledger_size)


@dataclass(slots=True)
class Trip:
    """One stretch from flat to flat in one place; `end_ms` is None while it lasts."""

    place: Place
    start_ms: int
    end_ms: int | None = None
    earned_usd: Decimal = ZERO
    has_hand_trades: bool = False
    positions: list[LedgerPosition] = field(default_factory=list)


def worst_mismatches(events: Sequence[VenueEvent], ledger: Ledger) -> list[Mismatch]:
    """The largest difference of each place that ever had one, by the fills that the ledger stands by."""
    pending: dict[Place, list[tuple[int, Decimal]]] = defaultdict(list)
    for fill in sorted(ledger.owned_fills(), key=lambda fill: fill.time_ms, reverse=True):
        pending[fill.place].append((fill.time_ms, fill.signed_size))
    venue: dict[Place, Holding] = defaultdict(Holding)
    booked: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    worst: dict[Place, Mismatch] = {}
    last = len(events) - 1
    for index, event in enumerate(events):
        if event.kind == "fill" and event.place[0] in ledger.addresses:
            venue[event.place].play(event)
        if index < last and events[index + 1].time_ms == event.time_ms:
            continue  # one moment of the venue is whole when its last event is in
        for place in {*venue, *pending}:
            while pending[place] and pending[place][-1][0] <= event.time_ms:
                booked[place] += pending[place].pop()[1]
            seen = Mismatch(place, event.time_ms, venue[place].ours, booked[place])
            if seen.difference > 0 and (place not in worst or seen.difference > worst[place].difference):
                worst[place] = seen
    for place, rest in pending.items():
        if rest:  # the ledger has fills that are later than anything the venue knows of
            extra = booked[place] + sum((size for _, size in rest), ZERO)
            seen = Mismatch(place, rest[0][0], venue[place].ours, extra)
            if place not in worst or seen.difference > worst[place].difference:
                worst[place] = seen
    return list(worst.values())


def last_mismatches(events: Sequence[VenueEvent], ledger: Ledger, *, until_ms: int) -> list[Mismatch]:
    """Where what the ledger's open positions say they hold is not what is ours at the venue in the end."""
    venue: dict[Place, Holding] = defaultdict(Holding)
    for event in events:
        if event.kind == "fill" and event.place[0] in ledger.addresses:
            venue[event.place].play(event)
    held: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for position in ledger.positions:
        if position.is_owned and not position.is_closed and not position.is_abandoned:
            held[position.place] += position.signed_size
    return [
        Mismatch(place, until_ms, venue[place].ours, held[place], "open positions")
        for place in sorted({*venue, *held})
        if venue[place].ours != held[place]
    ]


def trips(events: Sequence[VenueEvent], ledger: Ledger) -> list[Trip]:
    """The venue's stretches from flat to flat, each with the ledger's positions that were opened in it."""
    sizes: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    running: dict[Place, Trip] = {}
    found: list[Trip] = []
    for event in events:
        place = event.place
        if place[0] not in ledger.addresses:
            continue
        if event.kind == "funding" and place in running:
            running[place].earned_usd += event.number("usdc")
        if event.kind != "fill":
            continue
        if place not in running:
            running[place] = Trip(place, event.time_ms)
            found.append(running[place])
        trip = running[place]
        trip.earned_usd += event.number("closed_pnl") - event.number("fee")
        trip.has_hand_trades = trip.has_hand_trades or event.is_by_hand
        sizes[place] += event.signed_size
        if sizes[place] == 0:
            running.pop(place).end_ms = event.time_ms
    by_place: dict[Place, list[Trip]] = defaultdict(list)
    for trip in found:
        by_place[trip.place].append(trip)
    for position in ledger.positions:
        if position.is_abandoned:
            continue  # nothing was earned by it, as the ledger has it: its trip stays unbooked
        # the last trip that had begun by then, with a second of grace for what is opened before its fill
        here = by_place[position.place]
        begun = bisect_right(here, position.opened_ms + 1_000, key=lambda trip: trip.start_ms)
        if begun:
            here[begun - 1].positions.append(position)
    return found


def profit_differences(found: Sequence[Trip], *, until_ms: int) -> list[tuple[str, Decimal]]:
    """Every difference in US dollars between the ledger's profits and the venue's: by trip, by place, in sum.

    A trip is compared once the ledger closed its positions, or once it is over for longer than booking takes;
    a closed position without a profit then counts as zero earned. Trips with trades by hand are left out,
    because which part of them was ours is not a question to the venue.
    """
    differences: list[tuple[str, Decimal]] = []
    by_place: dict[Place, Decimal] = defaultdict(lambda: ZERO)
    for trip in found:
        if trip.end_ms is None or trip.has_hand_trades:
            continue
        is_booked = bool(trip.positions) and all(position.is_closed for position in trip.positions)
        if not is_booked and trip.end_ms > until_ms - BOOKING_LAG_MS:
            continue
        booked = sum((p.realised_pnl_usd or ZERO for p in trip.positions if p.is_closed), ZERO)
        by_place[trip.place] += booked - trip.earned_usd
        differences.append(
            (f"{trip.place[1]} from {trip.start_ms} to {trip.end_ms}", abs(booked - trip.earned_usd))
        )
    differences += [(f"{place[1]} in all", abs(difference)) for place, difference in by_place.items()]
    differences.append(("in sum", abs(sum(by_place.values(), ZERO))))
    return differences
