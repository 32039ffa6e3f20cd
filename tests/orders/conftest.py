"""The workshop of the ledger's tests."""

from collections.abc import Iterator

import pytest

from local.hyperliquid.config import build_config
from local.hyperliquid.server import HyperliquidServer
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from tests.orders.workshop import NOON, Workshop


@pytest.fixture
def venue_changes() -> dict[str, object]:
    """What this test's venue does differently; override it in a module or by parametrize."""
    return {}


@pytest.fixture
def workshop(database: Database, venue_changes: dict[str, object]) -> Iterator[Workshop]:
    """A ledger at work on a local Hyperliquid, with BTC at 60,000."""
    clock = FixedClock(NOON)
    with HyperliquidServer(
        clock, config=build_config({"switches": {"ip_limit": False}, **venue_changes})
    ) as server:
        made = Workshop(database, server, clock)
        made.mark("BTC", "60000")
        yield made
