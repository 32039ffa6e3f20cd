"""Each of the auditor's figures fails on a journal that is made to fail it, and on no other."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from local.audit.checks import check
from local.audit.model import (
    Checks,
    Ledger,
    LedgerAction,
    LedgerFill,
    LedgerOrder,
    LedgerPosition,
    VenueEvent,
)
from local.audit.store import events_from

ME = "0x" + "a" * 40
BTC = (ME, "BTC")
ENTRY, EXIT, AGAIN = "0x" + "1" * 32, "0x" + "2" * 32, "0x" + "3" * 32
END_MS = 200_000


class Journal:
    """Writes a journal by hand."""

    def __init__(self) -> None:
        self.events: list[VenueEvent] = []

    def note(self, at_s: float, kind: str, **fields: Any) -> None:
        self.events.append(
            VenueEvent(len(self.events) + 1, int(at_s * 1000), kind, {"user": ME, "coin": "BTC", **fields})
        )

    def fill(self, at_s: float, side: str, size: str, cloid: str | None, **fields: Any) -> None:
        values = {
            "px": "60000",
            "oid": 1,
            "fee": "0",
            "closed_pnl": "0",
            "by": "signed",
            "liquidation": False,
        }
        self.note(at_s, "fill", side=side, sz=size, cloid=cloid, **{**values, **fields})

    def stop(self, at_s: float, size: str, *, oid: int = 50, side: str = "A", tpsl: str = "sl") -> None:
        self.note(at_s, "resting", oid=oid, side=side, tpsl=tpsl, reduce_only=True, sz=size)

    def gone(self, at_s: float, *, oid: int = 50) -> None:
        self.note(at_s, "gone", oid=oid, status="canceled")


def clean() -> tuple[Journal, Ledger]:
    """One LONG of 0.5 BTC: filled at 10 s, protected at 11 s, closed by a trigger at 100 s with 20 USD."""
    journal = Journal()
    journal.fill(10, "B", "0.5", ENTRY, oid=1, fee="3")
    journal.stop(11, "0.5")
    journal.note(60, "funding", usdc="-0.5")
    journal.gone(100)
    journal.fill(100, "A", "0.5", EXIT, oid=2, closed_pnl="26.5", fee="3", by="trigger")
    ledger = Ledger(
        addresses=frozenset({ME}),
        actions=(LedgerAction(ENTRY, "entry", BTC, True), LedgerAction(EXIT, "exit", BTC, False)),
        orders=(LedgerOrder("entry", "enter", "d1", 1, BTC), LedgerOrder("exit", "exit", "d1", None, BTC)),
        fills=(LedgerFill("1", BTC, Decimal("0.5"), 10_000), LedgerFill("2", BTC, Decimal("-0.5"), 100_000)),
        positions=(LedgerPosition("p1", BTC, True, True, 10_000, 100_000, Decimal("20.0")),),
    )
    return journal, ledger


def audit(journal: Journal, ledger: Ledger) -> Checks:
    return check(journal.events, ledger, until_ms=END_MS)


def test_a_clean_run_has_nothing_but_its_shortest_gap() -> None:
    checks = audit(*clean())

    assert checks.are_clean
    assert checks.findings == ()
    assert checks.seconds_owned_without_venue_stop_max == 1.0
    assert checks.pnl_vs_venue_difference_usd == Decimal("0.00")


@pytest.mark.parametrize(
    ("cloid", "side", "reason"),
    [
        (None, "B", "no client order id"),
        ("0x" + "9" * 32, "B", "unknown"),
        (ENTRY, "A", "the other direction"),
    ],
)
def test_a_fill_that_no_order_explains_is_counted(cloid: str | None, side: str, reason: str) -> None:
    journal, ledger = clean()
    journal.fill(150, side, "0.1", cloid, oid=1)

    checks = audit(journal, ledger)

    assert checks.venue_fills_without_order == 1, reason


@pytest.mark.parametrize("apart", [{"by": "hand"}, {"by": "liquidation", "liquidation": True}])
def test_trades_by_hand_and_liquidations_are_no_fills_without_order(apart: dict[str, Any]) -> None:
    journal, ledger = clean()
    journal.fill(150, "B", "0.1", None, oid=9, **apart)

    assert audit(journal, ledger).venue_fills_without_order == 0


def test_somebody_elses_fills_are_not_ours_to_explain() -> None:
    journal, ledger = clean()
    journal.fill(150, "B", "0.1", None, user="0x" + "b" * 40)

    assert audit(journal, ledger) == audit(*clean())


def test_f01_one_client_order_id_executed_twice_is_an_extra_fill_set() -> None:
    journal, ledger = clean()
    journal.fill(12, "B", "0.5", ENTRY, oid=7)

    assert audit(journal, ledger).orders_with_more_than_one_fill_set == 1


def test_one_venue_order_filled_in_parts_is_one_fill_set() -> None:
    journal, ledger = clean()
    journal.fill(10, "B", "0.25", ENTRY, oid=1)

    assert audit(journal, ledger).orders_with_more_than_one_fill_set == 0


def test_f04_one_entry_executed_in_two_attempts_is_an_extra_fill_set() -> None:
    journal, ledger = clean()
    journal.fill(12, "B", "0.5", AGAIN, oid=7)
    ledger = replace(ledger, actions=(*ledger.actions, LedgerAction(AGAIN, "entry", BTC, True)))

    checks = audit(journal, ledger)

    assert checks.orders_with_more_than_one_fill_set == 1
    assert checks.venue_fills_without_order == 0


def test_f01_one_signal_entered_twice_by_a_deployment_is_an_extra_fill_set() -> None:
    journal, ledger = clean()
    journal.fill(12, "B", "0.5", AGAIN, oid=7)
    ledger = replace(
        ledger,
        actions=(*ledger.actions, LedgerAction(AGAIN, "entry2", BTC, True)),
        orders=(*ledger.orders, LedgerOrder("entry2", "enter", "d1", 1, BTC)),
    )

    assert audit(journal, ledger).orders_with_more_than_one_fill_set == 1


def test_an_exit_may_take_several_attempts() -> None:
    journal, ledger = clean()
    journal.fill(101, "A", "0.1", AGAIN, oid=8)
    ledger = replace(ledger, actions=(*ledger.actions, LedgerAction(AGAIN, "exit", BTC, False)))

    assert audit(journal, ledger).orders_with_more_than_one_fill_set == 0


def test_f38_a_position_without_a_stop_is_timed_until_it_is_flat() -> None:
    journal, ledger = clean()
    journal.events = [event for event in journal.events if event.kind in {"fill", "funding"}]

    checks = audit(journal, ledger)

    assert checks.seconds_owned_without_venue_stop_max == 90.0
    assert "90.0 s" in checks.findings[0]


def test_a_stop_that_goes_before_its_successor_comes_is_timed() -> None:
    journal, ledger = clean()
    journal.events = journal.events[:2]
    journal.gone(30)
    journal.stop(37.5, "0.5", oid=51)
    journal.fill(100, "A", "0.5", EXIT, oid=2, closed_pnl="26", fee="3", by="trigger")

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 7.5


@pytest.mark.parametrize(
    ("size", "side", "tpsl"), [("0.4", "A", "sl"), ("0.5", "B", "sl"), ("0.5", "A", "tp")]
)
def test_a_stop_that_is_too_small_or_no_stop_covers_nothing(size: str, side: str, tpsl: str) -> None:
    journal, ledger = clean()
    journal.events = journal.events[:1]
    journal.stop(11, size, side=side, tpsl=tpsl)

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max >= 90.0


def test_two_stops_cover_together_and_a_resized_one_counts_as_what_it_became() -> None:
    journal, ledger = clean()
    journal.events = journal.events[:1]
    journal.stop(12, "0.2", oid=60)
    journal.stop(13, "0.3", oid=61)
    journal.note(40, "resized", oid=61, sz="0.1")
    journal.note(48, "resized", oid=61, sz="0.3")
    journal.fill(100, "A", "0.5", EXIT, oid=2, closed_pnl="26", fee="3")

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 8.0


def test_a_gap_that_is_still_open_at_the_end_counts_up_to_the_end() -> None:
    journal, ledger = clean()
    journal.events = journal.events[:1]
    ledger = replace(ledger, positions=(replace(ledger.positions[0], is_closed=False, closed_ms=None),))

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 190.0


def test_what_the_ledger_does_not_own_is_not_ours_to_protect() -> None:
    journal, ledger = clean()
    journal.events = journal.events[:1]

    bare = audit(journal, replace(ledger, positions=()))

    assert bare.seconds_owned_without_venue_stop_max == 0.0


def test_what_the_owner_added_by_hand_needs_no_stop_of_ours() -> None:
    journal, ledger = clean()
    journal.events = journal.events[:2]
    journal.fill(40, "B", "1", None, oid=9, by="hand")

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 1.0


@pytest.mark.parametrize("kept", [0, 1])
def test_f13_a_fill_that_the_ledger_lacks_is_a_mismatch(kept: int) -> None:
    journal, ledger = clean()
    ledger = replace(ledger, fills=(ledger.fills[kept],))

    assert audit(journal, ledger).ledger_vs_venue_position_mismatch == Decimal("0.5")


def test_f51_a_fill_that_the_venue_does_not_know_is_a_mismatch() -> None:
    journal, ledger = clean()
    late = LedgerFill("3", BTC, Decimal("0.2"), 190_000)

    checks = audit(journal, replace(ledger, fills=(*ledger.fills, late)))

    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.2")


def test_a_mismatch_that_healed_is_still_the_worst_one() -> None:
    journal, ledger = clean()
    late = replace(ledger.fills[0], time_ms=40_000)

    checks = audit(journal, replace(ledger, fills=(late, ledger.fills[1])))

    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.5")


def test_fills_of_one_millisecond_are_compared_when_all_are_in() -> None:
    journal, ledger = clean()
    journal.events = []
    journal.fill(10, "B", "0.2", ENTRY)
    journal.fill(10, "B", "0.3", ENTRY)

    assert audit(journal, ledger).ledger_vs_venue_position_mismatch == Decimal("0.5")  # the exit is not there
    assert audit(journal, replace(ledger, fills=ledger.fills[:1])).ledger_vs_venue_position_mismatch == 0


@pytest.mark.parametrize("booked", [Decimal("20.01"), Decimal(-20), Decimal(0), None])
def test_f17_a_profit_that_is_not_the_venues_is_a_difference(booked: Decimal | None) -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], realised_pnl_usd=booked),))

    assert audit(journal, ledger).pnl_vs_venue_difference_usd == abs(
        (booked or Decimal(0)) - Decimal("20.00")
    )


def test_f13_two_wrong_profits_that_cancel_out_are_still_seen() -> None:
    journal, ledger = clean()
    journal.fill(110, "B", "0.5", ENTRY, oid=1)
    journal.fill(120, "A", "0.5", EXIT, oid=2)
    second = LedgerPosition("p2", BTC, True, True, 110_000, 120_000, Decimal(5))
    ledger = replace(ledger, positions=(replace(ledger.positions[0], realised_pnl_usd=Decimal(15)), second))

    assert audit(journal, ledger).pnl_vs_venue_difference_usd == Decimal("5.00")


def test_f14_a_trip_that_ended_but_was_never_booked_is_a_difference() -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], is_closed=False, closed_ms=None),))

    assert audit(journal, ledger).pnl_vs_venue_difference_usd == Decimal("20.00")


def test_a_trip_that_has_only_just_ended_may_still_be_booked() -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], is_closed=False, closed_ms=None),))

    checks = check(journal.events, ledger, until_ms=130_000)

    assert checks.pnl_vs_venue_difference_usd == 0


def test_a_journal_with_a_gap_proves_nothing() -> None:
    lines = ['{"seq":1,"time_ms":1,"kind":"reset"}', '{"seq":3,"time_ms":2,"kind":"reset"}']

    with pytest.raises(ValueError, match="jumps from 1 to 3"):
        events_from(lines)


def test_an_unfinished_last_line_is_left_for_later() -> None:
    events = events_from(['{"seq":1,"time_ms":1,"kind":"reset"}', '{"seq":2,"time'])

    assert [event.seq for event in events] == [1]
