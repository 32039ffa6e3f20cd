"""Exits: obligations that end when the venue shows nothing of ours, whatever stands in the way."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from outcry.controls import operate
from outcry.orders.flatten import flatten_standing
from outcry.orders.plan import LedgerPlanner, plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from tests.orders.workshop import MASTER, Workshop


def plan(workshop: Workshop, reason: Reason = Reason.PERSON) -> UUID:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        return plan_exit(tx, position, reason, now=workshop.clock.now(), trace_id="test")


def is_flat_and_clean(workshop: Workshop) -> bool:
    open_orders = list(workshop.venue.open_orders(MASTER))
    unfinished = workshop.rows("select 1 from orders where finished_at is null")
    return workshop.venue_size() == 0 and not open_orders and not unfinished


def test_an_exit_ends_flat_with_its_protections_gone_and_its_profit_from_fills(workshop: Workshop) -> None:
    workshop.enter()

    workshop.advance(plan(workshop))
    workshop.drain()

    position = workshop.position()
    fills = workshop.venue_fills()
    gained = sum(
        (Decimal(f["px"]) * Decimal(f["sz"]) * (1 if f["side"] == "A" else -1) for f in fills), Decimal(0)
    )
    fees = sum((Decimal(f["fee"]) for f in fills), Decimal(0))
    assert is_flat_and_clean(workshop)
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "PERSON")
    assert position["realised_pnl_usd"] == gained - fees


def test_f3_asking_twice_to_close_gives_one_exit(workshop: Workshop) -> None:
    workshop.enter()

    first, second = plan(workshop), plan(workshop, Reason.FLATTEN)

    assert first == second


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_lost_reply_to_an_exit_sells_once(workshop: Workshop, fault: str) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    exit_id = plan(workshop)
    workshop.control("fault", on="exchange", match={"type": "order"}, do=fault, times=1)

    workshop.advance(exit_id)
    workshop.drain()

    sold = sum((Decimal(fill["sz"]) for fill in workshop.venue_fills() if fill["side"] == "A"), Decimal(0))
    assert is_flat_and_clean(workshop)
    assert sold == opened
    assert workshop.position()["status"] == "CLOSED"


def test_a_thin_book_is_walked_with_widening_bounds_until_flat(workshop: Workshop) -> None:
    workshop.enter()
    size = workshop.venue_size()
    workshop.control(
        "book", market="BTC", bids=[["59900", str(size / 2)], ["59500", "10"]], asks=[["60001", "10"]]
    )

    workshop.advance(plan(workshop))
    workshop.drain()

    assert is_flat_and_clean(workshop)
    assert len({fill["oid"] for fill in workshop.venue_fills() if fill["side"] == "A"}) == 2


def test_an_exit_at_its_widest_bound_pages_a_person_and_goes_on(workshop: Workshop) -> None:
    workshop.enter()
    workshop.control("book", market="BTC", bids=[], asks=[["60001", "10"]])
    exit_id = plan(workshop)

    workshop.advance(exit_id)

    order = workshop.order(exit_id)
    assert "exits" in workshop.notices()
    assert order["finished_at"] is None
    assert order["next_ring_at"] is not None
    workshop.control("book", market="BTC")
    workshop.drain()
    assert is_flat_and_clean(workshop)


def test_a_venue_outage_never_raises_and_never_ends_an_exit(workshop: Workshop) -> None:
    workshop.enter()
    exit_id = plan(workshop)
    workshop.control("fault", on="info", do="status", status=502, times=3)

    workshop.advance(exit_id)

    assert workshop.order(exit_id)["next_ring_at"] is not None
    assert workshop.order(exit_id)["finished_at"] is None
    for _ in range(6):
        workshop.drain()
    assert is_flat_and_clean(workshop)


@pytest.mark.parametrize("control", [operate.pause, operate.halt])
def test_no_control_stands_in_the_way_of_an_exit(workshop: Workshop, control: object) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        control(tx, "desk", "a person looks", "tester", workshop.clock.now())  # type: ignore[operator]

    workshop.advance(plan(workshop))
    workshop.drain()

    assert is_flat_and_clean(workshop)


def test_f19_size_that_others_brought_into_the_place_is_never_sold(workshop: Workshop) -> None:
    workshop.enter()
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.01")

    workshop.advance(plan(workshop))
    for _ in range(3):
        workshop.drain()

    assert workshop.venue_size() == Decimal("0.01")
    assert workshop.position()["status"] == "CLOSED"


def test_a_close_call_of_the_author_closes_what_was_entered_on_that_author_s_calls(
    workshop: Workshop,
) -> None:
    workshop.enter()

    with workshop.database.transaction() as tx:
        planned, reason = LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.LONG,
            now=workshop.clock.now(),
            trace_id="t",
        )
        nothing, why = LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.SHORT,
            now=workshop.clock.now(),
            trace_id="t",
        )
    workshop.advance(planned[0].order_id)
    workshop.drain()

    assert reason is None
    assert (nothing, why) == ([], Reason.NOTHING_TO_CLOSE)
    assert workshop.position()["exit_reason"] == "CLOSE_CALL"
    assert is_flat_and_clean(workshop)


def test_a_close_call_also_cancels_entries_of_its_author_that_are_only_planned(workshop: Workshop) -> None:
    waiting = workshop.plan_entry()

    with workshop.database.transaction() as tx:
        planned, reason = LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.LONG,
            now=workshop.clock.now(),
            trace_id="t",
        )
    workshop.advance(waiting)

    assert (planned, reason) == ([], Reason.NOTHING_TO_CLOSE)
    assert (workshop.order(waiting)["status"], workshop.order(waiting)["reason"]) == (
        "CANCELLED",
        "CLOSE_CALL",
    )
    assert not workshop.venue_fills()


def test_a_flatten_cancels_what_was_not_sent_and_closes_what_is_held(workshop: Workshop) -> None:
    workshop.enter()
    waiting = workshop.plan_entry(market="ETH")
    with workshop.database.transaction() as tx:
        operate.flatten(tx, "desk", "enough", "tester", workshop.clock.now())
        rings = flatten_standing(tx, now=workshop.clock.now())

    for ring in rings:
        workshop.advance(UUID(ring.id))
    workshop.drain()

    assert workshop.order(waiting)["status"] == "CANCELLED"
    assert workshop.position()["exit_reason"] == "FLATTEN"
    assert is_flat_and_clean(workshop)


def test_an_exit_with_its_entry_in_flight_waits_for_it_and_closes_what_it_brought(workshop: Workshop) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)
    workshop.control("fault", on="info", do="status", status=502, times=1, match={"type": "orderStatus"})
    order_id = workshop.enter()
    exit_id = plan(workshop)

    workshop.advance(exit_id)
    for _ in range(5):
        workshop.clock.advance(timedelta(seconds=3))
        workshop.advance(order_id)
        workshop.advance(exit_id)
    workshop.drain()

    assert is_flat_and_clean(workshop)
    assert workshop.position()["status"] == "CLOSED"
