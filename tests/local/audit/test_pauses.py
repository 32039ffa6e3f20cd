"""No entry is prepared after a pause of its scope, and none is sent after a halt."""

from dataclasses import replace

import pytest

from local.audit.model import Ledger, LedgerControl
from local.audit.verdict import Bounds, Invariant
from tests.local.audit.hand_made import EVENTS, LEDGER, facts, only, said, with_order, with_request

PAUSES = Invariant.PAUSES


def controlled(mode: str, at_s: float, *, scope: str = "desk", lifted_s: float | None = None) -> Ledger:
    lifted_ms = None if lifted_s is None else int(lifted_s * 1000)
    return replace(LEDGER, controls=(LedgerControl(scope, mode, int(at_s * 1000), lifted_ms),))


@pytest.mark.parametrize("scope", ["desk", "account:one", "deployment:d1", "agent:a1"])
@pytest.mark.parametrize("mode", ["pause", "flatten", "halt"])
def test_an_entry_that_was_prepared_after_a_control_of_its_scope_is_named(mode: str, scope: str) -> None:
    violation = only(PAUSES, facts(ledger=controlled(mode, 9, scope=scope)))

    assert violation == (
        "entry entry in BTC of 0xaaaaaaaa was prepared at 00:00:10.000 and went out, "
        f"after the {mode} of {scope} at 00:00:09.000"
    )


@pytest.mark.parametrize("scope", ["account:two", "deployment:d2", "agent:a2"])
def test_a_control_of_another_scope_is_none_of_its(scope: str) -> None:
    judged = said(PAUSES, facts(ledger=controlled("pause", 9, scope=scope)))

    assert (judged.looked_at, judged.violations) == (0, ())


def test_a_pause_in_the_moment_of_the_preparation_may_have_come_after_it() -> None:
    assert said(PAUSES, facts(ledger=controlled("pause", 10))).violations == ()
    racing = facts(ledger=controlled("pause", 9), bounds=Bounds(race_ms=2_000))
    assert said(PAUSES, racing).violations == ()


def test_a_pause_that_was_lifted_before_forbids_nothing() -> None:
    assert said(PAUSES, facts(ledger=controlled("pause", 5, lifted_s=9))).violations == ()


def test_what_was_prepared_before_a_pause_may_be_sent_after_it_but_not_after_a_halt() -> None:
    late = with_request(controlled("pause", 12), 10_000, sent_ms=14_000)
    halted = with_request(controlled("halt", 12), 10_000, sent_ms=14_000)

    assert said(PAUSES, facts(ledger=late)).violations == ()
    assert "was sent at 00:00:14.000, after the halt of desk" in only(PAUSES, facts(ledger=halted))


def test_what_was_prepared_before_a_halt_may_go_out_in_the_same_go() -> None:
    ledger = with_request(controlled("halt", 10.5), 10_000, sent_ms=11_900)

    assert said(PAUSES, facts(ledger=ledger)).violations == ()


def test_one_that_never_went_out_is_no_entry() -> None:
    ledger = with_request(controlled("pause", 9), 10_000, sent_ms=None, status="EXPIRED")

    assert said(PAUSES, facts(*EVENTS[1:], ledger=ledger)).violations == ()
    assert "went out" in only(PAUSES, facts(ledger=ledger))  # the venue has it, whatever the row says


def test_a_canary_goes_ahead_of_a_pause_and_of_nothing_else() -> None:
    paused = with_order(controlled("pause", 9), "entry", is_canary=True)
    halted = with_order(controlled("halt", 9), "entry", is_canary=True)

    assert said(PAUSES, facts(ledger=paused)).violations == ()
    assert said(PAUSES, facts(ledger=halted)).violations != ()


def test_exits_and_stops_are_held_up_by_nothing() -> None:
    judged = said(PAUSES, facts(ledger=controlled("halt", 10.5)))

    assert judged.violations == ()
    assert judged.looked_at == 1  # the entry's request alone
