"""Answers of /info about one user.

Promises: shapes of the recorded answers; an unknown or agent address gives the empty answer of its type,
never an error; configured lags delay what a reader sees, never what is. Never changes the venue.
Source: Hyperliquid docs, info-endpoint; recorded testnet answers.
"""

from collections import Counter
from decimal import Decimal
from typing import Any

from local.hyperliquid.accounts import Account, Order, Position
from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.decimals import MICRO, ZERO, average_px, micro, to_lot, wire
from local.hyperliquid.limits import request_cap
from local.hyperliquid.margin import (
    account_value,
    available_to_trade,
    cross_equity,
    cross_maintenance,
    cross_margin_used,
    cross_notional,
    free_margin,
    isolated_equity,
    isolated_total,
    liquidation_px,
    notional,
    withdrawable,
)
from local.hyperliquid.market import Market
from local.hyperliquid.state import Venue

_MAX_FILLS = 2000
_MAX_FUNDINGS = 500
_ROE = Decimal("0.0000000001")
_TYPES = {"sl": "Stop", "tp": "Take Profit"}


def _position(venue: Venue, account: Account, market: Market, position: Position) -> Json:
    leverage = venue.leverage(account, market)
    value = notional(market, position)
    unrealised = position.unrealised(market.mark)
    margin = isolated_equity(market, position) if leverage.mode == "isolated" else value / leverage.value
    shown: Json = {"type": leverage.mode, "value": leverage.value}
    if leverage.mode == "isolated":
        shown["rawUsd"] = wire(micro(position.isolated_usd - position.szi * position.entry_px))
    invested = abs(position.szi) * position.entry_px / leverage.value
    price = liquidation_px(venue, account, market, position)
    return {
        "coin": market.name,
        "szi": wire(position.szi),
        "leverage": shown,
        "entryPx": wire(average_px(position.entry_px, market.spec.sz_decimals)),
        "positionValue": wire(micro(value)),
        "unrealizedPnl": wire(micro(unrealised)),
        "returnOnEquity": wire((unrealised / invested).quantize(_ROE)),
        "liquidationPx": wire(price.quantize(MICRO)) if price is not None else None,
        "marginUsed": wire(micro(margin)),
        "maxLeverage": market.spec.max_leverage,
        "cumFunding": {
            "allTime": wire(position.funding_all),
            "sinceOpen": wire(position.funding_open),
            "sinceChange": wire(position.funding_change),
        },
    }


def _summary(value: Decimal, total: Decimal, raw: Decimal, used: Decimal) -> Json:
    return {
        "accountValue": wire(micro(value)),
        "totalNtlPos": wire(micro(total)),
        "totalRawUsd": wire(micro(raw)),
        "totalMarginUsed": wire(micro(used)),
    }


def clearinghouse_state(venue: Venue, account: Account) -> Json:
    """The perpetuals account as it is now."""
    signed_value, gross, crossed = ZERO, ZERO, ZERO
    rows = []
    for coin, position in account.positions.items():
        market = venue.by_name[coin]
        signed = position.szi * market.mark
        signed_value, gross = signed_value + signed, gross + abs(signed)
        if venue.leverage(account, market).mode == "cross":
            crossed += signed
        rows.append({"type": "oneWay", "position": _position(venue, account, market, position)})
    equity, total = cross_equity(venue, account), account_value(venue, account)
    used = cross_margin_used(venue, account)
    return {
        "marginSummary": _summary(total, gross, total - signed_value, used + isolated_total(venue, account)),
        "crossMarginSummary": _summary(equity, cross_notional(venue, account), equity - crossed, used),
        "crossMaintenanceMarginUsed": wire(micro(cross_maintenance(venue, account))),
        "withdrawable": wire(micro(withdrawable(venue, account))),
        "assetPositions": rows,
        "time": venue.now_ms,
    }


def spot_state(account: Account) -> Json:
    total = wire(account.spot_usdc)
    return {"balances": [{"coin": "USDC", "token": 0, "total": total, "hold": "0.0", "entryNtl": "0.0"}]}


