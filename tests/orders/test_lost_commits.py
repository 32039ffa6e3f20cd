"""A commit that nobody answered, at each transaction of an entry and of an exit: the work is found done when it is delivered again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from local.hyperliquid.config import build_config
from local.hyperliquid.server import HyperliquidServer
from outcry.orders.lifecycle import TERMINAL
from outcry.orders.model import OrderStatus
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import DatabaseUnavailable
from outcry.runtime.reasons import Reason
from tests.orders.test_budget import ALONE, WHOLE
from tests.orders.workshop import NOON, Workshop
from tests.runtime.wire import Lost, Wire, wire_to

OF_AN_ENTRY = range(1, WHOLE["an entry with its stop and take-profit"][0] + 1)
OF_AN_EXIT = range(1, ALONE["exit"][0] + 1)


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    path = Address.from_url(database_url).socket
    assert path is not None
    with wire_to(path) as made:
        yield made


@pytest.fixture
def workshop(database_url: str, wire: Wire) -> Iterator[Workshop]:
    """A ledger whose wire to its database can be cut."""
    address = replace(Address.from_url(database_url), socket=None, host="127.0.0.1", port=wire.port)
    database = Database(address, network="local")
    clock = FixedClock(NOON)
    with HyperliquidServer(clock, config=build_config({"switches": {"ip_limit": False}})) as server:
        made = Workshop(database, server, clock)
        made.mark("BTC", "60000")
        yield made
    database.close()


def advance_with_a_lost_commit(workshop: Workshop, wire: Wire, order_id: UUID, commit: int) -> None:
    wire.cut(Lost.ANSWER, at=commit)
    with pytest.raises(DatabaseUnavailable):
        workshop.advance(order_id)
    assert wire.cuts == 1


def deliver_again(workshop: Workshop, *orders: UUID) -> None:
    """Ring for the orders, and answer every doorbell, until all have ended; a claim that nobody could give back lapses meanwhile."""
    for _ in range(15):
        for order_id in orders:
            workshop.advance(order_id)
        if workshop.bells.rung:
            workshop.drain_once()
        if all(OrderStatus(workshop.order(order_id)["status"]) in TERMINAL for order_id in orders):
            return
        workshop.clock.advance(timedelta(seconds=10))
    raise AssertionError(f"never ended: {[workshop.order(order_id) for order_id in orders]}")


def sizes_by_cloid(workshop: Workshop) -> dict[str, Decimal]:
    sizes: dict[str, Decimal] = {}
    for fill in workshop.venue_fills():
        sizes[fill["cloid"]] = sizes.get(fill["cloid"], Decimal(0)) + Decimal(fill["sz"])
    return sizes


@pytest.mark.parametrize("commit", OF_AN_ENTRY)
def test_f1_an_entry_is_filled_once_and_protected_whichever_commit_was_not_answered(
    workshop: Workshop, wire: Wire, commit: int
) -> None:
    order_id = workshop.plan_entry()
    advance_with_a_lost_commit(workshop, wire, order_id, commit)

    deliver_again(workshop, order_id)
    workshop.watch()

    order, position = workshop.order(order_id), workshop.position()
    assert order["status"] == "FILLED"
    assert list(sizes_by_cloid(workshop).values()) == [order["size"]]
    assert workshop.venue_size() == position["size"] == order["size"]
    assert position["protected_at"] is not None
    assert [row["n"] for row in workshop.rows("select count(*) as n from fills")] == [1]


@pytest.mark.parametrize("commit", OF_AN_EXIT)
def test_f1_an_exit_sells_once_and_ends_flat_whichever_commit_was_not_answered(
    workshop: Workshop, wire: Wire, commit: int
) -> None:
    workshop.enter()
    size = workshop.venue_size()
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        order_id = plan_exit(tx, position, Reason.TIME_LIMIT, now=workshop.clock.now(), trace_id="test")
    advance_with_a_lost_commit(workshop, wire, order_id, commit)

    deliver_again(workshop, order_id)
    workshop.watch()

    assert workshop.order(order_id)["status"] == "FILLED"
    assert list(sizes_by_cloid(workshop).values()) == [size, size]
    assert workshop.venue_size() == 0
    assert workshop.position()["status"] == "CLOSED"
    assert workshop.rows("select 1 as one from orders where finished_at is null") == []
