"""Whether every fill belongs to an order of ours that knows of it, and every order has one set of fills. Pure.

A fill set is what one venue order executed. One client order id, one entry, and one (deployment, signal) may
have one each; an exit may take several attempts, each with a client order id of its own.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from local.audit.model import Ledger, VenueEvent


@dataclass(frozen=True, slots=True)
class Orphan:
    """A fill that no order answers for, and why none does."""

    fill: VenueEvent
    why: str


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


def fills_without_order(fills: Iterable[VenueEvent], ledger: Ledger) -> list[Orphan]:
    """Fills that no action of the ledger explains by client order id, place and direction.

    And those that one explains whose order says that it never filled, unless a position owns the fill: a
    cancelled order may have filled in part.
    """
    orders = {order.order_id: order for order in ledger.orders}
    known = {
        (action.cloid, action.place, action.is_buy): orders[action.order_id] for action in ledger.actions
    }
    owned = {(fill.place, fill.fill_id) for fill in ledger.owned_fills()}
    found: list[Orphan] = []
    for fill in fills:
        order = known.get((_cloid(fill), fill.place, fill.fields["side"] == "B"))
        if order is None:
            found.append(Orphan(fill, "without an order"))
        elif order.says_it_never_filled and (fill.place, str(fill.fields["tid"])) not in owned:
            found.append(Orphan(fill, f"that no position owns, of an order that is {order.status}"))
    return found


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
