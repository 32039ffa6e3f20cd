"""Leverage, margin, funding, liquidation: the money of an account."""

from decimal import Decimal
from typing import Any

import pytest

ISOLATED_SHORT = (
    "Isolated position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, add margin to the position."
)


def cash(desk: Any) -> Decimal:
    return Decimal(desk.control("dump")["accounts"][desk.master]["usdc"])


def test_isolated_margin_is_set_aside_and_comes_back(desk: Any) -> None:
    desk.leverage("BTC", 5)
    desk.buy("BTC", "0.1", "61000")

    state = desk.info("clearinghouseState")
    position = state["assetPositions"][0]["position"]
    assert position["leverage"]["type"] == "isolated"
    assert position["leverage"]["value"] == 5
    assert Decimal(position["liquidationPx"]) < Decimal(50_000)
    desk.sell("BTC", "0.1", "59000", reduce=True)

    assert desk.info("clearinghouseState")["assetPositions"] == []
    fills = desk.journal("fill")
    assert cash(desk) == 10_000 + sum(Decimal(row["closed_pnl"]) - Decimal(row["fee"]) for row in fills)


@pytest.mark.parametrize(
    ("coin", "value", "cross", "text"),
    [
        ("BTC", 41, True, "Invalid leverage value"),
        ("BTC", 0, False, "Invalid leverage value"),
        ("PURR", 2, True, "Cross margin is not allowed for this asset."),
        ("BTC", 5, True, "Cannot switch leverage type with open position."),
        ("BTC", 2, False, ISOLATED_SHORT),
    ],
)  # fmt: skip
def test_leverage_rules_have_the_venues_texts(
    desk: Any, coin: str, value: int, cross: bool, text: str
) -> None:
    desk.leverage("BTC", 5)
    desk.buy("BTC", "0.01", "61000")

    assert desk.leverage(coin, value, cross=cross) == {"status": "err", "response": text}


def test_leverage_may_rise_under_a_position_and_fall_where_margin_allows(desk: Any) -> None:
    desk.leverage("BTC", 5)
    desk.buy("BTC", "0.01", "61000")
    margin = {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 300_000_000}

    assert desk.leverage("BTC", 10)["status"] == "ok"
    assert desk.send(margin)["status"] == "ok"
    assert desk.leverage("BTC", 2)["status"] == "ok"
    assert desk.journal("leverage")[-1]["value"] == 2


def test_cross_leverage_falls_only_with_collateral(desk: Any) -> None:
    desk.leverage("BTC", 40, cross=True)
    desk.buy("BTC", "2", "61000")

    assert desk.leverage("BTC", 1, cross=True)["response"].startswith(
        "Cross position does not have sufficient"
    )
    assert desk.info("clearinghouseState")["assetPositions"][0]["position"]["leverage"]["value"] == 40


def test_isolated_margin_needs_an_isolated_position_and_stays_enough(desk: Any) -> None:
    margin = {"type": "updateIsolatedMargin", "asset": 0, "isBuy": True, "ntli": 1_000_000}
    assert desk.send(margin)["response"] == "Position does not use isolated margin."
    desk.leverage("BTC", 5)
    desk.buy("BTC", "0.01", "61000")

    assert desk.send(margin | {"ntli": -1_000_000})["status"] == "err"
    assert desk.send(margin | {"ntli": 99_000_000_000})["status"] == "err"
    assert desk.send(margin)["status"] == "ok"
    assert desk.send(margin | {"ntli": -900_000})["status"] == "ok"


def test_funding_is_paid_each_hour_from_long_to_short(desk: Any) -> None:
    desk.control("funding_rate", market="BTC", rate="0.0001")
    desk.buy("BTC", "0.1", "61000")
    before = cash(desk)

    desk.wait(hours=3)

    rows = desk.info("userFunding", startTime=0)
    assert [row["delta"]["usdc"] for row in rows] == ["-0.6", "-0.6", "-0.6"]
    assert all(row["time"] % 3_600_000 == 20 for row in rows)
    assert cash(desk) == before - Decimal("1.8")
    assert [row["usdc"] for row in desk.journal("funding")] == ["-0.6"] * 3
    funding = desk.info("clearinghouseState")["assetPositions"][0]["position"]["cumFunding"]
    assert funding["sinceOpen"] == "1.8"


def test_an_isolated_position_pays_funding_from_its_own_margin(desk: Any) -> None:
    desk.control("funding_rate", market="BTC", rate="0.0001")
    desk.leverage("BTC", 5)
    desk.sell("BTC", "0.1", "59000")
    before = cash(desk)

    desk.wait(hours=1)

    assert cash(desk) == before
    assert desk.journal("funding")[0]["usdc"] == "0.6"


