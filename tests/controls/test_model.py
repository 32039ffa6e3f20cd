"""Which control or lock forbids an entry, and in which words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.controls.model import (
    Control,
    ControlMode,
    Lock,
    ScopeKind,
    Standing,
    UnknownScope,
    mode_of,
    parse_scope,
    place_scopes,
    standing,
)
from outcry.runtime.reasons import Reason

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
GOVERNING = ["desk", "account:main", "deployment:alpha-main", "agent:alpha"]
ELSEWHERE = ["account:other", "deployment:beta-main", "agent:main"]
LOCKING = [*GOVERNING, "author:42", "market:kPEPE"]

modes = st.sampled_from(ControlMode)


def control(scope: str, mode: ControlMode = ControlMode.PAUSE, number: int = 1, minutes: int = 0) -> Control:
    return Control(number, scope, mode, "fat finger", "ana", NOW - timedelta(minutes=minutes))


def lock(scope: str, minutes: int = 5) -> Lock:
    return Lock(scope, "loss streak", "three losses", NOW + timedelta(minutes=minutes))


def asked(controls: list[Control], locks: list[Lock], author_id: int | None = 42) -> Standing | None:
    return standing(
        controls,
        locks,
        account_id="main",
        deployment_id="alpha-main",
        agent_id="alpha",
        author_id=author_id,
        market="kPEPE",
        now=NOW,
    )


def test_nothing_standing_forbids_nothing() -> None:
    assert asked([], []) is None


@pytest.mark.parametrize("scope", GOVERNING)
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (ControlMode.PAUSE, Reason.PAUSED),
        (ControlMode.FLATTEN, Reason.FLATTENING),
        (ControlMode.HALT, Reason.HALTED),
    ],
)
def test_every_mode_over_every_scope_of_the_entry_forbids_it(
    scope: str, mode: ControlMode, reason: Reason
) -> None:
    assert asked([control(scope, mode)], []) == Standing(
        reason, f"{scope}: fat finger (ana, 2026-01-05 12:00 UTC)"
    )


@pytest.mark.parametrize("scope", ELSEWHERE)
def test_controls_and_locks_of_other_scopes_forbid_nothing(scope: str) -> None:
    assert asked([control(scope)], [lock(scope), lock("author:4"), lock("market:PEPE")]) is None


@pytest.mark.parametrize("scope", LOCKING)
def test_a_lock_over_any_scope_of_the_entry_forbids_it_until_it_ends(scope: str) -> None:
    assert asked([], [lock(scope)]) == Standing(
        Reason.LOCKED, f"{scope}: three losses (loss streak, until 2026-01-05 12:05 UTC)"
    )
    assert asked([], [lock(scope, minutes=0)]) is None


def test_the_lock_that_ends_last_is_the_one_that_is_told() -> None:
    found = asked([], [lock("desk", 5), lock("author:42", 9), lock("market:kPEPE", 7)])

    assert found is not None
    assert found.detail.startswith("author:42")


def test_an_entry_without_an_author_is_not_locked_by_one() -> None:
    assert asked([], [lock("author:42"), lock("author:None")], author_id=None) is None


def test_the_oldest_control_of_a_mode_is_the_one_that_is_told() -> None:
    found = asked([control("desk", minutes=1), control("account:main", minutes=9, number=2)], [])

    assert found is not None
    assert found.detail.startswith("account:main")


@given(st.lists(st.builds(control, st.sampled_from(GOVERNING), modes), max_size=5), st.booleans())
def test_the_strictest_wins_in_any_order(controls: list[Control], locked: bool) -> None:
    found = asked(controls, [lock("desk")] if locked else [])

    ranks = [Reason.HALTED, Reason.FLATTENING, Reason.PAUSED, Reason.LOCKED]
    by_mode = dict(zip((ControlMode.HALT, ControlMode.FLATTEN, ControlMode.PAUSE), ranks, strict=False))
    present = [by_mode[each.mode] for each in controls] + ([Reason.LOCKED] if locked else [])
    expected = min(present, key=ranks.index, default=None)
    assert (found.reason if found else None) is expected


def test_a_place_is_controlled_by_the_strictest_of_its_scopes() -> None:
    controls = [
        control("desk"),
        control("agent:alpha", ControlMode.FLATTEN),
        control("account:other", ControlMode.HALT),
    ]

    assert (
        mode_of(controls, account_id="main", deployment_id="alpha-main", agent_id="alpha")
        is ControlMode.FLATTEN
    )
    assert mode_of(controls, account_id="main", deployment_id=None, agent_id=None) is ControlMode.PAUSE
    assert mode_of([], account_id="main", deployment_id=None, agent_id=None) is None


def test_a_discovered_position_lies_in_its_account_and_the_desk_alone() -> None:
    assert place_scopes("main", None, None) == {"desk", "account:main"}


def test_scopes_are_read_as_they_are_written() -> None:
    assert parse_scope("desk") == (ScopeKind.DESK, "")
    assert parse_scope("agent:alpha") == (ScopeKind.AGENT, "alpha")


@pytest.mark.parametrize(
    "scope", ["", "desk:", "desk:x", "all", "account", "account:", "author:42", "market:BTC"]
)
def test_anything_else_is_no_scope_and_the_message_says_what_is(scope: str) -> None:
    with pytest.raises(UnknownScope, match="write desk, account:ID, deployment:ID or agent:ID"):
        parse_scope(scope)
