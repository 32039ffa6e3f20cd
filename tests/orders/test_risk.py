"""Whether an entry may be made, how much room the caps leave, and how far an exit goes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.agents.model import Limits
from outcry.orders.risk import (
    EXIT_BOUNDS,
    MARK_MAX_AGE,
    SNAPSHOT_MAX_AGE,
    Facts,
    Refusal,
    Room,
    Usage,
    entry_bound,
    exit_bound,
    is_at_exit_floor,
    refuse,
    room,
)
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
GOOD = Facts(
    now=NOON,
    not_after=NOON,
    side=Side.LONG,
    reference_price=Decimal(100),
    max_chase_frac=Decimal("0.01"),
    mark=Decimal(101),
    mark_at=NOON - MARK_MAX_AGE,
    snapshot_at=NOON - SNAPSHOT_MAX_AGE,
    changed_at=NOON - SNAPSHOT_MAX_AGE,
    standing=None,
    deployment_state="ACTIVE",
    lacks_canary=None,
    mode_is_standard=True,
    signer=None,
    owner_side=None,
    place_has_open_order=False,
    venue_size=Decimal(0),
    has_foreign_order=False,
)
# in the order in which they are looked at
BAD: list[tuple[dict[str, Any], Reason]] = [
    ({"standing": Refusal(Reason.PAUSED, "desk")}, Reason.PAUSED),
    ({"deployment_state": "REDUCING"}, Reason.DEPLOYMENT_NOT_ACTIVE),
    ({"lacks_canary": "run one"}, Reason.CANARY_MISSING),
    ({"not_after": NOON - SECOND}, Reason.ENTRY_TOO_LATE),
    ({"signer": Refusal(Reason.SIGNER_EXPIRED, "it ended")}, Reason.SIGNER_EXPIRED),
    ({"mode_is_standard": False}, Reason.ACCOUNT_MODE_UNKNOWN),
    ({"snapshot_at": NOON - SNAPSHOT_MAX_AGE - SECOND}, Reason.SNAPSHOT_STALE),
    ({"owner_side": Side.SHORT}, Reason.OPPOSITE_POSITION),
    ({"place_has_open_order": True}, Reason.PLACE_TAKEN),
    ({"venue_size": Decimal("-0.1")}, Reason.FOREIGN_POSITION),
    ({"has_foreign_order": True}, Reason.FOREIGN_ORDER),
    ({"mark": Decimal("101.01")}, Reason.MARK_RAN_AWAY),
]


def test_an_entry_at_the_edge_of_every_rule_is_allowed() -> None:
    assert refuse(GOOD) is None
    assert refuse(replace(GOOD, changed_at=None)) is None
    assert refuse(replace(GOOD, side=Side.SHORT, mark=Decimal(99))) is None


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_each_rule_refuses_with_its_own_reason_and_says_why(change: dict[str, Any], reason: Reason) -> None:
    found = refuse(replace(GOOD, **change))

    assert found is not None
    assert found.reason is reason
    assert found.detail


@given(st.sets(st.sampled_from(range(len(BAD))), min_size=1))
def test_the_same_facts_always_give_the_first_reason_that_holds(broken: set[int]) -> None:
    changes: dict[str, Any] = {}
    for number in broken:
        changes |= BAD[number][0]

    found = refuse(replace(GOOD, **changes))

    assert found is not None
    assert found.reason is BAD[min(broken)][1]


def test_f8_a_place_that_we_hold_on_the_same_side_is_taken() -> None:
    found = refuse(replace(GOOD, owner_side=Side.LONG))

    assert found is not None
    assert found.reason is Reason.PLACE_TAKEN


@pytest.mark.parametrize(
    "change", [{"mark": None}, {"mark_at": NOON - MARK_MAX_AGE - timedelta(microseconds=1)}]
)
def test_f35_without_a_fresh_mark_there_is_no_entry(change: dict[str, Any]) -> None:
    found = refuse(replace(GOOD, **change))

    assert found is not None
    assert found.reason is Reason.MARK_STALE


def test_an_account_that_changed_after_it_was_read_is_not_sized_on() -> None:
    found = refuse(replace(GOOD, changed_at=GOOD.snapshot_at + timedelta(microseconds=1)))

    assert found is not None
    assert found.reason is Reason.SNAPSHOT_STALE


@pytest.mark.parametrize(("side", "mark"), [(Side.LONG, "50"), (Side.SHORT, "150")])
def test_a_price_that_came_towards_us_is_not_chased(side: Side, mark: str) -> None:
    assert refuse(replace(GOOD, side=side, mark=Decimal(mark))) is None


@pytest.mark.parametrize(("side", "bound"), [(Side.LONG, "100.5"), (Side.SHORT, "99.5")])
def test_f29_an_entry_is_bounded_by_its_slippage(side: Side, bound: str) -> None:
    assert entry_bound(Decimal(100), side, Decimal("0.005")) == Decimal(bound)


# ─── caps ───────────────────────────────────────────────────────────────────────────────────────────────────

money = st.integers(0, 10_000).map(Decimal)
caps = st.none() | money
limits = st.builds(Limits, money, money, caps, caps, caps, caps, st.none() | st.integers(0, 5))
usages = st.builds(Usage, money, money, money, money, money, st.integers(0, 6))
UNUSED = Usage(Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0), 0)
WIDE = Limits(Decimal(1000), Decimal(10_000))


@pytest.mark.parametrize(
    ("change", "used", "left", "reason"),
    [
        ({}, {}, 1000, Reason.CAP_PER_TRADE),
        ({}, {"account_usd": Decimal(9500)}, 500, Reason.CAP_PER_ACCOUNT),
        ({"per_market_usd": Decimal(600)}, {"market_usd": Decimal(100)}, 500, Reason.CAP_PER_MARKET),
        ({"per_author_usd": Decimal(600)}, {"author_usd": Decimal(100)}, 500, Reason.CAP_PER_AUTHOR),
        ({"per_agent_usd": Decimal(600)}, {"agent_usd": Decimal(100)}, 500, Reason.CAP_PER_AGENT),
        ({"per_day_usd": Decimal(600)}, {"day_usd": Decimal(100)}, 500, Reason.CAP_PER_DAY),
        ({"max_open_positions": 2}, {"open_positions": 2}, 0, Reason.CAP_OPEN_POSITIONS),
        ({"max_open_positions": 2}, {"open_positions": 1}, 1000, Reason.CAP_PER_TRADE),
        ({}, {"account_usd": Decimal(20_000)}, 0, Reason.CAP_PER_ACCOUNT),
    ],
)
def test_f37_each_cap_binds_and_is_named(
    change: dict[str, Any], used: dict[str, Any], left: int, reason: Reason
) -> None:
    assert room([(replace(WIDE, **change), replace(UNUSED, **used))]) == Room(Decimal(left), reason)


@given(st.lists(st.tuples(limits, usages), min_size=1, max_size=3))
def test_f30_the_room_is_that_of_the_tightest_cap_and_never_less_than_none(
    pairs: list[tuple[Limits, Usage]],
) -> None:
    left: list[Decimal] = []
    for limit, used in pairs:
        left += [limit.per_trade_usd, limit.per_account_usd - used.account_usd]
        if limit.max_open_positions is not None and used.open_positions >= limit.max_open_positions:
            left.append(Decimal(0))
        for scope in ("market", "author", "agent", "day"):
            cap = getattr(limit, f"per_{scope}_usd")
            left += [] if cap is None else [cap - getattr(used, f"{scope}_usd")]

    found = room(pairs)

    assert found.notional_usd == max(min(left), Decimal(0))
    assert found.binding.value.startswith("CAP_")


@given(limits, usages, limits, usages)
def test_another_set_of_limits_never_gives_more_room(
    ours: Limits, used: Usage, theirs: Limits, also: Usage
) -> None:
    both = room([(ours, used), (theirs, also)])

    assert both.notional_usd <= room([(ours, used)]).notional_usd


# ─── exits ──────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from(Side), st.integers(1, 10**6).map(Decimal), st.integers(0, 40))
def test_f29_an_exit_widens_in_steps_to_a_floor_and_repeats_there(
    side: Side, mark: Decimal, attempt: int
) -> None:
    this, after = exit_bound(mark, side, attempt), exit_bound(mark, side, attempt + 1)

    assert (mark - this) * side.sign > 0
    assert (this - after) * side.sign >= 0
    assert (this == after) is is_at_exit_floor(attempt)
    assert (mark - this) * side.sign <= mark * max(EXIT_BOUNDS)


def test_the_bounds_of_an_exit_grow_and_stay_below_what_a_book_can_be_swept_for() -> None:
    assert list(EXIT_BOUNDS) == sorted(set(EXIT_BOUNDS))
    assert max(EXIT_BOUNDS) < Decimal("0.1")


@given(st.integers(1, 10**6).map(Decimal), st.integers(0, 10))
def test_the_bounds_of_long_and_short_mirror_each_other_around_the_mark(mark: Decimal, attempt: int) -> None:
    long, short = exit_bound(mark, Side.LONG, attempt), exit_bound(mark, Side.SHORT, attempt)

    assert mark - long == short - mark
    assert entry_bound(mark, Side.LONG, EXIT_BOUNDS[0]) - mark == mark - entry_bound(
        mark, Side.SHORT, EXIT_BOUNDS[0]
    )
