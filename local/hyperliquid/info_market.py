"""Answers of /info that need no account: universe, marks, books, candles, funding.

Promises: shapes of the recorded answers; numbers are strings except times and counts; an asset's index is
its place in `universe`, delisted ones included. Never changes the venue.
Source: Hyperliquid docs, info-endpoint (perpetuals).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.decimals import ZERO, wire
from local.hyperliquid.market import Market
from local.hyperliquid.state import Venue

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_MAX_CANDLES = 5000
_MAX_ROWS = 500
_INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240,
    "8h": 480, "12h": 720, "1d": 1440, "3d": 4320, "1w": 10080, "1M": 43200,
}  # fmt: skip
_NOTHING = (ZERO, ZERO)
SPOT_META: Json = {
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0xeb62eee3685fc4c43992febcd9e75443",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
    ],
    "universe": [],
}


def meta(venue: Venue) -> Json:
    universe, tables = [], {}
    for market in venue.markets:
        spec = market.spec
        table_id = spec.max_leverage if len(spec.tiers) == 1 else 50 + market.index
        row: Json = {
            "szDecimals": spec.sz_decimals,
            "name": spec.name,
            "maxLeverage": spec.max_leverage,
            "marginTableId": table_id,
        }
        if spec.only_isolated:
            row |= {"onlyIsolated": True, "marginMode": "strictIsolated"}
        if spec.delisted:
            row["isDelisted"] = True
        universe.append(row)
        tiers = [{"lowerBound": wire(lower), "maxLeverage": most} for lower, most in spec.tiers]
        text = f"tiered {spec.max_leverage}x" if len(tiers) > 1 else ""
        tables[table_id] = {"description": text, "marginTiers": tiers}
    return {
        "universe": universe,
        "marginTables": [list(item) for item in tables.items()],
        "collateralToken": 0,
    }


def _context(venue: Venue, market: Market, day: Mapping[str, tuple[Decimal, Decimal]]) -> Json:
    bid, ask = market.best(True), market.best(False)
    booked = bid is not None and ask is not None and not market.spec.delisted
    return {
        "funding": wire(market.funding_rate),
        "openInterest": wire(sum((abs(a.szi(market.name)) for a in venue.accounts.values()), ZERO)),
        "prevDayPx": wire(mark_at(market, venue.now_ms - _DAY_MS)),
        "dayNtlVlm": wire(day.get(market.name, _NOTHING)[0]),
        "premium": "0.0" if booked else None,
        "oraclePx": wire(market.oracle),
        "markPx": wire(market.mark),
        "midPx": wire(market.mid_of(bid, ask)) if booked else None,
        "impactPxs": [wire(bid or ZERO), wire(ask or ZERO)] if booked else None,
        "dayBaseVlm": wire(day.get(market.name, _NOTHING)[1]),
    }


def _day_volumes(venue: Venue) -> dict[str, tuple[Decimal, Decimal]]:
    """What was traded in each market within a day: in USD, and in its own coin."""
    since, totals = venue.now_ms - _DAY_MS, dict[str, tuple[Decimal, Decimal]]()
    for account in venue.accounts.values():
        for fill in reversed(account.fills):
            if fill["time"] < since:
                break
            usd, base = totals.get(fill["coin"], _NOTHING)
            size = Decimal(fill["sz"])
            totals[fill["coin"]] = (usd + size * Decimal(fill["px"]), base + size)
    return totals


def mark_at(market: Market, time_ms: int) -> Decimal:
    """The mark that held at a time, or the first known one before that."""
    held = market.path[0][1]
    for at_ms, mark in market.path:
        if at_ms > time_ms:
            break
        held = mark
    return held


def meta_and_contexts(venue: Venue) -> list[Any]:
    day = _day_volumes(venue)
    return [meta(venue), [_context(venue, market, day) for market in venue.markets]]


def all_mids(venue: Venue) -> Json:
    return {market.name: wire(market.mid) for market in venue.markets if not market.spec.delisted}


def l2_book(venue: Venue, body: Json) -> Json | None:
    market = venue.by_name.get(str(body.get("coin")))
    if market is None:
        return None
    market.refill(venue.now_ms, venue.config.book_refill_ms)
    sides = [
        [{"px": wire(px), "sz": wire(sz), "n": 1} for px, sz in market.levels(bid)] for bid in (True, False)
    ]
    return {"coin": market.name, "time": venue.now_ms, "levels": sides}


def candles(venue: Venue, body: Json) -> list[Json]:
    """Candles of the mark's path; an interval without a change continues the last close."""
    request = body.get("req")
    if not isinstance(request, dict) or request.get("interval") not in _INTERVALS:
        raise BadRequest.schema()
    market = venue.by_name.get(str(request.get("coin")))
    start, end = request.get("startTime"), request.get("endTime")
    if not isinstance(start, int):
        raise BadRequest.schema()
    if market is None:
        raise BadRequest(500, "null")
    step = _INTERVALS[request["interval"]] * _MINUTE_MS
    last = min(end if isinstance(end, int) else venue.now_ms, venue.now_ms)
    first = max(start, market.path[0][0], last - step * _MAX_CANDLES) // step * step
    points, rows, index = market.path, [], 0
    for opened in range(first, last + 1, step):
        close = mark_at(market, opened - 1)
        begun = close if market.path[0][0] < opened else None
        inside = []
        while index < len(points) and points[index][0] < opened + step:
            if points[index][0] >= opened and points[index][0] <= last:
                inside.append(points[index][1])
            index += 1
        prices = ([begun] if begun is not None else []) + inside or [close]
        rows.append(_candle(market, request["interval"], opened, step, prices, len(inside)))
    return rows


def _candle(market: Market, interval: str, opened: int, step: int, prices: list[Decimal], ticks: int) -> Json:
    return {
        "t": opened,
        "T": opened + step - 1,
        "s": market.name,
        "i": interval,
        "o": wire(prices[0]),
        "c": wire(prices[-1]),
        "h": wire(max(prices)),
        "l": wire(min(prices)),
        "v": "0.0",
        "n": ticks,
    }


def funding_history(venue: Venue, body: Json) -> list[Json]:
    market = venue.by_name.get(str(body.get("coin")))
    start, end = body.get("startTime"), body.get("endTime")
    if market is None or not isinstance(start, int):
        raise BadRequest.schema()
    rows = [
        {"coin": market.name, "fundingRate": wire(rate), "premium": "0.0", "time": at_ms}
        for at_ms, rate in market.funding_history
        if start <= at_ms <= (end if isinstance(end, int) else venue.now_ms)
    ]
    return rows[:_MAX_ROWS]