@pytest.mark.parametrize("is_buy", [True, False])
def test_an_isolated_position_is_liquidated_alone(desk: Any, is_buy: bool) -> None:
    desk.leverage("BTC", 20)
    desk.buy("ETH", "0.1", "3100")
    desk.place(desk.wire("BTC", is_buy, "0.1", "61000" if is_buy else "59000"))
    bound, trigger = ("40000", "54000") if is_buy else ("80000", "66000")
    oid = desk.place(desk.wire("BTC", not is_buy, "0.1", bound, reduce=True, stop=trigger))[0]["resting"][
        "oid"
    ]
    before = cash(desk)

    desk.mark("BTC", "57500" if is_buy else "62500")

    fill = desk.info("userFills")[0]
    assert fill["liquidation"] == {
        "liquidatedUser": desk.master,
        "markPx": "57500.0" if is_buy else "62500.0",
        "method": "market",
    }
    assert fill["dir"] == ("Close Long" if is_buy else "Close Short")
    assert desk.status(oid) == "liquidatedCanceled"
    assert desk.size("ETH") == "0.1"
    assert desk.journal("fill")[-1]["by"] == "liquidation"
    assert before <= cash(desk) < before + 100


def test_a_cross_account_is_liquidated_as_a_whole_and_never_owes(desk: Any) -> None:
    desk.leverage("BTC", 40, cross=True)
    desk.buy("BTC", "3", "61000")
    desk.buy("ETH", "1", "3100")

    desk.mark("BTC", "50000")

    assert desk.info("clearinghouseState")["assetPositions"] == []
    assert cash(desk) == 0
    assert desk.journal("cash")[-1]["why"] == "absorbed"


def test_a_stop_in_front_of_the_liquidation_price_saves_the_position(desk: Any) -> None:
    desk.leverage("BTC", 20)
    desk.buy("BTC", "0.1", "61000")
    desk.place(desk.wire("BTC", False, "0.1", "50000", reduce=True, stop="59000"))

    desk.mark("BTC", "58900")

    assert desk.journal("fill")[-1]["by"] == "trigger"
    assert desk.journal("liquidated") == []


@pytest.mark.parametrize(("first", "by"), [(False, "trigger"), (True, "liquidation")])
def test_which_comes_first_on_a_gap_is_a_switch(make_desk: Any, first: bool, by: str) -> None:
    desk = make_desk({"switches": {"liquidation_before_triggers": first}})
    desk.leverage("BTC", 20)
    desk.buy("BTC", "0.1", "61000")
    desk.place(desk.wire("BTC", False, "0.1", "50000", reduce=True, stop="59000"))

    desk.mark("BTC", "57400")

    assert desk.journal("fill")[-1]["by"] == by


def test_a_flip_realises_the_old_side_and_opens_the_new(desk: Any) -> None:
    desk.buy("BTC", "0.1", "61000")

    desk.sell("BTC", "0.3", "59000")

    fill = desk.info("userFills")[0]
    assert (fill["dir"], fill["startPosition"], desk.size("BTC")) == ("Long > Short", "0.1", "-0.2")
    assert desk.info("clearinghouseState")["assetPositions"][0]["position"]["entryPx"] == "59999.0"


def test_the_tier_limits_leverage_of_large_positions(make_desk: Any) -> None:
    desk = make_desk({"markets": {"BTC": {"level_usd": "90000000"}}})
    desk.control("fund", user=desk.master, usdc="90000000")
    desk.leverage("BTC", 40, cross=True)

    assert desk.buy("BTC", "2600", "61000")["error"].startswith(
        "Order would cause position to exceed margin tier"
    )
    assert "filled" in desk.buy("BTC", "1000", "61000")


def test_available_to_trade_frees_the_other_side_twice(desk: Any) -> None:
    flat = desk.info("activeAssetData", coin="BTC")
    desk.buy("BTC", "0.1", "61000")
    held = desk.info("activeAssetData", coin="BTC")

    assert flat["availableToTrade"] == ["10000.0", "10000.0"]
    assert flat["maxTradeSzs"] == ["3.33333", "3.33333"]
    bought, sold = (Decimal(value) for value in held["availableToTrade"])
    assert sold - bought == 2 * Decimal(6000) / 20


def test_resting_orders_hold_margin_back(desk: Any) -> None:
    desk.buy("BTC", "3", "58000", tif="Gtc")

    assert "Insufficient margin" in desk.buy("BTC", "1", "61000")["error"]
