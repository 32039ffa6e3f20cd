"""The client counts into the weight that its address shares, and a 429 of the venue teaches it."""

from collections.abc import Iterator

import pytest

from local.hyperliquid import HyperliquidServer
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from outcry.runtime.errors import VenueUnreachable
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.weights import Weights
from tests.venues.test_weights import NOON


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def weights(clock: FixedClock) -> Weights:
    return Weights(clock, venue="hyperliquid", egress="shared", carries_orders=True)


@pytest.fixture
def venue(clock: FixedClock, weights: Weights) -> Iterator[HyperliquidVenue]:
    with HyperliquidServer(clock) as server:
        yield HyperliquidVenue("local", server.url, clock, weights=weights)


def test_each_request_counts_with_its_weight(venue: HyperliquidVenue, weights: Weights) -> None:
    venue.marks()

    assert weights.affords(1180)
    assert not weights.affords(1181)


def test_a_429_fills_the_minute_of_everybody_behind_the_address(
    venue: HyperliquidVenue, clock: FixedClock, weights: Weights, database: Database
) -> None:
    for _ in range(60):  # of weight 20 each: all that a minute holds
        venue.marks()
    with pytest.raises(VenueUnreachable, match="HTTP 429"):
        venue.marks()
    other = Weights(clock, venue="hyperliquid", egress="shared", carries_orders=False)

    with database.transaction() as tx:
        weights.book(tx)
        other.book(tx)

    assert not weights.affords(1)
    assert not other.affords(0)
