"""Orders against the synthetic book: fills, refusals, triggers, and what follows the position."""

from typing import Any

import pytest

CLOID = "0x" + "0a" * 16
BTC_BOOK = {"bids": [["59990", "0.1"], ["59900", "0.1"]], "asks": [["60010", "0.1"], ["60100", "0.1"]]}


@pytest.fixture
def booked(desk: Any) -> Any:
    """A desk that sees two levels of 0.1 BTC on each side."""
    desk.control("book", market="BTC", **BTC_BOOK)
    return desk


def test_an_ioc_takes_what_is_within_its_limit_and_drops_the_rest(booked: Any) -> None:
    status = booked.buy("BTC", "0.3", "60010", cloid=CLOID)

    assert status == {
        "filled": {"totalSz": "0.1", "avgPx": "60010.0", "oid": status["filled"]["oid"], "cloid": CLOID}
    }
    assert booked.size("BTC") == "0.1"
    assert booked.info("openOrders") == []
    assert booked.status(CLOID.upper().replace("X", "x")) == "filled"


def test_an_ioc_over_two_levels_makes_two_fills_and_the_mean_price(booked: Any) -> None:
    status = booked.buy("BTC", "0.2", "61000")

    assert status["filled"]["avgPx"] == "60055.0"
    assert [row["px"] for row in booked.info("userFills")] == ["60100.0", "60010.0"]
    aggregated = booked.info("userFills", aggregateByTime=True)
    assert [(row["px"], row["sz"]) for row in aggregated] == [("60055.0", "0.2")]


def test_an_ioc_that_reaches_nothing_has_the_venues_text(booked: Any) -> None:
    status = booked.buy("BTC", "0.1", "60000")

    assert status == {"error": "Order could not immediately match against any resting orders. asset=0"}
    assert booked.journal("fill") == []


def test_taken_liquidity_comes_back_only_after_a_while(booked: Any) -> None:
    booked.buy("BTC", "0.2", "61000")
    again = booked.buy("BTC", "0.1", "61000")
    booked.wait(seconds=1)

    assert "error" in again
    assert "filled" in booked.buy("BTC", "0.1", "61000")


@pytest.mark.parametrize(
    ("size", "price", "text"),
    [
        ("0.01", "60000.12", "Price must be divisible by tick size. asset=0"),
        ("0.01", "60000.5", "Price must be divisible by tick size. asset=0"),
        ("0.000001", "60000", "Order has invalid size."),
        ("0", "60000", "Order has zero size."),
        ("0.01", "0", "Order has invalid price."),
        ("0.0001", "60100", "Order must have minimum value of $10. asset=0"),
        ("0.01", "110000", "Order price cannot be more than 80% away from the reference price asset=0"),
        ("10", "61000", "Insufficient margin to place order. asset=0"),
    ],
)
def test_a_refused_order_says_why(desk: Any, size: str, price: str, text: str) -> None:
    assert desk.buy("BTC", size, price) == {"error": text}
    assert desk.journal("fill") == []


def test_a_fault_in_one_order_refuses_the_batch_with_one_error(desk: Any) -> None:
    good, bad = desk.wire("BTC", True, "0.01", "61000"), desk.wire("BTC", True, "0", "61000")

    assert desk.place(good, bad, good) == [{"error": "Order has zero size."}]
    assert desk.journal("fill") == []


def test_a_batch_refusal_can_be_an_error_of_the_whole_action(make_desk: Any) -> None:
    desk = make_desk({"switches": {"prevalidation_shape": "err"}})

    assert desk.place(desk.wire("BTC", True, "0", "61000")) == {
        "status": "err",
        "response": "Order has zero size.",
    }


def test_delisted_and_unknown_assets_are_refused(desk: Any) -> None:
    row = desk.wire("BTC", True, "1", "61000") | {"a": 999}

    assert desk.asset("MATIC") == 3
    assert "delisted" in desk.buy("MATIC", "100", "0.4")["error"]
    assert "error" in desk.place(row)[0]


