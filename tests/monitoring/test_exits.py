"""The exit decision, against one that takes no short cuts, over single marks and over whole walks of a price."""

from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcry.agents.model import Trailing
from outcry.monitoring.exits import CROSSED_FOR, Decision, Watched, decide, liquidation_limit, watch
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ENTRY = Decimal(100)
TRAILING = Trailing(Decimal("0.03"), Decimal("0.01"), Decimal("0.005"))


def long(**changes: Any) -> Watched:
    """A LONG from 100 with a resting stop at 95 and nothing else; any field can be another."""
    plain = Watched(
        side=Side.LONG,
        entry_price=ENTRY,
        stop_price=Decimal(95),
        stop_rests=True,
        trailing=None,
        peak=ENTRY,
        trail_price=None,
        resting_stop=Decimal(95),
        liquidation_price=None,
        liquidation_buffer_frac=Decimal("0.01"),
        ends_at=None,
        crossed_since=None,
    )
    return replace(plain, **changes)


def at(watched: Watched, mark: str, *, after_s: float = 0) -> Decision | None:
    return decide(watch(watched), Decimal(mark), NOON + timedelta(seconds=after_s))


def reflected(watched: Watched) -> Watched:
    """The same position on the other side: every price and every fraction turned around zero."""

    def turned(value: Decimal | None) -> Decimal | None:
        return None if value is None else -value

    trailing = watched.trailing
    return replace(
        watched,
        side=watched.side.opposite,
        **{
            name: turned(getattr(watched, name))
            for name in (
                *("entry_price", "stop_price", "peak", "trail_price", "resting_stop"),
                *("liquidation_price", "liquidation_buffer_frac"),
            )
        },  # type: ignore[arg-type]
        trailing=None
        if trailing is None
        else Trailing(-trailing.activation_frac, -trailing.distance_frac, -trailing.step_frac),
    )


# ─── one mark ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mark", ["95.01", "100", "104", "1000000"])
def test_between_the_levels_nothing_is_decided(mark: str) -> None:
    assert at(long(), mark) is None


@pytest.mark.parametrize("mark", ["0.15", "0.16", "100", "150"])
def test_f33_f34_a_fraction_is_never_compared_with_a_price(mark: str) -> None:
    cheap = long(
        entry_price=Decimal("0.16"),
        peak=Decimal("0.16"),
        stop_price=Decimal("0.05"),
        resting_stop=Decimal("0.05"),
        trailing=Trailing(Decimal("0.15"), Decimal("0.05"), Decimal("0.01")),
    )

    found = at(cheap, mark)

    assert found is None or found.exit is None


def test_f31_a_position_without_a_stop_at_the_venue_is_closed_by_the_monitor_at_once() -> None:
    found = at(long(stop_rests=False), "95")

    assert found is not None
    assert found.exit is Reason.STOP_LOSS
    assert "does not rest" in found.detail


def test_a_level_that_rests_at_the_venue_is_the_venues_for_five_seconds() -> None:
    first = at(long(), "95")

    assert first == Decision(ENTRY, None, NOON)
    waiting = long(crossed_since=NOON)
    assert at(waiting, "94", after_s=4.9) is None
    late = at(waiting, "94", after_s=5)
    assert late is not None
    assert late.exit is Reason.STOP_LOSS
    assert "without a fill" in late.detail


def test_a_crossing_that_goes_away_is_forgotten() -> None:
    assert at(long(crossed_since=NOON), "96", after_s=6) == Decision(ENTRY, None, None)


def test_f32_the_trail_does_not_fire_before_the_price_has_earned_it() -> None:
    new = long(trailing=TRAILING)

    assert [at(new, mark) for mark in ("100", "97.85", "96", "102.99")] == [None] * 4


def test_f32_the_trail_starts_at_a_real_best_price_and_follows_it() -> None:
    found = at(long(trailing=TRAILING), "103")

    assert found is not None
    assert (found.peak, found.trail_price, found.exit) == (Decimal(103), Decimal("101.97"), None)
    assert found.ratchet_to == Decimal("101.97")


