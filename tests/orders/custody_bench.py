"""A workshop whose live account is signed for by custody, with a KMS that is watched.

The KMS is the local AWS's: it signs with random nonces, as the real one, so that no two signatures of a digest are the same.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import boto3
import pytest

from local.aws import ACCOUNT, LocalAws
from outcry.custody.keyring import (
    CreatedSigner,
    Keyring,
    activate_as_confirmed,
    create_kms_signer,
    create_signer,
)
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner
from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit
from outcry.orders.signers import AccountSigners
from outcry.positions import store as positions_store
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, MASTER, Workshop

OWNER = KeyOwner(
    f"arn:aws:iam::{ACCOUNT}:role/desk-ExecuteOrdersRole",
    f"arn:aws:iam::{ACCOUNT}:role/desk-SignersRole",
    "desk",
)


class WatchedKms(Kms):
    """The KMS of the local AWS; it notes what was signed, and does first what a test wants done at that moment."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.signed: list[bytes] = []
        self.before: Callable[[], object] = lambda: None

    def sign(self, signer: str, key_arn: str, digest: bytes) -> bytes:
        self.before()
        self.signed.append(digest)
        return super().sign(signer, key_arn, digest)


class Bench:
    """A workshop whose live account is signed for by custody."""

    def __init__(self, workshop: Workshop, client: Any) -> None:
        self.workshop, self.client = workshop, client
        self.kms = WatchedKms(client)
        self.executor = self._executor()

    def _executor(self) -> Executor:
        signers = AccountSigners(Keyring(self.workshop.database, self.kms))
        return Executor(replace(self.workshop.desk, signers=signers, _markets={}, _accounts={}))

    def another_process(self) -> Executor:
        """A worker that has opened nothing yet."""
        return self._executor()

    def approved(self, made: CreatedSigner) -> CreatedSigner:
        self.workshop.control("approve_agent", master=MASTER, agent=made.address, name=f"slot{made.slot}")
        activate_as_confirmed(
            *(self.workshop.database, self.workshop.venue, made.signer_id),
            master=MASTER,
            now=self.workshop.clock.now(),
        )
        return made

    def kms_signer(self, slot: int = 1) -> CreatedSigner:
        return self.approved(
            create_kms_signer(
                self.workshop.database, self.kms, LIVE, slot, owner=OWNER, clock=self.workshop.clock
            )
        )

    def envelope_signer(self, slot: int = 1) -> CreatedSigner:
        arn = self.client.create_key()["KeyMetadata"]["Arn"]
        return self.approved(
            create_signer(
                self.workshop.database, self.kms, LIVE, slot, key_arn=arn, clock=self.workshop.clock
            )
        )

    def advance(self, order_id: UUID, executor: Executor | None = None) -> None:
        (executor or self.executor).advance(
            order_id, deadline=self.workshop.clock.now() + timedelta(seconds=60)
        )

    def enter(self) -> UUID:
        order_id = self.workshop.plan_entry()
        self.advance(order_id)
        assert self.workshop.order(order_id)["status"] == "FILLED"
        return order_id

    def plan_exit(self) -> UUID:
        position_id = self.workshop.position()["position_id"]
        with self.workshop.database.transaction() as tx:
            position = positions_store.load(tx, position_id, lock=True)
            assert position is not None
            return plan_exit(tx, position, Reason.PERSON, now=self.workshop.clock.now(), trace_id="test")

    def until_terminal(self, order_id: UUID, most: int = 20) -> dict[str, Any]:
        """Advance the order as the queue and the sweep would, five seconds apart."""
        for _ in range(most):
            row = self.workshop.order(order_id)
            if row["status"] in {"FILLED", "REJECTED", "CANCELLED", "EXPIRED", "SKIPPED"}:
                return row
            self.workshop.clock.advance(timedelta(seconds=5))
            self.advance(order_id)
        raise AssertionError(f"the order never came to an end: {self.workshop.order(order_id)['status']}")

    def actions(self, order_id: UUID) -> list[dict[str, Any]]:
        return self.workshop.rows(
            "select * from actions where order_id = :id order by attempt, nonce", id=order_id
        )

    def placements(self, order_id: UUID) -> list[dict[str, Any]]:
        return [row for row in self.actions(order_id) if row["kind"] == "place"]


@pytest.fixture
def bench(workshop: Workshop, aws: LocalAws) -> Bench:
    return Bench(workshop, boto3.client("kms", endpoint_url=aws.endpoint_url))
