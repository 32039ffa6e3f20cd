"""Profit is fills, fees and funding, per closed position, and null where not all of them are known. Pure.

Worked out from the venue's prices, sizes and fees of the fills that the ledger gives to the position, so that neither its
sums nor what it copied are trusted, and exactly: a fill of which a part alone is ours bears that part of its fee. Funding is
the venue's for the time for which the position was held.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from local.audit.books import Trip, profit_differences, trips
from local.audit.invariants.words import where
from local.audit.model import ZERO, LedgerFill, LedgerPosition, Place, VenueEvent
from local.audit.verdict import Facts, Invariant, Judgement

CENT = Decimal("0.01")
_ROUNDING = Decimal("1e-12")  # of a share of a fee, which may have no end


def profits(facts: Facts) -> Judgement:
    """Judged on every owned position that is closed, and every stretch from flat to flat at the venue."""
    closed = [position for position in facts.ledger.positions if position.is_owned and position.is_closed]
    fills: dict[str, list[LedgerFill]] = defaultdict(list)
    for fill in facts.ledger.fills:
        if fill.position_id is not None:
            fills[fill.position_id].append(fill)
    at_venue = {
        (event.place, str(event.fields["tid"])): event for event in facts.events if event.kind == "fill"
    }
    paid = _funding_by_place(facts.events)
    found = _comparable(facts)
    violations = [
        what
        for position in closed
        for what in _judge(facts, position, fills[position.position_id], at_venue, paid[position.place])
    ]
    violations += [
        f"{what}: profit differs by {usd} USD"
        for what, usd in profit_differences(found, until_ms=facts.until_ms)
        if usd.quantize(CENT) > 0
    ]
    violations += _unclosed_with_profit(facts)
    return Judgement(Invariant.PROFITS, len(closed) + len(found), tuple(violations))


def _comparable(facts: Facts) -> list[Trip]:
    """The stretches of a run that ended calm whose positions say what they earned; before that, funding may be unread."""
    if not facts.is_settled:
        return []
    return [
        trip
        for trip in trips(facts.events, facts.ledger)
        if all(position.realised_pnl_usd is not None for position in trip.positions)
    ]


def _unclosed_with_profit(facts: Facts) -> Iterator[str]:
    for position in facts.ledger.positions:
        if not position.is_closed and position.realised_pnl_usd is not None:
            yield (
                f"position {position.position_id} in {where(position.place)} is {position.status} and has a final profit of "
                f"{position.realised_pnl_usd}"
            )


def _judge(
    facts: Facts,
    position: LedgerPosition,
    fills: Sequence[LedgerFill],
    at_venue: dict[tuple[Place, str], VenueEvent],
    paid: Sequence[VenueEvent],
) -> Iterator[str]:
    name = f"position {position.position_id} in {where(position.place)}"
    held = sum((fill.signed_size for fill in fills), ZERO)
    is_known = bool(fills) and held == 0
    if position.realised_pnl_usd is None:
        if is_known and facts.is_settled:
            yield f"{name} has no profit, though its fills make it flat"
        return
    if not is_known:
        yield f"{name} has a profit of {position.realised_pnl_usd}, though its fills leave {held}"
        return
    gross, fees = ZERO, ZERO
    for fill in fills:
        event = at_venue.get((fill.place, fill.fill_id))
        if event is None:
            return  # a fill that the venue never had is another judgement's violation
        gross -= fill.signed_size * event.number("px")
        fees += event.number("fee") * abs(fill.signed_size) / event.number("sz")
    funding = _funding(facts, position, paid)
    if abs(position.fees_usd - fees) > _ROUNDING:
        yield f"{name} has paid {fees} in fees at the venue, the ledger says {position.fees_usd}"
    if position.funding_usd != funding and facts.is_settled:
        yield f"{name} has had {funding} of funding at the venue, the ledger says {position.funding_usd}"
    expected = gross - fees + position.funding_usd
    if abs(position.realised_pnl_usd - expected) > _ROUNDING:
        yield f"{name} has earned {expected} at the venue, the ledger says {position.realised_pnl_usd}"


def _funding_by_place(events: Iterable[VenueEvent]) -> dict[Place, list[VenueEvent]]:
    found: dict[Place, list[VenueEvent]] = defaultdict(list)
    for event in events:
        if event.kind == "funding":
            found[event.place].append(event)
    return found


def _funding(facts: Facts, position: LedgerPosition, paid: Sequence[VenueEvent]) -> Decimal:
    """What the venue paid into the place while the position was held; `paid` is all that it ever paid there."""
    end_ms = facts.until_ms if position.closed_ms is None else position.closed_ms
    return sum(
        (event.number("usdc") for event in paid if position.opened_ms <= event.time_ms <= end_ms), ZERO
    )