def open_orders(account: Account) -> list[Json]:
    rows = []
    for order in sorted(account.open_orders.values(), key=lambda order: -order.oid):
        if not order.live:
            continue
        row = {
            "coin": order.coin,
            "side": order.side,
            "limitPx": wire(order.limit_px),
            "sz": wire(order.sz),
            "oid": order.oid,
            "timestamp": order.time_ms,
            "origSz": wire(order.orig_sz),
        }
        if order.reduce_only:
            row["reduceOnly"] = True
        if order.cloid is not None:
            row["cloid"] = order.cloid
        rows.append(row)
    return rows


def _condition(order: Order) -> str:
    if order.trigger is None:
        return "N/A"
    falls = (order.trigger.tpsl == "sl") != order.is_buy
    return f"Price {'below' if falls else 'above'} {wire(order.trigger.px).removesuffix('.0')}"


def frontend_order(account: Account, order: Order) -> Json:
    trigger = order.trigger
    kind = "Limit"
    if trigger is not None:
        kind = f"{_TYPES[trigger.tpsl]} {'Market' if trigger.is_market else 'Limit'}"
    waiting = [account.open_orders.get(oid) for oid in order.children]
    return {
        "coin": order.coin,
        "side": order.side,
        "limitPx": wire(order.limit_px),
        "sz": wire(order.sz),
        "oid": order.oid,
        "timestamp": order.time_ms,
        "triggerCondition": _condition(order),
        "isTrigger": trigger is not None,
        "triggerPx": wire(trigger.px) if trigger is not None else "0.0",
        "children": [frontend_order(account, child) for child in waiting if child and not child.live],
        "isPositionTpsl": order.is_position_tpsl,
        "reduceOnly": order.reduce_only,
        "orderType": kind,
        "origSz": wire(order.orig_sz),
        "tif": order.tif,
        "cloid": order.cloid,
    }


def frontend_open_orders(account: Account) -> list[Json]:
    live = [order for order in account.open_orders.values() if order.live]
    return [frontend_order(account, order) for order in sorted(live, key=lambda order: -order.oid)]


def _with_status(account: Account, order: Order) -> Json:
    shown = frontend_order(account, order)
    return {"order": shown, "status": order.status, "statusTimestamp": order.status_ms}


def order_status(venue: Venue, account: Account, body: Json) -> Json:
    """By order id or client order id (any case); unknown while the configured index lag runs."""
    key = body.get("oid")
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise BadRequest.schema()
    oid = account.cloids.get(key.lower(), -1) if isinstance(key, str) else key
    order = account.orders.get(oid)
    if order is None or venue.now_ms - order.time_ms < venue.config.switches.order_status_lag_ms:
        return {"status": "unknownOid"}
    return {"status": "order", "order": _with_status(account, order)}


def historical_orders(account: Account) -> list[Json]:
    return [_with_status(account, order) for order in reversed(account.orders.values())][:_MAX_FILLS]


def _aggregate(rows: list[Json]) -> list[Json]:
    merged: dict[tuple[int, int, bool], Json] = {}
    for fill in rows:
        key = (fill["oid"], fill["time"], fill["crossed"])
        into = merged.get(key)
        if into is None:
            merged[key] = dict(fill)
            continue
        old, new = Decimal(into["sz"]), Decimal(fill["sz"])
        price = (Decimal(into["px"]) * old + Decimal(fill["px"]) * new) / (old + new)
        into |= {"px": wire(price.quantize(MICRO)), "sz": wire(old + new)}
        for field in ("fee", "closedPnl"):
            into[field] = wire(Decimal(into[field]) + Decimal(fill[field]))
    return list(merged.values())


def _visible_fills(venue: Venue, account: Account, body: Json) -> list[Json]:
    switches = venue.config.switches
    newest = venue.now_ms - switches.fills_lag_ms
    rows = [fill for fill in account.fills if fill["time"] <= newest]
    if switches.fills_step_ms:
        rows = _one_by_one(rows, newest, switches.fills_step_ms)
    return _aggregate(rows) if body.get("aggregateByTime") else rows


def _one_by_one(rows: list[Json], newest: int, step_ms: int) -> list[Json]:
    """Those that the feed lists by now when each further fill of one order takes `step_ms` longer."""
    before: Counter[int] = Counter()
    listed = []
    for fill in rows:
        if fill["time"] + before[fill["oid"]] * step_ms <= newest:
            listed.append(fill)
        before[fill["oid"]] += 1
    return listed


