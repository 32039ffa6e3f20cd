"""What we ask in the venue's words, and what its answers to a signed request mean."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.runtime.errors import BugError
from outcry.runtime.reasons import Reason
from outcry.venues.hyperliquid.wire import (
    action_type,
    encode,
    fit_price,
    fit_size,
    from_wire,
    read_outcome,
    to_wire,
)
from outcry.venues.port import (
    Ambiguous,
    Cancel,
    Done,
    Filled,
    Market,
    Noop,
    Place,
    RefusalKind,
    Refused,
    Resting,
    SetLeverage,
    Trigger,
    TriggerKind,
)

BTC = Market("BTC", asset=3, size_decimals=5, max_leverage=40)
CLOID = "0x0000000000000000000000000000000a"
D = Decimal


def place(**changes: Any) -> Place:
    values = {
        "market": "BTC",
        "is_buy": True,
        "size": D("0.010"),
        "price": D("88128"),
        "reduce_only": False,
        "cloid": CLOID,
        **changes,
    }
    return Place(**values)


markets = st.integers(0, 5).map(lambda decimals: Market("X", 7, decimals, 10))
amounts = st.decimals(min_value="0.00000001", max_value="10000000", allow_nan=False, places=8)


# ─── numbers ────────────────────────────────────────────────────────────────────────────────────────────────


@given(markets, amounts)
def test_f43_a_fitted_size_never_rises_and_is_always_accepted(market: Market, size: Decimal) -> None:
    fitted = fit_size(market, size)

    assert 0 <= fitted <= size
    assert size - fitted < Decimal(1).scaleb(-market.size_decimals)
    assert fitted == 0 or Decimal(to_wire(fitted)) == fitted


@given(markets, amounts, st.booleans())
def test_f43_a_fitted_price_moves_the_way_it_is_told_and_has_at_most_five_figures(
    market: Market, price: Decimal, up: bool
) -> None:
    fitted = fit_price(market, price, up=up)

    assert fitted >= price if up else fitted <= price
    if fitted:
        digits = fitted.normalize().as_tuple()
        is_whole = fitted == fitted.to_integral_value()
        assert is_whole or len(digits.digits) <= 5
        assert -int(digits.exponent) <= 6 - market.size_decimals
        assert fit_price(market, fitted, up=True) == fit_price(market, fitted, up=False) == fitted


@given(markets, amounts, amounts)
def test_f43_what_was_fitted_encodes_to_numbers_that_the_sdk_writes_alike(
    market: Market, size: Decimal, price: Decimal
) -> None:
    from hyperliquid.utils.signing import float_to_wire

    fitted_size, fitted_price = fit_size(market, size), fit_price(market, price, up=True)
    if fitted_size == 0:
        return

    action = json.loads(encode(place(market="X", size=fitted_size, price=fitted_price), market))

    order = action["orders"][0]
    assert Decimal(order["s"]) == fitted_size
    assert Decimal(order["p"]) == fitted_price
    assert order["p"] == float_to_wire(float(fitted_price))


@pytest.mark.parametrize("number", ["0", "-1", "NaN", "Infinity", "0.123456789", "1" * 29])
def test_f43_a_number_that_would_be_rounded_on_the_way_out_is_a_bug_here(number: str) -> None:
    with pytest.raises(BugError):
        to_wire(D(number))


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("0.300", "0.3"), ("1.00", "1"), ("0.00000001", "0.00000001")]
)
def test_numbers_go_out_plain_and_without_trailing_zeros(number: str, text: str) -> None:
    assert to_wire(D(number)) == text


@pytest.mark.parametrize("value", [None, 1, 1.5, True])
def test_a_number_of_an_answer_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        from_wire(value)


@pytest.mark.parametrize("value", ["", "None", "1e5", "NaN", "1_0", "+1", " 1", "1.", "٣"])
def test_a_number_of_an_answer_that_is_no_plain_decimal_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        from_wire(value)


# ─── requests ───────────────────────────────────────────────────────────────────────────────────────────────


def test_an_immediate_order_has_the_keys_in_the_order_in_which_they_are_hashed() -> None:
    text = encode(place(), BTC)

    assert text == (
        '{"type":"order","orders":[{"a":3,"b":true,"p":"88128","s":"0.01","r":false,'
        f'"t":{{"limit":{{"tif":"Ioc"}}}},"c":"{CLOID}"}}],"grouping":"na"}}'
    )


@pytest.mark.parametrize("kind", list(TriggerKind))
def test_a_trigger_rests_over_the_position_as_a_market_order(kind: TriggerKind) -> None:
    text = encode(place(is_buy=False, reduce_only=True, trigger=Trigger(kind, D("75000"))), BTC)

    assert text == (
        '{"type":"order","orders":[{"a":3,"b":false,"p":"88128","s":"0.01","r":true,'
        f'"t":{{"trigger":{{"isMarket":true,"triggerPx":"75000","tpsl":"{kind.value}"}}}},"c":"{CLOID}"}}],'
        '"grouping":"na"}'
    )


def test_the_other_requests_are_written_as_the_venue_hashes_them() -> None:
    assert encode(Cancel("BTC", CLOID), BTC) == (
        f'{{"type":"cancelByCloid","cancels":[{{"asset":3,"cloid":"{CLOID}"}}]}}'
    )
    assert encode(SetLeverage("BTC", 5), BTC) == (
        '{"type":"updateLeverage","asset":3,"isCross":false,"leverage":5}'
    )
    assert encode(Noop(), None) == '{"type":"noop"}'


@pytest.mark.parametrize(
    "request_",
    [
        place(size=D("0.000001")),
        place(price=D("88128.5")),
        place(price=D("0")),
        place(cloid="0x0A"),
        place(cloid=CLOID.upper()),
        place(trigger=Trigger(TriggerKind.STOP, D("75000"))),
        place(reduce_only=True, trigger=Trigger(TriggerKind.STOP, D("75000.01"))),
        place(market="ETH"),
        Cancel("BTC", "abc"),
        SetLeverage("BTC", 0),
        SetLeverage("BTC", True),
        SetLeverage("BTC", 5.0),  # type: ignore[arg-type]
    ],
)
def test_f43_what_the_venue_could_only_refuse_is_a_bug_before_it_is_signed(request_: Any) -> None:
    with pytest.raises(BugError):
        encode(request_, BTC)


def test_a_request_for_a_market_needs_its_facts() -> None:
    with pytest.raises(BugError, match="BTC"):
        encode(place(), None)


# ─── the answer to a signed request ─────────────────────────────────────────────────────────────────────────


def answer(kind: str, *statuses: Any) -> str:
    return json.dumps({"status": "ok", "response": {"type": kind, "data": {"statuses": list(statuses)}}})


DEFAULT = json.dumps({"status": "ok", "response": {"type": "default"}})
FILLED = {"totalSz": "0.02", "avgPx": "1891.4", "oid": 77747314}


def test_a_fill_says_size_price_and_order() -> None:
    outcome = read_outcome("order", answer("order", {"filled": {**FILLED, "cloid": CLOID}}))

    assert outcome == Filled(D("0.02"), D("1891.4"), "77747314")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({"resting": {"oid": 77738308}}, Resting("77738308")),
        ("waitingForTrigger", Resting(None)),
        ("waitingForFill", Resting(None)),
    ],
)
def test_an_order_that_waits_is_resting(status: Any, outcome: Resting) -> None:
    assert read_outcome("order", answer("order", status)) == outcome


def test_requests_without_an_order_are_done() -> None:
    assert read_outcome("cancelByCloid", answer("cancel", "success")) == Done()
    assert read_outcome("updateLeverage", DEFAULT) == Done()
    assert read_outcome("noop", DEFAULT) == Done()


def test_a_refusal_of_the_order_and_of_the_whole_action_mean_the_same() -> None:
    text = "Order must have minimum value of $10. asset=3"
    refused = Refused(RefusalKind.FINAL, Reason.VENUE_MINIMUM, text)

    assert read_outcome("order", answer("order", {"error": text})) == refused
    assert read_outcome("order", json.dumps({"status": "err", "response": text})) == refused


def test_a_cancel_of_what_is_gone_is_refused_as_not_there() -> None:
    text = "Order was never placed, already canceled, or filled. asset=3"

    outcome = read_outcome("cancelByCloid", answer("cancel", {"error": text}))

    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.NOT_THERE


@pytest.mark.parametrize(
    "raw",
    [
        answer("order"),
        answer("order", {"filled": FILLED}, {"filled": FILLED}),
        answer("order", {"filled": {}}),
        answer("order", {"filled": {**FILLED, "totalSz": "0.0"}}),
        answer("order", {"filled": {**FILLED, "avgPx": "0"}}),
        answer("order", {"filled": {**FILLED, "avgPx": None}}),
        answer("order", {"filled": {**FILLED, "oid": "12"}}),
        answer("order", {"filled": {**FILLED, "oid": True}}),
        answer("order", {"filled": None}),
        answer("order", {}),
        answer("order", None),
        answer("order", "success"),
        answer("order", {"error": None}),
        answer("cancel", "success"),
        DEFAULT,
        "null",
        "[]",
        '"ok"',
        "{}",
        "",
        "<html></html>",
        '{"status":"ok"',
        '{"status":"maybe","response":"x"}',
        '{"status":"err","response":{"type":"order"}}',
        '{"status":"err"}',
        "[" * 100_000,
    ],
)
def test_f51_an_answer_without_a_usable_fill_is_never_taken_for_one(raw: str) -> None:
    assert isinstance(read_outcome("order", raw), Ambiguous)


def test_an_unknown_cancel_status_is_ambiguous() -> None:
    assert isinstance(read_outcome("cancelByCloid", answer("cancel", "perhaps")), Ambiguous)
    assert isinstance(read_outcome("noop", answer("order", {"filled": FILLED})), Ambiguous)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "response", "type", "data", "statuses", "filled", "error", "oid"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["order", "cancelByCloid", "updateLeverage", "noop"]), JSON)
def test_f51_no_answer_of_whatever_shape_raises_or_fills_without_a_price(action: str, body: Any) -> None:
    outcome = read_outcome(action, json.dumps(body))

    assert not isinstance(outcome, Filled)


@pytest.mark.parametrize("stored", ["", "[]", "{}", '{"action":{}}', '{"action":{"type":"usdSend"}}', "nope"])
def test_bytes_that_are_no_request_of_ours_are_a_bug(stored: str) -> None:
    with pytest.raises(BugError):
        action_type(stored)


def test_every_recorded_answer_to_a_signed_request_is_understood(captures: dict[str, Any]) -> None:
    placed = captures["01_place_order"]["response"]
    one = {**placed, "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 53244215259}}]}}}
    cancelled = captures["03b_cancel"]["response"]
    statuses = cancelled["response"]["data"]["statuses"][:1]

    assert placed["response"]["data"]["statuses"][0] == {"resting": {"oid": 53244215259}}
    assert read_outcome("order", json.dumps(one)) == Resting("53244215259")
    outcome = read_outcome("cancelByCloid", answer("cancel", *statuses))
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.NOT_THERE
    refused = [
        capture["response"]["response"]
        for capture in captures.values()
        if isinstance(capture["response"], dict) and capture["response"].get("status") == "err"
    ]
    assert len(refused) >= 5
    outcomes = [read_outcome("order", json.dumps({"status": "err", "response": text})) for text in refused]
    assert all(isinstance(outcome, Refused) for outcome in outcomes)