def test_the_stop_at_the_venue_follows_in_steps_that_are_worth_it() -> None:
    followed = long(
        trailing=TRAILING,
        peak=Decimal(103),
        trail_price=Decimal("101.97"),
        stop_price=Decimal("101.97"),
        resting_stop=Decimal("101.97"),
    )

    small, worth = at(followed, "103.2"), at(followed, "104")

    assert small is not None
    assert small.ratchet_to is None
    assert small.trail_price == Decimal("102.168")
    assert worth is not None
    assert worth.ratchet_to == Decimal("102.96")


def test_the_fine_trail_between_two_steps_is_the_monitors_at_once() -> None:
    fine = long(
        trailing=TRAILING,
        peak=Decimal("103.2"),
        trail_price=Decimal("102.168"),
        stop_price=Decimal("101.97"),
        resting_stop=Decimal("101.97"),
    )

    found = at(fine, "102.1")

    assert found is not None
    assert found.exit is Reason.TRAILING_STOP


@pytest.mark.parametrize("resting", ["101.97", "101.98"])
def test_a_trail_that_rests_at_the_venue_or_is_rounded_nearer_there_is_the_venues(resting: str) -> None:
    rested = long(
        trailing=TRAILING,
        peak=Decimal(103),
        trail_price=Decimal("101.97"),
        stop_price=Decimal(resting),
        resting_stop=Decimal(resting),
    )

    first = at(rested, "101.9")
    late = at(replace(rested, crossed_since=NOON), "101.9", after_s=5)

    assert first == Decision(Decimal(103), Decimal("101.97"), NOON)
    assert late is not None
    assert late.exit is Reason.TRAILING_STOP


def test_a_trail_whose_stop_is_missing_at_the_venue_is_the_monitors() -> None:
    bare = long(
        trailing=TRAILING,
        peak=Decimal(103),
        trail_price=Decimal("101.97"),
        stop_price=Decimal("101.97"),
        resting_stop=Decimal("101.97"),
        stop_rests=False,
    )

    found = at(bare, "101.9")

    assert found is not None
    assert found.exit is Reason.TRAILING_STOP


def test_the_time_limit_closes_whatever_the_mark() -> None:
    limited = long(ends_at=NOON + timedelta(hours=1))

    assert at(limited, "100", after_s=3599) is None
    found = at(limited, "100", after_s=3600)
    assert found is not None
    assert found.exit is Reason.TIME_LIMIT


def test_f38_the_position_is_closed_before_liquidation_even_where_a_stop_rests_beyond_it() -> None:
    levered = long(liquidation_price=Decimal(96))

    assert liquidation_limit(levered) == Decimal("96.96")
    assert at(levered, "96.97") is None
    found = at(levered, "96.96")
    assert found is not None
    assert found.exit is Reason.LIQUIDATION_BUFFER


def test_f35_the_decision_is_made_at_the_mark_it_is_given_and_at_no_other_price() -> None:
    marks = [at(long(stop_rests=False), str(mark)) for mark in (100, 96, 95, 94)]

    assert [found is not None and found.exit for found in marks] == [
        False,
        False,
        Reason.STOP_LOSS,
        Reason.STOP_LOSS,
    ]


# ─── any mark, any position ─────────────────────────────────────────────────────────────────────────────────


def dec(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(low), max_value=Decimal(high), places=places)


trailings = st.builds(Trailing, dec("0.01", "0.1", 3), dec("0.001", "0.1", 3), dec("0", "0.02", 3))
seconds = st.integers(-20, 20).map(lambda s: NOON + timedelta(seconds=s))


