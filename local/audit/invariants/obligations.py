"""Every exit obligation ends flat, once things are calm. Pure.

Where the run did not end calm, nothing is concluded: an exit may take as long as its venue is away.
"""

from collections import defaultdict
from collections.abc import Iterator

from local.audit.holdings import Holding
from local.audit.invariants.words import when, where
from local.audit.model import LedgerOrder, Place
from local.audit.verdict import Facts, Invariant, Judgement

_GONE = frozenset({"CLOSED", "ABANDONED"})


def exits(facts: Facts) -> Judgement:
    """Judged on every exit, whatever planned it."""
    planned = [order for order in facts.ledger.orders if order.kind == "exit"]
    if not facts.is_settled:
        return Judgement(Invariant.EXITS, 0)
    return Judgement(Invariant.EXITS, len(planned), tuple(_not_flat(facts, planned)))


def _not_flat(facts: Facts, planned: list[LedgerOrder]) -> Iterator[str]:
    positions = {position.position_id: position for position in facts.ledger.positions}
    held_again = {
        position.place
        for position in facts.ledger.positions
        if position.is_owned and position.status not in _GONE
    }
    held: dict[Place, Holding] = defaultdict(Holding)
    for event in facts.events:
        if event.kind == "fill":
            held[event.place].play(event)
    for order in planned:
        name = f"exit {order.order_id} of position {order.position_id} in {where(order.place)}, planned {when(order.created_ms)},"
        position = positions.get(order.position_id or "")
        if order.finished_ms is None:
            yield f"{name} is still {order.status}"
        elif position is None or position.status not in _GONE:
            status = "not in the ledger" if position is None else position.status
            yield f"{name} ended {order.status}, and its position is {status}"
        elif held[order.place].ours != 0 and order.place not in held_again:
            yield f"{name} ended {order.status}, and {held[order.place].ours} of ours is at the venue"
