"""An exit that is booked between the venue's answer and the comparison with the book."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from local.hyperliquid.server import HyperliquidServer
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from outcry.runtime.reasons import Reason
from tests.orders.workshop import NOON, Workshop


@pytest.fixture
def shop(database: Database) -> Iterator[Workshop]:
    clock = FixedClock(datetime.fromisoformat(NOON.isoformat()))
    with HyperliquidServer(clock) as server:
        yield Workshop(database, server, clock)


def close(shop: Workshop) -> None:
    position_id = shop.position()["position_id"]
    with shop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        order_id = plan_exit(tx, position, Reason.PERSON, now=shop.clock.now(), trace_id="test")
    shop.advance(order_id)


def test_f39_what_was_ours_when_the_venue_was_read_is_nobody_elses_after_its_exit(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.enter()
    shop.watch()
    shop.mark("BTC", "60010")
    shop.watch()
    read = shop.venue.account

    def read_and_then_close(address: str) -> Any:
        shown = read(address)
        monkeypatch.setattr(shop.venue, "account", read)
        close(shop)
        return shown

    monkeypatch.setattr(shop.venue, "account", read_and_then_close)
    shop.watch()

    assert shop.position()["status"] == "CLOSED"
    assert shop.rows("select 1 from positions where origin = 'DISCOVERED'") == []
