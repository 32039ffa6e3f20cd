"""A live venue for the paper venue to sit on: markets and marks that the test sets, and outages on demand."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

import pytest

from outcry.runtime.clock import Clock, FixedClock
from outcry.runtime.database import Database
from outcry.runtime.errors import VenueUnreachable
from outcry.venues.paper.venue import PaperVenue
from outcry.venues.port import (
    AccountMode,
    AccountSnapshot,
    Answer,
    Capabilities,
    DigestSigner,
    FundingPayment,
    Market,
    Marks,
    OpenOrder,
    OrderReport,
    Request,
    VenueFill,
)

ADDRESS = "0x" + "a1" * 20


class MarksOnly:
    """A venue that tells markets and marks. Whatever else the paper venue asked of it would be a mistake."""

    name = "marks"
    network = "local"
    capabilities = Capabilities(rests_stops=True, fills_in_reply=True, expires=True)
    taker_fee_frac = Decimal("0.00045")
    minimum_notional_usd = Decimal(10)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.listed = {"BTC": Market("BTC", 0, 5, 40), "ETH": Market("ETH", 1, 4, 25)}
        self.prices = {"BTC": Decimal(60000), "ETH": Decimal(3000)}
        self.is_down = False
        self.reads = 0

    def markets(self) -> Mapping[str, Market]:
        self._answer()
        return dict(self.listed)

    def marks(self) -> Marks:
        self._answer()
        self.reads += 1
        return Marks(dict(self.prices), self._clock.now())

    def _answer(self) -> None:
        if self.is_down:
            raise VenueUnreachable("no answer")

    def _never(self) -> NoReturn:
        raise AssertionError("the paper venue asks the live one for markets and marks alone")

    def account(self, address: str) -> AccountSnapshot:
        self._never()

    def account_mode(self, address: str) -> AccountMode:
        self._never()

    def open_orders(self, address: str) -> Sequence[OpenOrder]:
        self._never()

    def order(self, address: str, cloid: str) -> OrderReport | None:
        self._never()

    def fills(self, address: str, since: datetime) -> Sequence[VenueFill]:
        self._never()

    def funding(self, address: str, since: datetime) -> Sequence[FundingPayment]:
        self._never()

    def fit_size(self, market: Market, size: Decimal) -> Decimal:
        self._never()

    def fit_price(self, market: Market, price: Decimal, *, up: bool) -> Decimal:
        self._never()

    def encode(self, request: Request, market: Market | None) -> str:
        self._never()

    def sign(self, payload: str, *, nonce: int, expires_at: datetime | None, signer: DigestSigner) -> str:
        self._never()

    def send(self, signed: str, *, address: str) -> Answer:
        self._never()


@pytest.fixture
def live(clock: FixedClock) -> MarksOnly:
    """The live venue below, with BTC at 60,000 and ETH at 3,000."""
    return MarksOnly(clock)


@pytest.fixture
def open_venue(database: Database, live: MarksOnly, clock: FixedClock) -> Callable[..., PaperVenue]:
    """Makes a paper venue over a database (this test's own, unless another connection is given)."""

    def make(connection: Database = database) -> PaperVenue:
        return PaperVenue(
            connection,
            live,
            clock,
            slippage_bps=Decimal(10),
            taker_fee_frac=Decimal("0.00045"),
            opening_usd={ADDRESS: Decimal(10000)},
        )

    return make


@pytest.fixture
def venue(open_venue: Callable[..., PaperVenue]) -> PaperVenue:
    """A paper venue with one account of 10,000 USD."""
    return open_venue()
