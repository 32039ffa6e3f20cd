"""Books one fill: position, cash, fee, volume, the fill record.

Promises: account cash changes by exactly the figures of the fill record (PnL and fee rounded to six
decimals first), so that cash = deposits + sum(closedPnl) - sum(fee) + funding holds to the last digit.
Never decides whether a fill may happen.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from local.hyperliquid.accounts import Account, Order, Position
from local.hyperliquid.decimals import ZERO, average_px, micro, wire
from local.hyperliquid.margin import is_isolated
from local.hyperliquid.market import Market
from local.hyperliquid.state import Venue

By = Literal["signed", "trigger", "hand", "liquidation"]
_TENTHS_OF_BP = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class Execution:
    """One match: price, signed size change, whether we took liquidity, and on whose behalf."""

    px: Decimal
    sz: Decimal
    crossed: bool
    by: By


def direction(before: Decimal, after: Decimal) -> str:
    """The venue's words for what a fill did to the position."""
    if before > 0 > after:
        return "Long > Short"
    if before < 0 < after:
        return "Short > Long"
    side = "Long" if (before if before != 0 else after) > 0 else "Short"
    return f"{'Open' if abs(after) > abs(before) else 'Close'} {side}"


def _reduce(venue: Venue, account: Account, market: Market, size: Decimal, price: Decimal) -> Decimal:
    """Close `size` of the position; returns the realised PnL."""
    position = account.positions[market.name]
    side = 1 if position.szi > 0 else -1
    pnl = micro(side * (price - position.entry_px) * size)
    if is_isolated(venue, account, market):
        whole = size == abs(position.szi)
        share = position.isolated_usd if whole else micro(position.isolated_usd * size / abs(position.szi))
        position.isolated_usd -= share
        account.usdc += share
    account.usdc += pnl
    position.szi -= side * size
    if position.szi == 0:
        del account.positions[market.name]
    return pnl


def _increase(
    venue: Venue, account: Account, market: Market, size: Decimal, price: Decimal, is_buy: bool
) -> None:
    position = account.positions.setdefault(market.name, Position(market.name))
    held = abs(position.szi)
    position.entry_px = (position.entry_px * held + price * size) / (held + size)
    position.szi += size if is_buy else -size
    position.funding_change = ZERO
    if is_isolated(venue, account, market):
        margin = micro(price * size / venue.leverage(account, market).value)
        account.usdc -= margin
        position.isolated_usd += margin


def note_position(venue: Venue, account: Account, market: Market) -> None:
    position = account.positions.get(market.name)
    entry = wire(average_px(position.entry_px, market.spec.sz_decimals)) if position else None
    szi = position.szi if position else ZERO
    venue.note("position", user=account.address, coin=market.name, szi=wire(szi), entry_px=entry)


def settle(venue: Venue, account: Account, order: Order, market: Market, done: Execution) -> None:
    """Apply one execution of `order` to its account and record it."""
    before = account.szi(market.name)
    after = before + (done.sz if order.is_buy else -done.sz)
    closing = min(abs(before), done.sz) if before != 0 and (before < 0) == order.is_buy else ZERO
    pnl = _reduce(venue, account, market, closing, done.px) if closing else ZERO
    if done.sz > closing:
        _increase(venue, account, market, done.sz - closing, done.px, order.is_buy)
    notional = done.px * done.sz
    builder_fee = micro(notional * order.builder_tenths_bp / _TENTHS_OF_BP)
    rate = venue.config.taker_fee if done.crossed else venue.config.maker_fee
    fee = micro(notional * rate) + builder_fee
    account.usdc -= fee
    account.volume_usd += notional
    if not done.crossed:
        account.maker_volume_usd += notional
    order.sz -= done.sz
    record: dict[str, Any] = {
        "coin": market.name,
        "px": wire(done.px),
        "sz": wire(done.sz),
        "side": order.side,
        "time": venue.now_ms,
        "startPosition": wire(before),
        "dir": direction(before, after),
        "closedPnl": wire(pnl),
        "hash": venue.next_hash(),
        "oid": order.oid,
        "crossed": done.crossed,
        "fee": wire(fee),
        "tid": venue.next_tid(),
        "feeToken": "USDC",
        "twapId": None,
    }
    if order.cloid is not None:
        record["cloid"] = order.cloid
    if builder_fee:
        record["builderFee"] = wire(builder_fee)
    if done.by == "liquidation":
        liquidated = {"liquidatedUser": account.address, "markPx": wire(market.mark), "method": "market"}
        record["liquidation"] = liquidated
    account.fills.append(record)
    _note_fill(venue, account, record, done)
    note_position(venue, account, market)


def _note_fill(venue: Venue, account: Account, record: dict[str, Any], done: Execution) -> None:
    venue.note(
        "fill",
        user=account.address,
        coin=record["coin"],
        side=record["side"],
        px=record["px"],
        sz=record["sz"],
        oid=record["oid"],
        cloid=record.get("cloid"),
        tid=record["tid"],
        fee=record["fee"],
        closed_pnl=record["closedPnl"],
        start_position=record["startPosition"],
        dir=record["dir"],
        crossed=done.crossed,
        liquidation=done.by == "liquidation",
        by=done.by,
    )
