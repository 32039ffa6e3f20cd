"""Profit is fills, fees and funding, to the last decimal, and unknown where they are not all known."""

from dataclasses import replace
from decimal import Decimal

import pytest

from local.audit.verdict import Invariant
from tests.local.audit.hand_made import EVENTS, LEDGER, facts, said, with_position

PROFITS = Invariant.PROFITS


@pytest.mark.parametrize("usd", ["20.0000000001", "19.99", "0"])
def test_f13_a_profit_that_is_not_what_the_venue_paid_is_named_to_the_last_decimal(usd: str) -> None:
    violations = said(PROFITS, facts(ledger=with_position(realised_pnl_usd=Decimal(usd)))).violations

    assert (
        f"position p1 in BTC of 0xaaaaaaaa has earned 20.0 at the venue, the ledger says {usd}" in violations
    )


def test_f17_a_profit_of_zero_where_a_fill_is_missing_is_named() -> None:
    ledger = replace(with_position(realised_pnl_usd=Decimal(0)), fills=LEDGER.fills[:1])

    violations = said(PROFITS, facts(ledger=ledger)).violations

    assert "position p1 in BTC of 0xaaaaaaaa has a profit of 0, though its fills leave 0.5" in violations


def test_no_profit_where_everything_is_known_is_named_once_all_is_calm() -> None:
    ledger = with_position(realised_pnl_usd=None)

    violations = said(PROFITS, facts(ledger=ledger)).violations

    assert "position p1 in BTC of 0xaaaaaaaa has no profit, though its fills make it flat" in violations


def test_a_profit_of_a_position_that_is_not_closed_is_named() -> None:
    ledger = with_position(status="CLOSE_PENDING")

    assert any(
        "is CLOSE_PENDING and has a final profit" in each
        for each in said(PROFITS, facts(ledger=ledger)).violations
    )


def test_fees_other_than_the_venues_are_named() -> None:
    violations = said(PROFITS, facts(ledger=with_position(fees_usd=Decimal(5)))).violations

    assert violations == (
        "position p1 in BTC of 0xaaaaaaaa has paid 6 in fees at the venue, the ledger says 5",
    )


def test_funding_that_was_not_booked_is_named() -> None:
    ledger = with_position(funding_usd=Decimal(0), realised_pnl_usd=Decimal("20.5"))

    violations = said(PROFITS, facts(ledger=ledger)).violations

    assert (
        "position p1 in BTC of 0xaaaaaaaa has had -0.5 of funding at the venue, the ledger says 0"
        in violations
    )


def test_of_a_fill_that_is_ours_in_part_its_share_of_the_fee_is_ours() -> None:
    by_hand = replace(
        EVENTS[6], fields={**EVENTS[6].fields, "sz": "1.5", "fee": "9", "by": "hand", "cloid": None}
    )
    foreign = replace(
        EVENTS[1], fields={**EVENTS[1].fields, "sz": "1", "by": "hand", "cloid": None, "tid": 9, "fee": "0"}
    )
    shared = replace(
        LEDGER, fills=(LEDGER.fills[0], replace(LEDGER.fills[1], order_id=None, size=Decimal("1.5")))
    )

    violations = said(PROFITS, facts(*EVENTS[:6], foreign, by_hand, ledger=shared)).violations

    assert violations == ()
