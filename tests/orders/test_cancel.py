"""Cancels: a resting order is off the venue before its cancel ends, however often it has to be asked."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from outcry.orders.lifecycle import client_order_id
from outcry.orders.plan import plan_cancel
from outcry.positions import store as positions_store
from outcry.runtime.errors import VenueUnreachable
from outcry.runtime.reasons import Reason
from tests.orders.workshop import MASTER, Workshop

CANCEL = {"type": "cancelByCloid"}


def plan(workshop: Workshop) -> tuple[UUID, UUID]:
    """Plan to take the stop off the venue; returns the cancel and the stop."""
    stop = workshop.rows("select order_id, attempt from orders where leg = 'stop'")[0]
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        cancel = plan_cancel(
            tx,
            position,
            stop["order_id"],
            cloid=client_order_id(stop["order_id"], stop["attempt"]),
            now=workshop.clock.now(),
            trace_id="test",
            reason=Reason.NO_LONGER_NEEDED,
        )
    assert cancel is not None
    return cancel, stop["order_id"]


def stops_at_venue(workshop: Workshop) -> int:
    resting = workshop.venue.open_orders(MASTER)
    return sum(order.trigger is not None and order.trigger.kind.value == "sl" for order in resting)


def requests(workshop: Workshop, cancel: UUID) -> list[dict[str, Any]]:
    return workshop.rows(
        "select attempt, status, sends from actions where order_id = :id order by attempt", id=cancel
    )


def test_a_cancel_ends_when_its_target_is_off_and_the_target_s_own_row_ends_with_it(
    workshop: Workshop,
) -> None:
    workshop.enter()
    cancel, stop = plan(workshop)

    workshop.advance(cancel)

    assert stops_at_venue(workshop) == 0
    assert workshop.order(cancel)["status"] == "FILLED"
    assert workshop.order(stop)["status"] == "CANCELLED"
    assert workshop.position()["protected_at"] is None


def test_a_second_cancel_of_the_same_order_is_not_planned_while_one_is_under_way(workshop: Workshop) -> None:
    workshop.enter()
    plan(workshop)

    with pytest.raises(AssertionError):
        plan(workshop)

    assert workshop.rows("select count(*) as n from orders where kind = 'cancel'") == [{"n": 1}]


def test_a_target_that_is_gone_already_needs_no_request(workshop: Workshop) -> None:
    workshop.enter()
    cancel, stop = plan(workshop)
    shown = next(o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind.value == "sl")
    workshop.control("cancel_by_hand", user=MASTER, oid=int(shown.venue_order_id))

    workshop.advance(cancel)

    assert requests(workshop, cancel) == []
    assert (workshop.order(cancel)["status"], workshop.order(stop)["status"]) == ("CANCELLED", "CANCELLED")


def test_a_cancel_that_finds_its_target_gone_is_done(workshop: Workshop) -> None:
    gone = (
        '{"status":"ok","response":{"type":"cancel","data":{"statuses":'
        '[{"error":"Order was never placed, already canceled, or filled. asset=0"}]}}}'
    )
    workshop.enter()
    cancel, _ = plan(workshop)
    workshop.control("fault", on="exchange", match=CANCEL, do="status", status=200, body=gone, times=1)

    workshop.advance(cancel)

    assert workshop.order(cancel)["status"] == "FILLED"
    assert requests(workshop, cancel) == [{"attempt": 0, "status": "REFUSED", "sends": 1}]


def test_a_cancel_that_is_refused_for_now_is_asked_for_again_under_a_new_nonce(workshop: Workshop) -> None:
    refusal = '{"status":"err","response":"Too many cumulative requests sent (1 > 0) for cumulative volume traded $0.0."}'
    workshop.enter()
    cancel, _ = plan(workshop)
    workshop.control("fault", on="exchange", match=CANCEL, do="status", status=200, body=refusal, times=1)

    workshop.advance(cancel)
    waiting = workshop.order(cancel)
    workshop.drain()

    assert waiting["finished_at"] is None
    assert waiting["next_ring_at"] > workshop.clock.now() - timedelta(seconds=4)
    assert [row["status"] for row in requests(workshop, cancel)] == ["REFUSED", "ACKED"]
    assert stops_at_venue(workshop) == 0


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_lost_reply_to_a_cancel_ends_with_the_target_off(workshop: Workshop, fault: str) -> None:
    workshop.enter()
    cancel, stop = plan(workshop)
    workshop.control("fault", on="exchange", match=CANCEL, do=fault, times=1)

    workshop.advance(cancel)
    workshop.drain()

    assert stops_at_venue(workshop) == 0
    assert workshop.order(cancel)["finished_at"] is not None
    assert workshop.order(stop)["status"] == "CANCELLED"
    assert len(requests(workshop, cancel)) == 1


def test_a_cancel_that_expired_unanswered_is_asked_for_again_and_does_not_hang(workshop: Workshop) -> None:
    workshop.enter()
    cancel, _ = plan(workshop)
    workshop.control("fault", on="exchange", match=CANCEL, do="drop_before_commit", times=1000)
    workshop.advance(cancel)
    for _ in range(8):
        workshop.drain_once()
    workshop.control("fault", clear=True)

    for _ in range(5):
        if workshop.bells.rung:
            workshop.drain_once()

    assert workshop.order(cancel)["status"] == "FILLED"
    assert stops_at_venue(workshop) == 0


def test_a_cancel_raises_for_a_venue_that_cannot_be_read_and_is_due_again(workshop: Workshop) -> None:
    workshop.enter()
    cancel, _ = plan(workshop)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)

    with pytest.raises(VenueUnreachable):
        workshop.advance(cancel)

    order = workshop.order(cancel)
    assert (order["last_error"], order["finished_at"]) == ("VenueUnreachable", None)
    assert order["next_ring_at"] > workshop.clock.now()
    assert requests(workshop, cancel) == []
