"""The switches for answers that nobody has recorded, each in both positions."""

from typing import Any

import pytest

from tests.local.hyperliquid.wire import discord, info

CLOID, OTHER = "0x" + "c1" * 16, "0x" + "c2" * 16


@pytest.mark.parametrize(("word", "says"), [("duplicate", "duplicate nonce"), ("too_low", "nonce too low")])
def test_a_seen_nonce_below_the_floor(make_desk: Any, word: str, says: str) -> None:
    desk = make_desk({"switches": {"duplicate_below_floor": word, "ip_limit": False}})
    first = desk.next_nonce()
    for step in range(102):
        desk.send({"type": "noop"}, nonce=first + step)

    assert says in desk.send({"type": "noop"}, nonce=first)["response"]


@pytest.mark.parametrize("word", ["filled", "canceled"])
def test_the_status_word_of_a_partially_filled_ioc(make_desk: Any, word: str) -> None:
    desk = make_desk({"switches": {"partial_ioc_status": word}})
    desk.control("book", market="BTC", asks=[["60001", "0.01"]])

    desk.buy("BTC", "0.03", "61000", cloid=CLOID)

    assert desk.status(CLOID) == word
    assert desk.size("BTC") == "0.01"
    assert discord(desk) == []


@pytest.mark.parametrize("carry", [True, False])
def test_an_acknowledgement_carries_the_client_id_or_not(make_desk: Any, carry: bool) -> None:
    desk = make_desk({"switches": {"statuses_carry_cloid": carry}})

    assert ("cloid" in desk.buy("BTC", "0.01", "61000", cloid=CLOID)["filled"]) == carry


@pytest.mark.parametrize(
    ("switch", "says"), [(False, "Reduce only"), (True, "Order could not immediately match")]
)
def test_which_check_comes_first_for_a_reduce_only_order_on_an_empty_book(
    make_desk: Any, switch: bool, says: str
) -> None:
    desk = make_desk({"switches": {"no_match_before_reduce_only": switch}})
    desk.control("book", market="BTC", bids=[])

    assert desk.sell("BTC", "0.01", "59000", reduce=True)["error"].startswith(says)


@pytest.mark.parametrize(
    ("switch", "says"), [(False, "Order must have minimum"), (True, "Insufficient margin")]
)
def test_which_check_comes_first_for_a_small_order_without_margin(
    make_desk: Any, switch: bool, says: str
) -> None:
    desk = make_desk({"switches": {"margin_before_min_notional": switch}})
    desk.control("transfer", user=desk.master, usdc="-9999.9")

    assert desk.buy("BTC", "0.0001", "61000")["error"].startswith(says)


@pytest.mark.parametrize(("switch", "left"), [(False, ["57000.0", "58000.0"]), (True, ["57000.0"])])
def test_a_newer_stop_ends_the_older_or_rests_beside_it(
    make_desk: Any, switch: bool, left: list[str]
) -> None:
    desk = make_desk({"switches": {"older_stop_cancelled": switch}})
    desk.buy("BTC", "0.01", "61000")
    desk.sell("BTC", "0.01", "50000", stop="58000", reduce=True, cloid=CLOID)
    desk.sell("BTC", "0.01", "70000", target="65000", reduce=True)

    desk.sell("BTC", "0.01", "50000", stop="57000", reduce=True, cloid=OTHER)

    assert [
        row["triggerPx"] for row in info(desk, "frontendOpenOrders") if row["orderType"].startswith("Stop")
    ] == left


@pytest.mark.parametrize(("word", "left"), [("kept", 1), ("cancelled", 0)])
def test_an_agent_that_the_venue_prunes_takes_its_orders_along_or_not(
    make_desk: Any, word: str, left: int
) -> None:
    desk = make_desk({"switches": {"pruned_agent_orders": word, "agent_expiry_lag_ms": 0}})
    desk.buy("BTC", "0.01", "50000", tif="Gtc")
    desk.control("fault", on="venue", do="agent_expired")
    desk.wait(seconds=1)

    assert desk.send({"type": "noop"})["status"] == "err"
    assert len(info(desk, "frontendOpenOrders")) == left


def test_the_best_price_is_that_of_the_whole_book_whatever_was_asked_first(make_desk: Any) -> None:
    first, second = make_desk(), make_desk()
    for market in first.engine.venue.markets:
        twin = second.engine.venue.by_name[market.name]
        for is_bid in (True, False):
            rows = twin.levels(is_bid)

            assert market.best(is_bid) == (rows[0][0] if rows else None), market.name