@st.composite
def positions(draw: st.DrawFn) -> Watched:
    """Any state that the passes can bring about: a trail exists once the peak has passed its activation."""
    side = draw(st.sampled_from(Side))
    stop = ENTRY - side.sign * draw(dec("0.5", "20"))
    trailing = draw(st.none() | trailings)
    peak, trail = ENTRY, None
    if trailing is not None:
        peak = ENTRY + side.sign * draw(dec("0", "30"))
        if (peak - ENTRY * (1 + trailing.activation_frac * side.sign)) * side.sign >= 0:
            trail = peak * (1 - trailing.distance_frac * side.sign)
            if draw(st.booleans()):  # what an earlier, wider move left nearer
                trail += side.sign * draw(dec("0", "1"))
            if draw(st.booleans()):
                stop = trail
    liquidation = draw(st.none() | dec("15", "40").map(lambda away: ENTRY - side.sign * away))
    return Watched(
        side=side,
        entry_price=ENTRY,
        stop_price=stop,
        stop_rests=draw(st.booleans()),
        trailing=trailing,
        peak=peak,
        trail_price=trail,
        resting_stop=stop,
        liquidation_price=liquidation,
        liquidation_buffer_frac=draw(dec("0", "0.05", 3)),
        ends_at=draw(st.none() | seconds),
        crossed_since=draw(st.none() | seconds.filter(lambda moment: moment <= NOON)),
    )


@dataclass
class Plain:
    """A decision worked out in full at every mark, in gains from the entry, so that one side is all there is."""

    peak: Decimal
    trail: Decimal | None
    crossed: datetime | None
    ratchet: Decimal | None
    exit: Reason | None


def in_full(watched: Watched, mark: Decimal, now: datetime) -> Plain:
    sign = watched.side.sign
    gain = {name: getattr(watched, name) for name in ("stop_price", "peak", "trail_price", "resting_stop")}
    stop, peak, trail, resting = (None if v is None else v * sign for v in gain.values())
    at_mark, entry = mark * sign, watched.entry_price * sign
    assert stop is not None
    assert peak is not None
    assert resting is not None
    if watched.trailing is not None:
        peak = max(peak, at_mark)
        if peak >= entry + watched.entry_price * watched.trailing.activation_frac:
            behind = peak - abs(peak) * watched.trailing.distance_frac
            trail = behind if trail is None else max(trail, behind)
    plain = Plain(peak * sign, None if trail is None else trail * sign, None, None, None)
    if watched.liquidation_price is not None and at_mark <= (
        watched.liquidation_price * sign + watched.liquidation_price * watched.liquidation_buffer_frac
    ):
        plain.exit = Reason.LIQUIDATION_BUFFER
    elif trail is not None and at_mark <= trail and (not watched.stop_rests or resting < trail):
        plain.exit = Reason.TRAILING_STOP
    elif watched.ends_at is not None and watched.ends_at <= now:
        plain.exit = Reason.TIME_LIMIT
    elif at_mark <= stop:
        crossed = watched.crossed_since or now
        why = Reason.STOP_LOSS if trail is None else Reason.TRAILING_STOP
        if not watched.stop_rests:
            plain.exit = why
        else:
            plain.crossed = crossed
            plain.exit = why if now >= crossed + CROSSED_FOR else None
    elif trail is not None and watched.trailing is not None and trail > resting:
        is_worth = trail - resting >= watched.entry_price * watched.trailing.step_frac
        plain.ratchet = trail * sign if is_worth else None
    return plain


@settings(max_examples=400)
@given(positions(), dec("55", "145"))
def test_f35_a_decision_is_the_one_that_a_full_computation_makes(watched: Watched, mark: Decimal) -> None:
    found = decide(watch(watched), mark, NOON)

    plain = in_full(watched, mark, NOON)
    if found is None:
        # a peak that has not reached the activation is not worth writing: it moves no trail
        assert plain.exit is None
        assert plain.trail == watched.trail_price
        assert plain.crossed == watched.crossed_since
    else:
        assert found.exit is plain.exit
        assert (found.peak, found.trail_price) == (plain.peak, plain.trail)
        assert found.crossed_since == plain.crossed
        assert found.ratchet_to == plain.ratchet


