"""Foreign size is never sold, and ours never taken for foreign: what closes is reduce-only, and executes never more than what was ours
then; where the ledger says that somebody else holds something, the venue showed size beside ours a short while ago. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from local.audit.holdings import Holding
from local.audit.intents import our_fills
from local.audit.invariants.words import when, where
from local.audit.model import ZERO, LedgerOrder, LedgerPosition, Place, VenueEvent
from local.audit.verdict import Facts, Invariant, Judgement

_CLOSING = frozenset({"exit", "protect"})
_SEEN_WITHIN_MS = (
    60_000  # of when it is written down: it takes two sightings, and an answer may be half a minute old
)


def foreign(facts: Facts) -> Judgement:
    """Judged on every request of an exit or a protection of ours that came to the venue, and every fill of one."""
    closing = {order.order_id: order for order in facts.ledger.orders if order.kind in _CLOSING}
    by_cloid = {
        request.cloid: closing[request.order_id]
        for request in facts.ledger.requests
        if request.cloid is not None and request.order_id in closing
    }
    ours = {id(fill) for fill in our_fills(facts.events, facts.ledger)}
    held: dict[Place, Holding] = defaultdict(Holding)
    looked_at = 0
    violations: list[str] = []
    for event in facts.events:
        if event.kind == "request":
            orders = [by_cloid[cloid] for cloid in event.fields["cloids"] if cloid in by_cloid]
            looked_at += len(orders)
            violations += _able_to_open(event, orders)
        elif event.kind == "fill" and event.place[0] in facts.ledger.addresses:
            order = _order_of(event, by_cloid)
            if order is not None and id(event) in ours:
                looked_at += 1
                violations += _beyond_ours(event, order, held[event.place])
            held[event.place].play(event)
    discovered = [position for position in facts.ledger.positions if not position.is_owned]
    violations += _taken_for_foreign(facts, discovered)
    return Judgement(Invariant.FOREIGN, looked_at + len(discovered), tuple(violations))


def _taken_for_foreign(facts: Facts, discovered: Iterable[LedgerPosition]) -> Iterator[str]:
    for position in discovered:
        if not _stood_beside_ours(facts, position):
            yield (
                f"position {position.position_id} in {where(position.place)} was taken for somebody else's at "
                f"{when(position.created_ms)}, when whatever was at the venue was ours"
            )


def _stood_beside_ours(facts: Facts, position: LedgerPosition) -> bool:
    """Whether the venue showed size that was not ours while the position was seen."""
    until_ms = position.created_ms + facts.bounds.skew_ms
    since_ms = position.created_ms - facts.bounds.skew_ms - _SEEN_WITHIN_MS
    held = Holding()
    for event in facts.events:
        if event.kind == "fill" and event.place == position.place and event.time_ms <= until_ms:
            if event.time_ms >= since_ms and held.size != held.ours:
                return True
            held.play(event)
    return held.size != held.ours


def _order_of(fill: VenueEvent, by_cloid: Mapping[str, LedgerOrder]) -> LedgerOrder | None:
    return by_cloid.get(str(fill.fields.get("cloid") or "").lower())


def _able_to_open(request: VenueEvent, orders: list[LedgerOrder]) -> Iterator[str]:
    if request.fields["reduce_only"]:
        return
    for order in orders:
        yield (
            f"{order.kind} {order.order_id} in {where(order.place)} came to the venue at {when(request.time_ms)} without being "
            "reduce-only"
        )


def _beyond_ours(fill: VenueEvent, order: LedgerOrder, held: Holding) -> Iterator[str]:
    direction = 1 if fill.signed_size > 0 else -1
    closable = max(-held.ours * direction, ZERO)
    if abs(fill.signed_size) > closable:
        yield (
            f"{order.kind} {order.order_id} executed {fill.signed_size} in {where(fill.place)} at {when(fill.time_ms)} "
            f"(fill {fill.fields['tid']}), where {held.ours} was ours of the venue's {held.size}"
        )
