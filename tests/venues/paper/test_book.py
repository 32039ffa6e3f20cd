"""How one paper account's book answers orders and marks, case by case."""

from dataclasses import replace
from decimal import Decimal

import pytest

from outcry.runtime.reasons import Reason
from outcry.venues.paper.book import (
    Book,
    Change,
    PaperPosition,
    RestingOrder,
    Rests,
    Terms,
    liquidation_price,
    place,
    set_leverage,
    settle,
)
from outcry.venues.port import Market, Place, RefusalKind, Refused, Trigger, TriggerKind

D = Decimal
BTC = Market("BTC", 0, 5, 40)
ETH = Market("ETH", 1, 4, 25)
MARKETS = {"BTC": BTC, "ETH": ETH}
TERMS = Terms(slippage_frac=D("0.001"), taker_fee_frac=D("0.00045"), minimum_notional_usd=D(10))
LONG_BTC = PaperPosition(D("0.1"), D(60000), D(5))
SHORT_BTC = PaperPosition(D("-0.1"), D(60000), D(5))


def a_book(cash: str = "10000", /, **positions: PaperPosition) -> Book:
    return Book(D(cash), positions=positions, leverages={"BTC": D(5)})


def an_order(is_buy: bool = True, size: str = "0.1", price: str = "61000", **changes: object) -> Place:
    return replace(Place("BTC", is_buy, D(size), D(price), False, "0x1"), **changes)  # type: ignore[arg-type]


def a_trigger(kind: TriggerKind, price: str, *, is_buy: bool = False, size: str = "0.1") -> Place:
    worst = "70000" if is_buy else "50000"
    return an_order(is_buy, size, worst, reduce_only=True, trigger=Trigger(kind, D(price)))


def resting(
    order_id: int, kind: TriggerKind, price: str, size: str = "0.1", worst: str = "50000", market: str = "BTC"
) -> RestingOrder:
    return RestingOrder(order_id, market, worst == "70000", D(size), D(worst), Trigger(kind, D(price)))


def with_resting(book: Book, *orders: RestingOrder) -> Book:
    return replace(book, resting={order.order_id: order for order in orders})


def refused(result: object) -> tuple[RefusalKind, Reason]:
    assert isinstance(result, Refused)
    assert result.text
    return result.kind, result.reason


def changed(result: object) -> Change:
    assert isinstance(result, Change)
    return result


# orders that run at once


def test_an_entry_fills_at_the_mark_plus_slippage_and_pays_the_fee() -> None:
    change = changed(place(a_book(), an_order(), BTC, D(60000), TERMS))

    (execution,) = change.executions
    assert (execution.price, execution.size, execution.size_before) == (D(60060), D("0.1"), D(0))
    assert execution.fee_usd == D("2.7027")
    assert change.book.cash_usd == D(10000) - D("2.7027")
    assert change.book.positions == {"BTC": PaperPosition(D("0.1"), D(60060), D(5))}
    assert change.book.free_usd == D(10000) - D("2.7027") - D("1201.2")


def test_a_short_entry_fills_below_the_mark() -> None:
    change = changed(place(a_book(), an_order(is_buy=False, price="59000"), BTC, D(60000), TERMS))

    assert change.executions[0].price == D(59940)
    assert change.book.positions["BTC"].signed_size == D("-0.1")


def test_a_market_whose_leverage_was_never_set_trades_unlevered() -> None:
    change = changed(place(replace(a_book(), leverages={}), an_order(), BTC, D(60000), TERMS))

    assert change.book.positions["BTC"].leverage == 1


@pytest.mark.parametrize(("is_buy", "limit"), [(True, "60059"), (False, "59941")])
def test_nothing_fills_beyond_the_limit(is_buy: bool, limit: str) -> None:
    result = place(a_book(), an_order(is_buy, price=limit), BTC, D(60000), TERMS)

    assert refused(result) == (RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY)


def test_adding_averages_the_entry() -> None:
    change = changed(place(a_book(BTC=LONG_BTC), an_order(price="70000"), BTC, D(65000), TERMS))

    assert change.book.positions["BTC"] == PaperPosition(D("0.2"), (D(60000) + D(65065)) / 2, D(5))
    assert change.executions[0].closed_pnl_usd == 0


def test_reducing_keeps_the_entry_and_books_the_profit_of_what_was_closed() -> None:
    order = an_order(is_buy=False, size="0.04", price="60000", reduce_only=True)

    change = changed(place(a_book(BTC=LONG_BTC), order, BTC, D(65000), TERMS))

    assert change.executions[0].closed_pnl_usd == D("0.04") * (D(64935) - D(60000))
    assert change.book.positions["BTC"] == PaperPosition(D("0.06"), D(60000), D(5))


