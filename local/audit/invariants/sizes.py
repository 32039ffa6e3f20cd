"""Our size is the venue's less foreign size, by place: after every venue event, at the end, and wherever a row says it. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from local.audit.books import last_mismatches, worst_mismatches
from local.audit.holdings import Holding
from local.audit.invariants.words import when, where
from local.audit.model import ZERO, Ledger, LedgerPosition, Place
from local.audit.verdict import Facts, Invariant, Judgement

_HELD = frozenset({"OPEN", "UNMANAGED", "CLOSING", "CLOSE_PENDING"})


def sizes(facts: Facts) -> Judgement:
    """Judged on every fill at the venue in a place of ours, and every owned position."""
    until_ms = facts.booked_until_ms
    events = [event for event in facts.events if event.time_ms <= until_ms]
    booked = tuple(fill for fill in facts.ledger.fills if fill.time_ms <= until_ms)
    mismatches = worst_mismatches(events, replace(facts.ledger, fills=booked))
    if facts.is_settled:
        mismatches += last_mismatches(events, facts.ledger, until_ms=until_ms)
    owned = [position for position in facts.ledger.positions if position.is_owned]
    looked_at = sum(event.kind == "fill" and event.place[0] in facts.ledger.addresses for event in events)
    violations = [
        *(
            f"{where(m.place)} at {when(m.time_ms)}: {m.venue_size} is ours at the venue, by the ledger's {m.counted} it is "
            f"{m.ledger_size}"
            for m in mismatches
        ),
        *_rows_against_their_fills(facts.ledger, owned),
        *_closed_while_held(facts, owned),
    ]
    return Judgement(Invariant.SIZES, looked_at + len(owned), tuple(violations))


def _rows_against_their_fills(ledger: Ledger, owned: list[LedgerPosition]) -> Iterator[str]:
    """A position's size is what its own fills add up to, as it is written in the transaction that books them."""
    summed: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in ledger.fills:
        if fill.position_id is not None and not fill.is_quarantined:
            summed[fill.position_id] += fill.signed_size
    for position in owned:
        size = summed[position.position_id]
        if position.is_closed and position.realised_pnl_usd is not None and size != 0:
            yield f"position {position.position_id} in {where(position.place)} is CLOSED with a profit, and its fills leave {size}"
        if position.status in _HELD and position.signed_size != size:
            yield (
                f"position {position.position_id} in {where(position.place)} is {position.status} with {position.signed_size}, "
                f"its fills make {size}"
            )


def _closed_while_held(facts: Facts, owned: list[LedgerPosition]) -> Iterator[str]:
    """At the time at which a row says that it was closed, nothing of it is left at the venue."""
    waiting: dict[Place, list[tuple[int, LedgerPosition]]] = defaultdict(list)
    for position in owned:
        if position.is_closed and position.closed_ms is not None and position.realised_pnl_usd is not None:
            waiting[position.place].append((position.closed_ms, position))
    held: dict[Place, Holding] = defaultdict(Holding)
    for place, closed in waiting.items():
        closed.sort(key=lambda each: each[0])
        events = [event for event in facts.events if event.kind == "fill" and event.place == place]
        moments = iter([*events, None])
        event = next(moments)
        for closed_ms, position in closed:
            while event is not None and event.time_ms <= closed_ms:
                held[place].play(event)
                event = next(moments)
            left = held[place].ours
            if left != 0 and not _is_followed(position, owned):
                yield (
                    f"position {position.position_id} in {where(place)} says that it was closed at {when(closed_ms)}, when "
                    f"{left} of ours was at the venue"
                )


def _is_followed(position: LedgerPosition, owned: list[LedgerPosition]) -> bool:
    """Whether another position of the place was opened in the very moment in which this one was closed."""
    return any(
        other.place == position.place and other.opened_ms == position.closed_ms and other is not position
        for other in owned
    )
