"""Numbers on the wire: what is written reads back, ticks and lots are the documented ones."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hyperliquid.utils.signing import float_to_wire
from hypothesis import given, settings
from hypothesis import strategies as st

from local.hyperliquid.answers import BadRequest
from local.hyperliquid.decimals import canonical, on_lot, on_tick, parse_wire, to_tick, wire

PRICES = st.decimals(min_value="0.0001", max_value="999999", places=6)


@settings(max_examples=60)
@given(st.decimals(min_value="-1000000", max_value="1000000", places=6))
def test_what_is_written_reads_back(value: Decimal) -> None:
    text = wire(value)

    assert Decimal(text) == value
    assert "." in text
    assert "E" not in text


@settings(max_examples=60)
@given(st.floats(min_value=0.0001, max_value=1e6).map(lambda value: round(value, 6)))
def test_canonical_numbers_are_those_that_the_sdk_hashes(value: float) -> None:
    text = float_to_wire(value)

    assert canonical(text) == text


@settings(max_examples=60)
@given(PRICES, st.integers(min_value=0, max_value=5), st.sampled_from([ROUND_FLOOR, ROUND_CEILING]))
def test_a_rounded_price_is_on_the_grid_and_on_its_side(price: Decimal, decimals: int, rounding: str) -> None:
    rounded = to_tick(price, decimals, rounding)

    assert on_tick(rounded, decimals) or rounded == 0
    assert rounded <= price if rounding == ROUND_FLOOR else rounded >= price


@pytest.mark.parametrize(
    ("price", "decimals", "legal"),
    [
        ("60000", 5, True), ("123456", 5, True), ("60000.5", 5, False), ("6000.5", 5, True),
        ("6000.55", 5, False), ("0.012345", 0, True), ("0.0123456", 0, False), ("1.23456", 0, False),
    ],
)  # fmt: skip
def test_five_figures_and_six_decimals_less_the_lots(price: str, decimals: int, legal: bool) -> None:
    assert on_tick(Decimal(price), decimals) is legal


def test_lots_and_padding() -> None:
    assert on_lot(Decimal("0.00001"), 5)
    assert not on_lot(Decimal("0.000011"), 5)
    assert canonical("0.0100") == "0.01"
    assert canonical("100") == "100"
    assert parse_wire("0.1000000000") == Decimal("0.1")
    for bad in ("+1", "1.", "1e5", "0.123456789", "", None, 5):
        with pytest.raises(BadRequest):
            parse_wire(bad)
