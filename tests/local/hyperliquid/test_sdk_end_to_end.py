"""The unmodified SDK trades here through `base_url`, and survives what the wire does to it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.types import Cloid


class Trader:
    """A master and an agent made by the SDK's own approval, over HTTP."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.master = Account.create()
        self.control("fund", user=self.master.address, usdc="10000")
        self.owner = Exchange(self.master, server.url, timeout=5)
        self.approval, key = self.owner.approve_agent("bot")
        wallet = Account.from_key(key)
        self.sdk = Exchange(wallet, server.url, account_address=self.master.address, timeout=5)
        self.info = self.sdk.info

    def control(self, name: str, /, **body: Any) -> Any:
        with requests.post(f"{self.server.url}/_sim/{name}", json=body, timeout=5) as response:
            assert response.status_code == 200, response.text
            return response.json()

    def state(self) -> Any:
        return self.info.user_state(self.master.address)

    def buy(self) -> Any:
        return self.sdk.order("BTC", True, 0.01, 61000, {"limit": {"tif": "Ioc"}})

    def close(self) -> None:
        for client in (self.owner, self.owner.info, self.sdk, self.sdk.info):
            client.session.close()


@pytest.fixture
def trader(server: Any) -> Iterator[Trader]:
    made = Trader(server)
    yield made
    made.close()


def _trigger(px: float, word: str) -> Any:
    return {"trigger": {"isMarket": True, "triggerPx": px, "tpsl": word}}


def test_open_protect_trigger_and_be_flat(trader: Trader) -> None:
    assert trader.approval == {"status": "ok", "response": {"type": "default"}}
    assert trader.sdk.update_leverage(5, "BTC", False)["status"] == "ok"
    opened = trader.sdk.market_open("BTC", True, 0.1, cloid=Cloid.from_int(5))
    exits = [
        {
            "coin": "BTC",
            "is_buy": False,
            "sz": 0.1,
            "limit_px": 53000,
            "reduce_only": True,
            "order_type": _trigger(58000, "sl"),
        },
        {
            "coin": "BTC",
            "is_buy": False,
            "sz": 0.1,
            "limit_px": 60000,
            "reduce_only": True,
            "order_type": _trigger(66000, "tp"),
        },
    ]
    resting = trader.sdk.bulk_orders(exits, grouping="positionTpsl")
    protected = trader.info.frontend_open_orders(trader.master.address)

    trader.control("mark", market="BTC", mark="57990")

    assert opened["response"]["data"]["statuses"][0]["filled"]["totalSz"] == "0.1"
    assert resting["response"]["data"]["statuses"] == ["waitingForTrigger", "waitingForTrigger"]
    assert {row["orderType"] for row in protected} == {"Stop Market", "Take Profit Market"}
    assert trader.state()["assetPositions"] == []
    assert trader.info.frontend_open_orders(trader.master.address) == []
    fills = trader.info.user_fills(trader.master.address)
    assert [fill["dir"] for fill in fills] == ["Close Long", "Open Long"]
    assert (
        trader.info.query_order_by_cloid(trader.master.address, Cloid.from_int(5))["order"]["status"]
        == "filled"
    )


def test_every_method_of_the_order_path_is_understood(trader: Trader) -> None:
    sdk = trader.sdk
    gtc: Any = {"limit": {"tif": "Gtc"}}
    cloid = Cloid.from_int(9)
    oid = sdk.order("ETH", True, 0.1, 2900, gtc)["response"]["data"]["statuses"][0]["resting"]["oid"]
    sdk.order("ETH", True, 0.1, 2900, gtc, cloid=cloid)

    changed = sdk.modify_order(oid, "ETH", True, 0.2, 2950, gtc)["response"]["data"]["statuses"][0]

    assert sdk.cancel("ETH", changed["resting"]["oid"])["response"]["data"]["statuses"] == ["success"]
    assert sdk.cancel_by_cloid("ETH", cloid)["response"]["data"]["statuses"] == ["success"]
    assert sdk.noop(int(time.time() * 1000) + 50)["status"] == "ok"
    assert sdk.schedule_cancel(None)["status"] == "err"
    sdk.update_leverage(3, "ETH", False)
    sdk.market_open("ETH", False, 0.5)
    assert sdk.update_isolated_margin(10, "ETH")["status"] == "ok"
    assert sdk.market_close("ETH")["response"]["data"]["statuses"][0]["filled"]["totalSz"] == "0.5"
    assert trader.owner.approve_builder_fee("0x" + "bb" * 20, "0.01%")["status"] == "ok"
    assert trader.owner.usd_class_transfer(100, False)["status"] == "ok"
    assert trader.info.spot_user_state(trader.master.address)["balances"][0]["total"] == "100.0"


