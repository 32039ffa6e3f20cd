"""What fills add up to: against an independent sum of the cash that moved, and the same for both sides."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.positions.pnl import ZERO, Acknowledged, BookedFill, realised, tally, unlisted
from outcry.runtime.side import Side

prices = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(100_000), places=2)
sizes = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(1_000), places=3)
fees = st.decimals(min_value=Decimal(-1), max_value=Decimal(10), places=4)
fills = st.lists(st.builds(BookedFill, st.booleans(), prices, sizes, fees), max_size=12)
flat_fills = st.lists(st.tuples(sizes, prices, prices, fees, fees), min_size=1, max_size=6)


def fill(is_buy: bool, price: str, size: str, fee: str = "0") -> BookedFill:
    return BookedFill(is_buy, Decimal(price), Decimal(size), Decimal(fee))


def test_nothing_filled_is_nothing_held_and_nothing_earned() -> None:
    empty = tally(Side.LONG, [])

    assert empty.size == empty.gross_pnl_usd == 0
    assert empty.entry_price is None
    assert empty.exit_price is None


def test_f17_a_closed_position_earns_what_its_fills_say_and_not_zero() -> None:
    closed = tally(Side.LONG, [fill(True, "100", "2", "0.09"), fill(False, "110", "2", "0.10")])

    assert closed.size == 0
    assert closed.entry_price == 100
    assert closed.exit_price == 110
    assert closed.gross_pnl_usd == 20
    assert closed.fees_usd == Decimal("0.19")


@pytest.mark.parametrize("side", list(Side))
def test_f20_f13_without_a_closing_fill_there_is_no_exit_price_and_no_profit(side: Side) -> None:
    held = tally(side, [fill(side is Side.LONG, "100", "2")])

    assert held.exit_price is None
    assert held.gross_pnl_usd == 0
    assert held.size == 2


@pytest.mark.parametrize(("side", "profit"), [(Side.LONG, 10), (Side.SHORT, -10)])
def test_f13_a_part_closed_position_has_earned_on_the_closed_part_alone(side: Side, profit: int) -> None:
    opens = side is Side.LONG
    part = tally(side, [fill(opens, "100", "1"), fill(opens, "120", "1"), fill(not opens, "120", "1")])

    assert part.size == 1
    assert part.opened_size == 2
    assert part.closed_size == 1
    assert part.entry_price == 110
    assert part.gross_pnl_usd == profit


def test_f42_sizes_of_eighteen_decimals_lose_nothing() -> None:
    wei = "0.000000000000000001"

    both = tally(Side.LONG, [fill(True, "1", wei), fill(False, "2", wei)])

    assert both.gross_pnl_usd == Decimal(wei)
    assert both.entry_price == 1


def test_f44_profit_is_dollars_of_fills_and_no_share_of_an_assumed_capital() -> None:
    closed = tally(Side.LONG, [fill(True, "100", "0.1"), fill(False, "110", "0.1")])

    assert realised(closed.gross_pnl_usd, Decimal("0.2"), Decimal("-0.3")) == Decimal("0.5")


@given(st.sampled_from(Side), flat_fills)
def test_a_flat_position_earned_the_cash_that_came_in_less_the_cash_that_went_out(
    side: Side, rounds: list[tuple[Decimal, Decimal, Decimal, Decimal, Decimal]]
) -> None:
    opens = side is Side.LONG
    entries = [BookedFill(opens, entry, size, fee) for size, entry, _, fee, _ in rounds]
    exits = [BookedFill(not opens, exit_, size, fee) for size, _, exit_, _, fee in rounds]

    found = tally(side, [*entries, *exits])

    cash = sum(
        (-one.price * one.size if one.is_buy else one.price * one.size for one in [*entries, *exits]), ZERO
    )
    assert found.size == 0
    assert found.gross_pnl_usd == cash
    assert realised(found.gross_pnl_usd, found.fees_usd, ZERO) == cash - sum(
        (one.fee_usd for one in [*entries, *exits]), ZERO
    )


@given(st.sampled_from(Side), fills)
def test_open_or_flat_the_profit_is_that_of_exact_fractions(side: Side, booked: list[BookedFill]) -> None:
    found = tally(side, booked)

    ours = [one for one in booked if one.is_buy == (side is Side.LONG)]
    theirs = [one for one in booked if one.is_buy != (side is Side.LONG)]
    opened, closed = (sum((Fraction(one.size) for one in part), Fraction(0)) for part in (ours, theirs))
    profit = Fraction(0)
    if ours and theirs:
        paid = sum(Fraction(one.price) * Fraction(one.size) for one in ours) / opened
        got = sum(Fraction(one.price) * Fraction(one.size) for one in theirs) / closed
        profit = (got - paid) * min(opened, closed) * side.sign
    assert Fraction(found.size) == opened - closed
    assert abs(Fraction(found.gross_pnl_usd) - profit) < Fraction(1, 10**12)
    assert found.fees_usd == sum((one.fee_usd for one in booked), ZERO)


@given(fills)
def test_long_and_short_mirror_each_other(booked: list[BookedFill]) -> None:
    turned = [replace(one, is_buy=not one.is_buy) for one in booked]

    long, short = tally(Side.LONG, booked), tally(Side.SHORT, turned)

    assert replace(short, gross_pnl_usd=-short.gross_pnl_usd) == long


@given(st.sampled_from(Side), fills, st.randoms())
def test_the_order_in_which_fills_are_heard_does_not_matter(
    side: Side, booked: list[BookedFill], chance: object
) -> None:
    shuffled = list(booked)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert tally(side, shuffled) == tally(side, booked)


def test_what_was_acknowledged_counts_until_the_feed_lists_it() -> None:
    entry = Acknowledged(True, Decimal(2), Decimal("0.5"))
    step = Acknowledged(False, Decimal(1), Decimal(0))
    listed = Acknowledged(True, Decimal(1), Decimal(3))

    assert unlisted(Side.LONG, []) == 0
    assert unlisted(Side.LONG, [entry, step, listed]) == Decimal("0.5")
    assert unlisted(Side.SHORT, [entry, step, listed]) == Decimal("-0.5")
