"""Whether every fill belongs to an order of ours, and every order has one set of fills. Pure.

A fill set is what one venue order executed. One client order id, one entry, and one (deployment, signal) may
have one each; an exit may take several attempts, each with a client order id of its own.
"""

from collections import defaultdict
from collections.abc import Iterable

from local.audit.model import Ledger, VenueEvent


def our_fills(events: Iterable[VenueEvent], ledger: Ledger) -> list[VenueEvent]:
    """The fills of our accounts that a request caused: the owner's own and liquidations are apart."""
    return [
        event
        for event in events
        if event.kind == "fill"
        and event.place[0] in ledger.addresses
        and not event.is_by_hand
        and not event.is_liquidation
    ]


def fills_without_order(fills: Iterable[VenueEvent], ledger: Ledger) -> list[VenueEvent]:
    """Fills that no action of the ledger explains by client order id, place and direction."""
    known = {(action.cloid, action.place, action.is_buy) for action in ledger.actions}
    return [fill for fill in fills if (_cloid(fill), fill.place, fill.fields["side"] == "B") not in known]


def extra_fill_sets(fills: Iterable[VenueEvent], ledger: Ledger) -> list[str]:
    """What was executed more than once, in words: client order ids, entries and signals."""
    venue_orders: dict[str, set[int]] = defaultdict(set)
    for fill in fills:
        if _cloid(fill):
            venue_orders[_cloid(fill)].add(int(fill.fields["oid"]))
    found = [
        f"client order id {cloid} was executed {len(ids)} times"
        for cloid, ids in venue_orders.items()
        if len(ids) > 1
    ]
    orders = {order.order_id: order for order in ledger.orders}
    attempts: dict[str, set[str]] = defaultdict(set)
    for action in ledger.actions:
        if action.cloid in venue_orders and orders[action.order_id].kind == "enter":
            attempts[action.order_id].add(action.cloid)
    found += [
        f"entry {order} was executed in {len(ids)} attempts"
        for order, ids in attempts.items()
        if len(ids) > 1
    ]
    signals: dict[tuple[str, int], set[str]] = defaultdict(set)
    for order_id in attempts:
        order = orders[order_id]
        if order.signal_id is not None:
            signals[(order.deployment_id, order.signal_id)].add(order_id)
    found += [
        f"signal {signal} was entered {len(ids)} times by {deployment}"
        for (deployment, signal), ids in signals.items()
        if len(ids) > 1
    ]
    return found


def _cloid(fill: VenueEvent) -> str:
    return str(fill.fields.get("cloid") or "").lower()
