"""The life of an order between placement and its end, and how reduce-only orders follow the position.

Promises: an order ends exactly once, with one status word; reduce-only orders never exceed the position and
never outlive it. Never fills anything.
Sources: Hyperliquid docs, take-profit-and-stop-loss-orders; recorded testnet answers on resize and end.
"""

from collections.abc import Iterable
from decimal import Decimal

from local.hyperliquid.accounts import Account, Order
from local.hyperliquid.decimals import wire
from local.hyperliquid.state import Venue


def announce(venue: Venue, order: Order) -> None:
    """The order is live on the venue now."""
    order.announced = True
    trigger = order.trigger
    venue.note(
        "resting",
        user=order.user,
        coin=order.coin,
        oid=order.oid,
        cloid=order.cloid,
        side=order.side,
        is_trigger=trigger is not None,
        tpsl=trigger.tpsl if trigger else None,
        trigger_px=wire(trigger.px) if trigger else None,
        limit_px=wire(order.limit_px),
        sz=wire(order.sz),
        reduce_only=order.reduce_only,
        is_position_tpsl=order.is_position_tpsl,
    )


def put(venue: Venue, account: Account, order: Order) -> None:
    """Leave an order open: announced if live, silent if it waits for its parent."""
    account.remember(order)
    account.open_orders[order.oid] = order
    order.status_ms = venue.now_ms
    if order.live:
        announce(venue, order)


def end(venue: Venue, account: Account, order: Order, status: str) -> None:
    """Give an order its last status. Children that still wait end with their parent."""
    account.open_orders.pop(order.oid, None)
    order.status, order.status_ms = status, venue.now_ms
    if order.announced:
        venue.note("gone", oid=order.oid, user=order.user, coin=order.coin, status=status)
    for oid in order.children:
        child = account.open_orders.get(oid)
        if child is not None and not child.live and status != "filled":
            end(venue, account, child, "canceled")


def end_signed_by(venue: Venue, master: str, agent: str) -> int:
    """End the orders that an agent has signed, as a pruned one may take them along."""
    account = venue.ensure_account(master)
    mine = [order for order in account.open_orders.values() if order.signer == agent]
    return end_all(venue, account, mine, "canceled")


def resize(venue: Venue, order: Order, size: Decimal) -> None:
    order.sz = size
    venue.note("resized", user=order.user, coin=order.coin, oid=order.oid, sz=wire(order.sz))


def of_coin(account: Account, coin: str) -> list[Order]:
    return [order for order in account.open_orders.values() if order.coin == coin]


def end_all(venue: Venue, account: Account, orders: Iterable[Order], status: str) -> int:
    """End several; returns how many were still open."""
    count = 0
    for order in list(orders):
        if order.oid in account.open_orders:
            end(venue, account, order, status)
            count += 1
    return count


def end_siblings(venue: Venue, account: Account, filled: Order) -> None:
    """One of a parent's tp and sl was filled: the other goes."""
    if filled.parent is None or filled.trigger is None:
        return
    parent = account.orders.get(filled.parent)
    siblings = parent.children if parent is not None else []
    others = [account.open_orders[oid] for oid in siblings if oid in account.open_orders]
    end_all(venue, account, [order for order in others if order.oid != filled.oid], "siblingFilledCanceled")


def follow_position(venue: Venue, account: Account, coin: str, cause: Order | None = None) -> None:
    """Bring the coin's reduce-only orders in line with the position after it changed."""
    szi = account.szi(coin)
    for order in of_coin(account, coin):
        if not order.reduce_only or not order.live or order is cause:
            continue
        if szi == 0 or (szi > 0) == order.is_buy:
            sibling = order.is_position_tpsl and cause is not None and cause.is_position_tpsl
            end(venue, account, order, "siblingFilledCanceled" if sibling else "reduceOnlyCanceled")
            continue
        grows = order.is_position_tpsl and venue.config.switches.position_tpsl_grows
        if order.sz > abs(szi) or (grows and order.sz < abs(szi)):
            resize(venue, order, abs(szi))


def end_older_stops(venue: Venue, account: Account, newest: Order) -> None:
    """If the venue keeps one stop a side, those before the newest go."""
    if not venue.config.switches.older_stop_cancelled or not is_stop(newest):
        return
    same = [
        order
        for order in of_coin(account, newest.coin)
        if is_stop(order) and order.is_buy == newest.is_buy and order.oid != newest.oid
    ]
    end_all(venue, account, same, "reduceOnlyCanceled")


def is_stop(order: Order) -> bool:
    """Whether it is a live reduce-only stop."""
    return order.trigger is not None and order.trigger.tpsl == "sl" and order.reduce_only and order.live


def trim_reduce_only_limits(venue: Venue, account: Account, newest: Order) -> None:
    """Reduce-only limits on one side may not exceed the position together: the older ones go."""
    if not venue.config.switches.older_reduce_only_limit_cancelled:
        return
    same = [
        order
        for order in of_coin(account, newest.coin)
        if order.reduce_only and order.trigger is None and order.is_buy == newest.is_buy
    ]
    room = abs(account.szi(newest.coin)) - newest.sz
    for order in sorted(same, key=lambda order: order.oid, reverse=True):
        if order.oid == newest.oid:
            continue
        if order.sz > room:
            end(venue, account, order, "reduceOnlyCanceled")
        else:
            room -= order.sz
