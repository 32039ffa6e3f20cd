"""The book's rows: read one by one or thousands at once, a position is the same."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.positions import store, watch_store
from outcry.positions.model import Position
from outcry.positions.standing import Standing
from outcry.positions.watch_store import Moved
from outcry.runtime.database import Database
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits
from tests.orders.workshop import DESK, LIVE, NOON

ODD = NOON + timedelta(microseconds=123457)
CHANGES: dict[str, Any] = {
    "status": "UNMANAGED",
    "size": Decimal("0.000000000000000001"),
    "acked_size": Decimal("12.50"),
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


def standing(database: Database, *ids: UUID) -> dict[UUID, Standing]:
    with database.transaction() as tx:
        return {each.position_id: each for each in watch_store.standing(tx, [str(one) for one in ids])}


def as_seen(position: Position) -> dict[str, Any]:
    """What a pass must see of a row."""
    return {
        "key": str(position.position_id),
        "trailing": position.plan.trailing,
        "time_limit": position.plan.time_limit,
        "liquidation_buffer_frac": position.plan.liquidation_buffer_frac,
    } | {
        name: getattr(position, name)
        for name in Standing._fields
        if name not in {"key", "trailing", "time_limit", "liquidation_buffer_frac"}
    }


def test_a_pass_sees_of_a_row_with_every_column_set_what_is_in_it(desk: Database) -> None:
    position_id = take(desk, side=Side.SHORT)
    change(desk, position_id, **CHANGES)

    whole, seen = as_seen(load(desk, position_id)), standing(desk, position_id)[position_id]._asdict()

    assert seen == whole
    assert {name: type(value) for name, value in seen.items()} == {
        name: type(value) for name, value in whole.items()
    }
    assert seen["crossed_since"] == ODD


def test_a_pass_sees_of_a_row_with_nothing_set_what_is_in_it(desk: Database) -> None:
    position_id = take(desk)

    assert standing(desk, position_id)[position_id]._asdict() == as_seen(load(desk, position_id))


def test_a_pass_sees_no_trail_and_no_limit_where_the_plan_has_none(desk: Database) -> None:
    position_id = take(desk)
    with desk.transaction() as tx:
        tx.execute('update positions set rules = rules || \'{"trailing": null, "time_limit_s": null}\'')

    seen = standing(desk, position_id)[position_id]

    assert (seen.trailing, seen.time_limit) == (None, None)


def test_what_is_gone_is_left_out_and_nothing_asked_for_is_nothing_read(desk: Database) -> None:
    ids = [take(desk, market) for market in ("BTC", "ETH")]

    assert set(standing(desk, *ids, UUID(int=1))) == set(ids)
    assert standing(desk) == {}


def test_a_row_that_a_pass_moved_is_what_it_says_it_has_become(desk: Database) -> None:
    position_id = take(desk)
    seen = standing(desk, position_id)[position_id]

    with desk.transaction() as tx:
        watch_store.write_watches(
            tx, [Moved(seen.key, seen.version, Decimal("61.5"), Decimal(60), ODD)], now=NOON
        )

    assert standing(desk, position_id)[position_id] == seen.moved(Decimal("61.5"), Decimal(60), ODD)


def test_what_moved_is_written_only_to_rows_that_nobody_changed_in_between(desk: Database) -> None:
    first, second = take(desk, "BTC"), take(desk, "ETH")
    rows = [Moved(str(one), load(desk, one).version, Decimal(61), None, None) for one in (first, second)]
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
