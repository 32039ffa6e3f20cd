"""Exits as planned: tagged levels, and a post that can only make an exit earlier and a trade smaller."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcry.agents.model import ExitRules
from outcry.runtime.side import Side
from outcry.signals.exit_rules import (
    MAX_TARGETS,
    AtPrice,
    FractionOfEntry,
    Target,
    own_targets,
    plan_exits,
    plan_from_json,
    plan_to_json,
    sizing_stop_frac,
    stated_ladder,
)
from outcry.signals.model import EntryPlan

MARK = Decimal(100)
prices = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(100_000), places=4)


def test_f31_without_levels_in_the_post_the_agents_own_exits_are_planned(rules: ExitRules) -> None:
    plan, notes = plan_exits(rules, side=Side.LONG, reference_price=MARK, stated_stop=None, stated_targets=())

    assert plan.stop == FractionOfEntry(Decimal("0.04"))
    assert plan.targets == plan.own_targets == own_targets(rules)
    assert plan.trailing == rules.trailing
    assert plan.time_limit == rules.time_limit
    assert notes == ()


@pytest.mark.parametrize(
    ("side", "stated", "stop"),
    [
        (Side.LONG, "98", AtPrice(Decimal(98))),
        (Side.LONG, "90", FractionOfEntry(Decimal("0.04"))),
        (Side.LONG, "99.95", FractionOfEntry(Decimal("0.04"))),
        (Side.LONG, "101", FractionOfEntry(Decimal("0.04"))),
        (Side.SHORT, "102", AtPrice(Decimal(102))),
        (Side.SHORT, "110", FractionOfEntry(Decimal("0.04"))),
        (Side.SHORT, "100.05", FractionOfEntry(Decimal("0.04"))),
        (Side.SHORT, "99", FractionOfEntry(Decimal("0.04"))),
    ],
)
def test_a_stated_stop_only_makes_the_exit_earlier(
    rules: ExitRules, side: Side, stated: str, stop: object
) -> None:
    plan, _ = plan_exits(
        rules, side=side, reference_price=MARK, stated_stop=Decimal(stated), stated_targets=()
    )

    assert plan.stop == stop
    assert plan.own_stop_frac == Decimal("0.04")


def test_an_unusable_stated_stop_is_recorded(rules: ExitRules) -> None:
    _, notes = plan_exits(
        rules, side=Side.LONG, reference_price=MARK, stated_stop=Decimal(101), stated_targets=()
    )

    assert notes == ("stated stop 101 is not usable from 100: the agent's own is used",)


@pytest.mark.parametrize("side", list(Side))
def test_stated_targets_close_together_what_the_own_ladder_would_nearest_first(
    rules: ExitRules, side: Side
) -> None:
    stated = tuple(MARK * (1 + side.sign * Decimal(n) / 100) for n in (9, 3, 6))

    plan, notes = plan_exits(rules, side=side, reference_price=MARK, stated_stop=None, stated_targets=stated)

    assert [target.level for target in plan.targets] == [
        AtPrice(MARK * (1 + side.sign * Decimal(n) / 100)) for n in (3, 6, 9)
    ]
    assert sum(target.share for target in plan.targets) == Decimal("0.75")
    assert notes == ()


def test_f34_a_stated_target_on_the_wrong_side_is_left_out_and_recorded(rules: ExitRules) -> None:
    stated = (Decimal("0.15"), Decimal(110))

    plan, notes = plan_exits(
        rules, side=Side.LONG, reference_price=MARK, stated_stop=None, stated_targets=stated
    )

    assert [target.level for target in plan.targets] == [AtPrice(Decimal(110))]
    assert notes == ("stated targets on the wrong side were left out",)


@pytest.mark.parametrize(("side", "price"), [(Side.LONG, "1000"), (Side.SHORT, "10")])
def test_f33_a_target_ten_times_away_is_in_other_units_and_left_out(
    rules: ExitRules, side: Side, price: str
) -> None:
    plan, notes = plan_exits(
        rules, side=side, reference_price=MARK, stated_stop=None, stated_targets=(Decimal(price),)
    )

    assert plan.targets == own_targets(rules)
    assert notes == ("stated targets ten times away were left out",)


def test_an_agent_without_a_ladder_takes_no_targets_from_a_post(rules: ExitRules) -> None:
    bare = replace(rules, take_profits=())

    plan, _ = plan_exits(
        bare, side=Side.LONG, reference_price=MARK, stated_stop=None, stated_targets=(Decimal(110),)
    )

    assert plan.targets == ()


@given(
    st.lists(prices, min_size=1, max_size=9),
    st.sampled_from(Side),
    st.lists(
        st.decimals(min_value=Decimal("0.0001"), max_value=Decimal("0.2"), places=4), min_size=1, max_size=5
    ),
)
def test_a_stated_ladder_never_closes_more_than_the_own_one(
    stated: list[Decimal], side: Side, shares: list[Decimal]
) -> None:
    own = tuple(Target(FractionOfEntry(Decimal(n)), share) for n, share in enumerate(shares, 1))

    ladder = stated_ladder(tuple(stated), side, own)

    assert sum(target.share for target in ladder) == sum(shares)
    assert 1 <= len(ladder) <= MAX_TARGETS
    assert all(target.share > 0 for target in ladder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(Side), prices)
def test_a_stated_stop_never_gives_more_size_than_none(rules: ExitRules, side: Side, stated: Decimal) -> None:
    sizes = {
        stop: sizing_stop_frac(
            rules, min_stop_frac=Decimal("0.01"), side=side, reference_price=MARK, stated_stop=stop
        )
        for stop in (None, stated)
    }

    assert sizes[stated] >= sizes[None] == Decimal("0.04")


def test_a_stop_one_tick_below_the_entry_sizes_like_none_at_all(rules: ExitRules) -> None:
    tight = replace(rules, stop_frac=Decimal("0.005"))

    for stated in (None, Decimal("99.99")):
        assert sizing_stop_frac(
            tight, min_stop_frac=Decimal("0.01"), side=Side.LONG, reference_price=MARK, stated_stop=stated
        ) == Decimal("0.01")


@pytest.mark.parametrize("is_bare", [False, True])
def test_f37_a_plan_comes_back_from_storage_as_it_was(rules: ExitRules, *, is_bare: bool) -> None:
    chosen = replace(rules, trailing=None, time_limit=None) if is_bare else rules
    exits, _ = plan_exits(
        chosen, side=Side.LONG, reference_price=MARK, stated_stop=Decimal(98), stated_targets=(Decimal(110),)
    )
    plan = EntryPlan(
        signal_id=7,
        agent_id="one",
        author_id=11,
        market="BTC",
        side=Side.LONG,
        score=Decimal("0.64"),
        reference_price=MARK,
        stop_frac=Decimal("0.04"),
        risk_frac=Decimal("0.005"),
        max_leverage=5,
        max_slippage_frac=Decimal("0.005"),
        max_chase_frac=Decimal("0.01"),
        exits=exits,
        not_after=datetime(2026, 1, 5, 12, 10, tzinfo=UTC),
    )

    assert plan_from_json(json.loads(json.dumps(plan_to_json(exits)))) == exits
    assert EntryPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    "broken", [lambda stored: stored.pop("stop"), lambda stored: stored["stop"].update(fraction="x")]
)
def test_anything_else_in_storage_is_refused(
    rules: ExitRules, broken: Callable[[dict[str, object]], object]
) -> None:
    exits, _ = plan_exits(rules, side=Side.LONG, reference_price=MARK, stated_stop=None, stated_targets=())
    stored = plan_to_json(exits)
    broken(stored)

    with pytest.raises((KeyError, ArithmeticError)):
        plan_from_json(stored)
