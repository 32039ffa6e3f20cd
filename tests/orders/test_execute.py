"""Executors at work side by side: whoever holds the claim acts, everybody else does nothing."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.orders import execute
from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import BugError
from outcry.runtime.queues import Queue
from outcry.runtime.reasons import Reason
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Answer
from tests.orders.workshop import Workshop

WAIT_S = 20


class GatedVenue(HyperliquidVenue):
    """The venue of a worker that is held up just before a placement leaves it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def send(self, signed: str, *, address: str) -> Answer:
        if '"orders"' in signed:
            self.reached.set()
            assert self.go_on.wait(WAIT_S), "the test never let the worker go on"
        return super().send(signed, address=address)


Make = Callable[[type[HyperliquidVenue]], Desk]


@pytest.fixture
def make_desk(workshop: Workshop, database_url: str) -> Iterator[Make]:
    """The desk of another process: a connection and a venue of its own, the same clock, signer and doorbells."""
    opened: list[Database] = []

    def make(kind: type[HyperliquidVenue]) -> Desk:
        opened.append(Database(Address.from_url(database_url), network="local"))
        venue = kind("local", workshop.server.url, workshop.clock)
        return replace(
            workshop.desk,
            database=opened[-1],
            venues={("hyperliquid", "local"): venue},
            _markets={},
            _accounts={},
        )

    yield make
    for connection in opened:
        connection.close()


def all_at_once(workshop: Workshop, desks: list[Desk], orders: list[UUID]) -> None:
    """Each desk's executor advances its order, started together; the first error of any is raised."""
    start = threading.Barrier(len(desks))
    deadline = workshop.clock.now() + timedelta(seconds=60)

    def work(desk: Desk, order_id: UUID) -> None:
        executor = Executor(desk)
        start.wait(WAIT_S)
        executor.advance(order_id, deadline=deadline)

    with ThreadPoolExecutor(len(desks)) as pool:
        list(pool.map(work, desks, orders, timeout=60))


def oids(workshop: Workshop, side: str) -> set[int]:
    return {fill["oid"] for fill in workshop.venue_fills() if fill["side"] == side}


def plan_closing(workshop: Workshop) -> UUID:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        return plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="test")


def test_f1_two_workers_on_two_connections_make_one_fill_of_one_entry(
    workshop: Workshop, make_desk: Make
) -> None:
    order_id = workshop.plan_entry()
    workshop.control("fault", on="exchange", match={"type": "order"}, do="delay_ms", ms=150, times=1)

    all_at_once(workshop, [make_desk(HyperliquidVenue) for _ in range(2)], [order_id, order_id])

    assert len(oids(workshop, "B")) == 1
    assert workshop.rows(
        "select attempt, status, sends from actions where order_id = :id and kind = 'place'", id=order_id
    ) == [{"attempt": 0, "status": "ACKED", "sends": 1}]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0


def test_f4_a_worker_that_comes_while_another_is_sending_leaves_at_once(
    workshop: Workshop, make_desk: Make
) -> None:
    order_id = workshop.plan_entry()
    slow, quick = make_desk(GatedVenue), make_desk(HyperliquidVenue)
    gate = slow.venues["hyperliquid", "local"]
    assert isinstance(gate, GatedVenue)
    deadline = workshop.clock.now() + timedelta(seconds=60)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Executor(slow).advance, order_id, deadline=deadline)
        try:
            assert gate.reached.wait(WAIT_S)
            Executor(quick).advance(order_id, deadline=deadline)
            meanwhile = (
                workshop.venue_fills(),
                workshop.rows("select sends from actions where kind = 'place'"),
            )
        finally:
            gate.go_on.set()
        first.result(timeout=60)

    assert meanwhile == ([], [{"sends": 1}])
    assert len(oids(workshop, "B")) == 1
    assert workshop.order(order_id)["status"] == "FILLED"


