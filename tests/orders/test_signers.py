"""An account's signer in the ledger: custody's own for a live account, none for a paper one, and no nonce used twice."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from outcry.agents import roster
from outcry.agents.model import Account
from outcry.custody.keyring import CreatedSigner, Keyring, activate_as_confirmed, create_signer, revoke_signer
from outcry.custody.kms import Kms
from outcry.orders.execute import Executor
from outcry.orders.signers import AccountSigners
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import BugError
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop

WAIT_S = 20


@pytest.fixture(scope="module")
def kms() -> Iterator[Kms]:
    """A KMS that checks what it decrypts; no other client of this module may talk to AWS."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield Kms(boto3.client("kms"))


@pytest.fixture(scope="module")
def key_arn(kms: Kms) -> str:
    return str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])


def new_signer(workshop: Workshop, kms: Kms, key_arn: str, slot: int = 1) -> CreatedSigner:
    """Made by custody, approved at the venue, active."""
    made = create_signer(workshop.database, kms, LIVE, slot, key_arn=key_arn, clock=workshop.clock)
    workshop.control("approve_agent", master=MASTER, agent=made.address, name=f"slot{slot}")
    activate_as_confirmed(
        workshop.database, workshop.venue, made.signer_id, master=MASTER, now=workshop.clock.now()
    )
    return made


def account(workshop: Workshop, account_id: str) -> Account:
    with workshop.database.transaction() as tx:
        found = roster.account(tx, account_id)
    assert found is not None
    return found


def executor_with(workshop: Workshop, signers: AccountSigners) -> Executor:
    return Executor(replace(workshop.desk, signers=signers, _markets={}, _accounts={}))


def in_a_minute(workshop: Workshop) -> Any:
    return workshop.clock.now() + timedelta(seconds=60)


def test_an_entry_is_signed_with_custody_s_key_under_nonces_from_its_row(
    workshop: Workshop, kms: Kms, key_arn: str
) -> None:
    made = new_signer(workshop, kms, key_arn)
    executor = executor_with(workshop, AccountSigners(Keyring(workshop.database, kms)))
    order_id = workshop.plan_entry()

    executor.advance(order_id, deadline=in_a_minute(workshop))

    actions = workshop.rows("select signer_id, signer_address, nonce from actions order by nonce")
    row = workshop.rows("select last_nonce from signers where signer_id = :id", id=made.signer_id)[0]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["protected_at"] is not None
    assert {(action["signer_id"], action["signer_address"]) for action in actions} == {
        (made.signer_id, made.address)
    }
    assert len({action["nonce"] for action in actions}) == len(actions) >= 4
    assert actions[-1]["nonce"] == row["last_nonce"]


def test_a_signer_that_was_revoked_signs_nothing_more(workshop: Workshop, kms: Kms, key_arn: str) -> None:
    made = new_signer(workshop, kms, key_arn)
    signers = AccountSigners(Keyring(workshop.database, kms))
    live = account(workshop, LIVE)
    opened = signers.active(live)
    with workshop.database.transaction() as tx:
        revoke_signer(tx, made.signer_id, now=workshop.clock.now())
    order_id = workshop.plan_entry()

    executor_with(workshop, signers).advance(order_id, deadline=in_a_minute(workshop))

    assert opened is not None
    assert opened.key.address == made.address
    assert workshop.order(order_id)["reason"] == "NO_SIGNER"
    with pytest.raises(BugError), workshop.database.transaction() as tx:
        signers.next_nonce(tx, opened, now=workshop.clock.now())


def test_the_next_signer_takes_over_and_a_forgotten_key_is_opened_again(
    workshop: Workshop, kms: Kms, key_arn: str
) -> None:
    first = new_signer(workshop, kms, key_arn, slot=1)
    signers = AccountSigners(Keyring(workshop.database, kms))
    live = account(workshop, LIVE)
    one = signers.active(live)
    kept = signers.active(live)
    signers.forget(live)
    opened_again = signers.active(live)
    second = new_signer(workshop, kms, key_arn, slot=2)
    other = signers.active(live)

    assert one is not None
    assert kept is not None
    assert opened_again is not None
    assert other is not None
    assert one.key is kept.key
    assert opened_again.key is not one.key
    assert (opened_again.signer_id, other.signer_id) == (first.signer_id, second.signer_id)


def test_a_paper_account_needs_no_key_and_asks_custody_for_none(workshop: Workshop, kms: Kms) -> None:
    signers = AccountSigners(Keyring(workshop.database, kms))
    paper = account(workshop, PAPER_ACCOUNT)
    order_id = workshop.plan_entry(deployment="runner-paper")

    loaded = signers.active(paper)
    executor_with(workshop, signers).advance(order_id, deadline=in_a_minute(workshop))

    assert loaded is not None
    assert loaded.signer_id is None
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position(account=PAPER_ACCOUNT)["size"] > Decimal(0)
    assert {row["signer_id"] for row in workshop.rows("select signer_id from actions")} == {None}


@pytest.mark.parametrize("account_id", [LIVE, PAPER_ACCOUNT])
def test_f48_two_workers_in_one_millisecond_never_get_one_nonce(
    workshop: Workshop, kms: Kms, key_arn: str, database_url: str, account_id: str
) -> None:
    new_signer(workshop, kms, key_arn)
    orders = [workshop.plan_entry(deployment="runner-paper") for _ in range(2)]
    owner = account(workshop, account_id)
    now = workshop.clock.now()
    start = threading.Barrier(2)

    def work(index: int) -> list[int]:
        connection = Database(Address.from_url(database_url), network="local")
        signers = AccountSigners(Keyring(connection, kms))
        loaded = signers.active(owner)
        assert loaded is not None
        start.wait(WAIT_S)
        taken = []
        try:
            for attempt in range(10):
                with connection.transaction() as tx:
                    nonce = signers.next_nonce(tx, loaded, now=now)
                    tx.execute(
                        """
                        insert into actions (order_id, attempt, kind, status, signer_address, nonce, payload, prepared_at)
                        values (:order, :attempt, 'noop', 'PREPARED', :address, :nonce, '{}', :now)
                        """,
                        order=orders[index],
                        attempt=attempt,
                        address=loaded.key.address,
                        nonce=nonce,
                        now=now,
                    )
                taken.append(nonce)
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(2) as pool:
        taken = [nonce for nonces in pool.map(work, range(2), timeout=60) for nonce in nonces]

    first = to_milliseconds(now)
    assert sorted(taken) == list(range(first, first + 20))
