"""Work that was left half-way: whoever comes next continues it by its state, and nothing is done twice."""

from datetime import timedelta
from typing import Any

import pytest

from outcry.orders import carry
from outcry.orders.model import OrderKind
from outcry.orders.progress import Next
from outcry.runtime.errors import InfrastructureError, VenueUnreachable
from tests.orders.workshop import MASTER, Workshop


class Died(BaseException):
    """The process was killed here."""


def let_the_claim_lapse(workshop: Workshop) -> None:
    workshop.clock.advance(timedelta(seconds=70))


def test_a_fill_feed_that_fails_leaves_the_position_protected_and_the_entry_to_be_finished(
    workshop: Workshop,
) -> None:
    workshop.control("fault", on="info", match={"type": "userFillsByTime"}, do="status", status=502, times=1)

    order_id = workshop.plan_entry()

    with pytest.raises(VenueUnreachable):
        workshop.advance(order_id)
    protected = workshop.position()["protected_at"]
    workshop.advance(order_id)

    assert protected is not None
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0


def test_a_process_that_dies_after_the_fill_leaves_a_stop_that_the_monitor_has_placed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    protect = workshop.executor._steps[OrderKind.PROTECT]

    def die(held: carry.Held) -> Next:
        raise Died

    monkeypatch.setitem(workshop.executor._steps, OrderKind.PROTECT, die)
    with pytest.raises(Died):
        workshop.advance(order_id)
    monkeypatch.setitem(workshop.executor._steps, OrderKind.PROTECT, protect)
    unprotected = workshop.position()
    let_the_claim_lapse(workshop)
    workshop.watch(after_s=6)

    assert unprotected["status"] == "OPEN"
    assert unprotected["protected_at"] is None
    assert workshop.position()["protected_at"] is not None
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


@pytest.mark.parametrize("edge", ["signed_not_sent", "sent_not_recorded"])
def test_f4_a_process_that_dies_around_the_send_makes_one_fill(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, edge: str
) -> None:
    order_id = workshop.plan_entry()
    send = workshop.venue.send
    sent: list[str] = []

    def dying(signed: str, *, address: str) -> Any:
        if '"orders"' not in signed:
            return send(signed, address=address)
        if edge == "sent_not_recorded":
            send(signed, address=address)
        sent.append(signed)
        raise Died

    monkeypatch.setattr(workshop.venue, "send", dying)
    with pytest.raises(Died):
        workshop.advance(order_id)
    monkeypatch.setattr(workshop.venue, "send", send)
    let_the_claim_lapse(workshop)
    for _ in range(3):
        workshop.advance(order_id)
        workshop.drain()

    entries = [fill for fill in workshop.venue_fills() if fill["side"] == "B"]
    assert len(sent) == 1
    assert len({fill["oid"] for fill in entries}) == 1
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert workshop.position()["protected_at"] is not None


def test_a_worker_whose_claim_lapsed_writes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    send = workshop.venue.send

    def slow(signed: str, *, address: str) -> Any:
        with workshop.database.transaction() as tx:
            tx.execute("update orders set claim_token = gen_random_uuid() where order_id = :id", id=order_id)
        return send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", slow)
    with pytest.raises(InfrastructureError):
        workshop.advance(order_id)

    assert workshop.rows("select status from actions") == [{"status": "SENT"}]


def test_f21_a_failing_order_is_set_aside_with_a_page_and_an_exit_never_is(workshop: Workshop) -> None:
    entry = workshop.plan_entry()

    workshop.executor.give_up(entry, RuntimeError("poison"))

    assert workshop.order(entry)["quarantined_at"] is not None
    assert "quarantine" in workshop.notices()
    workshop.advance(entry)
    assert workshop.order(entry)["status"] == "PLANNED"
    assert not list(workshop.venue.open_orders(MASTER))


def die_with_the_stop_in_hand(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is filled; the process dies before the stop is sent, holding the stop's claim."""
    send = workshop.venue.send

    def dying(signed: str, *, address: str) -> Any:
        if '"trigger"' in signed:
            raise Died
        return send(signed, address=address)

    order_id = workshop.plan_entry()
    monkeypatch.setattr(workshop.venue, "send", dying)
    with pytest.raises(Died):
        workshop.advance(order_id)
    monkeypatch.setattr(workshop.venue, "send", send)
    workshop.bells.rung.clear()


def test_f4_a_stop_whose_placer_died_rests_before_its_deadline(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_with_the_stop_in_hand(workshop, monkeypatch)
    died_at = workshop.clock.now()

    workshop.mark("BTC", "60001")
    workshop.watch(after_s=11)

    position = workshop.position()
    assert position["status"] == "OPEN"
    assert position["protected_at"] - died_at < timedelta(seconds=20)
    assert "protection" not in workshop.notices()
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_a_stop_that_comes_to_rest_after_its_deadline_is_told(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    protect = workshop.executor._steps[OrderKind.PROTECT]

    def die(held: carry.Held) -> Next:
        raise Died

    monkeypatch.setitem(workshop.executor._steps, OrderKind.PROTECT, die)
    with pytest.raises(Died):
        workshop.advance(order_id)
    monkeypatch.setitem(workshop.executor._steps, OrderKind.PROTECT, protect)
    workshop.watch(after_s=25)

    assert workshop.position()["protected_at"] is not None
    assert "protection" in workshop.notices()


def test_a_position_whose_closer_died_is_told_of_once_its_deadline_has_passed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = workshop.venue.send

    def falling(signed: str, *, address: str) -> Any:
        if '"trigger"' in signed:
            workshop.mark("BTC", "58000")
        elif '"r":true' in signed:
            raise Died
        return send(signed, address=address)

    order_id = workshop.plan_entry()
    monkeypatch.setattr(workshop.venue, "send", falling)
    with pytest.raises(Died):
        workshop.advance(order_id)
    monkeypatch.setattr(workshop.venue, "send", send)
    let_the_claim_lapse(workshop)
    (closer,) = workshop.rows("select order_id from orders where kind = 'exit'")
    for _ in range(3):
        workshop.advance(closer["order_id"])
        workshop.drain()

    assert workshop.venue_size() == 0
    assert "protection" in workshop.notices()
