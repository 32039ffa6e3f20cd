"""Which sizes and prices a perpetual market takes: lots and ticks.

Promises: pure; a size only ever goes down, a price goes the way the caller says; the venue takes the result.
Source: Hyperliquid docs, tick-and-lot-size: a size has at most szDecimals decimals; a price has at most five
significant figures and at most 6 - szDecimals decimals, and an integer price is always allowed.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

_SIGNIFICANT_FIGURES = 5
_PRICE_DECIMALS = 6


def fit_size(size_decimals: int, size: Decimal) -> Decimal:
    """The largest acceptable size not above `size`; zero where there is none."""
    if size <= 0:
        return Decimal(0)
    return size.quantize(Decimal(1).scaleb(-size_decimals), rounding=ROUND_FLOOR)


def fit_price(size_decimals: int, price: Decimal, up: bool) -> Decimal:
    """The nearest acceptable price at or above (`up`) or at or below `price`. Zero where none is below it.

    Raises ValueError for a price that is not above zero.
    """
    if price <= 0:
        raise ValueError("a price is above zero")
    by_figures = price.adjusted() - (_SIGNIFICANT_FIGURES - 1)
    exponent = min(0, max(size_decimals - _PRICE_DECIMALS, by_figures))
    return price.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_CEILING if up else ROUND_FLOOR)
