"""Sizing: the loss at the stop is at most the risk, caps hold, and nothing is ever raised to a minimum."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from outcry.runtime.reasons import Reason
from outcry.signals.size import (
    WELL_BEFORE,
    Sized,
    SizeInputs,
    TooSmall,
    liquidation_frac,
    safe_leverage,
    size_entry,
)

BASE = SizeInputs(
    equity_usd=Decimal(10_000),
    free_usd=Decimal(8_000),
    mark=Decimal(60_000),
    score=Decimal("0.8"),
    risk_frac=Decimal("0.005"),
    stop_frac=Decimal("0.02"),
    exit_stop_frac=Decimal("0.02"),
    liquidation_buffer_frac=Decimal("0.01"),
    fee_frac=Decimal("0.00045"),
    slippage_frac=Decimal("0.005"),
    cap_usd=Decimal(5_000),
    max_leverage=5,
    market_max_leverage=40,
    size_decimals=5,
    minimum_usd=Decimal(10),
)


def amounts(least: str, most: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(least), max_value=Decimal(most), places=places)


@st.composite
def inputs(draw: st.DrawFn, tradable: bool = False) -> SizeInputs:
    """Any inputs; `tradable` ones leave room for a trade nearly always."""
    own = draw(amounts("0.002", "0.1" if tradable else "0.5", 4))
    least = "1000" if tradable else "-10"
    return SizeInputs(
        equity_usd=draw(amounts(least, "1000000")),
        free_usd=draw(amounts(least, "1000000")),
        mark=draw(amounts("0.000001", "10" if tradable else "100000", 6)),
        score=draw(amounts("0.3" if tradable else "-1", "1", 6)),
        risk_frac=draw(amounts("0.01" if tradable else "0.0001", "0.05", 4)),
        stop_frac=max(own, draw(amounts("0.002", "2", 4))),
        exit_stop_frac=own,
        liquidation_buffer_frac=draw(amounts("0.001", "0.05" if tradable else "0.2", 3)),
        fee_frac=draw(amounts("0", "0.01", 5)),
        slippage_frac=draw(amounts("0.0001", "0.05", 4)),
        cap_usd=draw(amounts(least, "100000")),
        max_leverage=draw(st.integers(1, 50)),
        market_max_leverage=draw(st.integers(1, 50)),
        size_decimals=draw(st.integers(2 if tradable else 0, 8)),
        minimum_usd=draw(amounts("0", "1" if tradable else "20")),
    )


@settings(max_examples=300)
@given(inputs(tradable=True), amounts("0", "1", 4), amounts("0", "1", 4), st.sampled_from([1, -1]))
def test_the_loss_at_the_stop_is_at_most_the_risk_fees_and_slippage_included(
    given_inputs: SizeInputs, entry_slip: Decimal, exit_slip: Decimal, sign: int
) -> None:
    sized = size_entry(given_inputs)
    assume(isinstance(sized, Sized))
    assert isinstance(sized, Sized)

    slip, fee = given_inputs.slippage_frac, given_inputs.fee_frac
    fill = given_inputs.mark * (1 + sign * slip * entry_slip)
    stop = fill * (1 - sign * given_inputs.stop_frac)
    out = stop - sign * fill * slip * exit_slip
    loss = sized.size * (sign * (fill - out) + fee * (fill + abs(out)))

    assert loss <= sized.risk_usd + Decimal("0.000001")
    budget = given_inputs.equity_usd * given_inputs.risk_frac * abs(given_inputs.score)
    assert sized.risk_usd <= budget


@settings(max_examples=300)
@given(inputs(tradable=True))
def test_no_input_moves_a_size_over_a_cap_the_free_margin_or_the_leverage(given_inputs: SizeInputs) -> None:
    sized = size_entry(given_inputs)
    assume(isinstance(sized, Sized))
    assert isinstance(sized, Sized)

    assert sized.worst_notional_usd <= given_inputs.cap_usd
    assert sized.margin_usd <= given_inputs.free_usd
    assert 1 <= sized.leverage <= min(given_inputs.max_leverage, given_inputs.market_max_leverage)
    assert sized.notional_usd >= given_inputs.minimum_usd
    assert sized.size > 0
    assert sized.size == sized.size.quantize(Decimal(1).scaleb(-given_inputs.size_decimals))
    assert liquidation_frac(sized.leverage, given_inputs.market_max_leverage) > given_inputs.exit_stop_frac


@settings(max_examples=200)
@given(inputs(), amounts("0", "1", 6))
def test_more_conviction_never_gives_less_size(given_inputs: SizeInputs, more: Decimal) -> None:
    stronger = replace(given_inputs, score=max(abs(given_inputs.score), more))

    weak, strong = size_entry(given_inputs), size_entry(stronger)

    if isinstance(weak, Sized):
        assert isinstance(strong, Sized)
        assert strong.size >= weak.size


@given(inputs(), amounts("0", "3", 4))
def test_a_wider_stop_never_gives_more_size(given_inputs: SizeInputs, wider: Decimal) -> None:
    weak, strong = (
        size_entry(replace(given_inputs, stop_frac=given_inputs.stop_frac + wider)),
        size_entry(given_inputs),
    )

    if isinstance(weak, Sized):
        assert isinstance(strong, Sized)
        assert weak.size <= strong.size


def test_the_side_of_the_score_does_not_change_the_size() -> None:
    assert size_entry(BASE) == size_entry(replace(BASE, score=-BASE.score))


@pytest.mark.parametrize(
    ("changes", "bound_by"),
    [({}, "risk"), ({"cap_usd": Decimal(100)}, "cap"), ({"free_usd": Decimal(50)}, "margin")],
)
def test_what_bound_the_size_is_told(changes: dict[str, Any], bound_by: str) -> None:
    sized = size_entry(replace(BASE, **changes))

    assert isinstance(sized, Sized)
    assert sized.bound_by == bound_by


def test_a_trade_is_as_large_as_its_risk_allows_to_the_lot() -> None:
    sized = size_entry(BASE)

    assert isinstance(sized, Sized)
    one_more = sized.risk_usd * (sized.size + Decimal("0.00001")) / sized.size
    assert sized.risk_usd <= Decimal(40) < one_more
    assert sized.leverage == 5


def test_f30_what_is_too_small_is_refused_with_the_sum_that_it_needs_and_never_raised() -> None:
    poor = replace(BASE, equity_usd=Decimal(20), free_usd=Decimal(20))

    refused = size_entry(poor)

    assert isinstance(refused, TooSmall)
    assert refused.reason is Reason.SIZE_BELOW_MINIMUM
    assert refused.needed_usd is not None
    assert "needs an equity of $" in refused.detail
    rich_enough = size_entry(replace(poor, equity_usd=refused.needed_usd, free_usd=Decimal(1000)))
    assert isinstance(rich_enough, Sized)
    just_short = size_entry(
        replace(poor, equity_usd=refused.needed_usd - Decimal("0.02"), free_usd=Decimal(1000))
    )
    assert isinstance(just_short, TooSmall)


def test_f30_too_little_margin_or_room_names_what_would_be_enough() -> None:
    margin = size_entry(replace(BASE, free_usd=Decimal(1)))
    cap = size_entry(replace(BASE, cap_usd=Decimal(9)))

    assert isinstance(margin, TooSmall)
    assert isinstance(cap, TooSmall)
    assert margin.needed_usd is not None
    assert cap.needed_usd is not None
    assert (margin.reason, cap.reason) == (Reason.MARGIN_TOO_LOW, Reason.SIZE_BELOW_MINIMUM)
    assert isinstance(size_entry(replace(BASE, free_usd=margin.needed_usd)), Sized)
    assert isinstance(size_entry(replace(BASE, cap_usd=cap.needed_usd)), Sized)


def test_without_a_score_there_is_no_risk_to_take_and_no_sum_that_would_help() -> None:
    refused = size_entry(replace(BASE, score=Decimal(0)))

    assert refused == TooSmall(Reason.SIZE_BELOW_MINIMUM, "the score leaves no risk to take", None)


def test_a_lot_dearer_than_the_risk_is_refused_even_without_a_minimum() -> None:
    refused = size_entry(replace(BASE, size_decimals=0, minimum_usd=Decimal(0)))

    assert isinstance(refused, TooSmall)
    assert refused.needed_usd is not None
    assert refused.needed_usd > 10_000


def test_f38_leverage_falls_until_the_stop_lies_well_before_liquidation() -> None:
    wide = replace(BASE, exit_stop_frac=Decimal("0.2"), stop_frac=Decimal("0.2"), max_leverage=20)

    leverage = safe_leverage(wide)

    assert leverage == 3
    assert liquidation_frac(3, 40) >= Decimal("0.2") * WELL_BEFORE + Decimal("0.015")
    assert liquidation_frac(4, 40) < Decimal("0.2") * WELL_BEFORE + Decimal("0.015")


def test_f38_a_stop_that_even_1x_cannot_carry_is_refused() -> None:
    refused = size_entry(replace(BASE, exit_stop_frac=Decimal("0.5"), market_max_leverage=1))

    assert isinstance(refused, TooSmall)
    assert refused.reason is Reason.STOP_BEYOND_LIQUIDATION


def test_a_stop_stated_far_away_makes_the_trade_smaller_but_does_not_forbid_it() -> None:
    far, near = size_entry(replace(BASE, stop_frac=Decimal("0.6"))), size_entry(BASE)

    assert isinstance(far, Sized)
    assert isinstance(near, Sized)
    assert far.size < near.size


def test_liquidation_is_where_the_venue_documents_it() -> None:
    # 10x on a market of 40x: margin 10 %, maintenance 1.25 %; a SHORT is liquidated at (1 + 0.1) / (1 + 0.0125)
    assert liquidation_frac(10, 40) == (Decimal("0.1") - Decimal("0.0125")) / Decimal("1.0125")
