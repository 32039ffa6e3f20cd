"""An order reaches the account of its deployment and no other, with that account's signer."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.agents.model import Account
from outcry.orders.execute import Executor
from outcry.orders.ports import LoadedSigner
from outcry.runtime.database import Transaction
from tests.orders.workshop import DESK, LIVE, MASTER, PAPER_ACCOUNT, KeySigner, TestSigners, Workshop

OTHER, OTHER_MASTER = "live-2", "0x" + "cd" * 20
TWO_ACCOUNTS = DESK.replace(
    "deployments:\n",
    f"""  - id: {OTHER}
    venue: hyperliquid
    network: local
    address: "{OTHER_MASTER}"
    limits: {{ per_trade_usd: 5000, per_account_usd: 20000, max_open_positions: 5 }}
deployments:
  - {{ id: runner-other, agent: runner, account: {OTHER} }}
""",
)


class SignersByAccount(TestSigners):
    """A key of its own for each live account, as the keyring gives them."""

    __test__ = False

    def __init__(self) -> None:
        self.keys = {LIVE: KeySigner(7), OTHER: KeySigner(8)}
        super().__init__(self.keys[LIVE])

    def active(self, account: Account) -> LoadedSigner | None:
        if account.account_id in self.keys:
            return LoadedSigner(None, self.keys[account.account_id])
        return super().active(account)


def account(tx: Transaction, account_id: str) -> Account:
    found = roster.account(tx, account_id)
    assert found is not None
    return found


@pytest.fixture
def two_accounts(workshop: Workshop) -> Workshop:
    """The workshop, with a second live account that has money, a signer and a deployment of its own."""
    signers = SignersByAccount()
    with workshop.database.transaction() as tx:
        roster.apply_desk(tx, parse_desk(TWO_ACCOUNTS, "desk.yaml"), workshop.clock.now())
    workshop.control("fund", user=OTHER_MASTER, usdc="10000")
    workshop.control("approve_agent", master=OTHER_MASTER, agent=signers.keys[OTHER].address, name="outcry")
    workshop.desk = replace(workshop.desk, signers=signers, load_account=account)
    workshop.executor = Executor(workshop.desk)
    return workshop


def held(workshop: Workshop) -> dict[str, Decimal]:
    """What the venue shows in BTC, by owner."""
    shown = {master: workshop.venue.account(master).holdings.get("BTC") for master in (MASTER, OTHER_MASTER)}
    return {master: holding.size for master, holding in shown.items() if holding}


@pytest.mark.parametrize(("deployment", "owner"), [("runner-live", MASTER), ("runner-other", OTHER_MASTER)])
def test_f26_an_order_reaches_the_account_of_its_deployment_and_no_other(
    two_accounts: Workshop, deployment: str, owner: str
) -> None:
    two_accounts.enter(deployment=deployment)

    assert list(held(two_accounts)) == [owner]


def test_f26_two_deployments_hold_the_same_market_each_on_its_own_account(two_accounts: Workshop) -> None:
    two_accounts.enter(deployment="runner-live")
    two_accounts.clock.advance(timedelta(seconds=1))
    two_accounts.enter(deployment="runner-other")

    sizes = {each: two_accounts.position(account=each)["size"] for each in (LIVE, OTHER)}

    assert held(two_accounts) == {MASTER: sizes[LIVE], OTHER_MASTER: sizes[OTHER]}


def test_f26_a_paper_deployment_of_the_same_agent_sends_nothing_to_the_live_account(
    two_accounts: Workshop,
) -> None:
    two_accounts.enter(deployment="runner-paper")

    assert held(two_accounts) == {}
    assert two_accounts.venue_fills() == []
    assert two_accounts.position(account=PAPER_ACCOUNT)["size"] > 0


def test_f21_a_deployment_that_was_refused_for_now_is_tried_again_though_another_has_entered(
    two_accounts: Workshop,
) -> None:
    later = '{"status":"err","response":"Only post-only orders allowed immediately after network upgrade"}'
    orders = [two_accounts.plan_entry(deployment=name) for name in ("runner-live", "runner-other")]
    two_accounts.control("fault", on="exchange", match={"type": "order"}, do="status", status=200, body=later)

    for order_id in orders:
        two_accounts.advance(order_id)
    at_first = list(held(two_accounts))
    two_accounts.drain()

    assert at_first == [OTHER_MASTER]
    assert [two_accounts.order(order_id)["status"] for order_id in orders] == ["FILLED", "FILLED"]
    assert set(held(two_accounts)) == {MASTER, OTHER_MASTER}
