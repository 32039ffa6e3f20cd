"""The paper venue on a real Postgres: what a request does, what is read then, and what an outage means."""

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import ConfigurationError, VenueUnreachable
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.paper.venue import PaperVenue
from outcry.venues.paper.wire import PaperSigner
from outcry.venues.port import (
    AccountMode,
    Ambiguous,
    Answer,
    Cancel,
    Done,
    Filled,
    Market,
    Marks,
    Noop,
    NotSent,
    OrderState,
    Place,
    RefusalKind,
    Refused,
    Request,
    Resting,
    SetLeverage,
    Trigger,
    TriggerKind,
    Venue,
)

D = Decimal
ADDRESS = "0x" + "a1" * 20
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_nonces = itertools.count(1)

ENTRY = Place("BTC", True, D("0.1"), D(61000), False, "0xe1")
EXIT = Place("BTC", False, D("0.1"), D(50000), True, "0xe2")
STOP = Place("BTC", False, D("0.1"), D(50000), True, "0x51", Trigger(TriggerKind.STOP, D(58000)))
PROFIT = Place("BTC", False, D("0.04"), D(50000), True, "0x71", Trigger(TriggerKind.TAKE_PROFIT, D(65000)))


def sent(
    venue: PaperVenue, request: Request, *, nonce: int = 0, expires_at: datetime | None = None
) -> Answer:
    payload = venue.encode(request, None)
    signed = venue.sign(
        payload, nonce=nonce or next(_nonces), expires_at=expires_at, signer=PaperSigner(ADDRESS)
    )
    return venue.send(signed, address=ADDRESS)


def refusal(answer: Answer) -> tuple[RefusalKind, Reason]:
    assert isinstance(answer.outcome, Refused)
    assert answer.outcome.text in (answer.raw or "")
    return answer.outcome.kind, answer.outcome.reason


def marks(clock: FixedClock, btc: str) -> Marks:
    return Marks({"BTC": D(btc), "ETH": D(3000)}, clock.now())


def protected_entry(venue: PaperVenue) -> None:
    for request in (SetLeverage("BTC", 5), ENTRY, STOP, PROFIT):
        assert isinstance(sent(venue, request).outcome, Done | Filled | Resting)


def wait_for_a_waiter(watcher: Database) -> None:
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        with watcher.transaction() as tx:
            if tx.all("select 1 as found from pg_locks where not granted limit 1"):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


@pytest.fixture
def second_connection(database_url: str) -> Iterator[Database]:
    """Another process's connection to the same database."""
    connection = Database(Address.from_url(database_url), network="local")
    yield connection
    connection.close()


@pytest.fixture
def watcher(database_url: str) -> Iterator[Database]:
    """A connection that only looks on."""
    connection = Database(Address.from_url(database_url), network="local")
    yield connection
    connection.close()


def test_the_paper_venue_is_a_venue_on_the_paper_network(venue: PaperVenue) -> None:
    as_port: Venue = venue

    assert (as_port.name, as_port.network) == ("paper", "paper")
    assert as_port.capabilities.rests_stops
    assert (as_port.taker_fee_frac, as_port.minimum_notional_usd) == (D("0.00045"), D(10))
    assert as_port.account_mode(ADDRESS) is AccountMode.STANDARD
    assert as_port.fit_size(Market("X", 0, 2, 5), D("1.239")) == D("1.23")
    assert as_port.fit_price(Market("X", 0, 2, 5), D("1.23456"), up=True) == D("1.2346")


def test_a_new_account_has_its_opening_cash_and_nothing_else(venue: PaperVenue, clock: FixedClock) -> None:
    account = venue.account(ADDRESS)

    assert (account.equity_usd, account.free_usd, len(account.holdings)) == (D(10000), D(10000), 0)
    assert account.taken_at == clock.now()
    assert venue.open_orders(ADDRESS) == []
    assert venue.order(ADDRESS, "0x99") is None
    assert venue.fills(ADDRESS, LONG_AGO) == []
    assert venue.funding(ADDRESS, LONG_AGO) == ()


def test_an_open_book_keeps_its_cash_when_it_is_opened_again(
    venue: PaperVenue, open_venue: Callable[..., PaperVenue]
) -> None:
    other = "0x" + "b2" * 20

    assert venue.open_book(other, D(500))
    assert not venue.open_book(other, D(900))
    assert open_venue().account(other).equity_usd == 500


