"""Doing again what was done changes no fact: each kind of change is found."""

from dataclasses import replace
from decimal import Decimal

from local.audit.repeats import differences, dump, new_fills
from tests.local.audit.hand_made import LEDGER, booked, with_order, with_position


def test_the_same_ledger_twice_has_no_difference() -> None:
    assert differences(dump(LEDGER), dump(LEDGER)) == []


def test_a_fill_that_a_redrive_added_is_named() -> None:
    after = replace(LEDGER, fills=(*LEDGER.fills, booked(9, "0.5", 150, "entry")))

    assert new_fills(dump(LEDGER), dump(after)) == [f"fill 9 of {LEDGER.fills[0].place[0]} is new"]


def test_a_fill_that_is_gone_or_was_given_to_another_position_is_named() -> None:
    moved = replace(LEDGER, fills=(replace(LEDGER.fills[0], position_id="p2"),))

    first, second = new_fills(dump(LEDGER), dump(moved))

    assert "p1" in first
    assert "p2" in first
    assert second.endswith("is gone")


def test_money_of_a_position_that_changed_is_named() -> None:
    (said,) = differences(dump(LEDGER), dump(with_position(realised_pnl_usd=Decimal(19))))

    assert said.startswith("position p1 was (CLOSED, 0, 20.0, ")
    assert ", 19, " in said


def test_an_order_that_moved_is_named() -> None:
    (said,) = differences(dump(LEDGER), dump(with_order(LEDGER, "exit", status="CANCELLED")))

    assert said.startswith("order exit was (exit, FILLED, ")


def test_funding_that_was_booked_twice_under_another_position_is_named() -> None:
    after = replace(LEDGER, funding=(replace(LEDGER.funding[0], position_id=None),))

    assert len(differences(dump(LEDGER), dump(after))) == 1


def test_what_a_sweep_may_move_is_no_fact() -> None:
    swept = replace(LEDGER, requests=(), notices=(), waiting=())

    assert differences(dump(LEDGER), dump(swept)) == []
