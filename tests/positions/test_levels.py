"""Where the stop and the ladder really lie after a fill, for both sides and around liquidation."""

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outcry.positions.levels import Levels, PricedTarget, ladder_sizes, resolve, trail_from
from outcry.runtime.side import Side
from outcry.signals.exit_rules import AtPrice, ExitPlan, FractionOfEntry, Level, Target

ENTRY = Decimal(100)
PLAN = ExitPlan(
    stop=FractionOfEntry(Decimal("0.02")),
    own_stop_frac=Decimal("0.05"),
    targets=(Target(FractionOfEntry(Decimal("0.05")), Decimal("0.5")),),
    own_targets=(Target(FractionOfEntry(Decimal("0.1")), Decimal("0.5")),),
    trailing=None,
    time_limit=None,
    liquidation_buffer_frac=Decimal("0.01"),
    follow_close_calls=True,
)


def dec(low: str, high: str, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(low), max_value=Decimal(high), places=places)


levels = st.one_of(dec("0.0001", "0.9", 4).map(FractionOfEntry), dec("0.01", "199.99", 2).map(AtPrice))
targets = st.lists(st.builds(Target, levels, dec("0.01", "0.2", 2)), max_size=5).map(tuple)
own_ladders = st.lists(
    st.builds(Target, dec("0.001", "0.9", 3).map(FractionOfEntry), dec("0.01", "0.2", 2)), max_size=5
).map(tuple)
plans = st.builds(
    ExitPlan,
    stop=levels,
    own_stop_frac=dec("0.001", "0.9", 3),
    targets=targets,
    own_targets=own_ladders,
    trailing=st.none(),
    time_limit=st.none(),
    liquidation_buffer_frac=dec("0", "0.2", 3),
    follow_close_calls=st.booleans(),
)


def placed(plan: ExitPlan, side: Side = Side.LONG, liquidation: str | None = None) -> Levels:
    return resolve(
        plan,
        side=side,
        entry_price=ENTRY,
        liquidation_price=None if liquidation is None else Decimal(liquidation),
    )


@pytest.mark.parametrize(("side", "stop"), [(Side.LONG, "98.00"), (Side.SHORT, "102.00")])
def test_f33_a_fraction_is_a_distance_from_the_entry_and_never_a_price(side: Side, stop: str) -> None:
    assert placed(PLAN, side) == Levels(
        Decimal(stop), (PricedTarget(ENTRY * (1 + Decimal("0.05") * side.sign), Decimal("0.5")),), ()
    )


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("beyond", [Decimal(0), Decimal(1), Decimal("99.95")])
def test_f33_a_stop_at_or_beyond_the_fill_is_replaced_by_the_agents_own_and_recorded(
    side: Side, beyond: Decimal
) -> None:
    plan = replace(PLAN, stop=AtPrice(ENTRY + beyond * side.sign))

    found = placed(plan, side)

    assert found.stop_price == ENTRY * (1 - Decimal("0.05") * side.sign)
    assert len(found.notes) == 1
    assert "planned stop" in found.notes[0]


def test_f31_an_entry_filled_beyond_its_stated_stop_still_has_a_stop() -> None:
    found = placed(replace(PLAN, stop=AtPrice(Decimal("100.5"))))

    assert found.stop_price == 95


@pytest.mark.parametrize(("side", "price"), [(Side.LONG, "0.15"), (Side.SHORT, "115")])
def test_f34_a_target_on_the_losing_side_of_the_fill_is_replaced_by_the_agents_own_and_recorded(
    side: Side, price: str
) -> None:
    plan = replace(PLAN, targets=(Target(AtPrice(Decimal(price)), Decimal("0.5")),))

    found = placed(plan, side)

    assert found.targets == (PricedTarget(ENTRY * (1 + Decimal("0.1") * side.sign), Decimal("0.5")),)
    assert found.notes == ("planned targets are not usable after a fill at 100: the agent's own are used",)


@pytest.mark.parametrize("side", list(Side))
def test_f33_a_slipped_fill_never_puts_the_stop_farther_away_than_the_agents_own(side: Side) -> None:
    stated = AtPrice(ENTRY * (1 - Decimal("0.08") * side.sign))

    found = placed(replace(PLAN, stop=stated), side)

    assert found.stop_price == ENTRY * (1 - Decimal("0.05") * side.sign)


