"""Places orders: builds them, checks each against account and book, and answers with one status each.

Promises: every check happens before any effect of that order; a refused order has an order status and no
fill; a partially filled IOC answers with what it got. Never validates the batch: `validation` has.
Sources: Hyperliquid docs, exchange-endpoint and order-types; the order of checks as recorded on testnet.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from local.hyperliquid import answers
from local.hyperliquid.accounts import Account, Order, Trigger
from local.hyperliquid.answers import Json, OrderRefused
from local.hyperliquid.decimals import ZERO, average_px, wire
from local.hyperliquid.margin import covers, max_leverage_at
from local.hyperliquid.market import Market
from local.hyperliquid.matching import after_fill, is_crossed, take
from local.hyperliquid.resting import end, end_older_stops, put, trim_reduce_only_limits
from local.hyperliquid.settlement import By
from local.hyperliquid.state import Venue

_MIN_NOTIONAL = Decimal(10)
_MAX_OPEN = 1000
_LIMIT_BAND, _TRIGGER_BAND = Decimal("0.80"), Decimal("0.95")
_IMMEDIATE = ("Ioc", "FrontendMarket")
Status = Json | str


def build(venue: Venue, account: Account, row: Json, builder: Json | None = None) -> Order:
    """An order from its canonical wire form, with a fresh id."""
    size = Decimal(row["s"])
    trigger = row["t"].get("trigger")
    return Order(
        oid=venue.next_oid(),
        user=account.address,
        coin=venue.markets[row["a"]].name,
        asset=row["a"],
        is_buy=row["b"],
        limit_px=Decimal(row["p"]),
        sz=size,
        orig_sz=size,
        reduce_only=row["r"],
        tif=None if trigger else row["t"]["limit"]["tif"],
        trigger=Trigger(Decimal(trigger["triggerPx"]), trigger["isMarket"], trigger["tpsl"])
        if trigger
        else None,
        cloid=row.get("c"),
        time_ms=venue.now_ms,
        status_ms=venue.now_ms,
        builder=builder["b"] if builder else None,
        builder_tenths_bp=builder["f"] if builder else 0,
        signer=venue.signer,
    )


def place_batch(
    venue: Venue, account: Account, rows: Sequence[Json], grouping: Any, builder: Json | None = None
) -> list[Status]:
    """Place all orders of one action; one status each, in order."""
    if grouping == "normalTpsl":
        return _place_with_children(venue, account, rows, builder)
    placed = []
    for row in rows:
        order = build(venue, account, row, builder)
        order.is_position_tpsl = grouping == "positionTpsl"
        status = place(venue, account, order)
        waits = order.is_position_tpsl and isinstance(status, dict) and "resting" in status
        placed.append("waitingForTrigger" if waits else status)
    return placed


def place(venue: Venue, account: Account, order: Order, by: By = "signed") -> Status:
    """Check and execute one order; its refusal is a status as well."""
    market = venue.markets[order.asset]
    try:
        _check_state(venue, account, order, market)
        if order.trigger is not None:
            return _place_trigger(venue, account, order, market)
        return _place_limit(venue, account, order, market, by)
    except OrderRefused as refusal:
        account.remember(order)
        order.status, order.status_ms = refusal.status, venue.now_ms
        return {"error": refusal.text}


def _check_state(venue: Venue, account: Account, order: Order, market: Market) -> None:
    switches = venue.config.switches
    if switches.duplicate_open_cloid == "refuse" and account.open_by_cloid(order.cloid) is not None:
        raise OrderRefused(answers.DUPLICATE_CLOID, "rejected", order.asset)
    if switches.post_only_phase and order.trigger is None and order.tif != "Alo":
        raise OrderRefused(answers.POST_ONLY_PHASE, "rejected", order.asset)
    if len(account.open_orders) >= _MAX_OPEN and (order.reduce_only or order.trigger is not None):
        raise OrderRefused(answers.TOO_MANY_ORDERS, "tooManyOpenOrdersRejected", order.asset)
    band = _TRIGGER_BAND if order.trigger is not None else _LIMIT_BAND
    if abs(order.limit_px / market.oracle - 1) > band:
        raise OrderRefused(answers.too_far(int(band * 100)), "oracleRejected", order.asset)
    if order.reduce_only:
        if switches.no_match_before_reduce_only and order.tif == "Ioc" and not _reaches(venue, order, market):
            raise OrderRefused(answers.NO_MATCH, "iocCancelRejected", order.asset)
        _shrink_reduce_only(account, order)


def _reaches(venue: Venue, order: Order, market: Market) -> bool:
    market.refill(venue.now_ms, venue.config.book_refill_ms)
    return bool(market.walk(order.is_buy, order.sz, order.limit_px))


def _shrink_reduce_only(account: Account, order: Order) -> None:
    held = account.szi(order.coin)
    if held == 0 or (held > 0) == order.is_buy:
        raise OrderRefused(answers.REDUCE_ONLY, "reduceOnlyRejected", order.asset)
    if order.sz > abs(held) or order.sz == 0:
        order.sz = order.orig_sz = abs(held)


def _check_min_notional(venue: Venue, account: Account, order: Order, market: Market) -> None:
    """$10, unless the order closes the whole position."""
    price = order.trigger.px if order.trigger is not None else order.limit_px
    if venue.config.switches.min_notional_price == "mark":
        price = market.mark
    held = account.szi(order.coin)
    closes_all = held != 0 and (held < 0) == order.is_buy and order.sz == abs(held)
    if order.sz * price < _MIN_NOTIONAL and not closes_all:
        raise OrderRefused(answers.MIN_NOTIONAL, "minTradeNtlRejected", order.asset)


def _place_trigger(venue: Venue, account: Account, order: Order, market: Market) -> Status:
    if is_crossed(order, market.mark):
        raise OrderRefused(answers.BAD_TRIGGER, "badTriggerPxRejected", order.asset)
    _check_min_notional(venue, account, order, market)
    put(venue, account, order)
    end_older_stops(venue, account, order)
    return _named(venue, "resting", order)


def _place_limit(venue: Venue, account: Account, order: Order, market: Market, by: By) -> Status:
    market.refill(venue.now_ms, venue.config.book_refill_ms)
    reachable = market.walk(order.is_buy, order.sz, order.limit_px)
    no_match = order.tif in _IMMEDIATE and not reachable
    if venue.config.switches.margin_before_min_notional:
        _check_margin(venue, account, order, market, bool(reachable))
    if not venue.config.switches.no_match_before_min_notional:
        _check_min_notional(venue, account, order, market)
    if no_match and order.tif == "FrontendMarket":
        raise OrderRefused(answers.NO_LIQUIDITY, "marketOrderNoLiquidityRejected", order.asset)
    if no_match:
        raise OrderRefused(answers.NO_MATCH, "iocCancelRejected", order.asset)
    _check_min_notional(venue, account, order, market)
    if order.tif == "Alo" and reachable:
        bid, ask = market.best(True), market.best(False)
        text = answers.crossing_alo(wire(bid or ZERO), wire(ask or ZERO))
        raise OrderRefused(text, "badAloPxRejected", order.asset)
    _check_margin(venue, account, order, market, bool(reachable))
    account.remember(order)
    filled, average = take(venue, account, order, market, order.limit_px, by)
    if filled == 0:
        return _rest(venue, account, order)
    shown = _named(venue, "filled", order, average=average, size=filled, decimals=market.spec.sz_decimals)
    if order.sz > 0 and order.tif not in _IMMEDIATE:
        rested = _rest(venue, account, order)
        after_fill(venue, account, order)
        return shown if venue.config.switches.partial_gtc_status == "filled" else rested
    end(venue, account, order, "filled" if order.sz == 0 else venue.config.switches.partial_ioc_status)
    after_fill(venue, account, order)
    return shown


def _check_margin(venue: Venue, account: Account, order: Order, market: Market, takes: bool) -> None:
    price = market.mark if takes else order.limit_px
    if not covers(venue, account, market, is_buy=order.is_buy, size=order.sz, price=price):
        raise OrderRefused(answers.MARGIN, "perpMarginRejected", order.asset)
    held = account.szi(order.coin)
    after = abs(held + (order.sz if order.is_buy else -order.sz))
    allowed = max_leverage_at(market, after * market.mark)
    if after > abs(held) and venue.leverage(account, market).value > allowed:
        raise OrderRefused(answers.TIER_LIMIT, "perpMaxPositionRejected", order.asset)


def _rest(venue: Venue, account: Account, order: Order) -> Status:
    put(venue, account, order)
    if order.reduce_only:
        trim_reduce_only_limits(venue, account, order)
    return _named(venue, "resting", order)


def _named(
    venue: Venue, word: str, order: Order, *, average: Decimal = ZERO, size: Decimal = ZERO, decimals: int = 0
) -> Json:
    body: Json = {"oid": order.oid}
    if word == "filled":
        body = {"totalSz": wire(size), "avgPx": wire(average_px(average, decimals)), "oid": order.oid}
    if order.cloid is not None and venue.config.switches.statuses_carry_cloid:
        body["cloid"] = order.cloid
    return {word: body}


def _place_with_children(
    venue: Venue, account: Account, rows: Sequence[Json], builder: Json | None
) -> list[Status]:
    """normalTpsl: the entry first; its tp and sl become live only when it has filled completely."""
    parent = build(venue, account, rows[0], builder)
    children = [build(venue, account, row, builder) for row in rows[1:]]
    for child in children:
        child.live, child.parent = False, parent.oid
        account.remember(child)
        account.open_orders[child.oid] = child
    parent.children = [child.oid for child in children]
    status = place(venue, account, parent)
    if isinstance(status, dict) and "error" in status:
        for child in children:
            end(venue, account, child, "rejected")
        return [status, *[dict(status) for _ in children]]
    if parent.oid not in account.open_orders and parent.sz > 0:
        for child in children:
            end(venue, account, child, "canceled")
    return [status, *[_child_status(parent, child) for child in children]]


def _child_status(parent: Order, child: Order) -> Status:
    if child.status == "badTriggerPxRejected":
        return {"error": f"{answers.BAD_TRIGGER} asset={child.asset}"}
    return "waitingForTrigger" if child.live and parent.sz == 0 else "waitingForFill"