def test_reduce_only_without_a_position_or_on_the_wrong_side_is_refused(desk: Any) -> None:
    text = "Reduce only order would increase position. asset=0"
    assert desk.sell("BTC", "0.01", "59000", reduce=True) == {"error": text}

    desk.buy("BTC", "0.01", "61000")

    assert desk.buy("BTC", "0.01", "61000", reduce=True) == {"error": text}


def test_reduce_only_larger_than_the_position_is_shrunk_and_never_flips(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")

    status = desk.sell("BTC", "0.5", "59000", reduce=True)

    assert status["filled"]["totalSz"] == "0.01"
    assert desk.size("BTC") == "0.0"


def test_the_minimum_of_10_dollars_spares_only_what_closes_everything(desk: Any) -> None:
    desk.buy("BTC", "0.001", "61000")
    partial = desk.sell("BTC", "0.0001", "59000", reduce=True)
    desk.sell("BTC", "0.0009", "59000", reduce=True)

    whole = desk.sell("BTC", "0.0001", "59000", reduce=True)

    assert partial == {"error": "Order must have minimum value of $10. asset=0"}
    assert whole["filled"]["totalSz"] == "0.0001"


def test_no_match_is_told_before_the_minimum(booked: Any) -> None:
    assert "immediately match" in booked.buy("BTC", "0.0001", "50000")["error"]


def test_a_gtc_rests_and_fills_as_maker_when_the_book_reaches_it(desk: Any) -> None:
    oid = desk.buy("BTC", "0.01", "59000", tif="Gtc")["resting"]["oid"]
    assert [row["oid"] for row in desk.info("openOrders")] == [oid]

    desk.mark("BTC", "58900")

    fill = desk.info("userFills")[0]
    assert (fill["px"], fill["crossed"], fill["fee"]) == ("59000.0", False, "0.0885")
    assert desk.status(oid) == "filled"


@pytest.mark.parametrize(("answer", "word"), [("resting", "resting"), ("filled", "filled")])
def test_a_gtc_that_fills_in_part_rests_with_the_remainder(make_desk: Any, answer: str, word: str) -> None:
    desk = make_desk({"switches": {"partial_gtc_status": answer}})
    desk.control("book", market="BTC", **BTC_BOOK)

    status = desk.buy("BTC", "0.15", "60010", tif="Gtc")

    assert word in status
    assert [(row["sz"], row["origSz"]) for row in desk.info("openOrders")] == [("0.05", "0.15")]


def test_post_only_never_takes(booked: Any) -> None:
    refused = booked.buy("BTC", "0.01", "60010", tif="Alo")

    text = "Post only order would have immediately matched, bbo was 59990.0@60010.0. asset=0"
    assert refused == {"error": text}
    assert "resting" in booked.buy("BTC", "0.01", "60000", tif="Alo")


def test_a_post_only_phase_refuses_everything_else(make_desk: Any) -> None:
    desk = make_desk({"switches": {"post_only_phase": True}})

    assert desk.buy("BTC", "0.01", "61000")["error"].startswith("Only post-only orders allowed immediately")


@pytest.mark.parametrize(
    ("is_buy", "stop", "target", "stop_mark", "target_mark"),
    [(True, "59000", "62000", "58999", "62001"), (False, "61000", "58000", "61001", "57999")],
)
@pytest.mark.parametrize("which", ["stop", "target"])
def test_a_trigger_of_the_position_closes_it_and_takes_its_sibling_along(
    desk: Any, is_buy: bool, stop: str, target: str, stop_mark: str, target_mark: str, which: str
) -> None:
    desk.place(desk.wire("BTC", is_buy, "0.01", "61000" if is_buy else "59000"))
    bound = "50000" if is_buy else "70000"
    rows = [
        desk.wire("BTC", not is_buy, "0.01", bound, reduce=True, stop=stop),
        desk.wire("BTC", not is_buy, "0.01", bound, reduce=True, target=target),
    ]
    assert desk.place(*rows, grouping="positionTpsl") == ["waitingForTrigger", "waitingForTrigger"]
    oids = {row["orderType"]: row["oid"] for row in desk.info("frontendOpenOrders")}

    desk.mark("BTC", stop_mark if which == "stop" else target_mark)

    done, gone = ("Stop Market", "Take Profit Market")[:: 1 if which == "stop" else -1]
    assert desk.size("BTC") == "0.0"
    assert desk.status(oids[done]) == "filled"
    assert desk.status(oids[gone]) == "siblingFilledCanceled"
    assert desk.journal("fill")[-1]["by"] == "trigger"
    assert desk.info("frontendOpenOrders") == []


def test_a_trigger_that_is_already_crossed_is_refused(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")

    status = desk.sell("BTC", "0.01", "55000", reduce=True, stop="60500")

    assert status == {"error": "Invalid TP/SL price. asset=0"}


def test_a_triggered_order_without_liquidity_leaves_the_position(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    oid = desk.sell("BTC", "0.01", "50000", reduce=True, stop="59000")["resting"]["oid"]
    desk.control("book", market="BTC", bids=[])

    desk.mark("BTC", "58000")

    assert desk.status(oid) == "marketOrderNoLiquidityRejected"
    assert desk.size("BTC") == "0.01"


def test_a_triggered_market_order_never_fills_beyond_its_price(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    oid = desk.sell("BTC", "0.01", "58900", reduce=True, stop="59000")["resting"]["oid"]

    desk.mark("BTC", "58000")

    assert desk.status(oid) == "marketOrderNoLiquidityRejected"


def test_a_triggered_limit_order_rests_at_its_price(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    oid = desk.sell("BTC", "0.01", "58900", reduce=True, stop="59000", market=False)["resting"]["oid"]

    desk.mark("BTC", "58000")
    assert desk.status(oid) == "open"
    desk.mark("BTC", "58950")

    assert desk.status(oid) == "filled"


def test_reduce_only_triggers_shrink_with_the_position_and_end_with_it(desk: Any) -> None:
    desk.buy("BTC", "0.02", "61000")
    oid = desk.sell("BTC", "0.02", "50000", reduce=True, stop="59000")["resting"]["oid"]

    desk.control("trade_by_hand", user=desk.master, coin="BTC", is_buy=False, sz="0.005")
    shrunk = desk.info("frontendOpenOrders")[0]["sz"]
    desk.sell("BTC", "0.015", "59000", reduce=True)

    assert shrunk == "0.015"
    assert desk.journal("resized")[0]["oid"] == oid
    assert desk.status(oid) == "reduceOnlyCanceled"
    assert desk.journal("gone")[-1]["status"] == "reduceOnlyCanceled"


@pytest.mark.parametrize(("grows", "size"), [(False, "0.01"), (True, "0.02")])
def test_a_position_tpsl_grows_only_where_the_switch_says_so(make_desk: Any, grows: bool, size: str) -> None:
    desk = make_desk({"switches": {"position_tpsl_grows": grows}})
    desk.buy("BTC", "0.01", "61000")
    desk.place(desk.wire("BTC", False, "0.01", "50000", reduce=True, stop="59000"), grouping="positionTpsl")

    desk.buy("BTC", "0.01", "61000")

    assert desk.info("frontendOpenOrders")[0]["sz"] == size


@pytest.mark.parametrize(
    ("choice", "outcome"), [("refuse", {"error": "Order has zero size."}), ("whole", "waitingForTrigger")]
)
def test_a_position_tpsl_of_size_zero_is_a_switch(make_desk: Any, choice: str, outcome: Any) -> None:
    desk = make_desk({"switches": {"position_tpsl_zero_size": choice}})
    desk.buy("BTC", "0.01", "61000")
    row = desk.wire("BTC", False, "0", "50000", reduce=True, stop="59000")

    assert desk.place(row, grouping="positionTpsl") == [outcome]


def test_tpsl_groupings_demand_reduce_only_triggers(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    entry = desk.wire("BTC", True, "0.01", "61000")
    loose = desk.wire("BTC", False, "0.01", "50000", stop="59000")

    assert "error" in desk.place(loose, grouping="positionTpsl")[0]
    assert "error" in desk.place(entry, loose, grouping="normalTpsl")[0]
    assert len(desk.place(entry, grouping="positionTpsl")) == 1
    assert len(desk.journal("fill")) == 1


def _bracket(desk: Any, size: str, price: str, tif: str) -> Any:
    rows = [
        desk.wire("BTC", True, size, price, tif=tif),
        desk.wire("BTC", False, size, "70000", reduce=True, target="66000"),
        desk.wire("BTC", False, size, "50000", reduce=True, stop="55000"),
    ]
    return desk.place(*rows, grouping="normalTpsl")


def test_children_of_a_filled_entry_are_live_and_each_others_end(booked: Any) -> None:
    statuses = _bracket(booked, "0.1", "60010", "Ioc")
    assert statuses[1:] == ["waitingForTrigger", "waitingForTrigger"]
    stop, target = (row["oid"] for row in booked.info("frontendOpenOrders"))

    booked.control("book", market="BTC")
    booked.mark("BTC", "54000")

    assert booked.status(stop) == "filled"
    assert booked.status(target) == "siblingFilledCanceled"


def test_a_partly_filled_ioc_entry_leaves_the_position_naked(booked: Any) -> None:
    statuses = _bracket(booked, "0.3", "60010", "Ioc")

    assert statuses[0]["filled"]["totalSz"] == "0.1"
    assert booked.info("frontendOpenOrders") == []
    assert booked.journal("resting") == []


def test_children_of_a_resting_entry_wait_and_go_with_it(desk: Any) -> None:
    statuses = _bracket(desk, "0.1", "58000", "Gtc")
    shown = desk.info("frontendOpenOrders")

    desk.send({"type": "cancel", "cancels": [{"a": 0, "o": statuses[0]["resting"]["oid"]}]})

    assert statuses[1:] == ["waitingForFill", "waitingForFill"]
    assert [len(row["children"]) for row in shown] == [2]
    assert {desk.status(child["oid"]) for child in shown[0]["children"]} == {"canceled"}


def test_a_resting_entry_that_fills_sets_its_children_live(desk: Any) -> None:
    _bracket(desk, "0.1", "58000", "Gtc")

    desk.mark("BTC", "57900")

    assert desk.size("BTC") == "0.1"
    assert {row["orderType"] for row in desk.info("frontendOpenOrders")} == {
        "Stop Market",
        "Take Profit Market",
    }
    assert len(desk.journal("resting")) == 3


def test_a_refused_entry_refuses_its_children(desk: Any) -> None:
    statuses = _bracket(desk, "50", "60010", "Gtc")

    assert {status["error"] for status in statuses} == {"Insufficient margin to place order. asset=0"}
    assert desk.info("frontendOpenOrders") == []


def test_cancel_works_once_by_id_and_by_cloid_and_never_for_a_stranger(desk: Any) -> None:
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc")["resting"]["oid"]
    desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)
    missing = {"error": "Order was never placed, already canceled, or filled. asset=0"}
    cancels = [{"a": 0, "o": oid}, {"a": 0, "o": oid}, {"a": 0, "o": 7}]

    answer = desk.send({"type": "cancel", "cancels": cancels})
    by_cloid = desk.send({"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}] * 2})

    assert answer["response"]["data"]["statuses"] == ["success", missing, missing]
    assert by_cloid["response"]["data"]["statuses"] == ["success", missing]
    assert desk.info("openOrders") == []


def test_a_modified_order_gets_a_new_id_and_stays_a_tpsl_of_the_position(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    desk.place(desk.wire("BTC", False, "0.01", "50000", reduce=True, stop="59000"), grouping="positionTpsl")
    old = desk.info("frontendOpenOrders")[0]["oid"]
    row = desk.wire("BTC", False, "0.01", "50000", reduce=True, stop="59500")

    answer = desk.send(
        {"type": "batchModify", "modifies": [{"oid": old, "order": row}, {"oid": 1, "order": row}]}
    )

    now = desk.info("frontendOpenOrders")[0]
    assert answer["response"]["data"]["statuses"] == [
        {"resting": {"oid": now["oid"]}},
        {"error": "Cannot modify canceled or filled order"},
    ]
    assert (now["triggerPx"], now["isPositionTpsl"]) == ("59500.0", True)
    assert desk.status(old) == "canceled"


def test_a_single_modify_answers_for_the_whole_action(desk: Any) -> None:
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)["resting"]["oid"]
    row = desk.wire("BTC", True, "0.02", "58500", tif="Gtc")

    assert desk.send({"type": "modify", "oid": CLOID, "order": row}) == {
        "status": "ok",
        "response": {"type": "default"},
    }
    assert desk.send({"type": "modify", "oid": oid, "order": row}) == {
        "status": "err",
        "response": "Cannot modify canceled or filled order",
    }


@pytest.mark.parametrize("keeps", [True, False])
def test_what_a_failed_modify_leaves_is_a_switch(make_desk: Any, keeps: bool) -> None:
    desk = make_desk({"switches": {"failed_modify_keeps_old": keeps}})
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc")["resting"]["oid"]
    row = desk.wire("BTC", True, "10", "58000", tif="Gtc")

    answer = desk.send({"type": "modify", "oid": oid, "order": row})

    assert answer["status"] == "err"
    assert desk.status(oid) == ("open" if keeps else "canceled")


@pytest.mark.parametrize(("choice", "second"), [("accept", "resting"), ("refuse", "error")])
def test_a_duplicate_cloid_on_an_open_order_is_a_switch(make_desk: Any, choice: str, second: str) -> None:
    desk = make_desk({"switches": {"duplicate_open_cloid": choice}})
    desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)

    assert second in desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)


def test_a_cloid_can_execute_again_after_its_order_ended(desk: Any) -> None:
    first = desk.buy("BTC", "0.01", "61000", cloid=CLOID)
    second = desk.buy("BTC", "0.01", "61000", cloid=CLOID)

    assert first["filled"]["oid"] != second["filled"]["oid"]
    assert desk.info("orderStatus", oid=CLOID)["order"]["order"]["oid"] == second["filled"]["oid"]
    assert desk.size("BTC") == "0.02"


def test_older_reduce_only_limits_give_way(desk: Any) -> None:
    desk.buy("BTC", "0.02", "61000")
    old = desk.sell("BTC", "0.02", "65000", tif="Gtc", reduce=True)["resting"]["oid"]

    desk.sell("BTC", "0.01", "66000", tif="Gtc", reduce=True)

    assert desk.status(old) == "reduceOnlyCanceled"


def test_a_thin_book_fills_little(desk: Any) -> None:
    status = desk.buy("APE", "20000", "0.903")

    assert float(status["filled"]["totalSz"]) < 2000


def test_a_builder_fee_needs_approval(desk: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "61000")
    builder = {"b": "0x" + "bb" * 20, "f": 10}
    action = {"type": "order", "orders": [row], "grouping": "na", "builder": builder}

    assert desk.send(action)["status"] == "err"
    desk.engine.venue.accounts[desk.master].builders[builder["b"]] = "0.01%"

    assert desk.send(action)["status"] == "ok"
    fill = desk.info("userFills")[0]
    assert fill["builderFee"] == "0.060001"
    assert desk.engine.info({"type": "maxBuilderFee", "user": desk.master, "builder": builder["b"]}) == 10