@pytest.mark.parametrize(
    ("side", "liquidation", "stop"), [(Side.LONG, "97.5", "98.475"), (Side.SHORT, "102.5", "101.475")]
)
def test_f38_at_high_leverage_the_stop_is_drawn_in_before_liquidation_and_recorded(
    side: Side, liquidation: str, stop: str
) -> None:
    found = placed(PLAN, side, liquidation)

    assert found.stop_price == Decimal(stop)
    assert "beyond the liquidation buffer" in found.notes[-1]


@pytest.mark.parametrize("side", list(Side))
def test_f38_an_agents_own_stop_beyond_liquidation_is_recorded_once(side: Side) -> None:
    plan = replace(PLAN, stop=FractionOfEntry(Decimal("0.05")))
    liquidation = ENTRY - side.sign * Decimal("2.5")

    found = resolve(plan, side=side, entry_price=ENTRY, liquidation_price=liquidation)

    assert len(found.notes) == 1
    assert (ENTRY - found.stop_price) * side.sign > 0


@pytest.mark.parametrize(
    ("side", "liquidation"),
    [(Side.LONG, "99.5"), (Side.SHORT, "100.5"), (Side.LONG, "100"), (Side.SHORT, "99")],
)
def test_f38_no_room_for_the_buffer_still_leaves_the_stop_on_the_losing_side(
    side: Side, liquidation: str
) -> None:
    found = placed(PLAN, side, liquidation)

    assert (ENTRY - found.stop_price) * side.sign > 0
    room = (ENTRY - Decimal(liquidation)) * side.sign
    if room > 0:
        assert (ENTRY - found.stop_price) * side.sign < room
    assert found.notes


@given(plans, st.sampled_from(Side), dec("50", "150", 2), st.none() | dec("0.05", "0.99", 4))
def test_f38_the_stop_is_on_the_losing_side_and_before_liquidation_whatever_was_planned(
    plan: ExitPlan, side: Side, entry: Decimal, liquidation_frac: Decimal | None
) -> None:
    liquidation = None if liquidation_frac is None else entry * (1 - liquidation_frac * side.sign)

    found = resolve(plan, side=side, entry_price=entry, liquidation_price=liquidation)

    assert (entry - found.stop_price) * side.sign > 0
    assert found.stop_price > 0
    if liquidation is not None:
        assert (found.stop_price - liquidation) * side.sign >= 0
        limit = liquidation * (1 + plan.liquidation_buffer_frac * side.sign)
        if (entry - limit) * side.sign > 0:
            assert (found.stop_price - limit) * side.sign >= 0


@given(plans, st.sampled_from(Side), dec("50", "150", 2))
def test_f34_every_target_is_ahead_of_the_fill_nearest_first(
    plan: ExitPlan, side: Side, entry: Decimal
) -> None:
    found = resolve(plan, side=side, entry_price=entry, liquidation_price=None)

    ahead = [(target.price - entry) * side.sign for target in found.targets]
    assert all(distance > 0 for distance in ahead)
    assert ahead == sorted(ahead)
    used = [target.share for target in found.targets]
    assert sorted(used) in (
        sorted(target.share for target in plan.targets),
        sorted(target.share for target in plan.own_targets),
    )


@given(plans, st.sampled_from(Side), st.none() | dec("1", "99", 2))
def test_a_replaced_level_is_always_recorded(plan: ExitPlan, side: Side, away: Decimal | None) -> None:
    liquidation = None if away is None else ENTRY - away * side.sign

    found = resolve(plan, side=side, entry_price=ENTRY, liquidation_price=liquidation)

    planned = (
        plan.stop.price if isinstance(plan.stop, AtPrice) else ENTRY * (1 - plan.stop.fraction * side.sign)
    )
    own = ENTRY * (1 - plan.own_stop_frac * side.sign)
    assert (found.stop_price != planned) is any("stop" in note for note in found.notes)
    assert (found.stop_price - own) * side.sign >= 0


