"""What Hyperliquid's answers to reads say, parsed strictly. Pure: no clock, no I/O, no float.

Promises: a body that is not wholly understood raises UnknownAnswer with the body; nothing is filled in,
skipped over or guessed, with three exceptions that the venue's own meaning gives: markets that are no
perpetuals of the first exchange (spot, builder-deployed) are left out of orders, fills and funding; a
delisted market and one without a mark price have no mark; a listed position of size zero is none. Addresses
and client ids come out in lower case.

Source: Hyperliquid docs, info-endpoint; recorded testnet answers.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from outcry.runtime.clock import from_milliseconds
from outcry.runtime.errors import BugError, UnknownAnswer
from outcry.venues.approving import NamedSigner, Role
from outcry.venues.counting import RequestBudget
from outcry.venues.holdings import Holding, Holdings
from outcry.venues.hyperliquid.shapes import Contexts, Misshapen, Position, State
from outcry.venues.hyperliquid.wire import from_wire, order_id
from outcry.venues.port import (
    AccountMode,
    AccountSnapshot,
    FundingPayment,
    Market,
    OpenOrder,
    OrderReport,
    OrderState,
    Trigger,
    TriggerKind,
    VenueFill,
)

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_PERPETUAL = re.compile(r"[A-Za-z0-9]+")
_IS_BUY = {"B": True, "A": False}
_MODES = {
    "default": AccountMode.STANDARD,
    "disabled": AccountMode.STANDARD,
    "unifiedAccount": AccountMode.OTHER,
    "portfolioMargin": AccountMode.OTHER,
    "dexAbstraction": AccountMode.OTHER,
}
_STATES = {
    "open": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "triggered": OrderState.TRIGGERED,
    "canceled": OrderState.CANCELLED,
    "scheduledCancel": OrderState.CANCELLED,
    "internalCancel": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
}
# The venue adds kinds of cancel and of refusal without notice, but ends their names alike.
_STATE_ENDINGS = (("Canceled", OrderState.CANCELLED), ("Rejected", OrderState.REJECTED))
_TRIGGER_KINDS = {
    "Stop Market": TriggerKind.STOP,
    "Stop Limit": TriggerKind.STOP,
    "Take Profit Market": TriggerKind.TAKE_PROFIT,
    "Take Profit Limit": TriggerKind.TAKE_PROFIT,
}
_ROLES_WITH_OWNER = {"agent": "user", "subAccount": "master"}
_ROLES_ALONE = frozenset({"user", "missing", "vault"})


def read[T](what: str, body: Any, parse: Callable[[Any], T], *, raw: str) -> T:
    """What `parse` makes of a body. Raises UnknownAnswer with the body as it came, `raw`, where it does not know it."""
    try:
        return parse(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownAnswer(f"hyperliquid {what}: {type(error).__name__} {error}", raw) from error


def lower_address(text: object) -> str:
    """The address in lower case. Raises BugError where it is none."""
    address = text.lower() if isinstance(text, str) else ""
    if _ADDRESS.fullmatch(address) is None:
        raise BugError(f"{text!r} is not an address")
    return address


# ─── fields ─────────────────────────────────────────────────────────────────────────────────────────────────


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number expected")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false expected")
    return value


def _rows(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list expected")
    return value


def _moment(value: Any) -> datetime:
    return from_milliseconds(_integer(value))


def _positive(value: Any) -> Decimal:
    number = from_wire(value)
    if number <= 0:
        raise ValueError("a number above zero expected")
    return number


def _cloid(value: Any) -> str | None:
    return None if value is None else _text(value).lower()


def _address(value: Any) -> str:
    address = _text(value).lower()
    if _ADDRESS.fullmatch(address) is None:
        raise ValueError("an address expected")
    return address


def _perpetuals(rows: Iterable[Any], coin: Callable[[Any], Any]) -> list[Any]:
    return [row for row in rows if _PERPETUAL.fullmatch(_text(coin(row)))]


def _unique[K, V](pairs: Iterable[tuple[K, V]]) -> dict[K, V]:
    found: dict[K, V] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError("a name is listed twice")
        found[key] = value
    return found


# ─── markets ────────────────────────────────────────────────────────────────────────────────────────────────


def markets(body: Any) -> Mapping[str, Market]:
    """`meta`. The number of a market is its place in the list, delisted entries counted (docs, asset-ids)."""
    return _unique((found.market, found) for found in map(_market, *_numbered(body["universe"])))


def _numbered(universe: Any) -> tuple[range, list[Any]]:
    rows = _rows(universe)
    return range(len(rows)), rows


def _market(asset: int, row: Any) -> Market:
    return Market(
        market=_text(row["name"]),
        asset=asset,
        size_decimals=_integer(row["szDecimals"]),
        max_leverage=_integer(row["maxLeverage"]),
        # A margin mode, whichever it is, restricts the use of cross margin.
        only_isolated=_flag(row.get("onlyIsolated", False)) or row.get("marginMode") is not None,
        is_delisted=_flag(row.get("isDelisted", False)),
    )


def marks(body: Contexts | Misshapen) -> Mapping[str, Decimal]:
    """`metaAndAssetCtxs`, decoded by its shape: the mark price of every market that trades and has one."""
    meta, contexts = _shaped(body)
    listed = _unique(
        (market["name"], (context["markPx"], market.get("isDelisted", False)))
        for market, context in zip(meta["universe"], contexts, strict=True)
    )
    return {
        market: _positive(price)
        for market, (price, is_delisted) in listed.items()
        if not is_delisted and price is not None
    }


# ─── the account ────────────────────────────────────────────────────────────────────────────────────────────


def account(body: State | Misshapen) -> AccountSnapshot:
    """`clearinghouseState`, decoded by its shape. Free: account value less margin in use, never below zero (docs, margining)."""
    state = _shaped(body)
    summary = state["marginSummary"]
    equity = Decimal(summary["accountValue"])
    return AccountSnapshot(
        equity_usd=equity,
        free_usd=max(Decimal(0), equity - Decimal(summary["totalMarginUsed"])),
        holdings=_holdings([row["position"] for row in state["assetPositions"]]),
        taken_at=_moment(state["time"]),
    )


def _holdings(rows: list[Position]) -> Holdings:
    """Only what the monitor looks at in every pass is made into numbers at once."""
    by_market = {row["coin"]: row for row in rows}
    if len(by_market) != len(rows):
        raise ValueError("a name is listed twice")
    sizes = {market: size for market, row in by_market.items() if (size := Decimal(row["szi"]))}
    limits = {
        market: Decimal(limit)
        for market in sizes
        if (limit := by_market[market]["liquidationPx"]) is not None
    }
    return Holdings(sizes, limits, lambda market: _holding(by_market[market]))


def _holding(row: Position) -> Holding:
    leverage, limit = row["leverage"], row["liquidationPx"]
    return Holding(
        market=row["coin"],
        size=Decimal(row["szi"]),
        entry_price=Decimal(row["entryPx"]),
        leverage=Decimal(leverage["value"]),
        is_isolated=leverage["type"] == "isolated",
        liquidation_price=None if limit is None else Decimal(limit),
        margin_used_usd=Decimal(row["marginUsed"]),
        unrealised_pnl_usd=Decimal(row["unrealizedPnl"]),
    )


def _shaped[T](body: T | Misshapen) -> T:
    if isinstance(body, Misshapen):
        raise TypeError(body.why)
    return body


def account_mode(body: Any) -> AccountMode:
    """`userAbstraction`: modes other than the two classic ones count margin in ways not shown here; a new one is unknown."""
    return _MODES[_text(body)]


def request_budget(body: Any) -> RequestBudget:
    """`userRateLimit`. What was bought on top (`nRequestsSurplus`) is not counted: nobody says when it is taken."""
    return RequestBudget(used=_integer(body["nRequestsUsed"]), cap=_integer(body["nRequestsCap"]))


# ─── orders ─────────────────────────────────────────────────────────────────────────────────────────────────


def open_orders(body: Any) -> Sequence[OpenOrder]:
    """`frontendOpenOrders`. A stop over a whole position, set on the venue's page, may show size zero."""
    return tuple(_open_order(row) for row in _perpetuals(_rows(body), lambda row: row["coin"]))


