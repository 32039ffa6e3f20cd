"""The score: signed, bounded, mirrored, and the exact sum of its parts."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from outcry.runtime.side import Side
from outcry.signals.score import Heard, score

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
AUTHORS = range(1, 6)

convictions = st.decimals(min_value=0, max_value=1, places=4)
weightings = st.dictionaries(st.sampled_from(AUTHORS), st.integers(0, 100))


@st.composite
def heard(draw: st.DrawFn, close: bool = True) -> list[Heard]:
    count = draw(st.integers(0, 8))
    return [
        Heard(
            call_id=number,
            post_id=1000 + number,
            author_id=draw(st.sampled_from(AUTHORS)),
            side=draw(st.sampled_from(Side)),
            is_close=close and draw(st.booleans()),
            conviction=draw(convictions),
            spoken_at=NOON + timedelta(minutes=draw(st.integers(0, 3))),
        )
        for number in range(count)
    ]


def said(author_id: int, side: Side, conviction: str, minute: int, *, is_close: bool = False) -> Heard:
    at = NOON + timedelta(minutes=minute)
    return Heard(minute, 100 + minute, author_id, side, is_close, Decimal(conviction), at)


@given(heard(), weightings)
def test_the_score_is_bounded_and_the_exact_sum_of_its_parts(
    calls: list[Heard], weights: dict[int, int]
) -> None:
    result = score(calls, weights)

    assert -1 <= result.score <= 1
    assert result.score == sum((part.contribution for part in result.parts), Decimal(0))
    assert sum((Decimal(part["contribution"]) for part in result.to_json()["parts"]), Decimal(0)) == Decimal(
        result.to_json()["score"]
    )


@given(heard(), weightings, st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_matter(
    calls: list[Heard], weights: dict[int, int], order: random.Random
) -> None:
    shuffled = list(calls)
    order.shuffle(shuffled)

    assert score(shuffled, weights) == score(calls, weights)


@given(heard(), weightings)
def test_long_and_short_mirror(calls: list[Heard], weights: dict[int, int]) -> None:
    mirrored = [replace(call, side=call.side.opposite) for call in calls]

    assert score(mirrored, weights).score == -score(calls, weights).score
    assert score(mirrored, weights).toward(Side.SHORT) == score(calls, weights).toward(Side.LONG)


@given(heard(), weightings, st.integers(0, 7), convictions)
def test_more_conviction_for_a_side_never_gives_less_score_for_it(
    calls: list[Heard], weights: dict[int, int], which: int, more: Decimal
) -> None:
    if which >= len(calls):
        return
    chosen = calls[which]
    stronger = [*calls[:which], replace(chosen, conviction=max(chosen.conviction, more)), *calls[which + 1 :]]

    assert score(stronger, weights).toward(chosen.side) >= score(calls, weights).toward(chosen.side)


def test_each_author_counts_once_by_the_latest_call() -> None:
    calls = [said(1, Side.LONG, "1", 1), said(1, Side.LONG, "0.9", 2), said(1, Side.SHORT, "0.5", 3)]

    result = score(calls, {1: 80})

    assert [part.call_id for part in result.parts] == [3]
    assert result.score == Decimal("-0.4")


def test_a_close_call_takes_back_the_same_authors_open_of_that_side_alone() -> None:
    opened = [said(1, Side.LONG, "0.8", 1), said(2, Side.LONG, "0.5", 1)]

    withdrawn = score([*opened, said(1, Side.LONG, "1", 2, is_close=True)], {1: 100, 2: 50})
    other_side = score([*opened, said(1, Side.SHORT, "1", 2, is_close=True)], {1: 100, 2: 50})
    nothing_open = score([said(1, Side.LONG, "1", 2, is_close=True)], {1: 100})
    again = score(
        [*opened, said(1, Side.LONG, "1", 2, is_close=True), said(1, Side.LONG, "0.7", 3)], {1: 100}
    )

    assert withdrawn.score == Decimal("0.25")
    assert withdrawn.withdrew == (1,)
    assert other_side.withdrew == ()
    assert len(other_side.parts) == 2
    assert (nothing_open.parts, nothing_open.withdrew) == ((), ())
    assert again.withdrew == ()
    assert again.score == Decimal("0.7")


def test_one_author_of_little_weight_does_not_speak_for_everybody() -> None:
    assert score([said(1, Side.LONG, "1", 1)], {1: 10}).score == Decimal("0.1")


def test_weights_change_the_outcome_once_authors_disagree() -> None:
    calls = [said(1, Side.LONG, "0.8", 1), said(2, Side.SHORT, "0.8", 2)]

    assert score(calls, {1: 100, 2: 20}).score > 0
    assert score(calls, {1: 20, 2: 100}).score < 0
    assert score(calls, {1: 100, 2: 100}).divisor == 200


def test_who_is_not_followed_is_not_heard() -> None:
    assert score([said(3, Side.LONG, "1", 1)], {1: 100}).parts == ()


def test_the_breakdown_reads_as_a_sentence() -> None:
    calls = [said(1, Side.LONG, "0.8", 1), said(2, Side.SHORT, "0.5", 2), said(3, Side.LONG, "1", 1)]
    calls.append(said(3, Side.LONG, "1", 3, is_close=True))

    sentence = score(calls, {1: 100, 2: 50, 3: 50}).sentence({1: "ann", 3: "cyd"})

    assert sentence == (
        "Score +0.366667 of 1: @ann +0.533333 (LONG, conviction 0.8, weight 100); "
        "author 2 -0.166666 (SHORT, conviction 0.5, weight 50). Withdrawn by @cyd."
    )
    assert score([], {}).sentence({}) == "Score 0: no followed author holds a view."