def test_an_account_without_a_balance_is_a_configuration_error_on_reads_and_a_refusal_on_sends(
    venue: PaperVenue,
) -> None:
    unknown = "0x" + "c3" * 20
    signed = venue.sign(venue.encode(Noop(), None), nonce=1, expires_at=None, signer=PaperSigner(unknown))

    with pytest.raises(ConfigurationError):
        venue.account(unknown)
    assert refusal(venue.send(signed, address=unknown)) == (RefusalKind.SIGNER, Reason.SIGNER_INVALID)


@pytest.mark.parametrize(("slippage_bps", "fee"), [("-1", "0"), ("10000", "0"), ("0", "1"), ("0", "-0.1")])
def test_costs_that_are_no_fraction_are_refused(
    database: Database, live: Venue, clock: FixedClock, slippage_bps: str, fee: str
) -> None:
    with pytest.raises(ConfigurationError):
        PaperVenue(database, live, clock, slippage_bps=D(slippage_bps), taker_fee_frac=D(fee), opening_usd={})


def test_an_entry_is_filled_in_the_reply_and_listed_by_every_read(
    venue: PaperVenue, clock: FixedClock
) -> None:
    sent(venue, SetLeverage("BTC", 5))
    outcome = sent(venue, ENTRY).outcome

    assert isinstance(outcome, Filled)
    assert (outcome.size, outcome.average_price) == (D("0.1"), D(60060))
    (fill,) = venue.fills(ADDRESS, clock.now())
    assert (fill.cloid, fill.venue_order_id, fill.is_buy) == ("0xe1", outcome.venue_order_id, True)
    assert (fill.price, fill.size, fill.size_before, fill.fee_usd) == (D(60060), D("0.1"), D(0), D("2.7027"))
    assert venue.fills(ADDRESS, clock.now() + timedelta(microseconds=1)) == []
    report = venue.order(ADDRESS, "0xe1")
    assert report is not None
    assert (report.state, report.venue_order_id) == (OrderState.FILLED, outcome.venue_order_id)
    account = venue.account(ADDRESS)
    held = account.holdings["BTC"]
    assert (held.side, held.size, held.entry_price, held.leverage) == (Side.LONG, D("0.1"), D(60060), D(5))
    assert held.is_isolated
    assert held.unrealised_pnl_usd == D(-6)
    assert held.margin_used_usd == D("1201.2") - 6
    assert held.liquidation_price == D(48657)
    assert account.equity_usd == D(10000) - D("2.7027") - 6
    assert account.free_usd == D(10000) - D("2.7027") - D("1201.2")


def test_a_round_trip_changes_cash_by_profit_less_fees(
    venue: PaperVenue, live: Any, clock: FixedClock
) -> None:
    protected_entry(venue)
    live.prices["BTC"] = D(64000)
    sent(venue, EXIT)

    fills = venue.fills(ADDRESS, LONG_AGO)
    assert [(fill.is_buy, fill.venue_pnl_usd) for fill in fills] == [(True, 0), (False, D("387.6"))]
    account = venue.account(ADDRESS)
    assert (
        account.equity_usd
        == account.free_usd
        == 10000 + sum(fill.venue_pnl_usd - fill.fee_usd for fill in fills)
    )


def test_f1_the_same_bytes_again_are_a_used_nonce_and_change_nothing(venue: PaperVenue) -> None:
    sent(venue, ENTRY, nonce=900)

    again = sent(venue, ENTRY, nonce=900)

    assert refusal(again) == (RefusalKind.NONCE_USED, Reason.VENUE_REFUSED)
    assert len(venue.fills(ADDRESS, LONG_AGO)) == 1


def test_f1_two_processes_that_send_the_same_bytes_at_once_make_one_fill(
    venue: PaperVenue, open_venue: Callable[..., PaperVenue], second_connection: Database
) -> None:
    venue.account(ADDRESS)
    other = open_venue(second_connection)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda each: sent(each, ENTRY, nonce=901).outcome, (venue, other)))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Filled", "Refused"]
    assert len(venue.fills(ADDRESS, LONG_AGO)) == 1


def test_a_request_waits_for_whoever_is_changing_the_book_and_builds_on_it(
    venue: PaperVenue, watcher: Database, second_connection: Database
) -> None:
    venue.account(ADDRESS)

    with ThreadPoolExecutor(1) as pool:
        with second_connection.transaction() as tx:
            tx.execute("update paper_books set cash_usd = 8000 where address = :address", address=ADDRESS)
            sending = pool.submit(sent, venue, ENTRY)
            wait_for_a_waiter(watcher)
        assert isinstance(sending.result(timeout=5).outcome, Filled)

    assert venue.account(ADDRESS).equity_usd == D(8000) - D("2.7027") - 6


