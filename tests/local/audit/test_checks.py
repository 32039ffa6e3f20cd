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
            "tid": 1 + sum(event.kind == "fill" for event in self.events),
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
        orders=(
            LedgerOrder("entry", "enter", "d1", 1, BTC, "FILLED"),
            LedgerOrder("exit", "exit", "d1", None, BTC, "TRIGGERED"),
        ),
        fills=(
            LedgerFill("1", BTC, Decimal("0.5"), 10_000, "p1"),
            LedgerFill("2", BTC, Decimal("-0.5"), 100_000, "p1"),
        ),
        positions=(LedgerPosition("p1", BTC, True, "CLOSED", Decimal(0), 10_000, Decimal("20.0")),),
    )
    return journal, ledger


def held() -> tuple[Journal, Ledger]:
    """The same LONG, still held and protected at the end."""
    journal, ledger = clean()
    journal.events = journal.events[:3]
    position = replace(ledger.positions[0], status="OPEN", signed_size=Decimal("0.5"), realised_pnl_usd=None)
    return journal, replace(
        ledger,
        actions=ledger.actions[:1],
        orders=ledger.orders[:1],
        fills=ledger.fills[:1],
        positions=(position,),
    )


def disowned() -> tuple[Journal, Ledger]:
    """A LONG of 0.064 BTC that filled and rests without a stop, while the ledger says that it never did."""
    journal, ledger = Journal(), held()[1]
    journal.fill(10, "B", "0.064", ENTRY)
    return journal, replace(
        ledger,
        orders=(replace(ledger.orders[0], status="REJECTED"),),
        fills=(replace(ledger.fills[0], signed_size=Decimal("0.064")),),
        positions=(replace(ledger.positions[0], status="ABANDONED", signed_size=Decimal(0)),),
    )


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
        orders=(*ledger.orders, LedgerOrder("entry2", "enter", "d1", 1, BTC, "FILLED")),
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
    ledger = replace(ledger, positions=(replace(ledger.positions[0], status="OPEN"),))

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 190.0


@pytest.mark.parametrize(
    "kept", [{"positions": ()}, {"positions": (), "fills": (), "orders": (), "actions": ()}]
)
def test_f38_what_the_ledger_does_not_own_is_exposed_all_the_same(kept: dict[str, Any]) -> None:
    journal, ledger = clean()
    journal.events = journal.events[:1]

    bare = audit(journal, replace(ledger, **kept))

    assert bare.seconds_owned_without_venue_stop_max == 190.0


def test_f38_a_position_that_the_ledger_closed_too_early_is_timed_until_the_venue_is_flat() -> None:
    journal, ledger = held()
    journal.gone(50)
    ledger = replace(
        ledger, positions=(replace(ledger.positions[0], status="CLOSED", signed_size=Decimal(0)),)
    )

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 150.0


def test_a_disowned_fill_is_seen_by_every_check_that_it_breaks() -> None:
    checks = audit(*disowned())

    assert not checks.are_clean
    assert checks.venue_fills_without_order == 1
    assert checks.seconds_owned_without_venue_stop_max == 190.0
    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.064")
    assert "of an order that is REJECTED" in checks.findings[0]


@pytest.mark.parametrize("status", ["SKIPPED", "REJECTED", "CANCELLED", "EXPIRED"])
def test_a_fill_of_an_order_that_says_it_never_filled_is_counted(status: str) -> None:
    journal, ledger = held()
    ledger = replace(ledger, orders=(replace(ledger.orders[0], status=status),), fills=())

    assert audit(journal, ledger).venue_fills_without_order == 1


@pytest.mark.parametrize("status", ["WORKING", "UNKNOWN", "FILLED", "PARTIAL_DONE"])
def test_a_fill_of_an_order_that_does_not_deny_it_has_an_order(status: str) -> None:
    journal, ledger = held()
    ledger = replace(ledger, orders=(replace(ledger.orders[0], status=status),), fills=())

    assert audit(journal, ledger).venue_fills_without_order == 0


def test_a_cancelled_order_that_had_filled_in_part_is_explained_by_the_position_that_owns_the_fill() -> None:
    journal, ledger = held()
    ledger = replace(ledger, orders=(replace(ledger.orders[0], status="CANCELLED"),))

    assert audit(journal, ledger).are_clean


def test_what_the_owner_added_by_hand_needs_no_stop_of_ours() -> None:
    journal, ledger = held()
    journal.fill(70, "B", "1", None, oid=9, by="hand")

    checks = audit(journal, ledger)

    assert checks.are_clean
    assert checks.seconds_owned_without_venue_stop_max == 1.0


