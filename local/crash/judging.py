"""What must hold at the end of every run, whatever it was killed at. Judged by the audit and by counting; never by what is tested.

Promises: each complaint is a sentence with its figures; no complaint is left out because another was found.
"""

from collections.abc import Callable
from decimal import Decimal

from local.audit.judge import judge
from local.audit.verdict import Bounds, Facts
from local.crash.aftermath import Aftermath
from outcry.runtime.database import Row

BOUNDS = Bounds()
Judge = Callable[[Aftermath], list[str]]


def always(after: Aftermath) -> list[str]:
    """What holds at every end."""
    facts = Facts(tuple(after.events), after.ledger, after.until_ms, is_settled=True, bounds=BOUNDS)
    return [
        *judge(facts).violations,
        *(f"left over: {what}" for what in after.unfinished),
        *(f"dead letter: {what}" for what in after.dead_letters),
        *_stops_of_what_is_held(after),
    ]


def _stops_of_what_is_held(after: Aftermath) -> list[str]:
    """A position that stands is covered by stops; where none stands, nothing of ours rests."""
    complaints = []
    for market in sorted({str(order["market"]) for order in after.orders}):
        ours = sum((_signed(p) for p in after.owned() if p["market"] == market), Decimal(0))
        stops = [one for one in after.resting(market) if one.is_stop and one.is_sell == (ours > 0)]
        covered = sum((stop.size for stop in stops), Decimal(0))
        if covered < abs(ours):
            complaints.append(f"{market}: stops over {covered} of {ours}")
        if len(stops) > 1:
            complaints.append(f"{market}: {len(stops)} stops rest over one position")
        if ours == 0 and after.resting(market):
            complaints.append(f"{market}: {len(after.resting(market))} orders rest over nothing")
    return complaints


def _signed(position: Row) -> Decimal:
    size = Decimal(position["size"])
    return size if position["side"] == "LONG" else -size


def digest(after: Aftermath) -> tuple[str, ...]:
    """What the end came to, without ids, times and prices of fills: two ways to the same end have the same.

    Nor how a cancel ended: by its own answer, or because its target was found gone a moment before, is a matter of milliseconds.
    """
    markets = sorted({str(row["market"]) for row in (*after.orders, *after.positions)})
    return (
        *(f"{market} {after.size(market).normalize():f}" for market in markets),
        *sorted(
            f"{one.market} {'stop' if one.is_stop else 'step'} {one.size.normalize():f}"
            for m in markets
            for one in after.resting(m)
        ),
        *sorted(
            f"{p['market']} {p['side']} {p['status']} {p['size'].normalize():f} {p['exit_reason']}"
            for p in after.positions
        ),
        *sorted({f"{o['kind']} {o['status']}" for o in after.orders if o["kind"] != "cancel"}),
    )


# ─── ends that scenarios name ────────────────────────────────────────────────────────────────────────────────


def flat(after: Aftermath) -> list[str]:
    """Nothing is held, and the book says so."""
    complaints = [] if after.size() == 0 else [f"the venue shows {after.size()} BTC, and flat was asked for"]
    open_ones = [p for p in after.owned() if p["status"] not in ("CLOSED", "ABANDONED")]
    return complaints + [f"a position is {p['status']}, and flat was asked for" for p in open_ones]


def held(after: Aftermath) -> list[str]:
    """One position is open and protected."""
    complaints = []
    open_ones = [p for p in after.owned() if p["status"] == "OPEN"]
    if len(open_ones) != 1 or after.size() == 0:
        complaints.append(f"{len(open_ones)} positions are open, {after.size()} BTC held: one was asked for")
    return complaints + ["an open position has no stop" for p in open_ones if p["protected_at"] is None]


def held_or_out(after: Aftermath) -> list[str]:
    """As `held`; or, where its stop could not rest in time, closed for that, and people were told."""
    out = [*flat(after), *closed_for(after, "UNPROTECTED")]
    return [] if not out and "protection" in after.topics() else held(after)


def entered(after: Aftermath, times: int = 1) -> list[str]:
    """Entries were executed so many times at the venue, each once."""
    count = after.executed("enter")
    return [] if count == times else [f"{count} entries were executed, not {times}"]


def closed_for(after: Aftermath, *reasons: str) -> list[str]:
    """The last position was closed for one of these reasons."""
    said = after.owned()[-1]["exit_reason"] if after.owned() else None
    return [] if said in reasons else [f"the position ended for {said}, not for {' or '.join(reasons)}"]
