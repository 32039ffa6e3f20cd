"""Each fault of the wire does what it says, and the venue's books stay consistent through it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.hyperliquid.answers import BadRequest
from tests.local.hyperliquid.wire import LOST, discord, exchange, heard, info, order, post

CLOID = "0x" + "c1" * 16


@pytest.fixture(autouse=True)
def _books_stay_consistent(desk: Any) -> Iterator[None]:
    yield
    assert discord(desk) == []


def buy(desk: Any, size: str = "0.01", **how: Any) -> Any:
    return order(desk, desk.wire("BTC", True, size, "61000", cloid=CLOID), **how)


def fills(desk: Any) -> int:
    return len(desk.journal("fill"))


def test_a_request_lost_on_its_way_changes_nothing_and_may_be_sent_again(desk: Any) -> None:
    desk.control("fault", on="exchange", do="drop_before_commit")
    body = buy(desk)

    assert exchange(desk, body) is LOST
    assert fills(desk) == 0
    assert exchange(desk, body)["status"] == "ok"


def test_a_lost_reply_leaves_the_order_executed_and_its_nonce_used(desk: Any) -> None:
    desk.control("fault", on="exchange", do="drop_after_commit")
    body = buy(desk)

    assert exchange(desk, body) is LOST
    assert fills(desk) == 1
    assert exchange(desk, body)["response"] == f"Invalid nonce: duplicate nonce {body['nonce']}"


def test_a_late_commit_ends_the_connection_at_once_and_executes_when_its_time_has_come(desk: Any) -> None:
    desk.control("fault", on="exchange", do="commit_later", ms=8_000)

    before = time.monotonic()
    assert exchange(desk, buy(desk)) is LOST
    assert time.monotonic() - before < 1
    desk.wait(seconds=7.9)
    assert fills(desk) == 0
    desk.wait(seconds=0.1)

    assert fills(desk) == 1
    assert desk.status(CLOID) == "filled"


def test_a_late_commit_is_judged_by_its_expiry_when_it_is_carried_out(desk: Any) -> None:
    desk.control("fault", on="exchange", do="commit_later", ms=8_000)
    body = buy(desk, expires_after=desk.next_nonce() + 5_000)

    assert exchange(desk, body) is LOST
    desk.wait(seconds=9)

    assert fills(desk) == 0
    assert desk.journal("refused")[-1]["text"] == "Action already expired"
    assert exchange(desk, body)["response"].startswith("Invalid nonce: duplicate nonce")


def test_a_late_commit_meets_the_same_bytes_sent_again_in_the_meantime(desk: Any) -> None:
    desk.control("fault", on="exchange", do="commit_later", ms=8_000)
    body = buy(desk)
    exchange(desk, body)

    assert exchange(desk, body)["status"] == "ok"
    desk.wait(seconds=9)

    assert fills(desk) == 1
    assert desk.journal("refused")[-1]["text"].startswith("Invalid nonce: duplicate nonce")


def test_a_late_commit_happens_at_its_own_moment_however_late_it_is_seen(desk: Any) -> None:
    desk.control("fault", on="exchange", do="commit_later", ms=3_000)
    sent_ms = desk.engine.venue.now_ms
    exchange(desk, buy(desk))

    desk.wait(minutes=10)

    assert desk.journal("fill")[0]["time_ms"] == sent_ms + 3_000


@pytest.mark.parametrize(("commits", "executed"), [(False, 0), (True, 1)])
def test_a_429_has_the_body_null_and_follows_the_execution_if_the_switch_says_so(
    desk: Any, commits: bool, executed: int
) -> None:
    desk.control("switch", limited_commits=commits)
    desk.control("fault", on="exchange", do="status", status=429)

    assert exchange(desk, buy(desk)) == (429, "null")
    assert fills(desk) == executed


@pytest.mark.parametrize(("commit", "executed"), [(None, 0), (False, 0), (True, 1)])
def test_a_502_comes_with_a_page_before_or_after_the_commit(desk: Any, commit: bool, executed: int) -> None:
    desk.control("fault", on="exchange", do="status", status=502, commit=commit)

    status, text = exchange(desk, buy(desk))

    assert (status, text[:6]) == (502, "<html>")
    assert fills(desk) == executed


def test_a_page_comes_in_place_of_an_answer(desk: Any) -> None:
    desk.control("fault", on="exchange", do="html", commit=True)

    reply = post(desk, "/exchange", buy(desk))

    assert reply is not None
    assert (reply.status, reply.content_type, reply.body[:6]) == (200, "text/html", b"<html>")
    assert fills(desk) == 1


def test_a_cut_answer_is_half_of_the_true_one(desk: Any) -> None:
    desk.control("fault", on="exchange", do="truncate")

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        exchange(desk, buy(desk))

    assert fills(desk) == 1


@pytest.mark.parametrize("reply", ["first", "second", "none"])
def test_what_is_delivered_twice_executes_once(desk: Any, reply: str) -> None:
    desk.control("fault", on="exchange", do="deliver_twice", reply=reply)

    got = exchange(desk, buy(desk))

    assert fills(desk) == 1
    if reply == "none":
        assert got is LOST
    else:
        assert got["status"] == {"first": "ok", "second": "err"}[reply]


def test_the_second_delivery_may_come_later(desk: Any) -> None:
    desk.control("fault", on="exchange", do="deliver_twice", ms=3_000)

    assert exchange(desk, buy(desk))["status"] == "ok"
    assert desk.journal("refused") == []
    desk.wait(seconds=3)

    assert desk.journal("refused")[-1]["text"].startswith("Invalid nonce: duplicate nonce")
    assert fills(desk) == 1


def test_a_stale_state_is_an_older_one_and_says_so(desk: Any) -> None:
    exchange(desk, buy(desk))
    desk.wait(seconds=10)
    exchange(desk, order(desk, desk.wire("BTC", True, "0.02", "61000")))
    desk.wait(seconds=5)
    desk.control("fault", on="info", match={"type": "clearinghouseState"}, do="stale", ms=8_000, times=2)

    older, again, now = (info(desk, "clearinghouseState") for _ in range(3))

    sizes = [state["assetPositions"][0]["position"]["szi"] for state in (older, again, now)]
    assert sizes == ["0.01", "0.01", "0.03"]
    assert now["time"] - older["time"] == 8_000


def test_stale_open_orders_still_list_what_was_cancelled(desk: Any) -> None:
    desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)
    desk.wait(seconds=1)
    desk.control("hand", user=desk.master, coin="BTC", act="cancel_all")
    desk.wait(seconds=1)
    desk.control("fault", on="info", match={"type": "frontendOpenOrders"}, do="stale", ms=1_500)

    older, now = info(desk, "frontendOpenOrders"), info(desk, "frontendOpenOrders")

    assert [row["cloid"] for row in older] == [CLOID]
    assert now == []


@pytest.mark.parametrize("kind", ["clearinghouseState", "frontendOpenOrders"])
def test_an_incomplete_snapshot_lacks_one_row_of_one_answer(desk: Any, kind: str) -> None:
    for coin, price in (("BTC", "61000"), ("ETH", "3100")):
        desk.buy(coin, "0.01", price)
        desk.buy(coin, "0.01", "2500" if coin == "ETH" else "50000", tif="Gtc")
    desk.control("fault", on="info", match={"type": kind}, do="omit", pick=1)

    less, whole = (
        [
            row.get("coin") or row["position"]["coin"]
            for row in (answer if isinstance(answer, list) else answer["assetPositions"])
        ]
        for answer in (info(desk, kind), info(desk, kind))
    )

    assert len(whole) == 2
    assert less == [whole[0]]


def test_an_unknown_status_word_replaces_the_true_one(desk: Any) -> None:
    desk.control("fault", on="exchange", do="unknown_status")
    desk.control("fault", on="info", match={"type": "orderStatus"}, do="unknown_status")

    [status] = exchange(desk, buy(desk))["response"]["data"]["statuses"]
    looked_up = info(desk, "orderStatus", oid=CLOID)

    assert list(status) == ["parkedByMatcher"]
    assert looked_up["order"]["status"] == "parkedByMatcher"
    assert desk.status(CLOID) == "filled"


@pytest.mark.parametrize("commit", [False, True])
def test_an_unknown_refusal_says_nothing_of_whether_it_was_carried_out(desk: Any, commit: bool) -> None:
    desk.control("fault", on="exchange", do="unknown_text", commit=commit)

    assert exchange(desk, buy(desk))["response"].startswith("The matching engine declined")
    assert fills(desk) == int(commit)


def test_unknown_fields_are_in_every_object_but_in_no_list_of_prices(desk: Any) -> None:
    exchange(desk, buy(desk))
    desk.control("fault", on="info", do="unknown_field", times=2)

    state, mids = info(desk, "clearinghouseState"), info(desk, "allMids")

    assert "matcherNote" in state
    assert "matcherNote" in state["assetPositions"][0]["position"]
    assert "matcherNote" not in mids


def test_faults_are_counted_under_their_kind_when_they_strike(desk: Any) -> None:
    desk.control("fault", on="exchange", do="status", status=502, kind="bad_gateway", times=2)
    exchange(desk, buy(desk))

    assert desk.control("faults") == {"bad_gateway": 1}


def test_a_snapshot_cannot_be_stale_on_the_way_of_an_order(desk: Any) -> None:
    with pytest.raises(BadRequest, match="stale is a fault of info alone"):
        desk.control("fault", on="exchange", do="stale")


def test_a_fault_at_the_socket_ends_the_connection(server: Any) -> None:
    import requests

    server.engine.control("fault", {"on": "info", "do": "drop_before_commit"})

    with pytest.raises(requests.ConnectionError):
        requests.post(f"{server.url}/info", json={"type": "meta"}, timeout=5)

    assert heard(post(server_desk(server), "/info", {"type": "perpDexs"})) == [None]


def server_desk(server: Any) -> Any:
    class _Holder:
        engine = server.engine

    return _Holder()
