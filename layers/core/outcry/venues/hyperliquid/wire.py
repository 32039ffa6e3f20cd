"""Hyperliquid's words for what we ask, and what its answer to a signed request means.

Pure: no clock, no I/O, no float.

Promises:
- The text that `encode` returns has its keys in the order in which the venue hashes them, and every number in
  the venue's plain form. What does not fit the market's tick, lot or rules is a BugError here and never
  reaches the venue.
- `checked_action` lets the four kinds of action through that `encode` makes, and nothing else: what could move funds is never
  signed, whoever wrote it where actions are kept.
- `read_outcome` is total: an answer that it does not know in full is Ambiguous or Unreadable, never a success (a fill needs
  its size, its price and its order id), and a refusal in unknown words is UNKNOWN.

Sources: Hyperliquid docs, exchange-endpoint and tick-and-lot-size; hyperliquid-python-sdk, utils/signing.
"""

import json
import re
from decimal import Decimal
from typing import Any

from outcry.runtime.errors import BugError
from outcry.venues import rounding
from outcry.venues.hyperliquid.errors import classify
from outcry.venues.port import (
    Ambiguous,
    Cancel,
    Done,
    Filled,
    Market,
    Noop,
    Outcome,
    Place,
    Request,
    Resting,
    SetLeverage,
    Unreadable,
)

_WIRE_DECIMALS = 8
_CLOID = re.compile(r"0x[0-9a-f]{32}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")

# Every action that exists here, with its keys. None moves funds, and a fee for somebody (`builder`) is a key of none.
_KEYS = {
    "order": {"type", "orders", "grouping"},
    "cancelByCloid": {"type", "cancels"},
    "updateLeverage": {"type", "asset", "isCross", "leverage"},
    "noop": {"type"},
}
# What the venue answers to each type of action when it accepts it.
_ANSWER_TYPES = {"order": "order", "cancelByCloid": "cancel", "updateLeverage": "default", "noop": "default"}
_WAITING = frozenset({"waitingForTrigger", "waitingForFill"})


# ─── numbers ────────────────────────────────────────────────────────────────────────────────────────────────


def fit_size(market: Market, size: Decimal) -> Decimal:
    """The largest size with at most szDecimals decimals not above `size`; zero where there is none."""
    return rounding.fit_size(market.size_decimals, size)


def fit_price(market: Market, price: Decimal, *, up: bool) -> Decimal:
    """The nearest price on the venue's grid at or above (`up`) or at or below `price`."""
    return rounding.fit_price(market.size_decimals, price, up)


def to_wire(number: Decimal) -> str:
    """A number above zero as the venue hashes it: plain, at most 8 decimals, no trailing zeros.

    Raises BugError where it would have to be rounded: rounding is decided by the caller, never on the way
    out.
    """
    if not number.is_finite() or number <= 0:
        raise BugError(f"{number} is not a price or a size")
    plain = number.normalize()
    if plain != number or -int(plain.as_tuple().exponent) > _WIRE_DECIMALS:
        raise BugError(f"{number} has more digits than the venue takes")
    return f"{plain:f}"


def from_wire(text: object) -> Decimal:
    """A number of an answer. Anything but a plain decimal as text raises ValueError or TypeError."""
    if not isinstance(text, str):
        raise TypeError("a number is expected as text")
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("not a plain decimal number")
    return Decimal(text)


# ─── requests ───────────────────────────────────────────────────────────────────────────────────────────────


def encode(request: Request, market: Market | None) -> str:
    """The action as JSON text. Raises BugError for what the venue could only refuse."""
    return json.dumps(_action(request, market), separators=(",", ":"))