@given(positions(), dec("55", "145"))
def test_inside_the_band_and_before_its_time_there_is_nothing_to_decide(
    watched: Watched, mark: Decimal
) -> None:
    band = watch(watched)

    if band.low < mark < band.high and band.until > NOON:
        assert decide(band, mark, NOON) is None
        assert in_full(watched, mark, NOON).exit is None


@given(positions(), dec("55", "145"))
def test_a_band_that_follows_what_moved_is_the_one_that_is_worked_out_anew(
    watched: Watched, mark: Decimal
) -> None:
    before = watch(watched)
    decision = decide(before, mark, NOON)
    moved = watched
    if decision is not None:
        moved = replace(
            watched,
            peak=decision.peak,
            trail_price=decision.trail_price,
            crossed_since=decision.crossed_since,
        )

    assert watch(moved, before.climb) == watch(moved)


@given(positions(), dec("55", "145"))
def test_long_and_short_mirror_each_other(watched: Watched, mark: Decimal) -> None:
    found = decide(watch(watched), mark, NOON)
    other = decide(watch(reflected(watched)), -mark, NOON)

    if found is None or other is None:
        assert found is other
        return
    assert (other.exit, other.crossed_since) == (found.exit, found.crossed_since)
    assert other.peak == -found.peak
    for name in ("trail_price", "ratchet_to"):
        here, there = getattr(found, name), getattr(other, name)
        assert (None if here is None else -here) == there


@settings(max_examples=60)
@given(positions(), st.lists(dec("70", "140"), min_size=1, max_size=25))
def test_over_any_walk_the_trail_never_loosens_and_the_peak_never_moves_against(
    watched: Watched, walk: list[Decimal]
) -> None:
    sign = watched.side.sign
    for step, mark in enumerate(walk):
        found = decide(watch(watched), mark, NOON + timedelta(seconds=step))
        if found is None:
            continue
        assert (found.peak - watched.peak) * sign >= 0
        if watched.trail_price is not None:
            assert found.trail_price is not None
            assert (found.trail_price - watched.trail_price) * sign >= 0
        resting = watched.resting_stop
        if found.ratchet_to is not None:
            assert (found.ratchet_to - resting) * sign > 0
            resting = found.ratchet_to
        watched = replace(
            watched,
            peak=found.peak,
            trail_price=found.trail_price,
            crossed_since=found.crossed_since,
            stop_price=resting,
            resting_stop=resting,
        )
        if found.exit is not None:
            return


@given(positions(), dec("55", "145"))
def test_deciding_again_at_the_same_mark_changes_nothing_more(watched: Watched, mark: Decimal) -> None:
    found = decide(watch(watched), mark, NOON)
    if found is None or found.exit is not None:
        return
    resting = found.ratchet_to or watched.resting_stop
    after = replace(
        watched,
        peak=found.peak,
        trail_price=found.trail_price,
        crossed_since=found.crossed_since,
        stop_price=resting,
        resting_stop=resting,
    )

    assert decide(watch(after), mark, NOON) is None


@pytest.mark.parametrize("mirror", [False, True])
def test_f32_a_trail_that_is_nearer_already_is_not_loosened_by_a_new_best_price(mirror: bool) -> None:
    trailing = Trailing(Decimal("0.01"), Decimal("0.05"), Decimal("0.01"))
    watched = long(
        trailing=trailing,
        peak=Decimal(110),
        trail_price=Decimal(108),
        resting_stop=Decimal(108),
        stop_price=Decimal(108),
    )
    mark = Decimal(111)
    if mirror:
        watched, mark = reflected(watched), -mark

    decision = decide(watch(watched), mark, NOON)

    assert decision is not None
    assert (decision.peak, decision.trail_price) == (mark, watched.trail_price)
