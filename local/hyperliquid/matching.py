"""Takes liquidity from the synthetic book, rests what may rest, and fires triggers when the mark crosses.

Promises: an IOC fills what the book offers within its limit and drops the rest; a triggered market order is
bounded by its own price and by the venue's 10 %; what a fill does to siblings and reduce-only orders happens
in the same instant. Never checks margin: placement has.
Sources: Hyperliquid docs, order-types and take-profit-and-stop-loss-orders.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from local.hyperliquid.accounts import Account, Order
from local.hyperliquid.decimals import ZERO, to_tick
from local.hyperliquid.market import Market
from local.hyperliquid.past import remember
from local.hyperliquid.resting import announce, end, end_siblings, follow_position
from local.hyperliquid.settlement import By, Execution, settle
from local.hyperliquid.state import Venue


def is_crossed(order: Order, mark: Decimal) -> bool:
    """Whether a trigger's condition holds: stops trigger against the position, take-profits with it."""
    if order.trigger is None:
        return False
    falls = (order.trigger.tpsl == "sl") != order.is_buy
    return mark <= order.trigger.px if falls else mark >= order.trigger.px


def take(
    venue: Venue, account: Account, order: Order, market: Market, limit: Decimal | None, by: By
) -> tuple[Decimal, Decimal]:
    """Fill what the book gives now; returns (size filled, average price). Leaves the rest to the caller."""
    market.refill(venue.now_ms, venue.config.book_refill_ms)
    got = market.walk(order.is_buy, order.sz, limit)
    filled = sum((size for _, size in got), ZERO)
    if filled == 0:
        return ZERO, ZERO
    for price, size in got:
        settle(venue, account, order, market, Execution(price, size, True, by))
    market.take(order.is_buy, filled, venue.now_ms)
    average = sum((price * size for price, size in got), ZERO) / filled
    return filled, average


def after_fill(venue: Venue, account: Account, order: Order) -> None:
    """Consequences of fills of `order`, once its own status is final."""
    if order.sz == 0:
        end_siblings(venue, account, order)
        activate_children(venue, account, order)
    follow_position(venue, account, order.coin, order)


def activate_children(venue: Venue, account: Account, parent: Order) -> None:
    """A fully filled parent's tp and sl become live triggers; one already crossed is refused."""
    for oid in parent.children:
        child = account.open_orders.get(oid)
        if child is None or child.live:
            continue
        child.live = True
        if is_crossed(child, venue.by_name[child.coin].mark):
            end(venue, account, child, "badTriggerPxRejected")
        else:
            announce(venue, child)


def fill_resting(venue: Venue, market: Market) -> None:
    """Resting limits that the new book reaches are filled at their own price, as makers."""
    for account in list(venue.accounts.values()):
        for order in list(account.open_orders.values()):
            if order.coin != market.name or order.trigger is not None or order.oid not in account.open_orders:
                continue
            best = market.best(not order.is_buy)
            if best is None or (best > order.limit_px if order.is_buy else best < order.limit_px):
                continue
            remember(venue, account)
            by: By = "hand" if order.signer is None else "signed"
            settle(venue, account, order, market, Execution(order.limit_px, order.sz, False, by))
            end(venue, account, order, "filled")
            after_fill(venue, account, order)


def fire_triggers(venue: Venue, market: Market) -> None:
    """Every live trigger of this market whose condition holds at the mark, oldest first."""
    due = [
        (order.oid, account, order)
        for account in venue.accounts.values()
        for order in account.open_orders.values()
        if order.coin == market.name and order.live and is_crossed(order, market.mark)
    ]
    for _, account, order in sorted(due, key=lambda row: row[0]):
        if order.oid in account.open_orders:
            _fire(venue, account, order, market)


def _fire(venue: Venue, account: Account, order: Order, market: Market) -> None:
    remember(venue, account)
    held = account.szi(order.coin)
    if order.reduce_only:
        if held == 0 or (held > 0) == order.is_buy:
            end(venue, account, order, "reduceOnlyCanceled")
            return
        order.sz = min(order.sz, abs(held))
    trigger = order.trigger
    if trigger is not None and not trigger.is_market:
        order.trigger, order.tif = None, "Gtc"
        take(venue, account, order, market, order.limit_px, "trigger")
        if order.sz == 0:
            end(venue, account, order, "filled")
        after_fill(venue, account, order)
        return
    filled = ZERO
    if not venue.config.switches.triggers_find_nothing:
        filled, _ = take(venue, account, order, market, trigger_bound(venue, order, market), "trigger")
    end(venue, account, order, "filled" if filled else "marketOrderNoLiquidityRejected")
    if filled:
        after_fill(venue, account, order)


def trigger_bound(venue: Venue, order: Order, market: Market) -> Decimal:
    """The worst price of a triggered market order: its own `p`, and never past the venue's tolerance."""
    if order.trigger is None:
        return order.limit_px
    slip = venue.config.trigger_bound
    decimals = market.spec.sz_decimals
    if order.is_buy:
        return min(order.limit_px, to_tick(market.mark * (1 + slip), decimals, ROUND_FLOOR))
    return max(order.limit_px, to_tick(market.mark * (1 - slip), decimals, ROUND_CEILING))