def test_f39_what_the_owner_alone_holds_by_hand_is_not_ours_at_all() -> None:
    journal = Journal()
    journal.fill(10, "A", "2", None, by="hand")
    journal.fill(50, "B", "0.5", None, by="hand")

    assert audit(journal, Ledger(frozenset({ME}))).are_clean


def test_what_is_left_of_ours_when_the_owner_sold_their_part_is_still_exposed() -> None:
    journal, ledger = held()
    journal.fill(70, "B", "1", None, oid=9, by="hand")
    journal.gone(80)
    journal.fill(95, "A", "1", None, oid=10, by="hand")

    assert audit(journal, ledger).seconds_owned_without_venue_stop_max == 120.0


def reduced(kept: str, our_part: str) -> Ledger:
    """The ledger after 90 s, when a trade of the owner took `our_part` of ours and left `kept`."""
    ledger = held()[1]
    position = replace(ledger.positions[0], signed_size=Decimal(kept))
    part = LedgerFill("2", BTC, -Decimal(our_part), 90_000, "p1")
    return replace(ledger, fills=(*ledger.fills, part), positions=(position,))


@pytest.mark.parametrize("sold", ["0.5", "0.7"])
def test_a_hand_trade_takes_of_ours_no_more_than_we_had(sold: str) -> None:
    journal, _ = held()
    journal.fill(90, "A", sold, None, oid=9, by="hand")
    journal.gone(90)

    checks = audit(journal, reduced("0", "0.5"))

    assert checks.ledger_vs_venue_position_mismatch == 0
    assert checks.seconds_owned_without_venue_stop_max == 1.0


def test_a_hand_trade_that_is_booked_whole_where_only_a_part_was_ours_is_a_mismatch() -> None:
    journal, _ = held()
    journal.fill(90, "A", "0.7", None, oid=9, by="hand")

    assert audit(journal, reduced("0", "0.7")).ledger_vs_venue_position_mismatch == Decimal("0.2")


@pytest.mark.parametrize(
    ("sold", "of_ours"), [("0.8", "0"), ("1", "0"), ("1.2", "0.2"), ("1.5", "0.5"), ("9", "0.5")]
)
def test_a_hand_trade_takes_what_was_brought_by_hand_before_ours(sold: str, of_ours: str) -> None:
    journal, ledger = held()
    journal.fill(70, "B", "1", None, oid=9, by="hand")
    journal.fill(90, "A", sold, None, oid=10, by="hand")

    untouched = audit(journal, ledger).ledger_vs_venue_position_mismatch

    assert untouched == Decimal(of_ours)
    if Decimal(of_ours):
        booked = reduced(str(Decimal("0.5") - Decimal(of_ours)), of_ours)
        assert audit(journal, booked).ledger_vs_venue_position_mismatch == 0


def test_a_liquidation_takes_ours_first() -> None:
    journal, _ = held()
    journal.fill(70, "B", "1", None, oid=9, by="hand")
    journal.fill(90, "A", "0.3", None, oid=10, by="liquidation", liquidation=True)

    assert audit(journal, reduced("0.2", "0.3")).ledger_vs_venue_position_mismatch == 0


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_selling_what_the_owner_brought_is_a_mismatch_even_where_the_book_shows_zero(side: str) -> None:
    sign = 1 if side == "LONG" else -1
    opening, closing = ("B", "A") if side == "LONG" else ("A", "B")
    journal, ledger = Journal(), held()[1]
    journal.fill(10, opening, "0.5", ENTRY)
    journal.fill(20, opening, "1", None, oid=9, by="hand")
    journal.fill(30, closing, "0.8", EXIT, oid=2)
    ledger = replace(
        ledger,
        fills=(
            LedgerFill("1", BTC, sign * Decimal("0.5"), 10_000, "p1"),
            LedgerFill("3", BTC, sign * Decimal("-0.8"), 30_000, "p1"),
        ),
        positions=(replace(ledger.positions[0], status="CLOSED", signed_size=Decimal(0)),),
    )

    checks = audit(journal, ledger)

    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.3")
    assert checks.seconds_owned_without_venue_stop_max == 20.0


