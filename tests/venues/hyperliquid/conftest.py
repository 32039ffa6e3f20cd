"""The local Hyperliquid in this process, a funded master with an approved signer, and the venue."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.hyperliquid import HyperliquidServer
from outcry.custody.signer import SignerKey
from outcry.runtime.clock import FixedClock, to_milliseconds
from outcry.runtime.secrets import Secret
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Answer, Market, Place, Request, SetLeverage, Trigger

MASTER = "0x" + "Ab" * 20
VALID_FOR = timedelta(days=90)


@dataclass
class Trader:
    """What a test needs to trade: it signs, numbers and sends as the ledger does."""

    server: HyperliquidServer
    clock: FixedClock
    venue: HyperliquidVenue
    key: SignerKey
    master: str = MASTER
    markets: dict[str, Market] = field(default_factory=dict)
    _cloids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _nonce: int = 0

    def control(self, name: str, /, **body: Any) -> Any:
        return self.server.engine.control(name, body)

    def market(self, name: str) -> Market:
        if not self.markets:
            self.markets = dict(self.venue.markets())
        return self.markets[name]

    def nonce(self) -> int:
        self._nonce = max(self._nonce + 1, to_milliseconds(self.clock.now()))
        return self._nonce

    def signed(self, request: Request, **how: Any) -> str:
        market = None if not hasattr(request, "market") else self.market(request.market)
        return self.venue.sign(
            self.venue.encode(request, market),
            nonce=how.get("nonce") or self.nonce(),
            expires_at=how.get("expires_at"),
            signer=how.get("signer", self.key),
        )

    def send(self, request: Request, **how: Any) -> Answer:
        return self.venue.send(self.signed(request, **how), address=self.master)

    def cloid(self) -> str:
        return f"0x{next(self._cloids):032x}"

    def ioc(self, market: str, is_buy: bool, size: str, *, reduce_only: bool = False, **how: Any) -> Place:
        """An immediate order five per cent through the mark, unless `price` says otherwise."""
        mark = self.venue.marks().prices[market]
        bound = Decimal(how.get("price") or mark * Decimal("1.05" if is_buy else "0.95"))
        price = self.venue.fit_price(self.market(market), bound, up=is_buy)
        cloid = how.get("cloid") or self.cloid()
        return Place(market, is_buy, Decimal(size), price, reduce_only, cloid)

    def trigger(self, market: str, is_buy: bool, size: str, trigger: Trigger) -> Place:
        worst = trigger.price * Decimal("1.1" if is_buy else "0.9")
        price = self.venue.fit_price(self.market(market), worst, up=is_buy)
        return Place(market, is_buy, Decimal(size), price, True, self.cloid(), trigger)

    def open_long(self, market: str = "BTC", size: str = "0.05", leverage: int = 5) -> Place:
        self.send(SetLeverage(market, leverage))
        place = self.ioc(market, True, size)
        self.send(place)
        return place

    def wait(self, **by: float) -> datetime:
        return self.clock.advance(timedelta(**by))


@pytest.fixture
def server(clock: FixedClock) -> Iterator[HyperliquidServer]:
    with HyperliquidServer(clock) as running:
        yield running


@pytest.fixture
def key() -> SignerKey:
    return SignerKey(Secret(bytes.fromhex("22" * 32)))


@pytest.fixture
def venue(server: HyperliquidServer, clock: FixedClock) -> HyperliquidVenue:
    return HyperliquidVenue("local", server.url, clock, read_timeout_s=0.5)


@pytest.fixture
def trader(server: HyperliquidServer, clock: FixedClock, venue: HyperliquidVenue, key: SignerKey) -> Trader:
    trader = Trader(server, clock, venue, key)
    trader.control("fund", user=MASTER, usdc="10000")
    until = to_milliseconds(clock.now() + VALID_FOR)
    trader.control("approve_agent", master=MASTER, agent=key.address, name="desk", valid_until_ms=until)
    return trader


@pytest.fixture(scope="session")
def captures() -> dict[str, Any]:
    """Recorded answers of the testnet, by file name; skips where they are not beside this checkout."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "hyperliquid_captures"
    files = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not files:
        pytest.skip("the recorded answers are not on this machine")
    return files
