"""At most one fill set per intent, and no fill lost or made up. Pure.

A fill set is what one venue order executed. An entry has at most one, however many attempts it made; no order is filled
beyond what it asked for; and each fill with one of our client order ids is in the ledger once, as the venue had it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from local.audit.intents import extra_fill_sets, fills_without_order, our_fills
from local.audit.invariants.words import when, where
from local.audit.model import ZERO, LedgerFill, Place, VenueEvent
from local.audit.verdict import Facts, Invariant, Judgement


def fill_sets(facts: Facts) -> Judgement:
    """Judged on every fill that a request of ours caused."""
    fills = our_fills(facts.events, facts.ledger)
    violations = [
        *extra_fill_sets(fills, facts.ledger),
        *(
            f"fill {orphan.fill.fields['tid']} of {orphan.fill.fields['sz']} in {where(orphan.fill.place)} at "
            f"{when(orphan.fill.time_ms)} is one {orphan.why}"
            for orphan in fills_without_order(fills, facts.ledger)
            if orphan.fill.time_ms <= facts.booked_until_ms
        ),
        *_beyond_what_was_asked(facts, fills),
        *_lost_or_changed(facts, fills),
        *_made_up(facts),
    ]
    return Judgement(Invariant.FILL_SETS, len(fills), tuple(violations))


def _beyond_what_was_asked(facts: Facts, fills: Sequence[VenueEvent]) -> Iterator[str]:
    order_of = {action.cloid: action.order_id for action in facts.ledger.actions}
    executed: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        order_id = order_of.get(_cloid(fill))
        if order_id is not None:
            executed[order_id] += fill.number("sz")
    for order in facts.ledger.orders:
        size = executed.get(order.order_id, ZERO)
        if order.size is not None and size > order.size:
            yield f"{order.kind} {order.order_id} asked for {order.size} and {size} was executed"
        is_final = facts.is_settled and order.finished_ms is not None
        if is_final and order.filled_size != size:
            yield f"{order.kind} {order.order_id} says that {order.filled_size} was filled, the venue {size}"


def _lost_or_changed(facts: Facts, fills: Sequence[VenueEvent]) -> Iterator[str]:
    known: dict[tuple[Place, str], list[LedgerFill]] = defaultdict(list)
    for booked in facts.ledger.fills:
        known[(booked.place, booked.fill_id)].append(booked)
    order_of = {action.cloid: action.order_id for action in facts.ledger.actions}
    for fill in fills:
        rows = known.get((fill.place, str(fill.fields["tid"])), [])
        name = f"fill {fill.fields['tid']} in {where(fill.place)} at {when(fill.time_ms)}"
        if not rows:
            if fill.time_ms <= facts.booked_until_ms:
                yield f"{name} of {fill.fields['sz']} is lost: the ledger does not have it"
            continue
        if len(rows) > 1:
            yield f"{name} is in the ledger {len(rows)} times"
        yield from (f"{name}: {what}" for what in _differences(fill, rows[0], order_of.get(_cloid(fill))))


def _differences(fill: VenueEvent, row: LedgerFill, order_id: str | None) -> Iterator[str]:
    for name, ours, theirs in (
        ("size", row.size, fill.number("sz")),
        ("price", row.price, fill.number("px")),
        ("fee", row.fee_usd, fill.number("fee")),
    ):
        if ours is not None and ours != theirs:
            yield f"the ledger's {name} is {ours}, the venue's {theirs}"
    if (row.signed_size > 0) != (fill.signed_size > 0):
        yield "the ledger has it in the other direction"
    if order_id is not None and row.order_id is not None and row.order_id != order_id:
        yield f"the ledger gives it to order {row.order_id}, its client order id is of {order_id}"


def _made_up(facts: Facts) -> Iterator[str]:
    at_venue = {(event.place, str(event.fields["tid"])) for event in facts.events if event.kind == "fill"}
    for booked in facts.ledger.fills:
        if (booked.place, booked.fill_id) not in at_venue:
            yield f"fill {booked.fill_id} in {where(booked.place)} is in the ledger and never was at the venue"


def _cloid(fill: VenueEvent) -> str:
    return str(fill.fields.get("cloid") or "").lower()
