"""What nobody has catalogued: kept as it was said, told to a person, never guessed at; stops stay, and other rows go on."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.orders.doubt import WaitsFor
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import plan_protection
from outcry.positions import store as positions_store
from outcry.runtime.errors import UnknownAnswer
from outcry.runtime.leases import ORDERS, redrive
from outcry.runtime.reasons import Reason
from outcry.venues.port import TriggerKind
from tests.orders.workshop import MASTER, Workshop

ORDER = {"type": "order"}
NEW_WORDS = '{"status":"err","response":"The exchange is thinking about it"}'
NEW_STATUS = "hyperliquid orderStatus: ValueError unknown order status"


def answer_orders_with(workshop: Workshop, body: str, *, commit: bool = False, times: int = 1) -> None:
    workshop.control(
        "fault", on="exchange", match=ORDER, do="status", status=200, body=body, commit=commit, times=times
    )


def kept(workshop: Workshop) -> list[dict[str, Any]]:
    return workshop.rows("select what, raw, times from unknown_answers order by what")


def placements(workshop: Workshop, order_id: UUID) -> list[dict[str, Any]]:
    return workshop.rows(
        "select * from actions where order_id = :id and kind = 'place' order by attempt", id=order_id
    )


def unknown_status(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, cloids: list[str] | None = None
) -> None:
    order = workshop.venue.order

    def answered(address: str, cloid: str) -> Any:
        if cloids is None or cloid in cloids:
            raise UnknownAnswer(NEW_STATUS, '{"status":"order","order":{"status":"pondering"}}')
        return order(address, cloid)

    monkeypatch.setattr(workshop.venue, "order", answered)


def nearer_stop(workshop: Workshop) -> UUID:
    """Plan a stop that is to replace the one that rests."""
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        return plan_protection(
            tx,
            position,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=Decimal(59500),
            size=position.held,
            now=workshop.clock.now(),
            trace_id="t",
            cause=Reason.TRAILING_STOP,
        )


@pytest.mark.parametrize("is_executed", [True, False])
def test_a_refusal_in_new_words_proves_nothing_and_the_venue_is_asked(
    workshop: Workshop, is_executed: bool
) -> None:
    answer_orders_with(workshop, NEW_WORDS, commit=is_executed)

    order_id = workshop.enter()
    workshop.drain()

    (request,) = placements(workshop, order_id)
    assert (request["sends"], request["raw_answer"]) == (1, NEW_WORDS)
    assert workshop.order(order_id)["status"] == ("FILLED" if is_executed else "REJECTED")
    assert workshop.position()["status"] == ("OPEN" if is_executed else "ABANDONED")
    assert workshop.position()["size"] == workshop.venue_size()
    assert "orders" in workshop.notices()


def test_an_answer_in_a_new_shape_is_kept_and_paged_and_the_venue_is_asked(workshop: Workshop) -> None:
    shape = '{"status":"ok","response":{"type":"order","data":{"statuses":[{"pondering":{"oid":1}}]}}}'
    answer_orders_with(workshop, shape, commit=True)

    order_id = workshop.enter()

    (request,) = placements(workshop, order_id)
    assert request["raw_answer"] == shape
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["protected_at"] is not None
    assert "orders" in workshop.notices()


def test_an_entry_whose_status_nobody_knows_waits_and_is_carried_on_by_the_build_that_knows_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.control("fault", on="exchange", match=ORDER, do="drop_after_commit", times=1)
    with monkeypatch.context() as older_build:
        unknown_status(workshop, older_build)
        older_build.setattr(workshop.venue, "fills", lambda address, since: [])
        order_id = workshop.enter()
        workshop.drain_once()
    waiting = (workshop.order(order_id)["status"], placements(workshop, order_id)[0]["answer"]["waits_for"])

    workshop.drain()

    assert waiting == ("UNKNOWN", WaitsFor.WORDS.value)
    assert kept(workshop)[0]["what"] == NEW_STATUS
    assert "pondering" in kept(workshop)[0]["raw"]
    assert workshop.order(order_id)["quarantined_at"] is None
    assert workshop.order(order_id)["status"] == "FILLED"
    assert "orders" in workshop.notices()


def test_fills_tell_of_an_order_whose_status_nobody_knows(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.control("fault", on="exchange", match=ORDER, do="drop_after_commit", times=1)
    unknown_status(workshop, monkeypatch)

    order_id = workshop.enter()

    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0


def test_a_planned_entry_that_met_an_unknown_answer_is_set_aside_and_goes_on_once_it_is_redriven(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id, other = workshop.plan_entry(), workshop.plan_entry(market="ETH")

    def unknown(address: str) -> Any:
        raise UnknownAnswer("hyperliquid userAbstraction: KeyError 'newMode'", '"newMode"')

    with monkeypatch.context() as older_build:
        older_build.setattr(workshop.venue, "account_mode", unknown)
        workshop.advance(order_id)
    aside = workshop.order(order_id)
    workshop.advance(other)
    with workshop.database.transaction() as tx:
        redrive(tx, ORDERS, [order_id], now=workshop.clock.now())
    workshop.advance(order_id)

    assert (aside["status"], aside["quarantined_at"] is not None) == ("PLANNED", True)
    assert "newMode" in aside["last_error"]
    assert kept(workshop) == [
        {"what": "hyperliquid userAbstraction: KeyError 'newMode'", "raw": '"newMode"', "times": 1}
    ]
    assert workshop.order(other)["status"] == "FILLED"
    assert workshop.order(order_id)["status"] == "FILLED"


def test_a_nearer_stop_that_is_refused_in_new_words_leaves_the_old_one_and_the_position_alone(
    workshop: Workshop,
) -> None:
    workshop.enter()
    nearer = nearer_stop(workshop)
    answer_orders_with(workshop, NEW_WORDS, times=9)

    workshop.advance(nearer)
    workshop.drain()

    stops = [
        o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind is TriggerKind.STOP
    ]
    assert workshop.order(nearer)["status"] == "REJECTED"
    assert len(stops) == 1
    assert (workshop.position()["status"], workshop.position()["protected_at"] is not None) == ("OPEN", True)
    assert "orders" in workshop.notices()


def test_a_stop_whose_status_nobody_knows_stays_at_the_venue_and_is_asked_about_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    (stop,) = workshop.rows("select order_id from orders where leg = 'stop'")
    with monkeypatch.context() as older_build:
        unknown_status(workshop, older_build)
        workshop.advance(stop["order_id"])
        workshop.drain_once()
    asked = workshop.order(stop["order_id"])

    workshop.drain_once()

    assert (asked["status"], asked["next_ring_at"] is not None) == ("RESTING", True)
    assert workshop.order(stop["order_id"])["next_ring_at"] is None
    assert workshop.position()["status"] == "OPEN"
    assert kept(workshop)[0]["times"] == 2
    assert workshop.notices().count("orders") == 1


def test_a_cancel_that_is_refused_in_new_words_is_asked_for_ever_more_rarely(workshop: Workshop) -> None:
    workshop.enter()
    cancel = {"type": "cancelByCloid"}
    workshop.control(
        "fault", on="exchange", match=cancel, do="status", status=200, body=NEW_WORDS, times=1000
    )
    (stop,) = workshop.rows("select order_id from orders where leg = 'stop'")
    nearer = nearer_stop(workshop)
    workshop.advance(nearer)
    waits: list[int] = []
    for _ in range(9):
        waits.append(max(delay for _, _, delay in workshop.bells.rung))
        workshop.drain_once()
    workshop.control("fault", clear=True)
    workshop.clock.advance(timedelta(seconds=1))
    workshop.drain()

    assert waits == [3, 6, 12, 24, 48, 96, 192, 300, 300]
    assert workshop.order(stop["order_id"])["status"] == "CANCELLED"
    assert workshop.notices().count("orders") == 1
    assert workshop.position()["protected_at"] is not None
