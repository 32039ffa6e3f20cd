"""Lots and ticks: what is rounded always fits, and errs the way it was told to."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.venues.rounding import fit_price, fit_size

decimals = st.integers(0, 5)
prices = st.decimals("0.000001", "999999.99", allow_nan=False, allow_infinity=False, places=8)
sizes = st.decimals("-10", "1000000", allow_nan=False, allow_infinity=False, places=9)


@pytest.mark.parametrize(
    ("size_decimals", "price", "up", "expected"),
    [
        (5, "60000.4", False, "60000"),
        (5, "60000.4", True, "60001"),
        (5, "123456.7", True, "123457"),
        (5, "123456", True, "123456"),
        (0, "0.0123456", True, "0.012346"),
        (0, "0.0123456", False, "0.012345"),
        (4, "1891.23", False, "1891.2"),
        (4, "9.99996", True, "10"),
        (4, "0.001", False, "0"),
    ],
)
def test_a_price_keeps_five_figures_and_six_less_size_decimals(
    size_decimals: int, price: str, up: bool, expected: str
) -> None:
    assert fit_price(size_decimals, Decimal(price), up) == Decimal(expected)


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_price_that_is_not_above_zero_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        fit_price(2, Decimal(price), up=True)


@pytest.mark.parametrize(
    ("size_decimals", "size", "expected"),
    [(2, "1.239", "1.23"), (0, "0.9", "0"), (3, "-0.5", "0"), (0, "17", "17")],
)
def test_f43_a_size_only_goes_down(size_decimals: int, size: str, expected: str) -> None:
    assert fit_size(size_decimals, Decimal(size)) == Decimal(expected)


@given(decimals, prices, st.booleans())
def test_a_fitted_price_fits_and_errs_as_told(size_decimals: int, price: Decimal, up: bool) -> None:
    fitted = fit_price(size_decimals, price, up)

    assert fitted >= price if up else fitted <= price
    if fitted > 0:
        assert fit_price(size_decimals, fitted, True) == fit_price(size_decimals, fitted, False) == fitted


@given(decimals, sizes)
def test_a_fitted_size_fits_and_is_never_larger(size_decimals: int, size: Decimal) -> None:
    fitted = fit_size(size_decimals, size)

    assert fitted == 0 or fitted <= size
    assert fit_size(size_decimals, fitted) == fitted
    assert max(size, Decimal(0)) - fitted < Decimal(1).scaleb(-size_decimals)
