"""Liquidates what no longer covers its maintenance margin.

Promises: open orders of the pool end first (`liquidatedCanceled`), then its positions are sold into the
book at any price, the remainder at the last level; the account never owes: a loss beyond its cash is
absorbed and journalled as cash.
Source: Hyperliquid docs, liquidations.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from local.hyperliquid.accounts import Account, Order
from local.hyperliquid.decimals import ZERO, to_tick, wire
from local.hyperliquid.margin import (
    cross_equity,
    cross_maintenance,
    is_isolated,
    isolated_equity,
    maintenance,
    notional,
)
from local.hyperliquid.market import Market
from local.hyperliquid.past import remember
from local.hyperliquid.resting import end, end_all, of_coin
from local.hyperliquid.settlement import Execution, settle
from local.hyperliquid.state import Venue


def liquidate_all(venue: Venue) -> None:
    """Check every account that holds something; called after each change of a mark."""
    for account in list(venue.accounts.values()):
        if not account.positions:
            continue
        for coin in list(account.positions):
            _check_isolated(venue, account, venue.by_name[coin])
        _check_cross(venue, account)


def liquidate(venue: Venue, account: Account, market: Market) -> None:
    """Take over what stands behind an open position: itself if isolated, else the whole cross account."""
    if is_isolated(venue, account, market):
        _take_isolated(venue, account, market)
    else:
        _take_cross(venue, account)


def _check_isolated(venue: Venue, account: Account, market: Market) -> None:
    position = account.positions[market.name]
    if not is_isolated(venue, account, market):
        return
    if isolated_equity(market, position) < maintenance(market, notional(market, position)):
        _take_isolated(venue, account, market)


def _take_isolated(venue: Venue, account: Account, market: Market) -> None:
    remember(venue, account)
    before = account.usdc
    venue.note("liquidated", user=account.address, coin=market.name, mark_px=wire(market.mark))
    end_all(venue, account, of_coin(account, market.name), "liquidatedCanceled")
    _close(venue, account, market)
    if account.usdc < before:
        _absorb(venue, account, before)


def _check_cross(venue: Venue, account: Account) -> None:
    if cross_equity(venue, account) < cross_maintenance(venue, account):
        _take_cross(venue, account)


def _take_cross(venue: Venue, account: Account) -> None:
    coins = [coin for coin in account.positions if not is_isolated(venue, account, venue.by_name[coin])]
    if not coins:
        return
    remember(venue, account)
    venue.note("liquidated", user=account.address, coin=None, mark_px=None)
    isolated = {coin for coin in account.positions if coin not in coins}
    orders = [order for order in account.open_orders.values() if order.coin not in isolated]
    end_all(venue, account, orders, "liquidatedCanceled")
    for coin in coins:
        _close(venue, account, venue.by_name[coin])
    if account.usdc < 0:
        _absorb(venue, account, ZERO)


def _absorb(venue: Venue, account: Account, floor: Decimal) -> None:
    venue.note("cash", user=account.address, usdc=wire(floor - account.usdc), why="absorbed")
    account.usdc = floor


def _close(venue: Venue, account: Account, market: Market) -> None:
    szi = account.szi(market.name)
    order = Order(
        oid=venue.next_oid(),
        user=account.address,
        coin=market.name,
        asset=market.index,
        is_buy=szi < 0,
        limit_px=market.mark,
        sz=abs(szi),
        orig_sz=abs(szi),
        reduce_only=True,
        tif="Ioc",
        trigger=None,
        cloid=None,
        time_ms=venue.now_ms,
    )
    account.remember(order)
    rows = market.walk(order.is_buy, order.sz, None)
    market.take(order.is_buy, sum((size for _, size in rows), ZERO), venue.now_ms)
    rest = order.sz - sum((size for _, size in rows), ZERO)
    if rest > 0:
        fallback = to_tick(market.mark, market.spec.sz_decimals, ROUND_HALF_EVEN)
        rows.append((rows[-1][0] if rows else fallback, rest))
    for price, size in rows:
        settle(venue, account, order, market, Execution(price, size, True, "liquidation"))
    end(venue, account, order, "filled")
