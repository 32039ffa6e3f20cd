"""Who may act, with which nonce, until when, and how often."""

from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils import signing

from local.hyperliquid.answers import BadRequest
from local.hyperliquid.canonical import canonical_action

DAY_MS = 86_400_000


def approve(desk: Any, address: str, name: str | None, wallet: Any = None) -> Any:
    nonce = desk.next_nonce()
    action = {"type": "approveAgent", "agentAddress": address, "agentName": name or "", "nonce": nonce}
    signature = signing.sign_agent(wallet or desk.master_wallet, action, False)
    if name is None:
        del action["agentName"]
    return desk.engine.exchange({"action": action, "nonce": nonce, "signature": signature})


def fresh() -> str:
    return str(Account.create().address)


def test_the_same_bytes_execute_at_most_once(desk: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "61000")
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"})

    first, second = desk.engine.exchange(body), desk.engine.exchange(body)

    assert first["status"] == "ok"
    assert second == {"status": "err", "response": f"Invalid nonce: duplicate nonce {body['nonce']}"}
    assert len(desk.journal("fill")) == 1


def test_a_refused_action_uses_up_its_nonce(desk: Any) -> None:
    body = desk.envelope({"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 99})

    assert desk.engine.exchange(body)["response"] == "Invalid leverage value"
    assert desk.engine.exchange(body)["response"] == f"Invalid nonce: duplicate nonce {body['nonce']}"


def test_a_stranger_does_not_use_up_a_nonce(desk: Any) -> None:
    wallet = Account.create()
    body = desk.envelope({"type": "noop"}, wallet=wallet)

    assert (
        desk.engine.exchange(body)["response"]
        == f"User or API Wallet {wallet.address.lower()} does not exist."
    )
    desk.control("approve_agent", master=desk.master, agent=wallet.address, name="later")

    assert desk.engine.exchange(body)["status"] == "ok"


def test_nonces_outside_the_window_are_named_with_its_bound(desk: Any) -> None:
    now = desk.next_nonce()

    low = desk.send({"type": "noop"}, nonce=now - 2 * DAY_MS)["response"]
    high = desk.send({"type": "noop"}, nonce=now + DAY_MS)["response"]

    assert low.startswith(f"Invalid nonce: nonce too low {now - 2 * DAY_MS} < ")
    assert high.startswith(f"Invalid nonce: nonce too high {now + DAY_MS} > ")


def test_a_nonce_below_the_hundred_highest_is_too_low_and_a_seen_one_there_a_duplicate(desk: Any) -> None:
    first = desk.next_nonce()
    for step in range(0, 202, 2):
        desk.send({"type": "noop"}, nonce=first + step)

    unseen = desk.send({"type": "noop"}, nonce=first + 1)["response"]
    seen = desk.send({"type": "noop"}, nonce=first)["response"]

    assert unseen == f"Invalid nonce: nonce too low {first + 1} < {first + 2}"
    assert seen == f"Invalid nonce: duplicate nonce {first}"


@pytest.mark.parametrize(
    ("burns", "second"), [(True, "Invalid nonce: duplicate nonce"), (False, "Action already")]
)
def test_an_expired_action_never_executes_and_burns_its_nonce_by_default(
    make_desk: Any, burns: bool, second: str
) -> None:
    desk = make_desk({"switches": {"expired_burns_nonce": burns}})
    row = desk.wire("BTC", True, "0.01", "61000")
    expires = desk.next_nonce() + 1_000
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"}, expires_after=expires)
    desk.wait(seconds=2)

    assert desk.engine.exchange(body) == {"status": "err", "response": "Action already expired"}
    assert desk.engine.exchange(body)["response"].startswith(second)
    assert desk.journal("fill") == []
    assert desk.info("userRateLimit")["nRequestsUsed"] == (5 if burns else 10)


def test_an_unexpired_action_executes(desk: Any) -> None:
    assert desk.send({"type": "noop"}, expires_after=desk.next_nonce() + 10_000)["status"] == "ok"


def test_a_master_approves_three_named_agents_and_one_unnamed(desk: Any) -> None:
    assert approve(desk, fresh(), "two")["status"] == "ok"
    assert approve(desk, fresh(), "three")["status"] == "ok"
    assert approve(desk, fresh(), None)["status"] == "ok"

    fourth = approve(desk, fresh(), "four")

    assert fourth["response"] == "Too many extra agents for cumulative volume traded. Current limit is 3"
    assert {row["name"] for row in desk.info("extraAgents")} == {"desk", "two", "three"}


@pytest.mark.parametrize(
    ("switch", "text"),
    [("does_not_exist", "User or API Wallet {} does not exist."),
     ("must_deposit", "Must deposit before performing actions. User: {}")],
)  # fmt: skip
def test_the_same_name_replaces_an_agent_at_once(make_desk: Any, switch: str, text: str) -> None:
    desk = make_desk({"switches": {"replaced_agent_text": switch}})

    approve(desk, fresh(), "desk")

    assert desk.send({"type": "noop"})["response"] == text.format(desk.agent)
    assert [row["status"] for row in desk.journal("agent")] == ["approved", "replaced", "approved"]


def test_an_agent_address_serves_once_in_its_life(desk: Any) -> None:
    approve(desk, fresh(), "desk")

    assert approve(desk, desk.agent, "desk")["response"] == "Extra agent already used."


def test_removal_blocks_approvals_for_five_seconds(desk: Any) -> None:
    assert approve(desk, "0x" + "0" * 40, "desk")["status"] == "ok"
    assert desk.send({"type": "noop"})["status"] == "err"
    assert approve(desk, fresh(), "next")["response"] == "User has pending agent removal"

    desk.wait(seconds=6)

    assert approve(desk, fresh(), "next")["status"] == "ok"


def test_an_agents_life_is_at_most_180_days_and_never_in_the_past(desk: Any) -> None:
    now = desk.next_nonce()

    for until in (now - 1, now + 181 * DAY_MS):
        answer = approve(desk, fresh(), f"late valid_until {until}")
        assert answer["response"] == "Agent valid_until already expired."
    assert approve(desk, fresh(), f"good valid_until {now + 179 * DAY_MS}")["status"] == "ok"
    assert approve(desk, fresh(), "a-name-of-17-char")["status"] == "err"


def test_an_expired_agent_is_dropped_late_and_for_good(make_desk: Any) -> None:
    desk = make_desk()
    desk.engine.venue.agents.expire(desk.agent, desk.next_nonce() + 1_000)

    desk.wait(minutes=10)
    assert desk.send({"type": "noop"})["status"] == "ok"
    desk.wait(minutes=10)

    assert desk.send({"type": "noop"})["response"].endswith("does not exist.")


def test_a_master_without_funds_loses_its_agents(desk: Any) -> None:
    desk.control("transfer", user=desk.master, usdc="-10000")

    assert desk.send({"type": "noop"})["response"].endswith("does not exist.")
    assert desk.journal("agent")[-1]["status"] == "pruned"


def test_an_agent_cannot_move_money(desk: Any) -> None:
    for kind, sign in (("usdSend", signing.sign_usd_transfer_action),
                       ("withdraw3", signing.sign_withdraw_from_bridge_action)):  # fmt: skip
        nonce = desk.next_nonce()
        action = {"type": kind, "destination": fresh(), "amount": "5", "time": nonce}
        signature = sign(desk.agent_wallet, action, False)
        answer = desk.engine.exchange({"action": action, "nonce": nonce, "signature": signature})
        assert answer["response"] == f"Must deposit before performing actions. User: {desk.agent}"
    assert approve(desk, fresh(), "mine", desk.agent_wallet)["response"].startswith("Must deposit")
    assert desk.info("clearinghouseState")["withdrawable"] == "10000.0"


def test_a_master_can_send_and_withdraw(desk: Any) -> None:
    receiver = fresh()
    for kind, sign in (("usdSend", signing.sign_usd_transfer_action),
                       ("withdraw3", signing.sign_withdraw_from_bridge_action)):  # fmt: skip
        nonce = desk.next_nonce()
        action = {"type": kind, "destination": receiver, "amount": "5", "time": nonce}
        signature = sign(desk.master_wallet, action, False)
        assert (
            desk.engine.exchange({"action": action, "nonce": nonce, "signature": signature})["status"] == "ok"
        )

    assert desk.info("clearinghouseState")["withdrawable"] == "9990.0"
    assert desk.engine.info({"type": "userRole", "user": receiver}) == {"role": "user"}


def test_a_vault_that_is_not_ours_is_not_registered(desk: Any) -> None:
    assert (
        desk.send({"type": "noop"}, vault=desk.master)["response"] == f"Vault not registered: {desk.master}"
    )


def test_the_ip_limit_answers_429_and_refills_with_time(desk: Any) -> None:
    for _ in range(60):
        desk.info("meta")

    with pytest.raises(BadRequest) as caught:
        desk.info("meta")
    desk.wait(seconds=2)

    assert (caught.value.status, caught.value.body) == (429, "null")
    assert desk.info("meta")["universe"][0]["name"] == "BTC"


def test_an_address_over_its_budget_gets_one_action_in_ten_seconds(make_desk: Any) -> None:
    desk = make_desk({"switches": {"address_base_requests": 2}})
    answers = [desk.send({"type": "noop"}) for _ in range(4)]

    assert [answer["status"] for answer in answers] == ["ok", "ok", "ok", "err"]
    assert answers[3]["response"] == (
        "Too many cumulative requests sent (4 > 2) for cumulative volume traded $0.00. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    desk.wait(seconds=11)
    assert desk.send({"type": "noop"})["status"] == "ok"


def test_more_than_200_orders_are_over_the_weight_limit(desk: Any) -> None:
    cancels = [{"a": 0, "o": number} for number in range(201)]

    assert (
        desk.send({"type": "cancel", "cancels": cancels})["response"]
        == "Signed action over weight limit of 200."
    )


@pytest.mark.parametrize(
    "body", [None, [], {}, {"action": {"type": "order"}, "signature": {}}, {"action": {"type": "fly"}}]
)
def test_a_request_of_the_wrong_shape_is_422(desk: Any, body: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        desk.engine.exchange(body)

    assert caught.value.status == 422
    assert caught.value.body == "Failed to deserialize the JSON body into the target type"


def test_a_canonical_action_drops_what_is_absent() -> None:
    assert canonical_action({"type": "scheduleCancel", "time": None}) == {"type": "scheduleCancel"}


def test_a_stranger_may_be_named_with_a_prefix(make_desk: Any) -> None:
    desk = make_desk({"switches": {"l1_error_prefix": True}})

    answer = desk.send({"type": "noop"}, wallet=Account.create())

    assert answer["response"].startswith("L1 error: User or API Wallet 0x")


def test_the_nonce_inside_a_user_signed_action_must_be_the_requests(desk: Any) -> None:
    nonce = desk.next_nonce()
    action = {"type": "approveAgent", "agentAddress": fresh(), "agentName": "x", "nonce": nonce}
    signature = signing.sign_agent(desk.master_wallet, action, False)

    answer = desk.engine.exchange({"action": action, "nonce": nonce + 1, "signature": signature})

    assert answer["status"] == "err"
    assert len(desk.info("extraAgents")) == 1


def test_a_vault_without_registration_takes_no_deposit(desk: Any) -> None:
    vault = "0x" + "0" * 39 + "1"
    action = {"type": "vaultTransfer", "vaultAddress": vault, "isDeposit": True, "usd": 1_000_000}

    assert desk.send(action)["response"] == f"Vault not registered: {vault}"
