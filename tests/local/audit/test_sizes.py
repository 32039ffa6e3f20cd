"""Our size is the venue's less foreign size: over time, at the end, and where a row says it."""

from dataclasses import replace
from decimal import Decimal

from local.audit.verdict import Invariant
from tests.local.audit.hand_made import (
    EVENTS,
    EXIT,
    LEDGER,
    facts,
    fill,
    only,
    said,
    with_position,
)

SIZES = Invariant.SIZES


def test_size_that_the_ledger_knows_nothing_of_is_named_with_its_place_and_time() -> None:
    ledger = replace(LEDGER, fills=LEDGER.fills[1:])

    violations = said(SIZES, facts(ledger=ledger)).violations

    assert (
        "BTC of 0xaaaaaaaa at 00:00:10.000: 0.5 is ours at the venue, by the ledger's fills it is 0"
        in violations
    )


def test_what_its_owner_trades_by_hand_is_not_ours() -> None:
    by_hand = fill(50, "B", "3", None, tid=9, by="hand")

    assert said(SIZES, facts(*EVENTS, by_hand)).violations == ()


def test_an_open_position_that_holds_nothing_at_the_venue_is_named() -> None:
    ledger = with_position(status="OPEN", signed_size=Decimal("0.5"), realised_pnl_usd=None)

    violations = said(SIZES, facts(ledger=ledger)).violations

    assert any("by the ledger's open positions it is 0.5" in violation for violation in violations)


def test_an_open_position_whose_size_is_not_that_of_its_fills_is_named() -> None:
    ledger = replace(
        with_position(status="OPEN", signed_size=Decimal("0.4"), realised_pnl_usd=None),
        fills=LEDGER.fills[:1],
    )

    violations = said(SIZES, facts(*EVENTS[:5], ledger=ledger)).violations

    assert "position p1 in BTC of 0xaaaaaaaa is OPEN with 0.4, its fills make 0.5" in violations


def test_a_position_that_was_closed_before_the_venue_was_flat_is_named() -> None:
    ledger = with_position(closed_ms=99_000)

    assert "says that it was closed at 00:01:39.000, when 0.5 of ours was at the venue" in only(
        SIZES, facts(ledger=ledger)
    )


def test_a_position_that_is_closed_with_a_profit_while_its_fills_leave_size_is_named() -> None:
    ledger = replace(LEDGER, fills=LEDGER.fills[:1])

    violations = said(SIZES, facts(ledger=ledger)).violations

    assert any("is CLOSED with a profit, and its fills leave 0.5" in violation for violation in violations)


def test_a_fill_of_the_last_minute_is_not_held_against_a_run_that_did_not_end_calm() -> None:
    late = fill(195, "B", "0.1", EXIT, tid=9)

    assert said(SIZES, facts(*EVENTS, late, is_settled=False)).violations == ()
    assert said(SIZES, facts(*EVENTS, late)).violations != ()
