"""Answers to reads, parsed strictly: what is known becomes a value, what is not becomes UnknownAnswer."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.runtime.errors import BugError, UnknownAnswer
from outcry.venues.approving import NamedSigner, Role
from outcry.venues.hyperliquid import answers, shapes
from outcry.venues.hyperliquid.answers import lower_address
from outcry.venues.port import AccountMode, OrderState, Trigger, TriggerKind

D = Decimal
USER = "0x4a1ae5a6cfb24390a704b1cc1ab88d0f89ef596b"
OTHER = "0x" + "cd" * 20
CLOID = "0x0000000000000000000000000000000a"
MS = 1_778_656_572_106
AT = datetime(2026, 5, 13, 7, 16, 12, 106_000, tzinfo=UTC)

LISTED: dict[str, Any] = {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 56}
META: dict[str, Any] = {
    "universe": [
        LISTED,
        {**LISTED, "name": "MATIC", "isDelisted": True},
        {**LISTED, "name": "PURR", "onlyIsolated": True, "marginMode": "strictIsolated"},
        {**LISTED, "name": "NEW", "marginMode": "noCross"},
    ]
}
POSITION: dict[str, Any] = {
    "coin": "BTC",
    "szi": "-4.5",
    "leverage": {"type": "isolated", "value": 20, "rawUsd": "-95.05"},
    "entryPx": "81285.0",
    "positionValue": "377667.0",
    "unrealizedPnl": "11884.3",
    "liquidationPx": "74501.8",
    "marginUsed": "37766.7",
    "maxLeverage": 40,
}
ORDER: dict[str, Any] = {
    "coin": "INJ",
    "side": "A",
    "limitPx": "9.2037",
    "sz": "12.5",
    "oid": 1,
    "timestamp": MS,
    "triggerCondition": "Price above 10.004",
    "isTrigger": True,
    "triggerPx": "10.004",
    "children": [],
    "isPositionTpsl": True,
    "reduceOnly": True,
    "orderType": "Take Profit Market",
    "origSz": "12.5",
    "tif": None,
    "cloid": CLOID.upper().replace("0X", "0x"),
}
FILL: dict[str, Any] = {
    "coin": "BTC",
    "px": "80942.0",
    "sz": "0.00246",
    "side": "B",
    "time": MS,
    "startPosition": "-1.0",
    "dir": "Close Short",
    "closedPnl": "1.5",
    "hash": "0x0",
    "oid": 52998490771,
    "crossed": True,
    "fee": "0.089602",
    "tid": 42195709352155,
    "feeToken": "USDC",
    "twapId": None,
}
FUNDING: dict[str, Any] = {
    "time": MS,
    "hash": "0x0",
    "delta": {"type": "funding", "coin": "ETH", "usdc": "-0.002982", "szi": "-0.0924", "nSamples": None},
}


def state(*positions: Any, **changes: Any) -> dict[str, Any]:
    summary = {
        "accountValue": "27.2",
        "totalNtlPos": "244.4",
        "totalRawUsd": "-217.2",
        "totalMarginUsed": "12.7",
    }
    rows = [{"type": "oneWay", "position": position} for position in positions]
    return {"marginSummary": summary, "withdrawable": "0.05", "assetPositions": rows, "time": MS, **changes}


DECODERS: dict[Callable[[Any], Any], Callable[[str], Any]] = {
    answers.account: shapes.state,
    answers.marks: shapes.contexts,
}


def parsed[T](parse: Callable[[Any], T], body: Any) -> T:
    raw = json.dumps(body)
    return answers.read("test", DECODERS.get(parse, json.loads)(raw), parse, raw=raw)


def unknown(parse: Callable[[Any], Any], body: Any) -> bool:
    with pytest.raises(UnknownAnswer) as caught:
        parsed(parse, body)
    return caught.value.raw == json.dumps(body)


# ─── markets and marks ──────────────────────────────────────────────────────────────────────────────────────


def test_a_market_is_numbered_with_the_delisted_ones_counted() -> None:
    markets = parsed(answers.markets, META)

    assert [(m.market, m.asset) for m in markets.values()] == [
        ("BTC", 0),
        ("MATIC", 1),
        ("PURR", 2),
        ("NEW", 3),
    ]
    assert [name for name, market in markets.items() if market.is_delisted] == ["MATIC"]
    assert [name for name, market in markets.items() if market.only_isolated] == ["PURR", "NEW"]


def test_a_delisted_market_and_one_without_a_mark_have_no_mark() -> None:
    contexts = [{"markPx": "83757.0"}, {"markPx": "0.2"}, {"markPx": None}, {"markPx": "1.5"}]

    assert parsed(answers.marks, [META, contexts]) == {"BTC": D("83757.0"), "NEW": D("1.5")}


@pytest.mark.parametrize(
    "contexts",
    [
        [{"markPx": "1"}],
        [{"markPx": "1"}] * 5,
        [{"markPx": "0"}] * 4,
        [{"markPx": "-1"}] * 4,
        [{"markPx": 1}] * 4,
        [{}] * 4,
        None,
        {},
    ],
)
def test_marks_that_do_not_match_their_markets_are_unknown(contexts: Any) -> None:
    assert unknown(answers.marks, [META, contexts])


@pytest.mark.parametrize(
    "universe",
    [
        None,
        {},
        [LISTED, LISTED],
        [{**LISTED, "szDecimals": "5"}],
        [{**LISTED, "maxLeverage": True}],
        [{**LISTED, "isDelisted": 1}],
        [{"name": "BTC"}],
    ],
)
def test_a_list_of_markets_in_another_shape_is_unknown(universe: Any) -> None:
    assert unknown(answers.markets, {"universe": universe})


# ─── the account ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_shows_worth_free_margin_and_holdings() -> None:
    cross = {
        **POSITION,
        "coin": "SOL",
        "szi": "0.13",
        "leverage": {"type": "cross", "value": 10},
        "liquidationPx": None,
    }

    snapshot = parsed(answers.account, state(POSITION, cross))

    assert (snapshot.equity_usd, snapshot.free_usd, snapshot.taken_at) == (D("27.2"), D("14.5"), AT)
    short, long = snapshot.holdings["BTC"], snapshot.holdings["SOL"]
    assert (short.size, short.side.value, short.is_isolated) == (D("-4.5"), "SHORT", True)
    assert (short.entry_price, short.leverage, short.liquidation_price) == (D("81285.0"), D(20), D("74501.8"))
    assert (short.margin_used_usd, short.unrealised_pnl_usd) == (D("37766.7"), D("11884.3"))
    assert (long.side.value, long.is_isolated, long.liquidation_price) == ("LONG", False, None)


def test_free_margin_is_never_below_zero_and_a_position_of_nothing_is_none() -> None:
    summary = {"accountValue": "10", "totalMarginUsed": "12"}

    snapshot = parsed(answers.account, state({**POSITION, "szi": "0.0"}, marginSummary=summary))

    assert snapshot.free_usd == 0
    assert snapshot.holdings == {}


@pytest.mark.parametrize(
    "body",
    [
        state(POSITION, POSITION),
        state({**POSITION, "leverage": {"type": "portfolio", "value": 2}}),
        state({**POSITION, "leverage": {"type": "cross", "value": "2"}}),
        state({**POSITION, "szi": None}),
        state(assetPositions=[{"type": "hedge", "position": POSITION}]),
        state(assetPositions=None),
        state(time="now"),
        state(marginSummary={}),
        None,
        [],
    ],
)
def test_f15_an_account_in_another_shape_is_unknown_and_never_empty(body: Any) -> None:
    assert unknown(answers.account, body)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("default", AccountMode.STANDARD),
        ("disabled", AccountMode.STANDARD),
        ("unifiedAccount", AccountMode.OTHER),
        ("portfolioMargin", AccountMode.OTHER),
        ("dexAbstraction", AccountMode.OTHER),
    ],
)
def test_every_mode_but_the_two_classic_ones_is_other(mode: str, expected: AccountMode) -> None:
    assert parsed(answers.account_mode, mode) is expected
    assert unknown(answers.account_mode, None)
    assert unknown(answers.account_mode, "somethingNew")


# ─── orders ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_open_trigger_shows_its_kind_price_and_client_id() -> None:
    (order,) = parsed(answers.open_orders, [ORDER])

    assert (order.market, order.is_buy, order.size, order.reduce_only) == ("INJ", False, D("12.5"), True)
    assert order.trigger == Trigger(TriggerKind.TAKE_PROFIT, D("10.004"))
    assert (order.cloid, order.venue_order_id) == (CLOID, "1")


def test_an_open_limit_order_has_no_trigger_and_other_venues_markets_are_left_out() -> None:
    limit = {
        **ORDER,
        "isTrigger": False,
        "triggerPx": "0.0",
        "orderType": "Limit",
        "side": "B",
        "cloid": None,
        "isPositionTpsl": False,
    }
    spot, builder = {**limit, "coin": "@107"}, {**limit, "coin": "xyz:GOLD"}

    (order,) = parsed(answers.open_orders, [limit, spot, builder, {**limit, "coin": "PURR/USDC"}])[:1]

    assert (order.is_buy, order.trigger, order.cloid) == (True, None, None)
    assert len(parsed(answers.open_orders, [limit, spot, builder])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"side": "C"},
        {"orderType": "Trailing Stop"},
        {"isTrigger": None},
        {"isPositionTpsl": "yes"},
        {"oid": "1"},
        {"triggerPx": "0.0"},
        {"cloid": 5},
        {"coin": None},
        {"reduceOnly": None},
    ],
)
def test_an_open_order_in_another_shape_is_unknown(change: dict[str, Any]) -> None:
    assert unknown(answers.open_orders, [{**ORDER, **change}])


def report(status: str, **changes: Any) -> dict[str, Any]:
    row = {**ORDER, **changes}
    return {"status": "order", "order": {"order": row, "status": status, "statusTimestamp": MS}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("open", OrderState.OPEN),
        ("filled", OrderState.FILLED),
        ("triggered", OrderState.TRIGGERED),
        ("canceled", OrderState.CANCELLED),
        ("scheduledCancel", OrderState.CANCELLED),
        ("internalCancel", OrderState.CANCELLED),
        ("reduceOnlyCanceled", OrderState.CANCELLED),
        ("siblingFilledCanceled", OrderState.CANCELLED),
        ("inventedTomorrowCanceled", OrderState.CANCELLED),
        ("rejected", OrderState.REJECTED),
        ("iocCancelRejected", OrderState.REJECTED),
        ("inventedTomorrowRejected", OrderState.REJECTED),
    ],
)
def test_every_status_of_an_order_has_a_state(status: str, expected: OrderState) -> None:
    found = parsed(lambda body: answers.order_report(body, CLOID), report(status))

    assert found is not None
    assert (found.state, found.raw_status, found.venue_order_id, found.changed_at) == (
        expected,
        status,
        "1",
        AT,
    )


def test_an_order_that_is_not_listed_is_none() -> None:
    assert parsed(lambda body: answers.order_report(body, CLOID), {"status": "unknownOid"}) is None


@pytest.mark.parametrize(
    "body",
    [
        report("paused"),
        report("open", cloid=None),
        report("open", cloid="0x" + "00" * 16),
        {"status": "gone"},
        {"status": "order"},
        {},
        None,
    ],
)
def test_f51_an_unknown_status_or_another_order_is_never_a_report(body: Any) -> None:
    assert unknown(lambda found: answers.order_report(found, CLOID), body)


# ─── fills and funding ──────────────────────────────────────────────────────────────────────────────────────


def fills(*rows: Any) -> list[Any]:
    return list(parsed(lambda body: answers.fills(body, USER), list(rows)).rows.values())


def test_a_fill_shows_everything_that_pnl_needs() -> None:
    (fill,) = fills({**FILL, "cloid": CLOID})

    assert (fill.fill_id, fill.market, fill.is_buy) == ("42195709352155", "BTC", True)
    assert (fill.price, fill.size, fill.fee_usd) == (D("80942.0"), D("0.00246"), D("0.089602"))
    assert (fill.venue_pnl_usd, fill.size_before, fill.filled_at) == (D("1.5"), D("-1.0"), AT)
    assert (fill.venue_order_id, fill.cloid, fill.is_liquidation) == ("52998490771", CLOID, False)


def test_a_fill_is_a_liquidation_only_of_the_one_who_was_liquidated() -> None:
    def liquidation(user: Any) -> dict[str, Any]:
        return {"liquidation": {"liquidatedUser": user, "markPx": "21.193", "method": "market"}}

    (ours,) = fills({**FILL, **liquidation(USER.upper().replace("0X", "0x"))})
    (theirs,) = fills({**FILL, **liquidation(OTHER)})
    (unnamed,) = fills({**FILL, **liquidation(None)})

    assert (ours.is_liquidation, theirs.is_liquidation, unnamed.is_liquidation) == (True, False, True)
    assert unknown(lambda body: answers.fills(body, USER), [{**FILL, **liquidation("0x1")}])


def test_fills_of_other_kinds_of_market_are_left_out_and_still_counted_for_the_page() -> None:
    spot = {**FILL, "coin": "@107", "feeToken": "HYPE", "time": MS + 5, "tid": 7}

    page = parsed(lambda body: answers.fills(body, USER), [FILL, spot])

    assert (len(page.rows), page.listed, page.last_ms) == (1, 2, MS + 5)


def test_a_fill_listed_twice_is_one_and_two_under_one_id_are_unknown() -> None:
    assert len(fills(FILL, FILL)) == 1
    assert unknown(lambda body: answers.fills(body, USER), [FILL, {**FILL, "sz": "1.0"}])


@pytest.mark.parametrize(
    "change",
    [
        {"feeToken": "HYPE"},
        {"sz": "0.0"},
        {"px": None},
        {"tid": "1"},
        {"time": None},
        {"side": "buy"},
        {"fee": 0.1},
        {"liquidation": "yes"},
    ],
)
def test_a_fill_in_another_shape_is_unknown(change: dict[str, Any]) -> None:
    assert unknown(lambda body: answers.fills(body, USER), [{**FILL, **change}])


def test_funding_shows_market_amount_and_time() -> None:
    page = parsed(answers.funding, [FUNDING, {**FUNDING, "time": MS + 1}])

    first, second = page.rows.values()
    assert (first.market, first.amount_usd, first.paid_at) == ("ETH", D("-0.002982"), AT)
    assert second.paid_at > first.paid_at
    other = {**FUNDING, "delta": {**FUNDING["delta"], "type": "deposit"}}
    assert unknown(answers.funding, [other])


# ─── signers ────────────────────────────────────────────────────────────────────────────────────────────────


def test_f27_approved_signers_come_out_in_lower_case_with_their_expiry() -> None:
    body = [{"name": "ok", "address": USER.upper().replace("0X", "0x"), "validUntil": MS}]

    assert parsed(answers.named_signers, body) == (NamedSigner("ok", USER, AT),)
    assert unknown(answers.named_signers, [{"name": "ok", "address": "0x12", "validUntil": MS}])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"role": "user"}, Role("user", None)),
        ({"role": "missing"}, Role("missing", None)),
        ({"role": "vault"}, Role("vault", None)),
        ({"role": "agent", "data": {"user": USER}}, Role("agent", USER)),
        ({"role": "subAccount", "data": {"master": USER}}, Role("subAccount", USER)),
    ],
)
def test_a_role_names_whom_the_address_acts_for(body: Any, expected: Role) -> None:
    assert parsed(answers.role, body) == expected
    assert unknown(answers.role, {"role": "oracle"})


@pytest.mark.parametrize("text", ["", "0x12", USER[2:], USER + "0", None, 5])
def test_what_is_no_address_is_a_bug(text: object) -> None:
    with pytest.raises(BugError):
        lower_address(text)


# ─── whatever comes ─────────────────────────────────────────────────────────────────────────────────────────

PARSERS: list[tuple[Callable[[Any], Any], Any]] = [
    (answers.markets, META),
    (answers.marks, [META, [{"markPx": "1"}] * 4]),
    (answers.account, state(POSITION)),
    (answers.open_orders, [ORDER]),
    (lambda body: answers.order_report(body, CLOID), report("open")),
    (lambda body: answers.fills(body, USER), [FILL]),
    (answers.funding, [FUNDING]),
    (answers.role, {"role": "agent", "data": {"user": USER}}),
]


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [here, *(path for key, child in inner for path in paths(child, (*here, key)))]


@given(st.sampled_from(PARSERS), st.data())
def test_one_spoilt_field_is_either_understood_or_unknown_and_never_another_error(
    parser: tuple[Callable[[Any], Any], Any], data: st.DataObject
) -> None:
    parse, good = parser
    body = json.loads(json.dumps(good))
    path = data.draw(st.sampled_from(paths(body)[1:]))
    spoilt = data.draw(st.sampled_from([None, [], {}, "", "x", "-1", 0, -1, True, 1.5, [None], {"x": 1}]))
    target = body
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = spoilt

    with contextlib.suppress(UnknownAnswer):
        parsed(parse, body)


def test_every_recorded_read_is_understood(captures: dict[str, Any]) -> None:
    def body(name: str) -> Any:
        return captures[name]["response"]

    snapshot = parsed(answers.account, body("09_clearinghouseState"))
    orders = parsed(answers.open_orders, body("06_openOrders"))
    fills_page = parsed(lambda found: answers.fills(found, USER), body("07_userFills"))
    funding_page = parsed(answers.funding, body("10_userFunding"))
    role = parsed(answers.role, body("14_userRole"))

    assert snapshot.equity_usd == D("27.238902")
    assert snapshot.free_usd == D("27.238902") - D("12.783463")
    assert {name: holding.size for name, holding in snapshot.holdings.items()} == {
        "SOL": D("0.13"),
        "BTC": D("0.00297"),
    }
    assert [order.venue_order_id for order in orders] == ["53244219349", "53244216266"]
    assert list(fills_page.rows) == [42195709352155]
    in_builder_markets = [row for row in body("10_userFunding") if ":" in row["delta"]["coin"]]
    assert len(funding_page.rows) == funding_page.listed - len(in_builder_markets) > 100
    assert role == Role("user", None)
    for name in ("17_clearinghouseState", "24_clearinghouse_wallet1_post", "25_clearinghouse_wallet2"):
        parsed(answers.account, body(name))