def _open_order(row: Any) -> OpenOrder:
    trigger = None
    if _flag(row["isTrigger"]):
        trigger = Trigger(_TRIGGER_KINDS[row["orderType"]], _positive(row["triggerPx"]))
    _flag(row["isPositionTpsl"])
    return OpenOrder(
        market=_text(row["coin"]),
        is_buy=_IS_BUY[row["side"]],
        size=from_wire(row["sz"]),
        venue_order_id=order_id(row),
        cloid=_cloid(row["cloid"]),
        reduce_only=_flag(row["reduceOnly"]),
        trigger=trigger,
    )


def order_report(body: Any, cloid: str) -> OrderReport | None:
    """`orderStatus` by client id. None for `unknownOid`, which proves nothing: the index lags."""
    if body["status"] == "unknownOid":
        return None
    if body["status"] != "order":
        raise ValueError("neither an order nor unknownOid")
    found = body["order"]
    if _cloid(found["order"]["cloid"]) != cloid:
        raise ValueError("the record of another order")
    status = _text(found["status"])
    return OrderReport(_state(status), order_id(found["order"]), status, _moment(found["statusTimestamp"]))


def _state(status: str) -> OrderState:
    known = _STATES.get(status)
    if known is not None:
        return known
    for ending, state in _STATE_ENDINGS:
        if status.endswith(ending):
            return state
    raise ValueError("unknown order status")


