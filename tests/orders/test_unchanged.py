"""Rows that did not change are not written: reading the feeds again leaves every row of the ledger as it stands on disk."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from outcry.agents import roster
from outcry.agents.model import Account
from outcry.orders.fills import rebook
from outcry.positions import store as positions_store
from tests.orders.workshop import LIVE, MASTER, Workshop

TABLES = ("accounts", "fills", "funding_payments", "positions", "orders", "actions", "reservations")


def account(workshop: Workshop) -> Account:
    with workshop.database.transaction() as tx:
        found = roster.account(tx, LIVE)
    assert found is not None
    return found


def on_disk(workshop: Workshop) -> list[tuple[str, str, str]]:
    """Where each row version lies and who wrote it: both change with every write, also with one that changes nothing."""
    return [
        (table, row["place"], row["writer"])
        for table in TABLES
        for row in workshop.rows(
            f"select cast(ctid as text) as place, cast(xmin as text) as writer from {table} order by ctid"
        )
    ]


def read_fills(workshop: Workshop) -> None:
    workshop.executor.collector.collect(account(workshop))


def read_fills_for_the_position(workshop: Workshop) -> None:
    position_id = workshop.position()["position_id"]
    workshop.executor.collector.collect(account(workshop), also=[position_id])


def read_funding(workshop: Workshop) -> None:
    workshop.executor.collector.collect_funding(account(workshop), workshop.venue)


def add_the_position_up(workshop: Workshop) -> None:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        rebook(tx, position_id, now=workshop.clock.now())


def set_what_stands(workshop: Workshop) -> None:
    position = workshop.position()
    with workshop.database.transaction() as tx:
        positions_store.update(
            tx,
            position["position_id"],
            now=workshop.clock.now(),
            stop_price=position["stop_price"],
            exit_price=None,
        )


@pytest.mark.parametrize(
    "again",
    [read_fills, read_fills_for_the_position, read_funding, add_the_position_up, set_what_stands],
)
def test_what_brings_nothing_new_writes_nothing(
    workshop: Workshop, again: Callable[[Workshop], None]
) -> None:
    workshop.control("funding_rate", market="BTC", rate="0.0001")
    workshop.enter()
    workshop.clock.advance(timedelta(hours=1))
    read_funding(workshop)
    before = on_disk(workshop)
    workshop.clock.advance(timedelta(seconds=20))

    again(workshop)

    assert on_disk(workshop) == before


def test_a_new_fill_is_seen_by_the_same_look(workshop: Workshop) -> None:
    workshop.enter()
    before = on_disk(workshop)
    workshop.clock.advance(timedelta(seconds=1))
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz="0.001", reduce_only=True)

    read_fills(workshop)

    written = {table for table, *_ in set(on_disk(workshop)) - set(before)}
    assert written == {"accounts", "fills", "positions"}