def test_closing_a_short_with_a_loss_lowers_cash() -> None:
    order = an_order(is_buy=True, price="70000", reduce_only=True)

    change = changed(place(a_book(BTC=SHORT_BTC), order, BTC, D(62000), TERMS))

    assert change.executions[0].closed_pnl_usd == D("-206.2")
    assert change.book.cash_usd == D(10000) - D("206.2") - change.executions[0].fee_usd
    assert change.book.positions == {}


def test_a_larger_reduce_only_order_is_shrunk_to_the_position() -> None:
    order = an_order(is_buy=False, size="5", price="50000", reduce_only=True)

    change = changed(place(a_book(BTC=LONG_BTC), order, BTC, D(60000), TERMS))

    assert change.executions[0].size == D("0.1")
    assert change.book.positions == {}


@pytest.mark.parametrize("book", [a_book(), a_book(BTC=LONG_BTC)])
def test_a_reduce_only_order_that_would_add_is_refused_as_flat(book: Book) -> None:
    result = place(book, an_order(reduce_only=True), BTC, D(60000), TERMS)

    assert refused(result) == (RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT)


def test_an_order_that_may_open_can_turn_the_position_around() -> None:
    book = with_resting(a_book(BTC=LONG_BTC), resting(7, TriggerKind.STOP, "55000"))

    change = changed(place(book, an_order(is_buy=False, size="0.3", price="50000"), BTC, D(60000), TERMS))

    assert change.executions[0].closed_pnl_usd == D("-6")
    assert change.book.positions["BTC"] == PaperPosition(D("-0.2"), D(59940), D(5))
    assert change.ended == {7: "reduceOnlyCanceled"}


def test_an_order_that_opens_more_than_the_free_cash_carries_is_refused() -> None:
    enough, short_of_it = a_book("1203.91"), a_book("1203.89")

    assert changed(place(enough, an_order(), BTC, D(60000), TERMS)).book.free_usd == D("0.0073")
    assert refused(place(short_of_it, an_order(), BTC, D(60000), TERMS)) == (
        RefusalKind.FINAL,
        Reason.VENUE_MARGIN,
    )


def test_turning_around_into_a_smaller_position_still_needs_margin() -> None:
    book = a_book("100", BTC=replace(LONG_BTC, leverage=D(40)))

    result = place(book, an_order(is_buy=False, size="0.19", price="50000"), BTC, D(59500), TERMS)

    assert refused(result) == (RefusalKind.FINAL, Reason.VENUE_MARGIN)


def test_closing_needs_no_free_cash() -> None:
    order = an_order(is_buy=False, price="50000")

    change = changed(place(a_book("1", BTC=LONG_BTC), order, BTC, D(55000), TERMS))

    assert change.book.positions == {}


def test_an_order_below_ten_dollars_is_refused_unless_it_closes_everything() -> None:
    dust = PaperPosition(D("0.0001"), D(60000), D(5))
    close = an_order(is_buy=False, size="0.0001", price="50000", reduce_only=True)
    part = replace(close, size=D("0.00005"))

    assert refused(place(a_book(), an_order(size="0.0001"), BTC, D(60000), TERMS)) == (
        RefusalKind.FINAL,
        Reason.VENUE_MINIMUM,
    )
    assert refused(place(a_book(BTC=dust), part, BTC, D(60000), TERMS))[1] is Reason.VENUE_MINIMUM
    assert changed(place(a_book(BTC=dust), close, BTC, D(60000), TERMS)).book.positions == {}


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (an_order(size="0"), Reason.VENUE_REFUSED),
        (an_order(size="0.000001"), Reason.VENUE_REFUSED),
        (an_order(price="60000.5"), Reason.VENUE_REFUSED),
        (an_order(price="0"), Reason.VENUE_REFUSED),
        (a_trigger(TriggerKind.STOP, "55000.5"), Reason.VENUE_REFUSED),
        (replace(a_trigger(TriggerKind.STOP, "55000"), reduce_only=False), Reason.VENUE_REFUSED),
    ],
)
def test_f43_an_order_that_no_venue_could_take_is_our_bug(order: Place, reason: Reason) -> None:
    assert refused(place(a_book(BTC=LONG_BTC), order, BTC, D(60000), TERMS)) == (RefusalKind.BUG, reason)