# ─── fills and funding ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a feed: its rows by what tells them apart, how many were listed, and the last time."""

    rows: Mapping[object, T]
    listed: int
    last_ms: int


def fills(body: Any, address: str) -> Page[VenueFill]:
    """`userFills` or `userFillsByTime` of `address`, told apart by the trade id."""
    return _page(body, lambda row: row["coin"], lambda row: (row["tid"], _fill(row, address)))


def _fill(row: Any, address: str) -> VenueFill:
    if row["feeToken"] != "USDC":
        raise ValueError("a fee that is not in USDC")
    return VenueFill(
        fill_id=str(_integer(row["tid"])),
        market=_text(row["coin"]),
        is_buy=_IS_BUY[row["side"]],
        price=_positive(row["px"]),
        size=_positive(row["sz"]),
        fee_usd=from_wire(row["fee"]),
        venue_pnl_usd=from_wire(row["closedPnl"]),
        size_before=from_wire(row["startPosition"]),
        venue_order_id=order_id(row),
        cloid=_cloid(row.get("cloid")),
        is_liquidation=_is_liquidated(row.get("liquidation"), address),
        filled_at=_moment(row["time"]),
    )


def _is_liquidated(liquidation: Any, address: str) -> bool:
    """Whoever takes over a liquidated position sees the mark too; only its owner was liquidated."""
    if liquidation is None:
        return False
    liquidated = liquidation.get("liquidatedUser")
    return liquidated is None or _address(liquidated) == address


def funding(body: Any) -> Page[FundingPayment]:
    """`userFunding`. Old rows come summed up by day: a far look back must not be booked again."""
    return _page(
        body,
        lambda row: row["delta"]["coin"],
        lambda row: ((row["time"], row["delta"]["coin"]), _payment(row)),
    )


def _payment(row: Any) -> FundingPayment:
    delta = row["delta"]
    if delta["type"] != "funding":
        raise ValueError("a payment that is not funding")
    return FundingPayment(
        _text(delta["coin"]), from_wire(delta["usdc"]), _moment(row["time"]), from_wire(delta["szi"])
    )


def _page[T](body: Any, coin: Callable[[Any], Any], parse: Callable[[Any], tuple[object, T]]) -> Page[T]:
    rows = _rows(body)
    last_ms = max((_integer(row["time"]) for row in rows), default=0)
    found: dict[object, T] = {}
    for key, value in map(parse, _perpetuals(rows, coin)):
        # The same row twice is one row; two that differ under one key would lose money unseen.
        if found.setdefault(key, value) != value:
            raise ValueError("two rows under one id")
    return Page(found, len(rows), last_ms)


# ─── signers ────────────────────────────────────────────────────────────────────────────────────────────────


def named_signers(body: Any) -> Sequence[NamedSigner]:
    """`extraAgents`: the named agents, each with the end of its approval. The unnamed is not listed."""
    return tuple(_unique((each.address, each) for each in map(_named, _rows(body))).values())


def _named(row: Any) -> NamedSigner:
    return NamedSigner(_text(row["name"]), _address(row["address"]), _moment(row["validUntil"]))


def role(body: Any) -> Role:
    """`userRole`."""
    name = _text(body["role"])
    if name in _ROLES_ALONE:
        return Role(name, None)
    return Role(name, _address(body["data"][_ROLES_WITH_OWNER[name]]))
