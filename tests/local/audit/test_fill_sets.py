"""One fill set per intent and none lost: each way of breaking it is found and named."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from local.audit.model import LedgerAction
from local.audit.verdict import Invariant
from tests.local.audit.hand_made import (
    AGAIN,
    BTC,
    END_MS,
    ENTRY,
    EVENTS,
    LEDGER,
    booked,
    facts,
    fill,
    only,
    said,
    with_order,
)

FILL_SETS = Invariant.FILL_SETS


def test_f01_one_client_order_id_that_is_executed_twice_is_named() -> None:
    run = facts(*EVENTS, fill(12, "B", "0.5", ENTRY, tid=9))

    violations = said(FILL_SETS, run).violations

    assert f"client order id {ENTRY} was executed 2 times" in violations
    assert "enter entry asked for 0.5 and 1.0 was executed" in violations


def test_f01_two_attempts_of_one_entry_that_both_filled_are_named() -> None:
    again = LedgerAction(AGAIN, "entry", BTC, True)
    ledger = replace(
        LEDGER, actions=(*LEDGER.actions, again), fills=(*LEDGER.fills, booked(9, "0.2", 12, "entry"))
    )
    run = facts(*EVENTS, fill(12, "B", "0.2", AGAIN, tid=9), ledger=ledger)

    assert "entry entry was executed in 2 attempts" in said(FILL_SETS, run).violations


def test_a_fill_that_the_ledger_does_not_have_is_lost() -> None:
    ledger = replace(LEDGER, fills=LEDGER.fills[:1])

    assert "fill 2 in BTC" in only(FILL_SETS, facts(ledger=ledger))
    assert "lost" in only(FILL_SETS, facts(ledger=ledger))


def test_a_fill_of_the_last_minute_may_still_be_unread_where_the_run_did_not_end_calm() -> None:
    late = fill(END_MS / 1000 - 5, "A", "0.1", ENTRY, tid=9)

    judged = said(FILL_SETS, facts(*EVENTS, late, is_settled=False))

    assert not any("lost" in violation for violation in judged.violations)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"size": Decimal("0.4")}, "the ledger's size is 0.4, the venue's 0.5"),
        ({"price": Decimal(1)}, "the ledger's price is 1, the venue's 60000"),
        ({"fee_usd": Decimal(0)}, "the ledger's fee is 0, the venue's 3"),
        ({"signed_size": Decimal("-0.5")}, "in the other direction"),
        ({"order_id": "exit"}, "the ledger gives it to order exit"),
    ],
)
def test_a_fill_that_the_ledger_has_otherwise_than_the_venue_is_named(
    change: dict[str, Any], what: str
) -> None:
    ledger = replace(LEDGER, fills=(replace(LEDGER.fills[0], **change), LEDGER.fills[1]))

    assert what in only(FILL_SETS, facts(ledger=ledger))


def test_a_fill_that_is_booked_twice_is_named() -> None:
    ledger = replace(LEDGER, fills=(*LEDGER.fills, LEDGER.fills[0]))

    assert "fill 1 in BTC of 0xaaaaaaaa at 00:00:10.000 is in the ledger 2 times" in only(
        FILL_SETS, facts(ledger=ledger)
    )


def test_a_fill_that_never_was_at_the_venue_is_made_up() -> None:
    ledger = replace(LEDGER, fills=(*LEDGER.fills, booked(77, "0.1", 50, "entry")))

    assert "fill 77" in only(FILL_SETS, facts(ledger=ledger))
    assert "never was at the venue" in only(FILL_SETS, facts(ledger=ledger))


def test_an_order_that_says_less_than_was_executed_is_named() -> None:
    ledger = with_order(LEDGER, "entry", filled_size=Decimal("0.3"))

    assert "enter entry says that 0.3 was filled, the venue 0.5" in only(FILL_SETS, facts(ledger=ledger))


def test_an_exit_may_fill_in_several_attempts() -> None:
    halves = (
        fill(100, "A", "0.2", AGAIN, tid=8, px="60053", fee="1"),
        fill(100, "A", "0.3", EVENTS[6].fields["cloid"], tid=2, px="60053", fee="2"),
    )
    ledger = replace(
        LEDGER,
        actions=(*LEDGER.actions, LedgerAction(AGAIN, "exit", BTC, False)),
        fills=(
            LEDGER.fills[0],
            booked(8, "-0.2", 100, "exit", price=Decimal(60_053), fee_usd=Decimal(1)),
            booked(2, "-0.3", 100, "exit", price=Decimal(60_053), fee_usd=Decimal(2)),
        ),
    )

    assert said(FILL_SETS, facts(*EVENTS[:6], *halves, EVENTS[7], ledger=ledger)).violations == ()
