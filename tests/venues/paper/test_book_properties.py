"""What holds for a book after any sequence of orders and marks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from outcry.venues.paper.book import (
    Book,
    Change,
    Execution,
    RestingOrder,
    Rests,
    Terms,
    place,
    set_leverage,
    settle,
)
from outcry.venues.port import Market, Place, Trigger, TriggerKind
from outcry.venues.rounding import fit_price, fit_size

D = Decimal
MARKETS = {"BTC": Market("BTC", 0, 5, 40), "PEPE": Market("PEPE", 1, 0, 10)}
BASE = {"BTC": D(60000), "PEPE": D("0.0121")}
TERMS = Terms(D("0.0007"), D("0.00045"), D(10))
OPENING_USD = D(1000)
ROUNDING_USD = D("0.000001")

near = st.decimals("0.96", "1.04", places=3)
factors = st.one_of(near, near, st.decimals("0.6", "1.6", places=3))


@dataclass(frozen=True)
class Step:
    """One thing that happens: the mark moves and acts, then an order arrives.

    `aims` says how the order relates to what is held then: `wild` does not care, the others take the closing side.
    """

    market: Market
    mark: Decimal
    aims: str
    is_buy: bool
    notional_usd: Decimal
    bound: Decimal
    offset: Decimal
    leverage: int

    def order(self, held: Decimal) -> Place:
        is_buy = self.is_buy if self.aims in {"wild", "enter"} or held == 0 else held < 0
        kind = {"stop": TriggerKind.STOP, "profit": TriggerKind.TAKE_PROFIT}.get(self.aims)
        offset = self.offset if is_buy == (kind is TriggerKind.STOP) else -self.offset
        decimals = self.market.size_decimals
        return Place(
            market=self.market.market,
            is_buy=is_buy,
            size=fit_size(decimals, self.notional_usd / self.mark),
            price=fit_price(decimals, self.mark * self.bound ** (1 if is_buy else -1), is_buy),
            reduce_only=self.aims not in {"wild", "enter"},
            cloid="0x1",
            trigger=Trigger(kind, fit_price(decimals, self.mark * (1 + offset), True)) if kind else None,
        )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    market = MARKETS[draw(st.sampled_from(sorted(MARKETS)))]
    return Step(
        market=market,
        mark=fit_price(market.size_decimals, BASE[market.market] * draw(factors), True),
        aims=draw(st.sampled_from(["enter", "enter", "stop", "profit", "reduce", "wild"])),
        is_buy=draw(st.booleans()),
        notional_usd=draw(st.decimals("5", "2500", places=2)),
        bound=draw(st.sampled_from([D("1.3"), D("1.3"), D("1.01"), D(1), D("0.99")])),
        offset=draw(st.decimals("-0.01", "0.05", places=3)),
        leverage=draw(st.integers(1, 10)),
    )


@dataclass
class Run:
    """A book and everything that was executed on it."""

    book: Book
    executed: list[Execution]
    marks: dict[str, Decimal]
    next_id: int = 1

    def take(self, step: Step) -> None:
        self.marks[step.market.market] = step.mark
        self._settle()
        levered = set_leverage(self.book, step.market, step.leverage)
        if isinstance(levered, Book):
            self.book = levered
        self._place(step, step.order(signed(self.book, step.market.market)))

    def _settle(self) -> None:
        before = self.book
        change = settle(before, self.marks, MARKETS, TERMS)
        self._check_settled(before, change)
        assert settle(change.book, self.marks, MARKETS, TERMS) == Change(change.book)
        self._keep(change)

    def _check_settled(self, before: Book, change: Change) -> None:
        assert set(change.ended) == set(before.resting) - set(change.book.resting)
        for execution in change.executions:
            assert_only_reduces(execution)
            if execution.is_liquidation:
                lost = execution.fee_usd - execution.closed_pnl_usd
                assert lost <= before.positions[execution.market].margin_usd + ROUNDING_USD
            else:
                order = before.resting[execution.order_id or 0]
                assert_within(execution, order.limit_price)
                assert execution.size <= order.size

    def _place(self, step: Step, order: Place) -> None:
        result = place(self.book, order, step.market, step.mark, TERMS)
        if isinstance(result, Change):
            (execution,) = result.executions
            assert_within(execution, order.price)
            assert execution.size <= order.size
            if order.reduce_only:
                assert_only_reduces(execution)
            elif abs(signed(result.book, order.market)) > abs(execution.size_before):
                assert result.book.free_usd >= 0
            self._keep(result)
        elif isinstance(result, Rests):
            assert order.trigger is not None
            rests = RestingOrder(
                self.next_id, order.market, order.is_buy, result.size, order.price, order.trigger
            )
            self.book = replace(self.book, resting={**self.book.resting, self.next_id: rests})
            self.next_id += 1

    def _keep(self, change: Change) -> None:
        self.book = change.book
        self.executed += change.executions


def signed(book: Book, market: str) -> Decimal:
    held = book.positions.get(market)
    return held.signed_size if held else D(0)


def flow(execution: Execution) -> Decimal:
    return execution.size if execution.is_buy else -execution.size


def assert_only_reduces(execution: Execution) -> None:
    after = execution.size_before + flow(execution)
    assert abs(after) < abs(execution.size_before)
    assert after * execution.size_before >= 0


def assert_within(execution: Execution, limit: Decimal) -> None:
    assert execution.price <= limit if execution.is_buy else execution.price >= limit


def worth(executed: list[Execution], marks: Mapping[str, Decimal]) -> Decimal:
    """Equity from trades and fees alone: what was paid, what was received, and what the rest would fetch."""
    traded = sum((-flow(one) * one.price - one.fee_usd for one in executed), D(0))
    return OPENING_USD + traded + sum((flow(one) * marks[one.market] for one in executed), D(0))


@settings(max_examples=150, deadline=None)
@given(st.lists(steps(), min_size=6, max_size=20))
def test_the_book_keeps_its_promises_whatever_happens(history: list[Step]) -> None:
    run = Run(Book(OPENING_USD), [], dict(BASE))

    for step in history:
        run.take(step)

        paid = sum((one.closed_pnl_usd - one.fee_usd for one in run.executed), D(0))
        assert run.book.cash_usd == OPENING_USD + paid
        drift = abs(run.book.equity_usd(run.marks) - worth(run.executed, run.marks))
        assert drift <= ROUNDING_USD * (len(run.executed) + 1)
        for market in MARKETS:
            held = signed(run.book, market)
            assert held == sum((flow(one) for one in run.executed if one.market == market), D(0))
        for order in run.book.resting.values():
            held = signed(run.book, order.market)
            assert order.size <= abs(held)
            assert order.is_buy == (held < 0)
