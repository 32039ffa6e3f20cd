"""Foreign size is never sold: what our reduce-only orders execute is never more than what was ours then. Pure."""

from collections import defaultdict

from local.audit.holdings import Holding
from local.audit.intents import our_fills
from local.audit.invariants.words import when, where
from local.audit.model import ZERO, Place
from local.audit.verdict import Facts, Invariant, Judgement


def foreign(facts: Facts) -> Judgement:
    """Judged on every fill of an exit or a protection of ours."""
    order_of = {action.cloid: action.order_id for action in facts.ledger.actions}
    orders = {order.order_id: order for order in facts.ledger.orders}
    ours = {id(fill) for fill in our_fills(facts.events, facts.ledger)}
    held: dict[Place, Holding] = defaultdict(Holding)
    looked_at = 0
    violations: list[str] = []
    for event in facts.events:
        if event.kind != "fill" or event.place[0] not in facts.ledger.addresses:
            continue
        order = orders.get(order_of.get(str(event.fields.get("cloid") or "").lower(), ""))
        before = held[event.place].ours
        held[event.place].play(event)
        if id(event) not in ours or order is None or order.kind == "enter":
            continue
        looked_at += 1
        direction = 1 if event.signed_size > 0 else -1
        closable = max(-before * direction, ZERO)
        if abs(event.signed_size) > closable:
            violations.append(
                f"{order.kind} {order.order_id} executed {event.signed_size} in {where(event.place)} at {when(event.time_ms)} "
                f"(fill {event.fields['tid']}), where {before} was ours of the venue's {held[event.place].size - event.signed_size}"
            )
    return Judgement(Invariant.FOREIGN, looked_at, tuple(violations))