def test_another_key_is_named_in_the_refusal(trader: Trader) -> None:
    stranger = Account.create()
    client = Exchange(stranger, trader.server.url, timeout=5)

    answer = client.order("BTC", True, 0.01, 61000, {"limit": {"tif": "Ioc"}})

    client.session.close()
    client.info.session.close()
    text = f"User or API Wallet {stranger.address.lower()} does not exist."
    assert answer == {"status": "err", "response": text}


def test_an_expired_order_is_refused(trader: Trader) -> None:
    trader.sdk.set_expires_after(int(trader.server.engine.advance()) - 1)

    assert trader.buy() == {"status": "err", "response": "Action already expired"}


def test_a_reply_dropped_after_the_commit_leaves_the_order_executed(trader: Trader) -> None:
    trader.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit")

    with pytest.raises(requests.exceptions.ConnectionError):
        trader.buy()

    assert trader.state()["assetPositions"][0]["position"]["szi"] == "0.01"
    assert "filled" in trader.buy()["response"]["data"]["statuses"][0]


def test_a_request_dropped_before_the_commit_changes_nothing(trader: Trader) -> None:
    trader.control("fault", on="exchange", do="drop_before_commit")

    with pytest.raises(requests.exceptions.ConnectionError):
        trader.buy()

    assert trader.state()["assetPositions"] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_late_answer_is_a_timeout_for_the_client_and_an_execution_for_the_venue(
    trader: Trader, when: str
) -> None:
    trader.control("fault", on="exchange", do="delay_ms", ms=400, when=when)
    trader.sdk.timeout = 0.1

    with pytest.raises(requests.exceptions.ReadTimeout):
        trader.buy()
    time.sleep(0.5)

    assert trader.state()["assetPositions"][0]["position"]["szi"] == "0.01"


def test_status_faults_raise_as_the_sdk_does(trader: Trader) -> None:
    trader.control("fault", on="exchange", do="status", status=502)
    trader.control("fault", on="exchange", do="status", status=429, body="null", commit=True)

    with pytest.raises(ServerError):
        trader.buy()
    with pytest.raises(ClientError):
        trader.buy()

    assert trader.state()["assetPositions"][0]["position"]["szi"] == "0.01"


@pytest.mark.parametrize("do", ["html", "truncate"])
def test_an_unreadable_200_is_no_answer(trader: Trader, do: str) -> None:
    trader.control("fault", on="exchange", do=do, times=2, skip=1)
    trader.buy()

    answers = [trader.buy(), trader.buy()]

    assert all("Could not parse JSON" in answer["error"] for answer in answers)
    assert "response" in trader.buy()


def test_a_request_delivered_twice_executes_once(trader: Trader) -> None:
    trader.control("fault", on="exchange", do="deliver_twice")

    assert "filled" in trader.buy()["response"]["data"]["statuses"][0]
    assert len(trader.info.user_fills(trader.master.address)) == 1


def test_faults_match_by_type_and_can_be_cleared(trader: Trader) -> None:
    trader.control("fault", on="info", match={"type": "meta"}, do="status")

    assert trader.state()["assetPositions"] == []
    trader.control("fault", clear=True)

    assert trader.info.meta()["universe"][0]["name"] == "BTC"


def _post(server: Any, path: str, **how: Any) -> tuple[int, str]:
    with requests.post(server.url + path, timeout=5, **how) as response:
        return response.status_code, response.text


def test_http_errors_are_the_venues(server: Any) -> None:
    plain = {"Content-Type": "text/plain"}
    typed = {"Content-Type": "application/json"}

    assert _post(server, "/info", data="{}", headers=plain)[0] == 415
    assert _post(server, "/info", data="{", headers=typed) == (
        400,
        "Failed to parse the request body as JSON",
    )
    assert _post(server, "/info", json={"type": "nothing"})[0] == 422
    assert _post(server, "/other", json={})[0] == 404
    assert _post(server, "/_sim/other", json={})[0] == 404
    assert _post(server, "/_sim/fund", json={"user": "0x1", "usdc": "1"})[1].startswith("user: ")
    assert _post(server, "/_sim/fault", json={"on": "exchange", "do": "explode"})[1].startswith("do: ")
    with requests.get(server.url + "/info", timeout=5) as response:
        assert response.status_code == 405


def test_the_ip_limit_is_a_429_with_null(server: Any) -> None:
    with requests.Session() as session:
        answers = [session.post(server.url + "/info", json={"type": "meta"}, timeout=5) for _ in range(61)]

    assert {answer.status_code for answer in answers[:60]} == {200}
    assert (answers[60].status_code, answers[60].text) == (429, "null")


def test_reset_forgets_accounts_and_faults(trader: Trader) -> None:
    trader.buy()
    trader.control("fault", on="exchange", do="html")
    trader.control("reset")

    assert trader.buy()["response"].endswith("does not exist.")
    assert trader.server.engine.journal.of("reset")
