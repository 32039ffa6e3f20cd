"""Nothing of ours stands without a stop beyond the deadline, else it was closed and a person was told."""

from dataclasses import replace
from decimal import Decimal

from local.audit.model import Ledger
from local.audit.verdict import Bounds, Facts, Invariant
from tests.local.audit.hand_made import (
    EVENTS,
    LEDGER,
    facts,
    gone,
    only,
    said,
    stop_rests,
    told,
    with_position,
    without,
)

PROTECTION = Invariant.PROTECTION


def unprotected(ledger: Ledger = LEDGER) -> Facts:
    """The LONG stood its whole life without a stop."""
    return facts(*without(lambda each: each.kind in {"resting", "gone"}), ledger=ledger)


def test_f38_a_position_that_stood_without_a_stop_untold_is_named() -> None:
    assert only(PROTECTION, unprotected()) == (
        "BTC of 0xaaaaaaaa stood 89.6 s without a stop from 00:00:10.400 (position p1, CLOSED), and nobody was told"
    )


def test_one_that_was_closed_and_told_of_is_what_is_promised() -> None:
    assert said(PROTECTION, unprotected(told("page", "unprotected:p1", 31))).violations == ()


def test_a_remark_in_passing_is_no_telling() -> None:
    assert "nobody was told" in only(PROTECTION, unprotected(told("info", "levels:p1", 31)))


def test_what_was_told_about_another_position_does_not_count() -> None:
    assert "nobody was told" in only(PROTECTION, unprotected(told("page", "unprotected:p2", 31)))


def test_what_was_told_long_afterwards_does_not_count() -> None:
    assert "nobody was told" in only(PROTECTION, unprotected(told("page", "unprotected:p1", 190)))


def test_one_that_is_held_on_and_not_being_closed_is_named() -> None:
    ledger = replace(
        with_position(
            told("page", "unprotected:p1", 31),
            status="OPEN",
            signed_size=Decimal("0.5"),
            realised_pnl_usd=None,
        ),
        orders=LEDGER.orders[:2],
    )
    run = facts(*EVENTS[:2], ledger=ledger)

    assert "and nothing was done to close it" in only(PROTECTION, run)


def test_a_position_that_nobody_owns_counts_from_its_first_second() -> None:
    ledger = replace(LEDGER, positions=())

    violation = only(PROTECTION, unprotected(ledger))

    assert violation.endswith(
        "90.0 s without a stop from 00:00:10.000, and no position of the ledger owns it"
    )


def test_the_time_counts_from_when_the_ledger_knew() -> None:
    late = replace(
        LEDGER,
        requests=tuple(replace(each, answered_ms=None, acked_size=None) for each in LEDGER.requests),
        fills=tuple(replace(each, recorded_ms=85_000) for each in LEDGER.fills),
    )

    assert said(PROTECTION, unprotected(late)).violations == ()


def test_a_stop_that_went_is_given_the_time_that_it_takes_to_notice() -> None:
    events = (*EVENTS[:4], gone(30), stop_rests(70, "0.5", oid=51), *EVENTS[5:7], gone(100, oid=51))

    assert said(PROTECTION, facts(*events)).violations == ()
    strict = Bounds(race_ms=0, detect_ms=10_000)
    assert "stood 40.0 s" in only(PROTECTION, facts(*events, bounds=strict))


def test_a_refused_signer_is_told_by_account_and_leaves_the_position_to_people() -> None:
    ledger = replace(
        with_position(
            told("page", "signer:one:1970-01-01T00", 31),
            status="UNMANAGED",
            signed_size=Decimal("0.5"),
            realised_pnl_usd=None,
        ),
        orders=LEDGER.orders[:2],
    )

    assert said(PROTECTION, facts(*EVENTS[:2], ledger=ledger)).violations == ()
