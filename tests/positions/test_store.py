"""The book's rows: read one by one or thousands at once, a position is the same."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.positions import store, watch_store
from outcry.positions.model import Position
from outcry.runtime.database import Database
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits
from tests.orders.workshop import DESK, LIVE, NOON

ODD = NOON + timedelta(microseconds=123457)
CHANGES: dict[str, Any] = {
    "status": "UNMANAGED",
    "size": Decimal("0.000000000000000001"),
    "acked_size": Decimal("-12.50"),
    "opened_size": Decimal("123456789012345678.123456789"),
    "entry_price": Decimal("60000.10"),
    "stop_price": Decimal("0.00000001"),
    "liquidation_price": Decimal(100),
    "peak": Decimal("1E+3"),
    "trail_price": Decimal("61.5"),
    "targets_hit": 3,
    "crossed_since": ODD,
    "protect_by": NOON.replace(microsecond=0),
    "protected_at": ODD + timedelta(days=200),
    "exit_reason": 'a "reason" with, commas',
    "opened_at": ODD - timedelta(days=3000),
}


@pytest.fixture
def desk(database: Database) -> Database:
    with database.transaction() as tx:
        roster.apply_desk(tx, parse_desk(DESK, "desk.yaml"), NOON)
    return database


def take(database: Database, market: str = "BTC", side: Side = Side.LONG, now: datetime = NOON) -> UUID:
    with database.transaction() as tx:
        deployment = roster.deployment(tx, "runner-live")
        assert deployment is not None
        plan, _ = plan_exits(
            deployment.agent.strategy.exits,
            side=side,
            reference_price=Decimal(60000),
            stated_stop=Decimal(59500) if side is Side.LONG else None,
            stated_targets=(),
        )
        return store.insert_opening(
            tx,
            deployment_id="runner-live",
            place=(LIVE, "hyperliquid", "local", market, market),
            side=side,
            plan=plan,
            leverage=Decimal(3),
            origin="SIGNAL",
            now=now,
            trace_id="a trace, with \\ and '",
        )


def change(database: Database, position_id: UUID, **columns: Any) -> None:
    with database.transaction() as tx:
        store.update(tx, position_id, now=NOON, **columns)


def load(database: Database, position_id: UUID) -> Position:
    with database.transaction() as tx:
        found = store.load(tx, position_id)
    assert found is not None
    return found


def load_many(
    database: Database, ids: list[UUID], known: dict[str, Position] | None = None
) -> dict[str, Position]:
    with database.transaction() as tx:
        return watch_store.load_many(tx, [str(one) for one in ids], known or {})


def test_a_position_with_every_column_set_is_the_same_however_it_is_read(desk: Database) -> None:
    position_id = take(desk, side=Side.SHORT)
    change(desk, position_id, **CHANGES)

    one, many = load(desk, position_id), load_many(desk, [position_id])

    assert many == {str(position_id): one}
    for field in fields(Position):
        assert type(getattr(many[str(position_id)], field.name)) is type(getattr(one, field.name)), field.name
    assert one.entry_price == CHANGES["entry_price"]
    assert one.crossed_since == ODD


def test_a_position_with_nothing_set_is_the_same_however_it_is_read(desk: Database) -> None:
    position_id = take(desk)

    assert load_many(desk, [position_id]) == {str(position_id): load(desk, position_id)}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_each_column_that_changed_is_read_again_into_what_is_known(desk: Database, name: str) -> None:
    position_id = take(desk)
    known = load_many(desk, [position_id])
    change(desk, position_id, **{name: CHANGES[name]})

    again = load_many(desk, [position_id], known)

    assert again == {str(position_id): load(desk, position_id)}
    assert getattr(again[str(position_id)], name) == CHANGES[name]
    assert again[str(position_id)].version == known[str(position_id)].version + 1


@pytest.mark.parametrize(
    "name", sorted(set(CHANGES) - {"status", "size", "acked_size", "opened_size", "targets_hit"})
)
def test_each_column_that_was_cleared_is_read_again_into_what_is_known(desk: Database, name: str) -> None:
    position_id = take(desk)
    change(desk, position_id, **CHANGES)
    known = load_many(desk, [position_id])
    change(desk, position_id, **{name: None})

    again = load_many(desk, [position_id], known)

    assert again == {str(position_id): load(desk, position_id)}
    assert getattr(again[str(position_id)], name) is None


def test_every_field_of_a_position_is_either_constant_or_read_again() -> None:
    constant = {name.strip() for name in watch_store._CONSTANT.split(",")} - {"rules"} | {"plan"}
    changing = {
        name.strip().removeprefix("cast(").removesuffix(" as text)")
        for name in watch_store._CHANGING.split(",")
    }

    assert constant | changing == {field.name for field in fields(Position)}
    assert constant & changing == set()
    assert set(CHANGES) == changing - {"version"}


def test_some_known_and_some_new_are_read_together_and_what_is_gone_is_left_out(desk: Database) -> None:
    ids = [take(desk, market) for market in ("BTC", "ETH", "SOL")]
    known = load_many(desk, ids[:2])
    change(desk, ids[1], peak=Decimal(7))
    missing = UUID(int=1)
    stale = {**known, str(missing): replace(known[str(ids[0])], position_id=missing)}

    read = load_many(desk, [*ids, missing, UUID(int=2)], stale)

    assert read == {str(one): load(desk, one) for one in ids}


def test_nothing_asked_for_is_nothing_read(desk: Database) -> None:
    take(desk)

    assert load_many(desk, []) == {}


def test_what_moved_is_written_only_to_rows_that_nobody_changed_in_between(desk: Database) -> None:
    first, second = take(desk, "BTC"), take(desk, "ETH")
    rows = [
        {
            "position_id": str(one),
            "version": load(desk, one).version,
            "peak": "61",
            "trail_price": None,
            "crossed_since": None,
        }
        for one in (first, second)
    ]
    change(desk, second, stop_price=Decimal(5))

    with desk.transaction() as tx:
        written = watch_store.write_watches(tx, rows, now=NOON)
        nothing = watch_store.write_watches(tx, [], now=NOON)

    assert (written, nothing) == (1, 0)
    assert (load(desk, first).peak, load(desk, second).peak) == (Decimal(61), None)


def test_a_place_that_holds_something_is_not_given_back(desk: Database) -> None:
    position_id = take(desk)
    change(desk, position_id, acked_size=Decimal(1))

    with desk.transaction() as tx:
        held = store.abandon(tx, position_id, reason="REJECTED", now=NOON)
    change(desk, position_id, acked_size=Decimal(0))
    with desk.transaction() as tx:
        empty = store.abandon(tx, position_id, reason="REJECTED", now=NOON)

    assert (held, empty) == (False, True)
    take(desk)
