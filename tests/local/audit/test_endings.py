"""How things end: exits flat, entries in time, foreign size untouched, poison set aside."""

from dataclasses import replace
from typing import Any

import pytest

from local.audit.model import LedgerWaiting
from local.audit.verdict import Invariant
from tests.local.audit.hand_made import (
    END_MS,
    ENTRY,
    EVENTS,
    EXIT,
    LEDGER,
    facts,
    fill,
    only,
    said,
    waiting,
    with_order,
    with_position,
    with_request,
)


def test_an_exit_that_is_still_at_work_once_all_is_calm_is_named() -> None:
    ledger = with_order(LEDGER, "exit", status="WORKING", finished_ms=None)

    assert only(Invariant.EXITS, facts(ledger=ledger)) == (
        "exit exit of position p1 in BTC of 0xaaaaaaaa, planned 00:01:39.000, is still WORKING"
    )
    assert said(Invariant.EXITS, facts(ledger=ledger, is_settled=False)).violations == ()


def test_an_exit_that_ended_before_its_position_is_named() -> None:
    ledger = with_position(status="CLOSE_PENDING", realised_pnl_usd=None)

    assert "ended FILLED, and its position is CLOSE_PENDING" in only(Invariant.EXITS, facts(ledger=ledger))


def test_an_exit_that_ended_while_size_of_ours_is_left_at_the_venue_is_named() -> None:
    events = (*EVENTS[:6], fill(100, "A", "0.4", EXIT, tid=2))

    assert "ended FILLED, and 0.1 of ours is at the venue" in only(Invariant.EXITS, facts(*events))


def test_an_entry_that_was_sent_after_it_was_good_is_named() -> None:
    ledger = with_request(LEDGER, 10_000, sent_ms=41_000)

    assert "was sent at 00:00:41.000, it was good until 00:00:40.000" in only(
        Invariant.LATENESS, facts(ledger=ledger)
    )


@pytest.mark.parametrize("expires_ms", [None, 41_000])
def test_an_entry_whose_request_lives_longer_than_it_is_good_is_named(expires_ms: int | None) -> None:
    ledger = with_request(LEDGER, 10_000, expires_ms=expires_ms)

    assert "it was good until 00:00:40.000" in only(Invariant.LATENESS, facts(ledger=ledger))


def test_an_entry_that_was_filled_after_its_request_had_expired_is_named() -> None:
    events = (*EVENTS, fill(26, "B", "0.1", ENTRY, tid=9))

    assert "was filled at 00:00:26.000, it had expired at 00:00:25.000" in only(
        Invariant.LATENESS, facts(*events)
    )


def test_an_exit_is_good_for_ever() -> None:
    ledger = with_request(LEDGER, 100_000, expires_ms=99_000)

    assert said(Invariant.LATENESS, facts(ledger=ledger)).violations == ()


def test_f39_an_exit_that_sells_what_its_owner_brought_is_named() -> None:
    events = (
        *EVENTS[:6],
        fill(50, "B", "0.3", None, tid=8, by="hand"),
        fill(100, "A", "0.8", EXIT, tid=2),
    )

    violation = only(Invariant.FOREIGN, facts(*events))

    assert violation == (
        "exit exit executed -0.8 in BTC of 0xaaaaaaaa at 00:01:40.000 (fill 2), where 0.5 was ours of the venue's 0.8"
    )


def test_an_exit_beside_foreign_size_that_sells_ours_alone_is_right() -> None:
    events = (*EVENTS[:7], fill(50, "B", "0.3", None, tid=8, by="hand"))

    assert said(Invariant.FOREIGN, facts(*events)).violations == ()


def test_what_is_ours_and_taken_for_somebody_elses_is_named() -> None:
    found = replace(
        LEDGER.positions[0], position_id="found", is_owned=False, status="OPEN", created_ms=60_000
    )
    ledger = replace(LEDGER, positions=(*LEDGER.positions, found))
    by_hand = fill(50, "B", "0.3", None, tid=8, by="hand")

    assert "found in BTC of 0xaaaaaaaa was taken for somebody else's at 00:01:00.000" in only(
        Invariant.FOREIGN, facts(*EVENTS[:7], ledger=ledger)
    )
    assert said(Invariant.FOREIGN, facts(*EVENTS[:7], by_hand, ledger=ledger)).violations == ()


def test_a_stop_that_is_not_reduce_only_is_named_before_it_did_any_harm() -> None:
    events = tuple(
        replace(each, fields={**each.fields, "reduce_only": False})
        if each.kind == "request" and each.time_ms == 11_000
        else each
        for each in EVENTS
    )

    assert only(Invariant.FOREIGN, facts(*events)) == (
        "protect stop in BTC of 0xaaaaaaaa came to the venue at 00:00:11.000 without being reduce-only"
    )


def test_a_reducing_order_that_opens_something_is_named() -> None:
    events = (*EVENTS, fill(120, "A", "0.1", EXIT, tid=9))

    assert "executed -0.1" in only(Invariant.FOREIGN, facts(*events))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (
            {"due_ms": END_MS - 3_600_000, "last_error": "Boom"},
            "after 3 attempts and was not set aside, last error: Boom",
        ),
        ({"due_ms": None}, "is unfinished, and nothing will ever ring for it"),
        ({"quarantined_ms": 5_000, "last_error": None}, "was set aside at 00:00:05.000 without a reason"),
    ],
)
def test_f21_a_row_that_can_not_go_on_and_was_not_set_aside_is_named(row: dict[str, Any], what: str) -> None:
    ledger = replace(LEDGER, waiting=(waiting(**row),))

    assert what in only(Invariant.POISON, facts(ledger=ledger))


@pytest.mark.parametrize(
    "row",
    [
        waiting(),
        waiting(status="RESTING", due_ms=None),
        waiting(due_ms=0, claimed_until_ms=END_MS + 1),
        waiting(quarantined_ms=5_000, last_error="UnknownAnswer"),
        waiting(table="notices", status="page", is_unfinished=False, due_ms=END_MS),
    ],
)
def test_a_row_that_waits_for_something_or_was_set_aside_with_its_reason_is_right(row: LedgerWaiting) -> None:
    assert said(Invariant.POISON, facts(ledger=replace(LEDGER, waiting=(row,)))).violations == ()