def user_fills(venue: Venue, account: Account, body: Json) -> list[Json]:
    return _visible_fills(venue, account, body)[::-1][:_MAX_FILLS]


def _between(venue: Venue, body: Json, rows: list[Json]) -> list[Json]:
    start, end = body.get("startTime"), body.get("endTime")
    if isinstance(start, bool) or not isinstance(start, int):
        raise BadRequest.schema()
    last = end if isinstance(end, int) else venue.now_ms
    return [row for row in rows if start <= row["time"] <= last]


def user_fills_by_time(venue: Venue, account: Account, body: Json) -> list[Json]:
    return _between(venue, body, _visible_fills(venue, account, body))[:_MAX_FILLS]


def user_funding(venue: Venue, account: Account, body: Json) -> list[Json]:
    return _between(venue, body, account.fundings)[:_MAX_FUNDINGS]


def ledger_updates(venue: Venue, account: Account, body: Json) -> list[Json]:
    return _between(venue, body, account.ledger)[:_MAX_FUNDINGS]


def user_fees(venue: Venue, account: Account) -> Json:
    taker, maker = wire(venue.config.taker_fee), wire(venue.config.maker_fee)
    return {
        "dailyUserVlm": [],
        "feeSchedule": {"cross": taker, "add": maker, "spotCross": "0.0007", "spotAdd": "0.0004"},
        "userCrossRate": taker,
        "userAddRate": maker,
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
    }


def user_rate_limit(venue: Venue, account: Account) -> Json:
    return {
        "cumVlm": wire(account.volume_usd.quantize(Decimal("0.01"))),
        "nRequestsUsed": account.requests_used,
        "nRequestsCap": request_cap(venue.config.switches, account),
        "nRequestsSurplus": 0,
    }


def user_role(venue: Venue, address: str) -> Json:
    master = venue.agents.master_of(address, venue.now_ms)
    if master is not None:
        return {"role": "agent", "data": {"user": master}}
    account = venue.account(address)
    if account is None:
        return {"role": "missing"}
    if account.master is not None:
        return {"role": "subAccount", "data": {"master": account.master}}
    return {"role": "user"}


def extra_agents(venue: Venue, address: str) -> list[Json]:
    rows = venue.agents.of(address, venue.now_ms)
    return [{"name": a.name, "address": a.address, "validUntil": a.valid_until_ms} for a in rows]


def sub_accounts(venue: Venue, account: Account) -> list[Json] | None:
    rows = []
    for address, name in account.sub_names.items():
        sub = venue.ensure_account(address)
        row = {"name": name, "subAccountUser": address, "master": account.address}
        rows.append(
            {**row, "clearinghouseState": clearinghouse_state(venue, sub), "spotState": spot_state(sub)}
        )
    return rows or None


def active_asset_data(venue: Venue, account: Account, body: Json) -> Json:
    market = venue.by_name.get(str(body.get("coin")))
    if market is None:
        raise BadRequest(500, "null")
    leverage = venue.leverage(account, market)
    shown: dict[str, Any] = {"type": leverage.mode, "value": leverage.value}
    position = account.positions.get(market.name)
    if leverage.mode == "isolated":
        raw = position.isolated_usd - position.szi * position.entry_px if position else ZERO
        shown["rawUsd"] = wire(micro(raw))
    trade = [available_to_trade(venue, account, market, is_buy) for is_buy in (True, False)]
    sizes = [
        to_lot(usd * leverage.value / market.mark, market.spec.sz_decimals, "ROUND_DOWN") for usd in trade
    ]
    return {
        "user": account.address,
        "coin": market.name,
        "leverage": shown,
        "maxTradeSzs": [wire(size) for size in sizes],
        "availableToTrade": [wire(micro(usd)) for usd in trade],
        "markPx": wire(market.mark),
    }


def free_collateral(venue: Venue, account: Account) -> str:
    """For dumps: what could still be used as margin, in USD."""
    return wire(micro(free_margin(venue, account)))