def test_f8_two_entries_for_one_place_at_the_same_moment_take_it_once(
    workshop: Workshop, make_desk: Make
) -> None:
    orders = [workshop.plan_entry(), workshop.plan_entry()]

    all_at_once(workshop, [make_desk(HyperliquidVenue) for _ in range(2)], orders)
    workshop.drain()

    ended = sorted((workshop.order(one)["status"], workshop.order(one)["reason"]) for one in orders)
    assert [status for status, _ in ended] == ["FILLED", "SKIPPED"]
    assert ended[1][1] in {"PLACE_TAKEN", "FOREIGN_POSITION"}
    assert len(oids(workshop, "B")) == 1
    assert len(workshop.rows("select 1 from reservations where released_at is null")) == 1


def test_f3_two_workers_on_two_connections_sell_a_position_once(workshop: Workshop, make_desk: Make) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    exit_id = plan_closing(workshop)

    all_at_once(workshop, [make_desk(HyperliquidVenue) for _ in range(2)], [exit_id, exit_id])
    workshop.drain()

    sold = sum(Decimal(fill["sz"]) for fill in workshop.venue_fills() if fill["side"] == "A")
    assert sold == opened
    assert workshop.venue_size() == 0
    assert len(oids(workshop, "A")) == 1


def test_f22_an_order_for_a_venue_that_this_process_lacks_fails_by_name_and_stays_due(
    workshop: Workshop,
) -> None:
    order_id = workshop.plan_entry()
    lacking = Executor(replace(workshop.desk, venues={}, _markets={}, _accounts={}))

    with pytest.raises(BugError, match="hyperliquid on network local"):
        lacking.advance(order_id, deadline=workshop.clock.now() + timedelta(seconds=60))

    order = workshop.order(order_id)
    assert (order["status"], order["last_error"], order["attempts"]) == ("PLANNED", "BugError", 1)
    assert order["next_ring_at"] > workshop.clock.now()
    assert order["claim_token"] is None


def test_f46_an_order_of_another_network_is_never_taken_to_the_network_at_hand(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    with workshop.database.transaction() as tx:
        tx.execute("update orders set network = 'testnet' where order_id = :id", id=order_id)

    with pytest.raises(BugError, match="testnet"):
        workshop.advance(order_id)

    assert not workshop.venue_fills()
    assert workshop.rows("select 1 from actions") == []


def test_an_order_that_comes_at_the_deadline_is_rung_again_and_not_begun(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()

    workshop.executor.advance(order_id, deadline=workshop.clock.now())

    assert [(queue, ring.id, delay) for queue, ring, delay in workshop.bells.rung] == [
        (Queue.ENTRIES, str(order_id), 1)
    ]
    assert workshop.order(order_id)["attempts"] == 0


def test_an_ended_order_that_comes_at_the_deadline_is_not_rung_again(workshop: Workshop) -> None:
    order_id = workshop.enter()
    workshop.bells.rung.clear()

    workshop.executor.advance(order_id, deadline=workshop.clock.now())

    assert workshop.bells.rung == []


def test_an_invocation_that_used_up_its_steps_rings_for_the_rest(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "MOST_STEPS", 1)
    order_id = workshop.plan_entry()

    workshop.advance(order_id)
    begun = (workshop.order(order_id)["status"], [ring.id for _, ring, _ in workshop.bells.rung])
    workshop.drain()

    assert begun == ("APPROVED", [str(order_id)])
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["protected_at"] is not None


def test_an_order_that_has_ended_is_left_alone(workshop: Workshop) -> None:
    order_id = workshop.enter()
    ended = workshop.order(order_id)

    workshop.advance(order_id)
    workshop.executor.give_up(order_id, RuntimeError("poison"))

    assert workshop.order(order_id) == ended
    assert len(oids(workshop, "B")) == 1


def test_f3_an_exit_is_never_set_aside_by_its_last_delivery(workshop: Workshop) -> None:
    workshop.enter()
    exit_id = plan_closing(workshop)

    workshop.executor.give_up(exit_id, RuntimeError("poison"))
    workshop.advance(exit_id)
    workshop.drain()

    assert workshop.order(exit_id)["quarantined_at"] is None
    assert workshop.venue_size() == 0


def test_a_row_that_was_set_aside_pages_once(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()

    for _ in range(2):
        workshop.executor.give_up(order_id, RuntimeError("poison"))

    assert workshop.notices().count("quarantine") == 1
