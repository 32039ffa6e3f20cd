"""Checks of a whole batch that need nothing but the payload and the market list.

Promises: the first fault refuses the whole batch with one text, as the venue's pre-validation does. Never
looks at positions, margin or the book.
Sources: Hyperliquid docs, error-responses and tick-and-lot-size.
"""

from collections.abc import Sequence
from decimal import Decimal

from local.hyperliquid import answers
from local.hyperliquid.answers import Json
from local.hyperliquid.config import Switches
from local.hyperliquid.decimals import on_lot, on_tick
from local.hyperliquid.market import Market
from local.hyperliquid.state import Venue

WEIGHT_LIMIT = 200


class Invalid(Exception):
    """The whole batch is refused with `text` (asset already appended where the venue appends it)."""

    def __init__(self, text: str, asset: int | None = None) -> None:
        super().__init__(text)
        self.text = text if asset is None else f"{text} asset={asset}"


def market_of(venue: Venue, asset: int) -> Market:
    """The market of an asset id. Raises `Invalid` for one that does not exist."""
    if asset >= len(venue.markets):
        raise Invalid(answers.UNKNOWN_ASSET, asset)
    return venue.markets[asset]


def check_batch(venue: Venue, orders: Sequence[Json], grouping: object) -> None:
    """Raises `Invalid` with the one text that refuses the batch."""
    if not orders:
        raise Invalid(answers.EMPTY_BATCH)
    for order in orders:
        market = market_of(venue, order["a"])
        if market.spec.delisted:
            raise Invalid(answers.DELISTED, order["a"])
        _check_size(venue.config.switches, order, market, grouping)
        _check_price(Decimal(order["p"]), market, order["a"])
        trigger = order["t"].get("trigger")
        if trigger is not None:
            _check_price(Decimal(trigger["triggerPx"]), market, order["a"])
    _check_grouping(orders, grouping)


def _check_size(switches: Switches, order: Json, market: Market, grouping: object) -> None:
    size = Decimal(order["s"])
    if size == 0:
        whole = grouping == "positionTpsl" and switches.position_tpsl_zero_size == "whole"
        if whole:
            return
        raise Invalid(answers.ZERO_SIZE)
    if not on_lot(size, market.spec.sz_decimals):
        raise Invalid(answers.INVALID_SIZE)


def _check_price(price: Decimal, market: Market, asset: int) -> None:
    if price == 0:
        raise Invalid(answers.INVALID_PRICE)
    if not on_tick(price, market.spec.sz_decimals):
        raise Invalid(answers.TICK, asset)


def _check_grouping(orders: Sequence[Json], grouping: object) -> None:
    if grouping not in ("normalTpsl", "positionTpsl"):
        return
    exits = orders[1:] if grouping == "normalTpsl" else orders
    if grouping == "normalTpsl" and "trigger" in orders[0]["t"]:
        raise Invalid(answers.TPSL_GROUPING)
    for order in exits:
        if "trigger" not in order["t"] or order["a"] != orders[0]["a"]:
            raise Invalid(answers.TPSL_GROUPING)
        if not order["r"]:
            raise Invalid(answers.TPSL_REDUCE_ONLY)
        if grouping == "normalTpsl" and order["b"] == orders[0]["b"]:
            raise Invalid(answers.TPSL_GROUPING)