def test_a_short_of_ours_is_covered_by_a_stop_that_buys() -> None:
    journal = Journal()
    journal.fill(10, "A", "0.5", ENTRY)
    journal.stop(12, "0.5", side="B")
    ledger = held()[1]
    ledger = replace(
        ledger,
        actions=(LedgerAction(ENTRY, "entry", BTC, False),),
        fills=(replace(ledger.fills[0], signed_size=Decimal("-0.5")),),
        positions=(replace(ledger.positions[0], signed_size=Decimal("-0.5")),),
    )

    checks = audit(journal, ledger)

    assert checks.are_clean
    assert checks.seconds_owned_without_venue_stop_max == 2.0


def test_a_position_that_says_another_size_in_the_end_is_a_mismatch() -> None:
    journal, ledger = held()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], signed_size=Decimal("0.45")),))

    checks = audit(journal, ledger)

    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.05")
    assert checks.findings == ("00:03:20 BTC: venue 0.5, open positions of the ledger 0.45",)


@pytest.mark.parametrize(
    "untrue",
    [{"status": "CLOSED"}, {"status": "ABANDONED"}, {"is_owned": False}, {"signed_size": Decimal("-0.5")}],
)
def test_a_position_that_is_not_owned_as_it_stands_is_a_mismatch(untrue: dict[str, Any]) -> None:
    journal, ledger = held()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], **untrue),))

    assert audit(journal, ledger).ledger_vs_venue_position_mismatch >= Decimal("0.5")


@pytest.mark.parametrize(
    "apart", [{"position_id": None}, {"is_quarantined": True}, {"position_id": "unheard of"}]
)
def test_a_fill_of_ours_that_the_ledger_holds_for_nobody_is_a_mismatch(apart: dict[str, Any]) -> None:
    journal, ledger = clean()
    ledger = replace(ledger, fills=tuple(replace(fill, **apart) for fill in ledger.fills))

    assert audit(journal, ledger).ledger_vs_venue_position_mismatch == Decimal("0.5")


def test_a_disowned_fill_that_was_closed_again_is_still_a_mismatch() -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], status="ABANDONED"),))

    checks = audit(journal, ledger)

    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.5")
    assert checks.pnl_vs_venue_difference_usd == Decimal("20.00")


def test_an_entry_that_came_to_nothing_beside_a_booked_one_breaks_nothing() -> None:
    journal, ledger = clean()
    nothing = LedgerPosition("p0", BTC, True, "ABANDONED", Decimal(0), 15_000, None)

    assert audit(journal, replace(ledger, positions=(nothing, *ledger.positions))) == audit(journal, ledger)


@pytest.mark.parametrize("kept", [0, 1])
def test_f13_a_fill_that_the_ledger_lacks_is_a_mismatch(kept: int) -> None:
    journal, ledger = clean()
    ledger = replace(ledger, fills=(ledger.fills[kept],))

    assert audit(journal, ledger).ledger_vs_venue_position_mismatch == Decimal("0.5")


def test_f51_a_fill_that_the_venue_does_not_know_is_a_mismatch() -> None:
    journal, ledger = clean()
    late = LedgerFill("3", BTC, Decimal("0.2"), 190_000, "p1")

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
    assert audit(journal, held()[1]).ledger_vs_venue_position_mismatch == 0


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
    second = LedgerPosition("p2", BTC, True, "CLOSED", Decimal(0), 110_000, Decimal(5))
    ledger = replace(ledger, positions=(replace(ledger.positions[0], realised_pnl_usd=Decimal(15)), second))

    assert audit(journal, ledger).pnl_vs_venue_difference_usd == Decimal("5.00")


def test_f14_a_trip_that_ended_but_was_never_booked_is_a_difference() -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], status="OPEN"),))

    assert audit(journal, ledger).pnl_vs_venue_difference_usd == Decimal("20.00")


def test_a_trip_that_has_only_just_ended_may_still_be_booked() -> None:
    journal, ledger = clean()
    ledger = replace(ledger, positions=(replace(ledger.positions[0], status="OPEN"),))

    checks = check(journal.events, ledger, until_ms=130_000)

    assert checks.pnl_vs_venue_difference_usd == 0


def test_a_journal_with_a_gap_proves_nothing() -> None:
    lines = ['{"seq":1,"time_ms":1,"kind":"reset"}', '{"seq":3,"time_ms":2,"kind":"reset"}']

    with pytest.raises(ValueError, match="jumps from 1 to 3"):
        events_from(lines)


def test_an_unfinished_last_line_is_left_for_later() -> None:
    events = events_from(['{"seq":1,"time_ms":1,"kind":"reset"}', '{"seq":2,"time'])

    assert [event.seq for event in events] == [1]
