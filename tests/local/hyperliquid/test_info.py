"""Queries have the recorded shapes, and lag only where a switch says so."""

from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils import signing

from local.hyperliquid.answers import BadRequest

CLOID = "0x" + "0a" * 16


def test_the_universe_keeps_the_index_of_delisted_markets(desk: Any) -> None:
    meta, contexts = desk.info("metaAndAssetCtxs")
    by_name = {row["name"]: (index, row) for index, row in enumerate(meta["universe"])}

    assert meta == desk.info("meta")
    assert by_name["MATIC"][1]["isDelisted"] is True
    assert by_name["PURR"][1]["marginMode"] == "strictIsolated"
    assert by_name["kPEPE"] == (15, by_name["kPEPE"][1])
    assert by_name["BTC"][1]["szDecimals"] == 5
    assert len(contexts) == len(meta["universe"])
    assert contexts[3]["midPx"] is None
    assert contexts[0]["markPx"] == "60000.0"
    assert "MATIC" not in desk.info("allMids")


def test_the_book_has_bids_below_asks_and_is_null_for_an_unknown_coin(desk: Any) -> None:
    bids, asks = desk.info("l2Book", coin="ETH")["levels"]

    assert len(bids) == len(asks) == 20
    assert float(bids[0]["px"]) < float(asks[0]["px"])
    assert desk.info("l2Book", coin="NOPE") is None


def test_an_agent_asked_as_user_has_an_empty_account(desk: Any) -> None:
    state = desk.engine.info({"type": "clearinghouseState", "user": desk.agent})

    assert state["marginSummary"]["accountValue"] == "0.0"
    assert state["assetPositions"] == []


def test_roles_and_agents(desk: Any) -> None:
    stranger = Account.create().address

    assert desk.engine.info({"type": "userRole", "user": desk.agent}) == {
        "role": "agent",
        "data": {"user": desk.master},
    }
    assert desk.engine.info({"type": "userRole", "user": stranger}) == {"role": "missing"}
    assert desk.info("userRole") == {"role": "user"}
    row = desk.info("extraAgents")[0]
    assert (row["name"], row["address"]) == ("desk", desk.agent)


def test_order_lookups_belong_to_their_user(desk: Any) -> None:
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc", cloid=CLOID)["resting"]["oid"]
    other = desk.engine.info({"type": "orderStatus", "user": desk.agent, "oid": oid})

    assert other == {"status": "unknownOid"}
    assert desk.status(oid) == "open"
    assert desk.status(CLOID) == "open"
    assert [row["status"] for row in desk.info("historicalOrders")] == ["open"]


def test_an_order_status_can_lag_behind_its_fill(make_desk: Any) -> None:
    desk = make_desk({"switches": {"order_status_lag_ms": 400, "fills_lag_ms": 300, "state_lag_ms": 500}})
    oid = desk.buy("BTC", "0.01", "61000")["filled"]["oid"]

    assert desk.status(oid) == "unknownOid"
    assert desk.info("userFills") == []
    assert desk.size("BTC") == "0.0"
    desk.wait(seconds=1)

    assert desk.status(oid) == "filled"
    assert len(desk.info("userFills")) == 1
    assert desk.size("BTC") == "0.01"


def test_fills_by_time_are_oldest_first_with_inclusive_bounds(desk: Any) -> None:
    desk.buy("BTC", "0.01", "61000")
    desk.wait(seconds=1)
    desk.buy("BTC", "0.02", "61000")
    first, second = (row["time"] for row in reversed(desk.info("userFills")))

    rows = desk.info("userFillsByTime", startTime=first, endTime=second)

    assert [row["sz"] for row in rows] == ["0.01", "0.02"]
    assert len(desk.info("userFillsByTime", startTime=first + 1)) == 1


def test_small_queries_answer(desk: Any) -> None:
    desk.wait(hours=1)

    assert desk.info("userFees")["userCrossRate"] == "0.00045"
    assert desk.info("userRateLimit")["nRequestsCap"] == 10_000
    assert desk.info("userAbstraction") == "default"
    assert desk.info("subAccounts") is None
    assert desk.info("spotMeta")["universe"] == []
    assert desk.info("perpDexs") == [None]
    assert desk.info("userNonFundingLedgerUpdates", startTime=0)[0]["delta"]["type"] == "deposit"
    history = desk.info("fundingHistory", coin="BTC", startTime=0)
    assert [row["fundingRate"] for row in history] == ["0.0000125"]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "clearinghouseState", "user": "0x12"},
        {"type": "orderStatus", "user": "0x" + "12" * 20, "oid": None},
        {"type": "userFillsByTime", "user": "0x" + "12" * 20},
        {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m"}},
        {"type": "unheard"},
        {"kind": "meta"},
        7,
    ],
)
def test_malformed_queries_are_422(desk: Any, body: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        desk.engine.info(body)

    assert caught.value.status == 422


def test_unified_accounts_refuse_class_transfers_and_say_so(desk: Any) -> None:
    desk.control("abstraction", user=desk.master, mode="unifiedAccount")
    nonce = desk.next_nonce()
    action = {"type": "usdClassTransfer", "amount": "1", "toPerp": False, "nonce": nonce}
    signature = signing.sign_usd_class_transfer_action(desk.master_wallet, action, False)

    answer = desk.engine.exchange({"action": action, "nonce": nonce, "signature": signature})

    assert desk.info("userAbstraction") == "unifiedAccount"
    assert answer == {"status": "err", "response": "Action disabled when unified account is active"}


def test_sub_accounts_need_volume_and_trade_by_vault_address(desk: Any) -> None:
    gate = desk.send({"type": "createSubAccount", "name": "one"})["response"]
    desk.engine.venue.accounts[desk.master].volume_usd += 100_000
    address = desk.send({"type": "createSubAccount", "name": "one"})["response"]["data"]
    moved = {"type": "subAccountTransfer", "subAccountUser": address, "isDeposit": True, "usd": 500_000_000}
    desk.send(moved)

    row = desk.wire("BTC", True, "0.01", "61000")
    answer = desk.send({"type": "order", "orders": [row], "grouping": "na"}, vault=address)

    assert gate == "Cannot create sub-accounts until enough volume traded. Required: $100000. Traded: $0.00."
    assert "filled" in answer["response"]["data"]["statuses"][0]
    assert desk.size("BTC") == "0.0"
    assert desk.info("subAccounts")[0]["clearinghouseState"]["assetPositions"][0]["position"]["szi"] == "0.01"
    assert desk.engine.info({"type": "userRole", "user": address})["role"] == "subAccount"


def test_foreign_trades_and_cancels_are_marked_as_by_hand(desk: Any) -> None:
    desk.control("trade_by_hand", user=desk.master, coin="BTC", is_buy=True, sz="0.01")
    oid = desk.buy("BTC", "0.01", "58000", tif="Gtc")["resting"]["oid"]

    assert desk.journal("fill")[0]["by"] == "hand"
    assert desk.control("cancel_by_hand", user=desk.master, oid=oid) == {"cancelled": True}
    assert desk.status(oid) == "canceled"
    assert desk.control("agent_revoke", agent=desk.agent) == {"revoked": True}
    assert desk.control("switch", ip_limit=False)["ip_limit"] is False
    with pytest.raises(BadRequest, match="ip_limits"):
        desk.control("switch", ip_limits=False)
