"""Each thing that goes wrong at the venue itself happens at its moment, ends when it should, and books nothing wrongly."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from local.hyperliquid.answers import BadRequest
from tests.local.hyperliquid.wire import discord, exchange, info, order

CLOID = "0x" + "c1" * 16


@pytest.fixture(autouse=True)
def _books_stay_consistent(desk: Any) -> Iterator[None]:
    yield
    assert discord(desk) == []


def happen(desk: Any, do: str, /, **how: Any) -> Any:
    return desk.control("fault", on="venue", do=do, **how)


def hold(desk: Any, size: str = "0.01") -> None:
    """A long of BTC with a stop that rests."""
    desk.buy("BTC", size, "61000")
    desk.sell("BTC", size, "50000", stop="58000", reduce=True, cloid=CLOID)


def stops(desk: Any) -> list[str]:
    return [row["triggerPx"] for row in info(desk, "frontendOpenOrders")]


def test_an_event_happens_at_its_moment_and_is_counted_then(desk: Any) -> None:
    hold(desk)
    at_ms = desk.engine.venue.now_ms + 5_000
    happen(desk, "liquidation", after_ms=5_000, kind="taken")
    assert desk.control("faults") == {}

    desk.wait(seconds=60)

    assert desk.control("faults") == {"taken": 1}
    assert [row["time_ms"] for row in desk.journal("event")] == [at_ms]


def test_an_event_without_anything_to_happen_to_does_nothing(desk: Any) -> None:
    happen(desk, "liquidation")
    happen(desk, "hand", act="cancel_stops")

    assert desk.control("faults") == {}


def test_the_post_only_window_refuses_what_takes_and_closes_by_itself(desk: Any) -> None:
    happen(desk, "post_only", ms=60_000)

    text = desk.buy("BTC", "0.01", "61000")["error"]
    desk.wait(seconds=60)

    assert text.startswith("Only post-only orders allowed immediately after network upgrade")
    assert "filled" in desk.buy("BTC", "0.01", "61000")


def test_an_order_is_indexed_later_than_it_is_acknowledged(desk: Any) -> None:
    happen(desk, "index_lag", ms=60_000, lag_ms=1_200)
    oid = desk.buy("BTC", "0.01", "61000")["filled"]["oid"]

    assert info(desk, "orderStatus", oid=oid) == {"status": "unknownOid"}
    desk.wait(seconds=1.2)

    assert desk.status(oid) == "filled"


def test_fills_are_listed_late_and_one_after_the_other(desk: Any) -> None:
    desk.control("book", market="BTC", asks=[["60001", "0.01"], ["60002", "0.01"], ["60003", "0.01"]])
    happen(desk, "fills_late", ms=60_000, lag_ms=2_000, step_ms=1_000)
    desk.buy("BTC", "0.03", "61000")

    listed = []
    for _ in range(5):
        listed.append(len(info(desk, "userFillsByTime", startTime=0)))
        desk.wait(seconds=1)

    assert listed == [0, 0, 1, 2, 3]


def test_states_and_open_orders_are_shown_late(desk: Any) -> None:
    desk.wait(seconds=5)
    happen(desk, "state_late", ms=60_000, lag_ms=1_000)
    hold(desk)

    assert (desk.size("BTC"), stops(desk)) == ("0.0", [])
    desk.wait(seconds=1.1)

    assert (desk.size("BTC"), stops(desk)) == ("0.01", ["58000.0"])


def test_a_thin_book_fills_a_part_and_is_deep_again_afterwards(desk: Any) -> None:
    happen(desk, "thin_book", coin="BTC", usd="60", ms=60_000)

    thin = desk.buy("BTC", "0.1", "60100")["filled"]
    desk.wait(seconds=60)
    deep = desk.buy("BTC", "0.1", "60100")["filled"]

    assert Decimal(thin["totalSz"]) < Decimal("0.1")
    assert deep["totalSz"] == "0.1"


@pytest.mark.parametrize(("side", "buys", "sells"), [("asks", False, True), ("bids", True, False)])
def test_an_empty_side_matches_nothing_while_it_lasts(desk: Any, side: str, buys: bool, sells: bool) -> None:
    happen(desk, "no_liquidity", side=side, ms=60_000)

    assert ("filled" in desk.buy("BTC", "0.01", "61000")) == buys
    assert ("filled" in desk.sell("BTC", "0.01", "59000")) == sells
    desk.wait(seconds=60)

    assert "filled" in desk.buy("BTC", "0.01", "61000")
    assert "filled" in desk.sell("BTC", "0.01", "59000")


def test_a_stop_is_triggered_finds_nothing_and_leaves_the_position(desk: Any) -> None:
    hold(desk)
    happen(desk, "stop_unfilled", ms=60_000)

    desk.mark("BTC", "57900")

    assert desk.status(CLOID) == "marketOrderNoLiquidityRejected"
    assert (desk.size("BTC"), stops(desk)) == ("0.01", [])


def test_a_revoked_agent_is_a_stranger_at_once(desk: Any) -> None:
    happen(desk, "agent_revoked")

    assert desk.send({"type": "noop"})["response"] == f"User or API Wallet {desk.agent} does not exist."
    assert info(desk, "extraAgents") == []


def test_an_expired_agent_leaves_the_list_at_once_and_acts_until_the_venue_notices(desk: Any) -> None:
    happen(desk, "agent_expired")
    desk.wait(seconds=1)

    assert info(desk, "extraAgents") == []
    assert desk.send({"type": "noop"})["status"] == "ok"
    desk.wait(minutes=16)

    assert desk.send({"type": "noop"})["status"] == "err"


@pytest.mark.parametrize(("orders", "left"), [("kept", ["58000.0"]), ("cancelled", [])])
def test_a_pruned_agent_takes_its_resting_orders_along_or_not(
    desk: Any, orders: str, left: list[str]
) -> None:
    hold(desk)

    happen(desk, "agent_pruned", orders=orders)

    assert desk.send({"type": "noop"})["status"] == "err"
    assert stops(desk) == left
    assert desk.size("BTC") == "0.01"


def test_a_pruned_agent_leaves_what_a_hand_has_placed(desk: Any) -> None:
    hold(desk)
    desk.control("hand", user=desk.master, coin="BTC", act="order", usd="600", is_buy=True, limit_px="50000")

    happen(desk, "agent_pruned", orders="cancelled")

    assert [row["limitPx"] for row in info(desk, "frontendOpenOrders")] == ["50000.0"]


@pytest.mark.parametrize("skew_ms", [2_000, -2_000])
def test_the_venues_clock_differs_from_ours_for_a_while(desk: Any, skew_ms: int) -> None:
    ours_ms = info(desk, "clearinghouseState")["time"]
    happen(desk, "clock_skew", skew_ms=skew_ms, ms=60_000)
    desk.wait(seconds=10)

    theirs_ms = info(desk, "clearinghouseState")["time"]
    desk.wait(seconds=100)

    assert theirs_ms == ours_ms + 10_000 + skew_ms
    assert info(desk, "clearinghouseState")["time"] == ours_ms + 110_000


def test_a_clock_that_is_set_back_stands_still_instead_of_falling(desk: Any) -> None:
    before_ms = info(desk, "clearinghouseState")["time"]
    happen(desk, "clock_skew", skew_ms=-2_000, ms=60_000)

    assert info(desk, "clearinghouseState")["time"] == before_ms


@pytest.mark.parametrize(("skew_ms", "status"), [(2_000, "err"), (-2_000, "ok")])
def test_an_expiry_is_judged_by_the_venues_clock(desk: Any, skew_ms: int, status: str) -> None:
    body = order(desk, desk.wire("BTC", True, "0.01", "61000"), expires_after=desk.next_nonce() + 1_000)
    happen(desk, "clock_skew", skew_ms=skew_ms, ms=60_000)

    assert exchange(desk, body)["status"] == status


def test_an_exhausted_budget_takes_an_order_in_ten_seconds_and_cancels_still(desk: Any) -> None:
    desk.buy("BTC", "0.01", "50000", tif="Gtc", cloid=CLOID)
    happen(desk, "budget_exhausted", ms=60_000)

    refused = desk.place(desk.wire("BTC", True, "0.01", "61000"))["response"]
    cancelled = desk.send({"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": CLOID}]})
    desk.wait(seconds=10)
    one = desk.buy("BTC", "0.01", "61000")
    desk.wait(seconds=50)

    assert refused.startswith("Too many cumulative requests sent (")
    assert cancelled["response"]["data"]["statuses"] == ["success"]
    assert "filled" in one
    assert "filled" in desk.buy("BTC", "0.01", "61000")


@pytest.mark.parametrize("cross", [True, False])
def test_a_liquidation_sells_the_position_marks_its_fill_and_ends_its_stop(desk: Any, cross: bool) -> None:
    desk.leverage("BTC", 5, cross=cross)
    hold(desk)

    happen(desk, "liquidation")

    assert desk.size("BTC") == "0.0"
    assert desk.status(CLOID) == "liquidatedCanceled"
    assert info(desk, "userFills")[0]["liquidation"]["liquidatedUser"] == desk.master


@pytest.mark.parametrize(("act", "size"), [("buy", "0.02"), ("sell", "0.0")])
def test_a_hand_trades_the_same_market(desk: Any, act: str, size: str) -> None:
    hold(desk)

    happen(desk, "hand", coin="BTC", act=act, usd="600")

    assert desk.size("BTC") == size
    assert [row["by"] for row in desk.journal("fill")] == ["signed", "hand"]
    assert "cloid" not in info(desk, "userFills")[0]


def test_a_hand_takes_away_our_stop(desk: Any) -> None:
    hold(desk)

    happen(desk, "hand", act="cancel_stops")

    assert desk.status(CLOID) == "canceled"
    assert desk.size("BTC") == "0.01"


def test_a_hand_closes_the_position_whoever_built_it(desk: Any) -> None:
    hold(desk)

    happen(desk, "hand", act="close")

    assert (desk.size("BTC"), desk.status(CLOID)) == ("0.0", "reduceOnlyCanceled")


def test_an_order_by_hand_rests_and_is_filled_as_by_hand(desk: Any) -> None:
    desk.control("hand", user=desk.master, coin="BTC", act="order", sz="0.01", is_buy=True, away_bps="100")

    [row] = info(desk, "frontendOpenOrders")
    desk.mark("BTC", "59000")

    assert (row["limitPx"], row["cloid"]) == ("59400.0", None)
    assert desk.journal("fill")[0]["by"] == "hand"


def test_of_two_windows_over_one_switch_the_later_holds_until_it_ends(desk: Any) -> None:
    happen(desk, "index_lag", ms=30_000, lag_ms=1_000)
    happen(desk, "index_lag", ms=10_000, lag_ms=500)

    seen = [desk.engine.config.switches.order_status_lag_ms]
    for _ in range(2):
        desk.wait(seconds=15)
        seen.append(desk.engine.config.switches.order_status_lag_ms)

    assert seen == [500, 1_000, 0]


def test_a_reset_closes_what_is_open_and_forgets_what_is_planned(desk: Any) -> None:
    happen(desk, "post_only", ms=600_000)
    happen(desk, "no_liquidity", after_ms=5_000, ms=600_000)

    desk.control("reset")
    desk.control("fund", user=desk.master, usdc="1000")
    desk.control("approve_agent", master=desk.master, agent=desk.agent, name="desk")
    desk.wait(seconds=10)

    assert "filled" in desk.buy("BTC", "0.01", "61000")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"do": "earthquake"}, "do: "),
        ({"do": "hand", "act": "dance"}, "act: "),
        ({"do": "post_only", "ms": -1}, "ms: "),
    ],
)
def test_a_wrong_event_is_refused_with_the_field(desk: Any, body: Any, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        happen(desk, body.pop("do"), **body)
