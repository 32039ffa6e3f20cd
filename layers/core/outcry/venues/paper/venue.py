"""The paper venue behind the port: the live venue's markets and marks, virtual cash, books in Postgres.

Promises of every `Venue`, and these:
- A request is carried out in one transaction of its own, after what the marks of that moment do.
- A nonce is used once per account; the same bytes again change nothing and are answered as a used nonce.
- Where the live venue gives no marks nothing is done, and `send` says so (NotSent).

`send`, `settle` and the reads open a transaction on the process's one connection: never call them inside
another. Differences to a real venue stand in `book`; funding is never paid, so `funding` is always empty.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import ConfigurationError, InfrastructureError, VenueUnreachable
from outcry.runtime.reasons import Reason
from outcry.venues import rounding
from outcry.venues.holdings import Holding, Holdings
from outcry.venues.paper import book as rules
from outcry.venues.paper import store, wire
from outcry.venues.paper.book import Book, Change, Rests, Terms
from outcry.venues.paper.wire import Parcel
from outcry.venues.port import (
    AccountMode,
    AccountSnapshot,
    Ambiguous,
    Answer,
    Cancel,
    Capabilities,
    DigestSigner,
    Done,
    Filled,
    FundingPayment,
    Market,
    Marks,
    Noop,
    NotSent,
    OpenOrder,
    OrderReport,
    Place,
    RefusalKind,
    Refused,
    Request,
    Resting,
    SetLeverage,
    Venue,
    VenueFill,
)

_MARKETS_LAST = timedelta(minutes=5)
_MARKS_LAST = timedelta(
    seconds=3
)  # how often Hyperliquid moves its marks; reads of many accounts share one answer
_BASIS_POINT = Decimal("0.0001")


class PaperVenue:
    """Trades virtual dollars at the marks of `live`. Accounts are known by the addresses of `opening_usd`, asked at each first use.

    `opening_usd` maps an account's address to the cash its book is opened with, at its first use.
    Raises ConfigurationError for a slippage or a fee that is no fraction of a price.
    """

    def __init__(
        self,
        database: Database,
        live: Venue,
        clock: Clock,
        *,
        slippage_bps: Decimal,
        taker_fee_frac: Decimal,
        opening_usd: Mapping[str, Decimal],
    ) -> None:
        slippage_frac = slippage_bps * _BASIS_POINT
        for name, frac in (("slippage_bps", slippage_frac), ("taker_fee_frac", taker_fee_frac)):
            if not 0 <= frac < 1:
                raise ConfigurationError(f"paper {name}", str(frac), "write a fraction from 0 to below 1")
        self._database = database
        self._live = live
        self._clock = clock
        self._terms = Terms(slippage_frac, taker_fee_frac, live.minimum_notional_usd)
        self._opening_usd = opening_usd
        self._opened: set[str] = set()
        self._known_markets: tuple[datetime, Mapping[str, Market]] | None = None
        self._last_marks: Marks | None = None

    @property
    def name(self) -> str:
        return "paper"

    @property
    def network(self) -> str:
        return "paper"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(rests_stops=True, fills_in_reply=True, expires=True)

    @property
    def taker_fee_frac(self) -> Decimal:
        return self._terms.taker_fee_frac

    @property
    def minimum_notional_usd(self) -> Decimal:
        return self._terms.minimum_notional_usd

    # the live venue's part

    def markets(self) -> Mapping[str, Market]:
        """The live venue's markets."""
        markets = self._live.markets()
        self._known_markets = (self._clock.now(), markets)
        return markets

    def marks(self) -> Marks:
        """The live venue's marks."""
        self._last_marks = self._live.marks()
        return self._last_marks

    def _markets(self) -> Mapping[str, Market]:
        known = self._known_markets
        if known is None or self._clock.now() - known[0] > _MARKETS_LAST:
            return self.markets()
        return known[1]

    def _recent_marks(self) -> Marks:
        last = self._last_marks
        if last is None or self._clock.now() - last.received_at > _MARKS_LAST:
            return self.marks()
        return last

    # books

    def open_book(self, address: str, cash_usd: Decimal) -> bool:
        """Open an account's book with this much cash; one that is open stays as it is. True: opened now."""
        with self._database.transaction() as tx:
            return store.open_book(tx, address, cash_usd, self._clock.now())

    def _ensure_open(self, address: str) -> None:
        if address in self._opened:
            return
        with self._database.transaction() as tx:
            known = store.read_book(tx, address) is not None
        if not known:
            if address not in self._opening_usd:
                raise ConfigurationError("paper account", address, "give it a paper_balance_usd")
            self.open_book(address, self._opening_usd[address])
        self._opened.add(address)

    def settle(self, marks: Marks, addresses: Collection[str]) -> int:
        """Let these marks act on the books: liquidations, triggers. Returns how many fills they made.

        One transaction an account. Raises VenueUnreachable where the live venue's markets are not known.
        """
        markets = self._markets()
        self._last_marks = marks
        made = 0
        with self._database.transaction() as tx:
            holding = store.with_positions(tx, addresses)
        for address in holding:
            with self._database.transaction() as tx:
                book = store.lock_book(tx, address)
                assert book is not None, "a position belongs to a book"
                change = rules.settle(book, marks.prices, markets, self._terms)
                store.save(tx, address, book, change, self._clock.now())
            made += len(change.executions)
        return made

    # reads

    def account(self, address: str) -> AccountSnapshot:
        """Equity, free cash and holdings at marks that are at most three seconds old."""
        self._ensure_open(address)
        markets, marks = self._markets(), self._recent_marks()
        with self._database.transaction() as tx:
            book = store.read_book(tx, address)
            taken_at = self._clock.now()
        assert book is not None, "a book is never deleted"
        for market in book.positions:
            if market not in marks.prices or market not in markets:
                raise VenueUnreachable(f"no mark for {market}, which the account holds")
        return AccountSnapshot(
            equity_usd=book.equity_usd(marks.prices),
            free_usd=max(rules.ZERO, book.free_usd),
            holdings=Holdings.of(
                {
                    name: _holding(name, held, markets[name], marks.prices[name])
                    for name, held in book.positions.items()
                }
            ),
            taken_at=taken_at,
        )

    def account_mode(self, address: str) -> AccountMode:
        return AccountMode.STANDARD

    def open_orders(self, address: str) -> Sequence[OpenOrder]:
        self._ensure_open(address)
        with self._database.transaction() as tx:
            return store.open_orders(tx, address)

    def order(self, address: str, cloid: str) -> OrderReport | None:
        self._ensure_open(address)
        with self._database.transaction() as tx:
            return store.order_by_cloid(tx, address, cloid)

    def fills(self, address: str, since: datetime) -> Sequence[VenueFill]:
        self._ensure_open(address)
        with self._database.transaction() as tx:
            return store.fills(tx, address, since)

    def funding(self, address: str, since: datetime) -> Sequence[FundingPayment]:
        """Always empty: the paper venue pays and charges no funding."""
        return ()

    # requests

    def fit_size(self, market: Market, size: Decimal) -> Decimal:
        return rounding.fit_size(market.size_decimals, size)

    def fit_price(self, market: Market, price: Decimal, *, up: bool) -> Decimal:
        return rounding.fit_price(market.size_decimals, price, up)

    def encode(self, request: Request, market: Market | None) -> str:
        return wire.encode(request)

    def sign(self, payload: str, *, nonce: int, expires_at: datetime | None, signer: DigestSigner) -> str:
        return wire.sign(payload, nonce=nonce, expires_at=expires_at, signer=signer.address)

    def send(self, signed: str, *, address: str) -> Answer:
        """Carry the request out. Ambiguous where the database failed on the way: it may have been kept."""
        try:
            parcel = wire.decode(signed)
        except ValueError as error:
            return _answer(Refused(RefusalKind.BUG, Reason.VENUE_REFUSED, str(error)))
        if parcel.signer != address:
            text = f"User or API Wallet {parcel.signer} does not exist."
            return _answer(Refused(RefusalKind.SIGNER, Reason.SIGNER_INVALID, text))
        try:
            markets, marks = self._markets(), self.marks()
        except VenueUnreachable as error:
            return Answer(NotSent(str(error)), None)
        try:
            self._ensure_open(address)
            with self._database.transaction() as tx:
                return self._received(tx, address, parcel, markets, marks)
        except ConfigurationError:
            text = f"Must deposit before performing actions. User: {address}"
            return _answer(Refused(RefusalKind.SIGNER, Reason.SIGNER_INVALID, text))
        except InfrastructureError as error:
            return Answer(Ambiguous(str(error)), None)

    def _received(
        self, tx: Transaction, address: str, parcel: Parcel, markets: Mapping[str, Market], marks: Marks
    ) -> Answer:
        book = store.lock_book(tx, address)
        assert book is not None, "a book is never deleted"
        now = self._clock.now()
        if not store.admit_nonce(tx, address, parcel.nonce):
            text = f"Invalid nonce: duplicate nonce {parcel.nonce}"
            return _answer(Refused(RefusalKind.NONCE_USED, Reason.VENUE_REFUSED, text))
        if parcel.expires_at is not None and now > parcel.expires_at:
            answer = _answer(Refused(RefusalKind.EXPIRED, Reason.NEVER_EXECUTED, "Action already expired"))
        else:
            settled = rules.settle(book, marks.prices, markets, self._terms)
            store.save(tx, address, book, settled, now)
            answer = _answer(
                self._carried_out(tx, address, settled.book, parcel.request, markets, marks, now)
            )
        store.record_answer(tx, address, parcel.nonce, answer.raw or "")
        return answer

    def _carried_out(
        self,
        tx: Transaction,
        address: str,
        book: Book,
        request: Request,
        markets: Mapping[str, Market],
        marks: Marks,
        now: datetime,
    ) -> Filled | Resting | Done | Refused:
        if isinstance(request, Noop):
            return Done()
        if isinstance(request, Cancel):
            if store.cancel(tx, address, request.market, request.cloid, now):
                return Done()
            text = "Order was never placed, already canceled, or filled."
            return Refused(RefusalKind.NOT_THERE, Reason.VENUE_REFUSED, text)
        market = markets.get(request.market)
        if market is None:
            return Refused(RefusalKind.FINAL, Reason.MARKET_NOT_LISTED, "The market is not listed.")
        if isinstance(request, SetLeverage):
            changed = rules.set_leverage(book, market, request.leverage)
            if isinstance(changed, Refused):
                return changed
            store.set_leverage(tx, address, request.market, changed.leverages[request.market])
            return Done()
        mark = marks.prices.get(request.market)
        if mark is None:
            return Refused(RefusalKind.LATER, Reason.VENUE_NOT_NOW, "The market has no mark now.")
        return self._placed(
            tx, address, book, request, rules.place(book, request, market, mark, self._terms), now
        )

    def _placed(
        self,
        tx: Transaction,
        address: str,
        book: Book,
        order: Place,
        result: Change | Rests | Refused,
        now: datetime,
    ) -> Filled | Resting | Refused:
        if isinstance(result, Refused):
            if result.kind is not RefusalKind.BUG:
                self._record(tx, address, order, order.size, rules.REJECTED, now)
            return result
        if isinstance(result, Rests):
            return Resting(str(self._record(tx, address, order, result.size, rules.OPEN, now)))
        (execution,) = result.executions
        order_id = self._record(tx, address, order, execution.size, rules.FILLED, now)
        store.save(
            tx, address, book, replace(result, executions=(replace(execution, order_id=order_id),)), now
        )
        return Filled(execution.size, execution.price, str(order_id))

    def _record(
        self, tx: Transaction, address: str, order: Place, size: Decimal, status: str, now: datetime
    ) -> int:
        return store.insert_order(tx, address, order, size=size, status=status, now=now, cloid=order.cloid)


def _answer(outcome: Filled | Resting | Done | Refused) -> Answer:
    return Answer(outcome, wire.raw_answer(outcome))


def _holding(name: str, held: rules.PaperPosition, market: Market, mark: Decimal) -> Holding:
    pnl_usd = held.pnl_usd(mark)
    return Holding(
        market=name,
        size=held.signed_size,
        entry_price=held.entry_price,
        leverage=held.leverage,
        is_isolated=True,
        liquidation_price=rules.liquidation_price(held, market),
        margin_used_usd=held.margin_usd + pnl_usd,
        unrealised_pnl_usd=pnl_usd,
    )