@given(plans, st.none() | dec("1", "99", 2))
def test_long_and_short_mirror_each_other_around_the_entry(plan: ExitPlan, away: Decimal | None) -> None:
    def mirrored(level: Level) -> Level:
        return AtPrice(2 * ENTRY - level.price) if isinstance(level, AtPrice) else level

    # a buffer is a fraction of the liquidation price, which a mirror around the entry does not keep
    plan = replace(plan, liquidation_buffer_frac=Decimal(0))
    turned = replace(
        plan,
        stop=mirrored(plan.stop),
        targets=tuple(replace(target, level=mirrored(target.level)) for target in plan.targets),
    )
    liquidations = (None, None) if away is None else (ENTRY - away, ENTRY + away)

    long = resolve(plan, side=Side.LONG, entry_price=ENTRY, liquidation_price=liquidations[0])
    short = resolve(turned, side=Side.SHORT, entry_price=ENTRY, liquidation_price=liquidations[1])

    assert short.stop_price == 2 * ENTRY - long.stop_price
    assert [target.price for target in short.targets] == [2 * ENTRY - t.price for t in long.targets]
    assert [target.share for target in short.targets] == [target.share for target in long.targets]
    assert len(short.notes) == len(long.notes)


# ─── the ladder ─────────────────────────────────────────────────────────────────────────────────────────────


def lots(places: int) -> Callable[[Decimal], Decimal]:
    return lambda size: size.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)


def ladder(*steps: tuple[str, str]) -> list[PricedTarget]:
    return [PricedTarget(Decimal(price), Decimal(share)) for price, share in steps]


def test_each_step_closes_its_share_of_what_was_opened() -> None:
    steps = ladder_sizes(
        ladder(("110", "0.5"), ("120", "0.25")),
        opened_size=Decimal(2),
        fit=lots(3),
        minimum_notional_usd=Decimal(10),
    )

    assert [size for _, size in steps] == [Decimal(1), Decimal("0.5")]


def test_a_step_too_small_for_the_venue_is_joined_to_the_next() -> None:
    first, second = ladder(("110", "0.05"), ("120", "0.5"))

    steps = ladder_sizes(
        [first, second], opened_size=Decimal(1), fit=lots(3), minimum_notional_usd=Decimal(10)
    )

    assert steps == ((second, Decimal("0.550")),)


def test_a_last_step_too_small_for_the_venue_joins_the_one_before() -> None:
    first, second = ladder(("110", "0.5"), ("120", "0.05"))

    steps = ladder_sizes(
        [first, second], opened_size=Decimal(1), fit=lots(3), minimum_notional_usd=Decimal(10)
    )

    assert steps == ((first, Decimal("0.550")),)


def test_a_position_too_small_for_any_step_has_none() -> None:
    steps = ladder_sizes(
        ladder(("110", "0.5")), opened_size=Decimal("0.01"), fit=lots(3), minimum_notional_usd=Decimal(10)
    )

    assert steps == ()


ladders = st.lists(st.builds(PricedTarget, dec("0.5", "1000", 2), dec("0", "0.6", 3)), min_size=1, max_size=6)


@given(ladders, dec("0.0001", "50", 4), st.integers(0, 4), dec("0", "200", 2))
def test_the_steps_never_sum_to_more_than_the_position_and_none_is_too_small(
    steps: list[PricedTarget], opened: Decimal, places: int, minimum: Decimal
) -> None:
    found = ladder_sizes(steps, opened_size=opened, fit=lots(places), minimum_notional_usd=minimum)

    total = sum((size for _, size in found), Decimal(0))
    promised = min(sum((step.share for step in steps), Decimal(0)), Decimal(1)) * opened
    assert total <= promised <= opened
    assert all(size > 0 and size * target.price >= minimum for target, size in found)
    assert all(size == lots(places)(size) for _, size in found)
    remaining = iter(steps)
    assert all(any(step is target for step in remaining) for target, _ in found)
    if found:
        assert promised - total < Decimal(1).scaleb(-places)


@given(st.sampled_from(Side), dec("1", "1000", 2), dec("0.001", "0.5", 3))
def test_f32_a_trail_lies_behind_the_peak_by_its_distance(
    side: Side, peak: Decimal, distance: Decimal
) -> None:
    assume(distance > 0)

    trail = trail_from(peak, side, distance)

    assert (peak - trail) * side.sign == peak * distance