def test_a_delisted_market_can_be_left_but_not_entered() -> None:
    delisted = replace(BTC, is_delisted=True)
    leave = an_order(is_buy=False, price="50000", reduce_only=True)

    assert refused(place(a_book(), an_order(), delisted, D(60000), TERMS))[1] is Reason.VENUE_MARKET_STATE
    assert changed(place(a_book(BTC=LONG_BTC), leave, delisted, D(60000), TERMS)).book.positions == {}


# leverage


def test_leverage_is_set_while_flat_and_kept() -> None:
    after = set_leverage(a_book(), BTC, 10)

    assert isinstance(after, Book)
    assert after.leverages == {"BTC": 10}


@pytest.mark.parametrize("leverage", [0, 41])
def test_leverage_beyond_the_market_is_refused(leverage: int) -> None:
    assert refused(set_leverage(a_book(), BTC, leverage)) == (RefusalKind.FINAL, Reason.VENUE_LEVERAGE)


def test_the_leverage_of_an_open_position_stays() -> None:
    book = a_book(BTC=LONG_BTC)

    assert refused(set_leverage(book, BTC, 6)) == (RefusalKind.FINAL, Reason.VENUE_LEVERAGE)
    assert set_leverage(book, BTC, 5) == book


# triggers


def test_a_trigger_rests_and_is_shrunk_to_the_position() -> None:
    order = a_trigger(TriggerKind.STOP, "55000", size="3")

    assert place(a_book(BTC=LONG_BTC), order, BTC, D(60000), TERMS) == Rests(D("0.1"))


@pytest.mark.parametrize(
    ("position", "is_buy", "kind", "price"),
    [
        (LONG_BTC, False, TriggerKind.STOP, "60000"),
        (LONG_BTC, False, TriggerKind.TAKE_PROFIT, "60000"),
        (SHORT_BTC, True, TriggerKind.STOP, "60000"),
        (SHORT_BTC, True, TriggerKind.TAKE_PROFIT, "60000"),
    ],
)
def test_a_trigger_that_is_crossed_already_is_refused(
    position: PaperPosition, is_buy: bool, kind: TriggerKind, price: str
) -> None:
    result = place(a_book(BTC=position), a_trigger(kind, price, is_buy=is_buy), BTC, D(60000), TERMS)

    assert refused(result) == (RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED)


@pytest.mark.parametrize(
    ("position", "worst", "kind", "price", "still", "wakes"),
    [
        (LONG_BTC, "50000", TriggerKind.STOP, "58000", "58001", "58000"),
        (LONG_BTC, "50000", TriggerKind.TAKE_PROFIT, "65000", "64999", "65000"),
        (SHORT_BTC, "70000", TriggerKind.STOP, "62000", "61999", "62000"),
        (SHORT_BTC, "70000", TriggerKind.TAKE_PROFIT, "55000", "55001", "55000"),
    ],
)
def test_a_resting_trigger_wakes_when_the_mark_reaches_it(
    position: PaperPosition, worst: str, kind: TriggerKind, price: str, still: str, wakes: str
) -> None:
    book = with_resting(a_book(BTC=position), resting(3, kind, price, worst=worst))

    before = settle(book, {"BTC": D(still)}, MARKETS, TERMS)
    after = settle(book, {"BTC": D(wakes)}, MARKETS, TERMS)

    assert before == Change(book)
    assert after.ended == {3: "filled"}
    assert after.book.positions == {}
    assert (after.executions[0].order_id, after.executions[0].is_buy) == (3, position.signed_size < 0)


def test_a_filled_stop_takes_its_siblings_with_it_and_leaves_other_markets_alone() -> None:
    eth = PaperPosition(D(1), D(3000), D(5))
    book = with_resting(
        a_book(BTC=LONG_BTC, ETH=eth),
        resting(1, TriggerKind.TAKE_PROFIT, "65000", "0.03"),
        resting(2, TriggerKind.STOP, "58000"),
        resting(3, TriggerKind.STOP, "2800", "1", worst="2000", market="ETH"),
    )

    change = settle(book, {"BTC": D(57900), "ETH": D(3000)}, MARKETS, TERMS)

    assert change.ended == {1: "reduceOnlyCanceled", 2: "filled"}
    assert set(change.book.resting) == {3}
    assert change.book.positions == {"ETH": eth}


def test_a_take_profit_step_shrinks_the_stop_with_the_position() -> None:
    book = with_resting(
        a_book(BTC=LONG_BTC),
        resting(1, TriggerKind.STOP, "58000"),
        resting(2, TriggerKind.TAKE_PROFIT, "65000", "0.03"),
        resting(3, TriggerKind.TAKE_PROFIT, "66000", "0.05"),
    )

    change = settle(book, {"BTC": D(65000)}, MARKETS, TERMS)

    assert change.ended == {2: "filled"}
    assert {key: order.size for key, order in change.book.resting.items()} == {1: D("0.07"), 3: D("0.05")}
    assert change.book.positions["BTC"].signed_size == D("0.07")


