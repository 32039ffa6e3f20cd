"""Numbers as the venue reads and writes them: plain decimal strings, ticks and lots.

Promises: nothing here passes through a float; what is written has at least one decimal, as the venue's
answers do. Never rounds a price or a size silently on the way in: a bad string is a schema error.
Sources: Hyperliquid docs, tick-and-lot-size and signing (trailing zeros are removed before hashing).
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal

from local.hyperliquid.answers import BadRequest

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")
ZERO = Decimal(0)
MICRO = Decimal("0.000001")
_MAX_FRACTION_DIGITS = 8
_SIGNIFICANT_FIGURES = 5
_PERP_DECIMALS = 6


def wire(value: Decimal) -> str:
    """`value` as a plain string with at least one decimal ("1980.0"), never scientific."""
    if value == 0:
        return "0.0"
    text = f"{value:f}"
    if "." not in text:
        return text + ".0"
    text = text.rstrip("0")
    return text + "0" if text.endswith(".") else text


def parse_wire(value: object) -> Decimal:
    """Read a price or size of a request. Raises `BadRequest` (422) for a sign, an exponent, a non-string
    or more than eight significant fractional digits."""
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise BadRequest.schema()
    _, _, fraction = value.partition(".")
    if len(fraction.rstrip("0")) > _MAX_FRACTION_DIGITS:
        raise BadRequest.schema()
    return Decimal(value)


def canonical(value: object) -> str:
    """The string that is hashed for a price or size: no padding zeros, no trailing point."""
    text = f"{parse_wire(value):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def micro(value: Decimal) -> Decimal:
    """Rounded to the venue's six decimals of a dollar."""
    return value.quantize(MICRO, rounding=ROUND_HALF_EVEN)


def _tick_exponent(price: Decimal, size_decimals: int) -> int:
    by_figures = price.adjusted() - (_SIGNIFICANT_FIGURES - 1)
    return min(0, max(-(_PERP_DECIMALS - size_decimals), by_figures))


def on_tick(price: Decimal, size_decimals: int) -> bool:
    """At most 5 significant figures and 6 - szDecimals decimals; an integer price is always legal."""
    exponent = _tick_exponent(price, size_decimals)
    return price == price.quantize(Decimal(1).scaleb(exponent))


def on_lot(size: Decimal, size_decimals: int) -> bool:
    return size == size.quantize(Decimal(1).scaleb(-size_decimals))


def to_tick(price: Decimal, size_decimals: int, rounding: str) -> Decimal:
    """`price` on the tick grid, rounded as `rounding` (a `decimal` rounding constant) says."""
    return price.quantize(Decimal(1).scaleb(_tick_exponent(price, size_decimals)), rounding=rounding)


def to_lot(size: Decimal, size_decimals: int, rounding: str) -> Decimal:
    return size.quantize(Decimal(1).scaleb(-size_decimals), rounding=rounding)


def average_px(price: Decimal, size_decimals: int) -> Decimal:
    """An average or entry price as shown: one figure more than a tick has, 6 - szDecimals decimals."""
    exponent = min(0, max(-(_PERP_DECIMALS - size_decimals), price.adjusted() - _SIGNIFICANT_FIGURES))
    return price.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_HALF_EVEN)