def test_an_expired_request_does_nothing_and_uses_its_nonce(venue: PaperVenue, clock: FixedClock) -> None:
    expires_at = clock.now() + timedelta(seconds=5)
    clock.advance(timedelta(seconds=6))

    assert refusal(sent(venue, ENTRY, nonce=902, expires_at=expires_at))[0] is RefusalKind.EXPIRED
    assert refusal(sent(venue, ENTRY, nonce=902, expires_at=expires_at))[0] is RefusalKind.NONCE_USED
    assert venue.fills(ADDRESS, LONG_AGO) == []


def test_a_request_runs_up_to_its_expiry(venue: PaperVenue, clock: FixedClock) -> None:
    assert isinstance(sent(venue, ENTRY, expires_at=clock.now()).outcome, Filled)


def test_a_noop_uses_its_nonce_up(venue: PaperVenue) -> None:
    assert isinstance(sent(venue, Noop(), nonce=903).outcome, Done)
    assert refusal(sent(venue, ENTRY, nonce=903))[0] is RefusalKind.NONCE_USED


def test_a_refused_order_is_on_record_as_rejected(venue: PaperVenue) -> None:
    answer = sent(venue, Place("BTC", True, D("0.1"), D(59000), False, "0xe9"))

    assert refusal(answer) == (RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY)
    report = venue.order(ADDRESS, "0xe9")
    assert report is not None
    assert report.state is OrderState.REJECTED


def test_a_malformed_order_is_refused_as_our_bug_and_not_recorded(venue: PaperVenue) -> None:
    answer = sent(venue, Place("BTC", True, D("0.0000001"), D(61000), False, "0xe9"))

    assert refusal(answer)[0] is RefusalKind.BUG
    assert venue.order(ADDRESS, "0xe9") is None


def test_bytes_that_are_no_request_are_refused_as_our_bug(venue: PaperVenue) -> None:
    assert refusal(venue.send("{", address=ADDRESS))[0] is RefusalKind.BUG


def test_a_request_of_another_signer_is_refused(venue: PaperVenue) -> None:
    signed = venue.sign(
        venue.encode(ENTRY, None), nonce=1, expires_at=None, signer=PaperSigner("0x" + "d4" * 20)
    )

    assert refusal(venue.send(signed, address=ADDRESS)) == (RefusalKind.SIGNER, Reason.SIGNER_INVALID)


def test_a_market_that_is_not_listed_or_has_no_mark_takes_no_order(venue: PaperVenue, live: Any) -> None:
    del live.prices["ETH"]

    unlisted = sent(venue, Place("DOGE", True, D(100), D(1), False, "0xd1"))
    unmarked = sent(venue, Place("ETH", True, D(1), D(4000), False, "0xd2"))

    assert refusal(unlisted) == (RefusalKind.FINAL, Reason.MARKET_NOT_LISTED)
    assert refusal(unmarked) == (RefusalKind.LATER, Reason.VENUE_NOT_NOW)


def test_leverage_is_refused_beyond_the_market_and_while_a_position_is_open(venue: PaperVenue) -> None:
    assert refusal(sent(venue, SetLeverage("BTC", 41)))[1] is Reason.VENUE_LEVERAGE
    sent(venue, SetLeverage("BTC", 10))
    sent(venue, SetLeverage("BTC", 5))
    sent(venue, ENTRY)

    assert refusal(sent(venue, SetLeverage("BTC", 6)))[1] is Reason.VENUE_LEVERAGE
    assert venue.account(ADDRESS).holdings["BTC"].leverage == 5


def test_resting_orders_are_listed_with_their_triggers_and_can_be_cancelled_once(venue: PaperVenue) -> None:
    protected_entry(venue)

    stop, profit = venue.open_orders(ADDRESS)
    assert (stop.cloid, stop.trigger, stop.size, stop.reduce_only) == ("0x51", STOP.trigger, D("0.1"), True)
    assert (profit.cloid, profit.trigger) == ("0x71", PROFIT.trigger)
    assert isinstance(sent(venue, Cancel("BTC", "0x51")).outcome, Done)
    assert refusal(sent(venue, Cancel("BTC", "0x51")))[0] is RefusalKind.NOT_THERE
    report = venue.order(ADDRESS, "0x51")
    assert report is not None
    assert report.state is OrderState.CANCELLED
    assert [order.cloid for order in venue.open_orders(ADDRESS)] == ["0x71"]


