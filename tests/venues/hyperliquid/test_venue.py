"""The venue against the local Hyperliquid: everything that the port promises, with real signatures over HTTP."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.custody.signer import SignerKey
from outcry.runtime.clock import from_milliseconds, to_milliseconds
from outcry.runtime.errors import UnknownAnswer, VenueUnreachable
from outcry.runtime.reasons import Reason
from outcry.runtime.secrets import Secret
from outcry.venues.approving import Role
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import (
    AccountMode,
    Ambiguous,
    Cancel,
    Done,
    Filled,
    Noop,
    OrderState,
    RefusalKind,
    Refused,
    Resting,
    SetLeverage,
    Trigger,
    TriggerKind,
)

D = Decimal


def refusal(outcome: object) -> RefusalKind:
    assert isinstance(outcome, Refused)
    return outcome.kind


# ─── reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_markets_are_numbered_as_the_venue_numbers_them(trader: Any) -> None:
    markets = trader.venue.markets()

    assert trader.venue.fit_size(markets["BTC"], D("0.123456")) == D("0.12345")
    assert (markets["BTC"].asset, markets["BTC"].size_decimals, markets["BTC"].max_leverage) == (0, 5, 40)
    assert markets["MATIC"].is_delisted
    assert markets["SOL"].asset == trader.server.engine.venue.by_name["SOL"].index
    assert markets["PURR"].only_isolated


def test_a_mark_is_as_old_as_the_receipt_of_its_answer(trader: Any) -> None:
    trader.control("mark", market="BTC", mark="61000")
    trader.wait(seconds=7)

    marks = trader.venue.marks()

    assert marks.prices["BTC"] == D("61000")
    assert marks.received_at == trader.clock.now()
    assert "MATIC" not in marks.prices


def test_f27_an_account_is_found_in_whatever_case_its_address_is_written(trader: Any) -> None:
    trader.open_long()
    spellings = [trader.master, trader.master.lower(), "0x" + trader.master[2:].upper()]

    snapshots = [trader.venue.account(spelling) for spelling in spellings]

    assert snapshots[0] == snapshots[1] == snapshots[2]
    assert snapshots[0].holdings["BTC"].size == D("0.05")


def test_an_account_shows_what_it_is_worth_and_what_it_holds(trader: Any) -> None:
    trader.open_long("BTC", "0.05", leverage=5)

    snapshot = trader.venue.account(trader.master)

    held = snapshot.holdings["BTC"]
    assert (held.size, held.leverage, held.is_isolated) == (D("0.05"), D(5), True)
    assert held.liquidation_price is not None
    assert held.liquidation_price < held.entry_price
    assert D(9990) < snapshot.equity_usd < D(10000)
    assert snapshot.equity_usd - snapshot.free_usd == held.margin_used_usd
    assert snapshot.taken_at == trader.clock.now().replace(microsecond=0)


def test_the_margin_mode_of_an_account_is_told(trader: Any) -> None:
    before = trader.venue.account_mode(trader.master)
    trader.control("abstraction", user=trader.master, mode="unifiedAccount")

    assert (before, trader.venue.account_mode(trader.master)) == (AccountMode.STANDARD, AccountMode.OTHER)


def test_the_signer_is_seen_approved_until_its_expiry_and_known_as_an_agent(trader: Any) -> None:
    approved = trader.venue.approved_signers(trader.master)

    (until,) = approved.values()
    assert list(approved) == [trader.key.address]
    assert until == trader.clock.now() + timedelta(days=90)
    assert trader.venue.role(trader.key.address) == Role("agent", trader.master.lower())
    assert trader.venue.role(trader.master) == Role("user", None)
    assert trader.venue.role("0x" + "01" * 20) == Role("missing", None)


def test_an_account_that_never_traded_is_empty_and_no_error(trader: Any) -> None:
    stranger, since = "0x" + "01" * 20, trader.clock.now() - timedelta(days=1)

    assert trader.venue.account(stranger).holdings == {}
    assert list(trader.venue.open_orders(stranger)) == []
    assert list(trader.venue.fills(stranger, since)) == []
    assert list(trader.venue.funding(stranger, since)) == []
    assert trader.venue.order(stranger, trader.cloid()) is None


# ─── requests ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_fills_at_once_and_is_reported_by_every_read(trader: Any) -> None:
    since = trader.clock.now()
    assert trader.send(SetLeverage("BTC", 5)).outcome == Done()
    place = trader.ioc("BTC", True, "0.05")

    answer = trader.send(place)

    filled = answer.outcome
    assert isinstance(filled, Filled)
    assert filled.size == D("0.05")
    assert json.loads(answer.raw)["status"] == "ok"
    found = trader.venue.order(trader.master, place.cloid)
    assert (found.state, found.venue_order_id) == (OrderState.FILLED, filled.venue_order_id)
    fills = trader.venue.fills(trader.master, since)
    assert sum(fill.size for fill in fills) == D("0.05")
    assert {fill.cloid for fill in fills} == {place.cloid}
    assert fills[0].size_before == 0
    assert fills[0].fee_usd > 0
    assert sum(fill.size * fill.price for fill in fills) / D("0.05") == pytest.approx(
        filled.average_price, rel=D("0.0001")
    )


def test_f51_a_partial_fill_shows_the_size_that_was_filled(trader: Any) -> None:
    trader.control("book", market="SOL", asks=[["150.1", "2"]])

    outcome = trader.send(trader.ioc("SOL", True, "5")).outcome

    assert isinstance(outcome, Filled)
    assert outcome.size == D(2)
    assert trader.venue.account(trader.master).holdings["SOL"].size == D(2)


def test_nothing_within_the_bound_asks_for_a_wider_one(trader: Any) -> None:
    trader.control("book", market="SOL", asks=[["160", "2"]])

    outcome = trader.send(trader.ioc("SOL", True, "1", price="151")).outcome

    assert refusal(outcome) is RefusalKind.WIDEN


def test_an_order_below_the_minimum_is_refused_as_too_small(trader: Any) -> None:
    outcome = trader.send(trader.ioc("SOL", True, "0.05")).outcome

    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.reason) == (RefusalKind.FINAL, Reason.VENUE_MINIMUM)


def test_an_order_beyond_the_margin_is_refused_for_margin(trader: Any) -> None:
    outcome = trader.send(trader.ioc("BTC", True, "100")).outcome

    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.VENUE_MARGIN


def test_closing_what_is_closed_finds_it_flat(trader: Any) -> None:
    outcome = trader.send(trader.ioc("BTC", False, "0.05", reduce_only=True)).outcome

    assert refusal(outcome) is RefusalKind.ALREADY_FLAT


def test_a_stop_and_a_take_profit_rest_over_the_position_and_are_read_back(trader: Any) -> None:
    trader.open_long()
    stop = trader.trigger("BTC", False, "0.05", Trigger(TriggerKind.STOP, D(57000)))
    target = trader.trigger("BTC", False, "0.02", Trigger(TriggerKind.TAKE_PROFIT, D(65000)))

    assert isinstance(trader.send(stop).outcome, Resting)
    assert isinstance(trader.send(target).outcome, Resting)

    resting = {order.cloid: order for order in trader.venue.open_orders(trader.master)}
    assert resting[stop.cloid].trigger == stop.trigger
    assert resting[target.cloid].trigger == target.trigger
    assert all(order.reduce_only and not order.is_buy for order in resting.values())
    assert resting[stop.cloid].size == D("0.05")
    assert trader.venue.order(trader.master, stop.cloid).state is OrderState.OPEN


def test_a_stop_that_the_mark_crosses_closes_the_position(trader: Any) -> None:
    trader.open_long()
    stop = trader.trigger("BTC", False, "0.05", Trigger(TriggerKind.STOP, D(57000)))
    trader.send(stop)
    trader.wait(seconds=2)

    trader.control("mark", market="BTC", mark="56900")

    assert trader.venue.account(trader.master).holdings == {}
    report = trader.venue.order(trader.master, stop.cloid)
    assert report.state in {OrderState.FILLED, OrderState.TRIGGERED}
    closing = trader.venue.fills(trader.master, trader.clock.now() - timedelta(seconds=1))
    assert sum(fill.size for fill in closing) == D("0.05")
    assert all(fill.cloid == stop.cloid and not fill.is_buy for fill in closing)
    assert sum(fill.venue_pnl_usd for fill in closing) < 0


def test_a_stop_beyond_the_mark_is_crossed_already(trader: Any) -> None:
    trader.open_long()

    outcome = trader.send(trader.trigger("BTC", False, "0.05", Trigger(TriggerKind.STOP, D(61000)))).outcome

    assert refusal(outcome) is RefusalKind.CROSSED


def test_a_stop_is_cancelled_once_and_is_not_there_twice(trader: Any) -> None:
    trader.open_long()
    stop = trader.trigger("BTC", False, "0.05", Trigger(TriggerKind.STOP, D(57000)))
    trader.send(stop)

    first = trader.send(Cancel("BTC", stop.cloid)).outcome
    second = trader.send(Cancel("BTC", stop.cloid)).outcome

    assert first == Done()
    assert refusal(second) is RefusalKind.NOT_THERE
    assert trader.venue.order(trader.master, stop.cloid).state is OrderState.CANCELLED


def test_leverage_is_set_isolated_and_refused_beyond_the_maximum(trader: Any) -> None:
    assert trader.send(SetLeverage("ETH", 7)).outcome == Done()
    trader.send(trader.ioc("ETH", True, "0.5"))
    held = trader.venue.account(trader.master).holdings["ETH"]
    outcome = trader.send(SetLeverage("ETH", 26)).outcome

    assert (held.leverage, held.is_isolated) == (D(7), True)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.VENUE_LEVERAGE


# ─── once, and provably so ──────────────────────────────────────────────────────────────────────────────────


def test_f48_the_same_bytes_sent_twice_execute_once(trader: Any) -> None:
    signed = trader.signed(trader.ioc("BTC", True, "0.01"))

    first = trader.venue.send(signed, address=trader.master).outcome
    second = trader.venue.send(signed, address=trader.master).outcome

    assert isinstance(first, Filled)
    assert refusal(second) is RefusalKind.NONCE_USED
    assert trader.venue.account(trader.master).holdings["BTC"].size == D("0.01")


def test_an_expired_request_never_runs(trader: Any) -> None:
    signed = trader.signed(
        trader.ioc("BTC", True, "0.01"), expires_at=trader.clock.now() + timedelta(seconds=10)
    )
    trader.wait(seconds=11)

    outcome = trader.venue.send(signed, address=trader.master).outcome

    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.reason) == (RefusalKind.EXPIRED, Reason.NEVER_EXECUTED)
    assert trader.venue.account(trader.master).holdings == {}


def test_a_noop_uses_up_the_nonce_of_a_request_that_was_never_sent(trader: Any) -> None:
    nonce = trader.nonce()
    never_sent = trader.signed(trader.ioc("BTC", True, "0.01"), nonce=nonce)

    burnt = trader.send(Noop(), nonce=nonce).outcome
    late = trader.venue.send(never_sent, address=trader.master).outcome

    assert burnt == Done()
    assert refusal(late) is RefusalKind.NONCE_USED


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "drop_after_commit"},
        {"do": "truncate"},
        {"do": "html", "commit": True},
        {"do": "status", "status": 502, "commit": True},
        {"do": "delay_ms", "ms": 900, "when": "after"},
    ],
    ids=lambda fault: str(fault["do"]),
)
def test_f51_an_answer_lost_after_the_commit_is_ambiguous_and_found_by_asking(
    trader: Any, fault: dict[str, Any]
) -> None:
    trader.control("fault", on="exchange", match={"type": "order"}, **fault)
    place = trader.ioc("BTC", True, "0.01")

    outcome = trader.send(place).outcome

    assert isinstance(outcome, Ambiguous)
    assert trader.venue.order(trader.master, place.cloid).state is OrderState.FILLED
    assert trader.venue.account(trader.master).holdings["BTC"].size == D("0.01")


def test_a_request_lost_before_the_commit_is_ambiguous_and_the_same_bytes_execute_it(trader: Any) -> None:
    trader.control("fault", on="exchange", do="drop_before_commit")
    place = trader.ioc("BTC", True, "0.01")
    signed = trader.signed(place)

    lost = trader.venue.send(signed, address=trader.master).outcome
    absent = trader.venue.order(trader.master, place.cloid)
    again = trader.venue.send(signed, address=trader.master).outcome

    assert isinstance(lost, Ambiguous)
    assert absent is None
    assert isinstance(again, Filled)


@pytest.mark.parametrize("fault", [{"do": "status", "status": 429, "body": "null"}, {"do": "truncate"}])
def test_f15_a_read_that_fails_says_so_and_the_next_one_works(trader: Any, fault: dict[str, Any]) -> None:
    trader.open_long()
    trader.control("fault", on="info", match={"type": "clearinghouseState"}, **fault)

    with pytest.raises(VenueUnreachable):
        trader.venue.account(trader.master)

    assert trader.venue.account(trader.master).holdings["BTC"].size == D("0.05")


# ─── who signs ──────────────────────────────────────────────────────────────────────────────────────────────


def test_f50_a_signer_that_nobody_approved_is_a_signer_refusal_that_names_it(trader: Any) -> None:
    stranger = SignerKey(Secret(bytes.fromhex("33" * 32)))

    outcome = trader.send(trader.ioc("BTC", True, "0.01"), signer=stranger).outcome

    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.SIGNER
    assert stranger.address in outcome.text


def test_f50_a_revoked_signer_is_a_signer_refusal(trader: Any) -> None:
    trader.control("agent_revoke", agent=trader.key.address)

    outcome = trader.send(Noop()).outcome

    assert refusal(outcome) is RefusalKind.SIGNER


def test_f50_what_is_signed_for_mainnet_is_worth_nothing_elsewhere(trader: Any) -> None:
    mainnet = HyperliquidVenue("mainnet", "https://api.hyperliquid.xyz", trader.clock)
    payload = trader.venue.encode(trader.ioc("BTC", True, "0.01"), trader.market("BTC"))
    signed = mainnet.sign(payload, nonce=trader.nonce(), expires_at=None, signer=trader.key)

    outcome = trader.venue.send(signed, address=trader.master).outcome

    assert refusal(outcome) is RefusalKind.SIGNER
    assert trader.venue.account(trader.master).holdings == {}


# ─── feeds ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_fills_include_their_first_millisecond_and_come_oldest_first(trader: Any) -> None:
    for _ in range(3):
        trader.send(trader.ioc("BTC", True, "0.01"))
        trader.wait(seconds=1)
    everything = trader.venue.fills(trader.master, trader.clock.now() - timedelta(minutes=1))
    times = [fill.filled_at for fill in everything]

    since_last = trader.venue.fills(trader.master, times[-1])

    assert times == sorted(times)
    assert len({fill.fill_id for fill in everything}) == len(everything)
    assert everything[-1] in since_last
    assert everything[0] not in since_last
    after = trader.venue.fills(trader.master, times[-1] + timedelta(milliseconds=1))
    assert list(after) == []


def _row(number: int, time_ms: int) -> dict[str, Any]:
    return {
        "coin": "BTC",
        "px": "60000.0",
        "sz": "0.001",
        "side": "B",
        "time": time_ms,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x0",
        "oid": number,
        "crossed": True,
        "fee": "0.03",
        "tid": number,
        "feeToken": "USDC",
    }


def test_every_page_of_fills_is_read_and_none_is_listed_twice(trader: Any) -> None:
    account = trader.server.engine.venue.account(trader.master.lower())
    start = to_milliseconds(trader.clock.now())
    account.fills.extend(_row(number, start + number // 3) for number in range(4_321))
    trader.wait(minutes=1)
    trader.control("advance")
    trader.control("switch", ip_limit=False)

    fills = trader.venue.fills(trader.master, from_milliseconds(start))

    assert [int(fill.fill_id) for fill in fills] == list(range(4_321))


def test_a_page_that_one_millisecond_overflows_is_an_error_and_not_a_gap(trader: Any) -> None:
    account = trader.server.engine.venue.account(trader.master.lower())
    start = to_milliseconds(trader.clock.now())
    account.fills.extend(_row(number, start) for number in range(2_001))

    with pytest.raises(VenueUnreachable, match="millisecond"):
        trader.venue.fills(trader.master, from_milliseconds(start))


def test_f49_long_answers_weigh_more(trader: Any) -> None:
    account = trader.server.engine.venue.account(trader.master.lower())
    start = to_milliseconds(trader.clock.now())
    account.fills.extend(_row(number, start) for number in range(100))
    before = trader.venue.weight_used

    trader.venue.fills(trader.master, from_milliseconds(start))

    assert trader.venue.weight_used - before == 25


def test_funding_is_paid_by_the_hour_and_read_with_its_sign(trader: Any) -> None:
    trader.control("funding_rate", market="BTC", rate="0.0001")
    trader.open_long()
    since = trader.clock.now()
    for _ in range(3):
        trader.wait(hours=1, seconds=1)
        trader.control("advance")

    payments = trader.venue.funding(trader.master, since)

    assert len(payments) == 3
    assert all(payment.market == "BTC" and payment.amount_usd < 0 for payment in payments)
    assert [payment.paid_at for payment in payments] == sorted(payment.paid_at for payment in payments)


def test_a_liquidation_is_marked_on_its_fills(trader: Any) -> None:
    trader.open_long("BTC", "0.5", leverage=20)
    trader.wait(seconds=2)

    trader.control("mark", market="BTC", mark="55000")
    trader.control("advance")

    fills = trader.venue.fills(trader.master, trader.clock.now() - timedelta(seconds=1))
    assert fills
    assert all(fill.is_liquidation and fill.cloid is None for fill in fills)


def test_an_answer_in_an_unknown_shape_carries_its_body(trader: Any) -> None:
    account = trader.server.engine.venue.account(trader.master.lower())
    account.fills.append({**_row(1, to_milliseconds(trader.clock.now())), "feeToken": "HYPE"})

    with pytest.raises(UnknownAnswer) as caught:
        trader.venue.fills(trader.master, trader.clock.now())

    assert "HYPE" in caught.value.raw


def test_what_the_venue_can_do_is_declared(venue: HyperliquidVenue) -> None:
    capabilities = venue.capabilities

    assert capabilities.rests_stops
    assert capabilities.fills_in_reply
    assert capabilities.expires
    assert venue.minimum_notional_usd == 10
    assert venue.taker_fee_frac == D("0.00045")


def test_the_venues_own_refusals_of_the_moment_say_later(trader: Any) -> None:
    trader.control("switch", post_only_phase=True)

    outcome = trader.send(trader.ioc("BTC", True, "0.01")).outcome

    assert refusal(outcome) is RefusalKind.LATER


def test_a_used_up_request_budget_says_later(trader: Any) -> None:
    trader.control("switch", address_base_requests=1)

    last = [trader.send(Noop()).outcome for _ in range(3)][-1]

    assert isinstance(last, Refused)
    assert (last.kind, last.reason) == (RefusalKind.LATER, Reason.VENUE_RATE_LIMIT)