def test_one_mark_may_wake_several_steps() -> None:
    book = with_resting(
        a_book(BTC=LONG_BTC),
        resting(1, TriggerKind.TAKE_PROFIT, "65000", "0.07"),
        resting(2, TriggerKind.TAKE_PROFIT, "66000", "0.05"),
        resting(3, TriggerKind.TAKE_PROFIT, "66500", "0.01"),
    )

    change = settle(book, {"BTC": D(67000)}, MARKETS, TERMS)

    assert [execution.size for execution in change.executions] == [D("0.07"), D("0.03")]
    assert change.ended == {1: "filled", 2: "filled", 3: "reduceOnlyCanceled"}


def test_a_woken_trigger_that_cannot_keep_its_worst_price_is_cancelled_and_the_position_stays() -> None:
    book = with_resting(a_book(BTC=LONG_BTC), resting(1, TriggerKind.STOP, "58000", worst="57990"))

    change = settle(book, {"BTC": D(58000)}, MARKETS, TERMS)

    assert change.ended == {1: "canceled"}
    assert change.executions == ()
    assert change.book.positions == book.positions
    assert change.book.resting == {}


def test_a_market_without_a_mark_or_without_rules_is_left_alone() -> None:
    book = with_resting(a_book(BTC=LONG_BTC), resting(1, TriggerKind.STOP, "58000"))

    assert settle(book, {"ETH": D(1)}, MARKETS, TERMS) == Change(book)
    assert settle(book, {"BTC": D(1)}, {}, TERMS) == Change(book)


# liquidation


def test_the_liquidation_price_leaves_the_maintenance_margin() -> None:
    long, short = liquidation_price(LONG_BTC, BTC), liquidation_price(SHORT_BTC, BTC)

    assert long == D(48608)
    assert short == D(71111)
    assert liquidation_price(replace(LONG_BTC, leverage=D(1)), BTC) is None


@pytest.mark.parametrize(
    ("position", "still", "gone", "price"),
    [
        (LONG_BTC, "48609", "48608", "48559"),
        (LONG_BTC, "48609", "20000", "48000"),
        (SHORT_BTC, "71110", "71111", "71183"),
        (SHORT_BTC, "71110", "99000", "72000"),
    ],
)
def test_a_position_whose_margin_is_gone_is_liquidated_and_loses_no_more_than_it(
    position: PaperPosition, still: str, gone: str, price: str
) -> None:
    book = with_resting(a_book(BTC=position), resting(4, TriggerKind.STOP, "30000", worst="20000"))
    book = replace(book, resting={4: replace(book.resting[4], is_buy=position.signed_size < 0)})
    if position is SHORT_BTC:
        book = replace(
            book, resting={4: replace(book.resting[4], trigger=Trigger(TriggerKind.STOP, D(90000)))}
        )

    assert settle(book, {"BTC": D(still)}, MARKETS, TERMS) == Change(book)
    change = settle(book, {"BTC": D(gone)}, MARKETS, TERMS)

    (execution,) = change.executions
    assert (execution.is_liquidation, execution.price) == (True, D(price))
    assert change.ended == {4: "reduceOnlyCanceled"}
    assert change.book.positions == {}
    assert book.cash_usd - position.margin_usd <= change.book.cash_usd < book.cash_usd
    assert change.book.cash_usd == book.cash_usd + execution.closed_pnl_usd - execution.fee_usd


def test_an_unlevered_long_is_never_liquidated() -> None:
    book = a_book(BTC=replace(LONG_BTC, leverage=D(1)))

    assert settle(book, {"BTC": D(1)}, MARKETS, TERMS) == Change(book)


def test_on_a_coarse_tick_a_liquidation_still_takes_the_margin_alone() -> None:
    coin = Market("COIN", 2, 5, 2)
    book = Book(D(100), positions={"COIN": PaperPosition(D(10), D("1.2"), D("1.1"))})

    change = settle(book, {"COIN": D("0.1")}, {"COIN": coin}, TERMS)

    assert change.executions[0].price == D("0.2")
    assert change.book.cash_usd >= D(100) - book.positions["COIN"].margin_usd


def test_equity_counts_what_is_not_realised_yet() -> None:
    book = a_book(BTC=LONG_BTC)

    assert book.equity_usd({"BTC": D(61000)}) == D(10100)
    with pytest.raises(KeyError):
        book.equity_usd({})