def checked_action(payload: str) -> str:
    """The payload itself, where it is an action as `encode` makes them. Raises BugError for any other."""
    try:
        action = json.loads(payload)
        is_ours = set(action) == _KEYS[action["type"]]
    except (ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise BugError("the action to sign is not one of ours")
    return payload


def _action(request: Request, market: Market | None) -> dict[str, Any]:
    if isinstance(request, Noop):
        return {"type": "noop"}
    if market is None or market.market != request.market:
        raise BugError(
            f"a request for {request.market} needs that market, not {market.market if market else None}"
        )
    if isinstance(request, Place):
        return _order(request, market)
    if isinstance(request, Cancel):
        cancel = {"asset": market.asset, "cloid": _checked_cloid(request.cloid)}
        return {"type": "cancelByCloid", "cancels": [cancel]}
    return _leverage(request, market)


def _leverage(request: SetLeverage, market: Market) -> dict[str, Any]:
    # 5.0 would be hashed as a float, and the venue would recover some other signer.
    if type(request.leverage) is not int or request.leverage < 1:
        raise BugError(f"leverage {request.leverage!r} is not a whole number above zero")
    return {
        "type": "updateLeverage",
        "asset": market.asset,
        "isCross": False,
        "leverage": request.leverage,
    }


def _order(place: Place, market: Market) -> dict[str, Any]:
    order: dict[str, Any] = {
        "a": market.asset,
        "b": place.is_buy,
        "p": _price(market, place.price),
        "s": _size(market, place.size),
        "r": place.reduce_only,
        "t": {"limit": {"tif": "Ioc"}},
        "c": _checked_cloid(place.cloid),
    }
    if place.trigger is not None:
        if not place.reduce_only:
            raise BugError("a trigger over a position must be reduce-only")
        trigger_price = _price(market, place.trigger.price)
        order["t"] = {
            "trigger": {"isMarket": True, "triggerPx": trigger_price, "tpsl": place.trigger.kind.value}
        }
    # never grouped as `positionTpsl`: whether such an order grows with the position nobody has recorded, and it is to close its own size
    return {"type": "order", "orders": [order], "grouping": "na"}


def _price(market: Market, price: Decimal) -> str:
    text = to_wire(price)
    if fit_price(market, price, up=False) != price:
        raise BugError(f"price {price} is not on a tick of {market.market}")
    return text


def _size(market: Market, size: Decimal) -> str:
    text = to_wire(size)
    if fit_size(market, size) != size:
        raise BugError(f"size {size} is not a whole number of lots of {market.market}")
    return text


def _checked_cloid(cloid: str) -> str:
    if _CLOID.fullmatch(cloid) is None:
        raise BugError("a client order id is 0x and 32 lower-case hex digits")
    return cloid


# ─── the answer to a signed request ─────────────────────────────────────────────────────────────────────────


def action_type(signed: str) -> str:
    """The type of the action in a signed body. Raises BugError where the body is none of ours."""
    try:
        found = json.loads(signed)["action"]["type"]
    except (ValueError, KeyError, TypeError):
        raise BugError("the stored bytes are no signed request") from None
    if found not in _ANSWER_TYPES:
        raise BugError("the stored bytes carry an action that is not ours")
    return str(found)


def read_outcome(action: str, raw: str) -> Outcome:
    """What the body of a 200 answer to an action of this type says. Never raises."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return Ambiguous("the venue's answer is cut short, or no JSON")
    try:
        return _outcome(_ANSWER_TYPES[action], body)
    except (ValueError, KeyError, TypeError):
        return Unreadable("the venue's answer is not one that we know")


def _outcome(expected: str, body: Any) -> Outcome:
    if body["status"] == "err":
        return _refusal(body["response"])
    if body["status"] != "ok" or body["response"]["type"] != expected:
        raise ValueError("neither an acceptance of this action nor a refusal")
    if expected == "default":
        return Done()
    (status,) = body["response"]["data"]["statuses"]
    if isinstance(status, dict) and "error" in status:
        return _refusal(status["error"])
    return _placed(status) if expected == "order" else _cancelled(status)


def _refusal(text: Any) -> Outcome:
    if not isinstance(text, str):
        raise TypeError("a refusal is expected in words")
    return classify(text)


def _placed(status: Any) -> Outcome:
    if isinstance(status, str):
        if status in _WAITING:
            return Resting(None)
        raise ValueError("unknown order status")
    if "resting" in status:
        return Resting(order_id(status["resting"]))
    filled = status["filled"]
    size, price = from_wire(filled["totalSz"]), from_wire(filled["avgPx"])
    if size <= 0 or price <= 0:
        raise ValueError("a fill without a size or a price is none")
    return Filled(size, price, order_id(filled))


def _cancelled(status: Any) -> Outcome:
    if status != "success":
        raise ValueError("unknown cancel status")
    return Done()


def order_id(row: Any) -> str:
    """The venue's order number in a row, as text. Raises TypeError where it is no whole number."""
    oid = row["oid"]
    if isinstance(oid, bool) or not isinstance(oid, int):
        raise TypeError("an order id is a whole number")
    return str(oid)
