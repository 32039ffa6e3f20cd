"""A ticker book of the markets that the tests of this room speak of, and posts to read."""

from datetime import UTC, datetime

import pytest

from outcry.calls.model import PostToRead
from outcry.calls.tickers import TickerBook

MARKETS = (
    "BTC ETH SOL kPEPE LINK DOGE NEAR OP ARB AVAX SUI HYPE WIF POL S RENDER XRP APT TIA INJ kBONK AAVE LDO ORDI GAS TON "
    "ONDO JUP UNI LIT"
)


@pytest.fixture(scope="session")
def book() -> TickerBook:
    return TickerBook.from_markets(MARKETS.split())


@pytest.fixture
def a_post() -> PostToRead:
    return PostToRead(
        post_id=1001,
        author_id=7,
        text="LONG BTC 60k, SL 58k, TP 65k/70k, 5x",
        kind="original",
        is_paid_partnership=False,
        created_at=datetime(2026, 1, 5, 11, 59, tzinfo=UTC),
        status="HEARD",
        last_error=None,
        trace_id="trace-1",
    )
