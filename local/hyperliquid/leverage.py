"""Changes leverage, margin mode and isolated margin.

Promises: the texts and conditions recorded on the venue; a switch of mode never happens under a position.
Sources: Hyperliquid docs, exchange-endpoint (updateLeverage, updateIsolatedMargin) and margining.
"""

from decimal import Decimal

from local.hyperliquid import answers
from local.hyperliquid.accounts import Account, Leverage, Mode
from local.hyperliquid.answers import Refused
from local.hyperliquid.decimals import MICRO
from local.hyperliquid.margin import (
    cross_equity,
    cross_margin_used,
    free_margin,
    is_isolated,
    isolated_equity,
    max_leverage_at,
    notional,
)
from local.hyperliquid.state import Venue
from local.hyperliquid.validation import Invalid, market_of

_KEEP_FRACTION = Decimal("0.1")


def update_leverage(venue: Venue, account: Account, *, asset: int, is_cross: bool, value: int) -> None:
    """Raises `Refused` with the venue's text."""
    try:
        market = market_of(venue, asset)
    except Invalid as fault:
        raise Refused(fault.text) from fault
    if is_cross and market.spec.only_isolated:
        raise Refused(answers.CROSS_FORBIDDEN)
    position = account.positions.get(market.name)
    most = market.spec.max_leverage
    if position is not None:
        most = max_leverage_at(market, notional(market, position))
    if not 1 <= value <= most:
        raise Refused(answers.INVALID_LEVERAGE)
    mode: Mode = "cross" if is_cross else "isolated"
    before = venue.leverage(account, market)
    if position is not None and mode != before.mode:
        raise Refused(answers.SWITCH_TYPE)
    account.leverage[market.name] = Leverage(mode, value)
    if position is not None and value < before.value:
        needed = notional(market, position) / value
        isolated = mode == "isolated"
        if isolated and isolated_equity(market, position) < needed:
            account.leverage[market.name] = before
            raise Refused(answers.ISOLATED_SHORT)
        if not isolated and cross_equity(venue, account) < cross_margin_used(venue, account):
            account.leverage[market.name] = before
            raise Refused(answers.CROSS_SHORT)
    venue.note("leverage", user=account.address, coin=market.name, mode=mode, value=value)


def update_isolated_margin(venue: Venue, account: Account, *, asset: int, micro_usd: int) -> None:
    """Move cash into (positive) or out of (negative) an isolated position. Raises `Refused`."""
    try:
        market = market_of(venue, asset)
    except Invalid as fault:
        raise Refused(fault.text) from fault
    position = account.positions.get(market.name)
    if position is None or not is_isolated(venue, account, market):
        raise Refused(answers.NOT_ISOLATED)
    amount = micro_usd * MICRO
    if amount > 0 and free_margin(venue, account) < amount:
        raise Refused(answers.ISOLATED_ADD_SHORT)
    if amount < 0:
        size = notional(market, position)
        keep = max(size / venue.leverage(account, market).value, size * _KEEP_FRACTION)
        if isolated_equity(market, position) + amount < keep:
            raise Refused(answers.ISOLATED_REMOVE_SHORT)
    account.usdc -= amount
    position.isolated_usd += amount
