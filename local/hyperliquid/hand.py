"""The account's owner at another screen: trades, orders and cancels that no agent of ours has signed.

Promises: everything a hand does passes the venue's own checks and matching; it is journalled as by "hand".
An order by hand may be at any sane price. Never touches nonces or request budgets.

`hand {user, act, coin, ...}`; act is
buy, sell   an IOC of `sz`, or of `usd` worth at the mark, up to 50 % from it
order       a limit of `sz` or `usd` that rests: `is_buy`, and `limit_px` or `away_bps` from the mark
close       the whole position, whoever built it
cancel_stops, cancel_all   the account's resting stops, or everything it has resting, in the market
"""

from decimal import ROUND_DOWN, Decimal, InvalidOperation

from local.hyperliquid.accounts import Account
from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.decimals import to_lot, to_tick
from local.hyperliquid.market import Market
from local.hyperliquid.past import remember
from local.hyperliquid.placement import Status, build, place
from local.hyperliquid.resting import end_all, is_stop, of_coin
from local.hyperliquid.state import Venue

ACTS = ("buy", "sell", "order", "close", "cancel_stops", "cancel_all")
_BAND = Decimal("0.5")
_BPS = Decimal(10_000)


def send(
    venue: Venue,
    account: Account,
    market: Market,
    *,
    is_buy: bool,
    size: Decimal,
    limit: Decimal | None = None,
    tif: str = "Ioc",
    reduce_only: bool = False,
) -> Status:
    """One order by hand; without a limit it reaches as far as 50 % from the mark."""
    price = limit if limit is not None else market.mark * (1 + (_BAND if is_buy else -_BAND))
    row = {
        "a": market.index,
        "b": is_buy,
        "p": f"{price:f}",
        "s": f"{size:f}",
        "r": reduce_only,
        "t": {"limit": {"tif": tif}},
    }
    remember(venue, account)
    return place(venue, account, build(venue, account, row), "hand")


def act(venue: Venue, account: Account, market: Market, body: Json) -> Json:
    """What one `hand` control asks. Raises `BadRequest` with a sentence that names the field."""
    kind = body.get("act")
    if kind not in ACTS:
        raise BadRequest(422, f"act: needs one of {', '.join(ACTS)}")
    if kind in ("cancel_stops", "cancel_all"):
        remember(venue, account)
        orders = [o for o in of_coin(account, market.name) if kind == "cancel_all" or is_stop(o)]
        return {"cancelled": end_all(venue, account, orders, "canceled")}
    if kind == "close":
        held = account.szi(market.name)
        if held == 0:
            return {"status": None}
        status = send(venue, account, market, is_buy=held < 0, size=abs(held), reduce_only=True)
        return {"status": status}
    size = _size(market, body)
    if kind == "order":
        return {"status": _rest(venue, account, market, body, size)}
    return {"status": send(venue, account, market, is_buy=kind == "buy", size=size)}


def _rest(venue: Venue, account: Account, market: Market, body: Json, size: Decimal) -> Status:
    is_buy = body.get("is_buy")
    if not isinstance(is_buy, bool):
        raise BadRequest(422, "is_buy: needs true or false")
    if "limit_px" in body:
        limit = number(body, "limit_px")
    else:
        away = number(body, "away_bps") / _BPS
        limit = market.mark * (1 - away if is_buy else 1 + away)
    tick = to_tick(limit, market.spec.sz_decimals, ROUND_DOWN)
    return send(venue, account, market, is_buy=is_buy, size=size, limit=tick, tif="Gtc")


def _size(market: Market, body: Json) -> Decimal:
    size = number(body, "sz") if "sz" in body else number(body, "usd") / market.mark
    return to_lot(size, market.spec.sz_decimals, ROUND_DOWN)


def number(body: Json, field: str) -> Decimal:
    """A positive number of a control's body. Raises `BadRequest` (422) that names the field."""
    try:
        value = Decimal(str(body[field]))
    except (KeyError, InvalidOperation) as fault:
        raise BadRequest(422, f"{field}: needs a decimal number as a string") from fault
    if not value.is_finite() or value <= 0:
        raise BadRequest(422, f"{field}: needs a positive number")
    return value
