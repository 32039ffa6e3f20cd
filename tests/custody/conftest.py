"""KMS that checks what it decrypts (moto), an account, and the tools of custody."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from outcry.custody.envelope import SealContext
from outcry.custody.kms import Kms
from outcry.runtime.database import Database

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REGION = "us-east-1"


@pytest.fixture(scope="module")
def kms_client() -> Iterator[Any]:
    """One KMS for a test module. Nothing else in the module may talk to AWS: moto answers every client."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        yield boto3.client("kms")


@pytest.fixture(scope="module")
def key_arn(kms_client: Any) -> str:
    return str(kms_client.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def other_arn(kms_client: Any) -> str:
    return str(kms_client.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def kms(kms_client: Any) -> Kms:
    return Kms(kms_client)


@pytest.fixture
def calls(kms_client: Any) -> Iterator[list[str]]:
    """The names of the operations that KMS was asked for."""
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(str(model.name))

    kms_client.meta.events.register("before-call.kms", note)
    yield made
    kms_client.meta.events.unregister("before-call.kms", note)


@pytest.fixture
def context() -> SealContext:
    return SealContext(account="alice", signer="alice-signer-1", venue="hyperliquid", version=1)


@pytest.fixture
def add_account(database: Database) -> Callable[..., str]:
    def add(account_id: str = "alice", *, venue: str = "hyperliquid", network: str = "local") -> str:
        address = "0x" + account_id.encode().hex().rjust(40, "0")[-40:]
        with database.transaction() as tx:
            tx.execute(
                """
                insert into accounts (account_id, venue, network, address, paper_balance_usd, created_at,
                                      updated_at)
                values (:account_id, :venue, :network, :address, cast(:balance as numeric), :now, :now)
                """,
                account_id=account_id,
                venue=venue,
                network=network,
                address=address,
                balance="1000" if venue == "paper" else None,
                now=NOW,
            )
        return account_id

    return add
