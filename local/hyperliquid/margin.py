"""Margin arithmetic: equity, initial and maintenance margin, free collateral, liquidation price.

Promises: reads the venue, never changes it. All in USD.
Sources: Hyperliquid docs, margining and liquidations; formulas checked against recorded account states.
"""

from decimal import Decimal

from local.hyperliquid.accounts import Account, Leverage, Position
from local.hyperliquid.decimals import ZERO
from local.hyperliquid.market import Market
from local.hyperliquid.state import Venue

_WITHDRAW_FLOOR = Decimal("0.1")


def maintenance(market: Market, notional: Decimal) -> Decimal:
    """Half of the initial margin at the tier's largest leverage, less the tier's deduction."""
    margin, deduction, previous = ZERO, ZERO, ZERO
    for lower, max_leverage in market.spec.tiers:
        rate = 1 / Decimal(2 * max_leverage)
        deduction += lower * (rate - previous)
        previous = rate
        if notional >= lower:
            margin = notional * rate - deduction
    return margin


def max_leverage_at(market: Market, notional: Decimal) -> int:
    return next(most for lower, most in reversed(market.spec.tiers) if notional >= lower)


def is_isolated(venue: Venue, account: Account, market: Market) -> bool:
    return venue.leverage(account, market).mode == "isolated"


def _by_mode(venue: Venue, account: Account, mode: str) -> list[tuple[Market, Position, Leverage]]:
    rows = []
    for coin, position in account.positions.items():
        market = venue.by_name[coin]
        leverage = venue.leverage(account, market)
        if leverage.mode == mode:
            rows.append((market, position, leverage))
    return rows


def notional(market: Market, position: Position) -> Decimal:
    return abs(position.szi) * market.mark


def isolated_equity(market: Market, position: Position) -> Decimal:
    return position.isolated_usd + position.unrealised(market.mark)


def cross_equity(venue: Venue, account: Account) -> Decimal:
    rows = _by_mode(venue, account, "cross")
    return account.usdc + sum((p.unrealised(m.mark) for m, p, _ in rows), ZERO)


def cross_margin_used(venue: Venue, account: Account) -> Decimal:
    rows = _by_mode(venue, account, "cross")
    return sum((notional(m, p) / lev.value for m, p, lev in rows), ZERO)


def cross_notional(venue: Venue, account: Account) -> Decimal:
    return sum((notional(m, p) for m, p, _ in _by_mode(venue, account, "cross")), ZERO)


def cross_maintenance(venue: Venue, account: Account) -> Decimal:
    return sum((maintenance(m, notional(m, p)) for m, p, _ in _by_mode(venue, account, "cross")), ZERO)


def isolated_total(venue: Venue, account: Account) -> Decimal:
    return sum((isolated_equity(m, p) for m, p, _ in _by_mode(venue, account, "isolated")), ZERO)


def account_value(venue: Venue, account: Account) -> Decimal:
    return cross_equity(venue, account) + isolated_total(venue, account)


def order_margin(venue: Venue, account: Account) -> Decimal:
    """What resting orders that may open a position hold back."""
    held = ZERO
    for order in account.open_orders.values():
        if order.reduce_only or order.trigger is not None or not order.live:
            continue
        held += order.limit_px * order.sz / venue.leverage(account, venue.markets[order.asset]).value
    return held


def free_margin(venue: Venue, account: Account) -> Decimal:
    used = cross_margin_used(venue, account) + order_margin(venue, account)
    return cross_equity(venue, account) - used


def withdrawable(venue: Venue, account: Account) -> Decimal:
    floor = max(cross_margin_used(venue, account), _WITHDRAW_FLOOR * cross_notional(venue, account))
    return max(ZERO, cross_equity(venue, account) - floor)


def available_to_trade(venue: Venue, account: Account, market: Market, is_buy: bool) -> Decimal:
    """Collateral for one more order on a side: a position the other way frees its own margin, twice."""
    free = free_margin(venue, account)
    position = account.positions.get(market.name)
    if position is not None and (position.szi < 0) == is_buy:
        free += 2 * notional(market, position) / venue.leverage(account, market).value
    return max(ZERO, free)


def covers(
    venue: Venue, account: Account, market: Market, *, is_buy: bool, size: Decimal, price: Decimal
) -> bool:
    """Whether the account can carry what this order would open. What only reduces is always covered."""
    held = account.szi(market.name)
    closing = min(abs(held), size) if held != 0 and (held < 0) == is_buy else ZERO
    opening = size - closing
    if opening <= 0:
        return True
    leverage = venue.leverage(account, market).value
    free = free_margin(venue, account)
    if closing:
        position = account.positions[market.name]
        isolated = is_isolated(venue, account, market)
        free += isolated_equity(market, position) if isolated else closing * market.mark / leverage
    fee = size * price * venue.config.taker_fee
    return free >= opening * price / leverage + fee


def liquidation_px(venue: Venue, account: Account, market: Market, position: Position) -> Decimal | None:
    """mark - side * margin_available / |szi| / (1 - l * side), l = 1 / (2 * max leverage); None if none."""
    size = abs(position.szi)
    side = 1 if position.szi > 0 else -1
    own = maintenance(market, notional(market, position))
    if is_isolated(venue, account, market):
        available = isolated_equity(market, position) - own
    else:
        available = cross_equity(venue, account) - cross_maintenance(venue, account)
    rate = 1 / Decimal(2 * max_leverage_at(market, notional(market, position)))
    price = market.mark - side * available / size / (1 - rate * side)
    return price if price > 0 else None