def test_settling_wakes_a_profit_step_and_shrinks_the_stop_and_does_so_once(
    venue: PaperVenue, clock: FixedClock
) -> None:
    protected_entry(venue)

    made = [venue.settle(marks(clock, "65100"), [ADDRESS]) for _ in range(2)]

    assert made == [1, 0]
    (stop,) = venue.open_orders(ADDRESS)
    assert (stop.cloid, stop.size) == ("0x51", D("0.06"))
    assert venue.account(ADDRESS).holdings["BTC"].size == D("0.06")
    fill = venue.fills(ADDRESS, LONG_AGO)[-1]
    assert (fill.cloid, fill.size, fill.is_liquidation) == ("0x71", D("0.04"), False)


def test_f38_a_stop_works_at_the_venue_and_takes_the_other_orders_with_it(
    venue: PaperVenue, clock: FixedClock
) -> None:
    protected_entry(venue)

    assert venue.settle(marks(clock, "57000"), [ADDRESS]) == 1

    states = [venue.order(ADDRESS, cloid) for cloid in ("0x51", "0x71")]
    assert [(report.state, report.raw_status) for report in states if report] == [
        (OrderState.FILLED, "filled"),
        (OrderState.CANCELLED, "reduceOnlyCanceled"),
    ]
    assert venue.open_orders(ADDRESS) == []
    assert dict(venue.account(ADDRESS).holdings) == {}


def test_every_request_meets_a_book_that_the_marks_of_now_have_settled(venue: PaperVenue, live: Any) -> None:
    protected_entry(venue)
    live.prices["BTC"] = D(57000)

    answer = sent(venue, EXIT)

    assert refusal(answer) == (RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT)
    assert venue.fills(ADDRESS, LONG_AGO)[-1].cloid == "0x51"


def test_a_liquidation_is_listed_as_a_fill_without_a_client_id(venue: PaperVenue, clock: FixedClock) -> None:
    sent(venue, SetLeverage("BTC", 5))
    sent(venue, ENTRY)

    assert venue.settle(marks(clock, "48000"), [ADDRESS]) == 1

    fill = venue.fills(ADDRESS, LONG_AGO)[-1]
    assert (fill.is_liquidation, fill.cloid, fill.size) == (True, None, D("0.1"))
    assert venue.account(ADDRESS).equity_usd >= D(10000) - D("2.7027") - D("1201.2")


def test_accounts_that_hold_nothing_are_not_touched_by_settling(venue: PaperVenue, clock: FixedClock) -> None:
    assert venue.settle(marks(clock, "60000"), [ADDRESS, "0x" + "e5" * 20]) == 0


def test_f15_an_outage_of_the_live_venue_is_an_outage_here_and_nothing_is_done(
    venue: PaperVenue, live: Any, clock: FixedClock
) -> None:
    protected_entry(venue)
    live.is_down = True
    clock.advance(timedelta(minutes=10))

    answer = sent(venue, EXIT, nonce=904)

    assert isinstance(answer.outcome, NotSent)
    for read in (venue.markets, venue.marks, lambda: venue.account(ADDRESS)):
        with pytest.raises(VenueUnreachable):
            read()
    live.is_down = False
    assert isinstance(sent(venue, EXIT, nonce=904).outcome, Filled)


def test_f15_a_holding_without_a_mark_is_not_left_out_of_the_account(venue: PaperVenue, live: Any) -> None:
    sent(venue, ENTRY)
    del live.prices["BTC"]
    venue.marks()

    with pytest.raises(VenueUnreachable):
        venue.account(ADDRESS)


def test_reads_share_marks_for_three_seconds_and_no_longer(
    venue: PaperVenue, live: Any, clock: FixedClock
) -> None:
    venue.account(ADDRESS)
    clock.advance(timedelta(seconds=3))
    venue.account(ADDRESS)
    assert live.reads == 1

    clock.advance(timedelta(seconds=1))
    venue.account(ADDRESS)
    assert live.reads == 2


def test_a_database_that_fails_on_the_way_is_an_unknown_outcome(
    venue: PaperVenue, database_url: str, open_venue: Callable[..., PaperVenue], second_connection: Database
) -> None:
    venue.account(ADDRESS)
    impatient = Database(Address.from_url(database_url), network="local", lock_timeout_s=0.2)

    with second_connection.transaction() as tx:
        tx.one("select 1 as held from paper_books where address = :address for update", address=ADDRESS)
        answer = sent(open_venue(impatient), ENTRY)
    impatient.close()

    assert isinstance(answer.outcome, Ambiguous)
    assert answer.raw is None
    assert venue.fills(ADDRESS, LONG_AGO) == []
