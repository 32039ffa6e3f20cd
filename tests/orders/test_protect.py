"""Protections: resting right after the fill, replaced before they are taken off, gone with the position."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.orders.workshop import MASTER, Workshop


def stops(workshop: Workshop) -> list[Decimal]:
    resting = workshop.venue.open_orders(MASTER)
    return [order.trigger.price for order in resting if order.trigger and order.trigger.kind.value == "sl"]


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_lost_reply_to_the_stop_leaves_exactly_one_stop(workshop: Workshop, fault: str) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do=fault, skip=1, times=1)

    workshop.enter()
    workshop.drain()

    assert len(stops(workshop)) == 1
    assert workshop.position()["protected_at"] is not None


def test_f38_a_stop_that_is_refused_for_good_closes_the_position_and_pages(workshop: Workshop) -> None:
    refusal = '{"status":"err","response":"Order has invalid price."}'
    workshop.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=refusal,
        skip=1,
        times=1,
    )

    workshop.enter()
    workshop.drain()

    position = workshop.position()
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "UNPROTECTED")
    assert workshop.venue_size() == 0
    assert "orders" in workshop.notices()


def test_a_stop_that_is_refused_for_now_is_tried_until_the_deadline_and_then_the_position_is_closed(
    workshop: Workshop,
) -> None:
    refusal = '{"status":"err","response":"Too many cumulative requests sent (1 > 0) for cumulative volume traded $0.0."}'
    workshop.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=refusal,
        skip=1,
        times=60,
    )

    workshop.enter()
    while "protection" not in workshop.notices():
        assert workshop.bells.rung, "an unprotected position is always rung again"
        workshop.drain_once()
    workshop.control("fault", clear=True)
    workshop.drain()

    assert workshop.clock.now() - workshop.position()["opened_at"] < timedelta(seconds=60)
    assert workshop.position()["exit_reason"] == "UNPROTECTED"
    assert workshop.venue_size() == 0


def test_a_stop_that_is_already_crossed_closes_the_position_now(workshop: Workshop) -> None:
    refusal = '{"status":"ok","response":{"type":"order","data":{"statuses":[{"error":"Invalid TP/SL price. asset=0"}]}}}'
    workshop.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=refusal,
        skip=1,
        times=1,
    )

    workshop.enter()
    workshop.drain()

    assert workshop.position()["exit_reason"] == "STOP_LOSS"
    assert workshop.venue_size() == 0


def test_a_stop_that_vanished_at_the_venue_is_placed_again(workshop: Workshop) -> None:
    workshop.enter()
    stop = next(
        order
        for order in workshop.venue.open_orders(MASTER)
        if order.trigger and order.trigger.kind.value == "sl"
    )
    workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))

    for price in ("60010", "60020", "60030", "60040", "60050", "60060"):
        workshop.mark("BTC", price)
        workshop.watch()

    assert len(stops(workshop)) == 1
    assert workshop.position()["protected_at"] is not None


def test_a_new_stop_is_placed_before_the_old_one_is_taken_off(workshop: Workshop) -> None:
    workshop.enter()
    workshop.mark("BTC", "61500")
    workshop.watch()
    first = stops(workshop)
    workshop.mark("BTC", "61700")
    workshop.watch()

    resting = [e for e in workshop.server.engine.journal.of("resting") if e["tpsl"] == "sl"]
    gone = {e["oid"]: e["seq"] for e in workshop.server.engine.journal.of("gone")}
    assert len(resting) == 3
    assert all(gone[old["oid"]] > new["seq"] for old, new in pairwise(resting))
    assert len(first) == len(stops(workshop)) == 1
    assert workshop.position()["size"] == workshop.venue_size()


def test_an_unprotected_position_is_picked_up_by_the_monitor(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute(
            "update orders set status = 'CANCELLED', finished_at = :now where leg = 'stop'",
            now=workshop.clock.now(),
        )
        tx.execute("update positions set protected_at = null")
    stop = next(
        order
        for order in workshop.venue.open_orders(MASTER)
        if order.trigger and order.trigger.kind.value == "sl"
    )
    workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))
    workshop.clock.advance(timedelta(seconds=6))
    workshop.mark("BTC", "60005")

    workshop.watch()

    assert len(stops(workshop)) == 1
    assert workshop.position()["protected_at"] is not None
