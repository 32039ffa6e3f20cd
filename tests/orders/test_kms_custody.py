"""Orders signed by a key inside KMS: accepted by the venue, never in doubt because of KMS, and never signed twice into two orders.

The KMS is the local AWS's: it signs with random nonces, as the real one, so that no two signatures of a digest are the same.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import boto3
import pytest

from local.aws import ACCOUNT, LocalAws
from outcry.custody.keyring import (
    CreatedSigner,
    Keyring,
    activate_signer,
    create_kms_signer,
    create_signer,
    revoke_signer,
)
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner
from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit
from outcry.orders.signers import AccountSigners
from outcry.positions import store as positions_store
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import BugError, InfrastructureError
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, MASTER, Workshop

OWNER = KeyOwner(
    f"arn:aws:iam::{ACCOUNT}:role/desk-ExecuteOrdersRole",
    f"arn:aws:iam::{ACCOUNT}:role/desk-SignersRole",
    "desk",
)
PLACES = {"type": "order"}


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
        with self.workshop.database.transaction() as tx:
            activate_signer(tx, made.signer_id, valid_until=None, now=self.workshop.clock.now())
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


# ─── carried out ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_venue_takes_an_order_a_stop_and_an_exit_that_were_signed_in_kms(bench: Bench) -> None:
    made = bench.kms_signer()

    bench.enter()
    protected_at = bench.workshop.position()["protected_at"]
    exit_id = bench.plan_exit()
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    actions = bench.workshop.rows("select signer_id, signer_address, nonce from actions")
    assert protected_at is not None
    assert bench.workshop.venue_size() == 0
    assert {(row["signer_id"], row["signer_address"]) for row in actions} == {(made.signer_id, made.address)}
    assert len({row["nonce"] for row in actions}) == len(actions)
    assert len(bench.kms.signed) == len(actions)


def test_kms_is_never_asked_inside_of_a_transaction(bench: Bench, database_url: str) -> None:
    bench.kms_signer()
    observer = Database(Address.from_url(database_url), network="local")
    states: list[str] = []

    def look() -> None:
        with observer.transaction() as tx:
            rows = tx.all(
                """
                select state from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
                """
            )
        states.extend(row["state"] for row in rows)

    bench.kms.before = look
    bench.enter()
    observer.close()

    assert len(states) >= 4
    assert set(states) == {"idle"}


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_after_a_lost_answer_the_stored_bytes_go_out_again_and_kms_is_not_asked_again(
    bench: Bench, fault: str
) -> None:
    bench.kms_signer()
    order_id = bench.workshop.plan_entry()
    bench.workshop.control("fault", on="exchange", match=PLACES, do=fault, times=1)
    sent: list[str] = []
    send = bench.workshop.venue.send

    def watched(signed: str, *, address: str) -> Any:
        sent.append(signed)
        return send(signed, address=address)

    bench.workshop.venue.send = watched  # type: ignore[method-assign]
    bench.advance(order_id)
    bench.until_terminal(order_id)

    (placed,) = bench.placements(order_id)
    copies = [each for each in sent if each == placed["signed"]]
    assert len(copies) == placed["sends"] == 2
    assert len(bench.kms.signed) == len(set(bench.kms.signed))
    assert len({fill["oid"] for fill in bench.workshop.venue_fills()}) == 1


def test_a_second_signature_would_be_another_one(bench: Bench) -> None:
    """Without which the test above would prove nothing."""
    bench.kms_signer()
    bench.enter()
    order = bench.workshop.rows("select * from actions where kind = 'place' order by nonce limit 1")[0]
    with bench.workshop.database.transaction() as tx:
        account = bench.workshop.desk.load_account(tx, LIVE)
    loaded = AccountSigners(Keyring(bench.workshop.database, bench.kms)).active(account)
    assert loaded is not None

    again = bench.workshop.venue.sign(
        order["payload"], nonce=order["nonce"], expires_at=order["expires_at"], signer=loaded.key
    )

    assert again != order["signed"]


def test_a_position_entered_from_an_envelope_is_closed_by_a_key_in_kms(bench: Bench) -> None:
    old = bench.envelope_signer(slot=1)
    bench.enter()
    new = bench.kms_signer(slot=2)

    exit_id = bench.plan_exit()
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    (closed,) = bench.placements(exit_id)
    entered = bench.workshop.rows(
        "select distinct signer_id from actions where signer_id = :id", id=old.signer_id
    )
    assert closed["signer_id"] == new.signer_id
    assert len(entered) == 1
    assert bench.workshop.venue_size() == 0


def test_a_signer_revoked_while_kms_would_still_sign_signs_nothing_more(bench: Bench) -> None:
    made = bench.kms_signer()
    bench.enter()
    with bench.workshop.database.transaction() as tx:
        revoke_signer(tx, made.signer_id, now=bench.workshop.clock.now())
    before = len(bench.kms.signed)

    order_id = bench.workshop.plan_entry(market="ETH", reference="3000")
    bench.advance(order_id)

    assert len(bench.kms.signed) == before
    assert bench.workshop.order(order_id)["reason"] == "NO_SIGNER"


# ─── KMS does not answer ────────────────────────────────────────────────────────────────────────────────────


def unreachable() -> None:
    raise InfrastructureError("KMS cannot be used for signer live-1-signer-1: ThrottlingException")


def test_what_kms_could_not_sign_stays_prepared_and_is_signed_later_under_its_nonce(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = unreachable
    with pytest.raises(InfrastructureError):
        bench.advance(exit_id)
    (waiting,) = bench.placements(exit_id)

    bench.kms.before = lambda: None
    bench.workshop.clock.advance(timedelta(seconds=2))
    bench.advance(exit_id, bench.another_process())
    bench.until_terminal(exit_id)

    (done,) = bench.placements(exit_id)
    assert (waiting["status"], waiting["signed"], waiting["sends"]) == ("PREPARED", None, 0)
    assert (done["status"], done["nonce"], done["sends"]) == ("ACKED", waiting["nonce"], 1)
    assert bench.workshop.venue_size() == 0


def test_what_kms_could_not_sign_in_time_is_never_sent_and_the_exit_goes_on(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = unreachable
    for _ in range(3):
        with contextlib.suppress(InfrastructureError):
            bench.advance(exit_id)
        bench.workshop.clock.advance(timedelta(seconds=30))

    bench.kms.before = lambda: None
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    *unsent, last = bench.placements(exit_id)
    assert unsent
    assert {(row["status"], row["signed"], row["sends"]) for row in unsent} == {("EXPIRED", None, 0)}
    assert last["status"] == "ACKED"
    assert bench.workshop.venue_size() == 0


def test_bytes_that_kms_signed_too_late_are_never_sent(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = lambda: bench.workshop.clock.advance(timedelta(seconds=9))
    bench.advance(exit_id)
    slow = bench.placements(exit_id)

    bench.kms.before = lambda: None
    bench.until_terminal(exit_id)

    assert [(row["status"], row["signed"], row["sends"]) for row in slow] == [("EXPIRED", None, 0)]
    assert bench.placements(exit_id)[-1]["status"] == "ACKED"
    assert bench.workshop.venue_size() == 0


def test_a_worker_whose_claim_lapsed_while_kms_signed_sends_nothing(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    other = bench.another_process()

    def overtaken() -> None:
        bench.kms.before = lambda: None
        with bench.workshop.database.transaction() as tx:
            tx.execute(
                "update orders set claimed_until = :now where order_id = :id",
                now=bench.workshop.clock.now() - timedelta(seconds=1),
                id=exit_id,
            )
        bench.advance(exit_id, other)

    bench.kms.before = overtaken
    with pytest.raises(Exception, match="continued by somebody else"):
        bench.advance(exit_id)
    bench.until_terminal(exit_id)

    (placed,) = bench.placements(exit_id)
    assert placed["sends"] == 1
    assert len(bench.kms.signed) == len(set(bench.kms.signed)) + 1  # the same request was signed by both
    assert bench.workshop.venue_size() == 0


# ─── KMS refuses ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_outlives_a_disabled_key_and_a_person_is_paged(bench: Bench) -> None:
    made = bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.client.disable_key(KeyId=made.key_arn)
    bench.advance(exit_id)
    refused = bench.workshop.order(exit_id)
    (unsent,) = bench.placements(exit_id)
    page = bench.workshop.rows("select subject, text, level from notices where topic = 'signers'")

    bench.client.enable_key(KeyId=made.key_arn)
    ended = bench.until_terminal(exit_id)

    assert refused["status"] == "WORKING"
    assert refused["next_ring_at"] is not None
    assert (unsent["status"], unsent["signed"], unsent["sends"]) == ("EXPIRED", None, 0)
    assert [row["subject"] for row in page] == ["KMS refuses the key of the signer of live-1"]
    assert "DisabledException" in page[0]["text"]
    assert ended["status"] == "FILLED"
    assert bench.workshop.venue_size() == 0


@pytest.mark.parametrize("custody", ["envelope", "kms"])
def test_an_entry_whose_key_is_disabled_gives_its_place_back_and_stops_the_account(
    bench: Bench, custody: str
) -> None:
    made = bench.kms_signer() if custody == "kms" else bench.envelope_signer()
    bench.client.disable_key(KeyId=made.key_arn)
    order_id = bench.workshop.plan_entry()

    bench.advance(order_id)

    order = bench.workshop.order(order_id)
    assert (order["status"], order["reason"]) == ("REJECTED", "SIGNER_KEY_REFUSED")
    assert bench.workshop.position()["status"] == "ABANDONED"
    assert not bench.workshop.rows("select 1 from reservations where released_at is null")
    assert "signers" in bench.workshop.notices()
    assert {row["sends"] for row in bench.actions(order_id)} <= {0}
    assert bench.workshop.rows("select state from deployments where account_id = :id", id=LIVE) == [
        {"state": "HALTED"}
    ]


def test_an_exit_of_an_envelope_outlives_a_disabled_key_too(bench: Bench) -> None:
    made = bench.envelope_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.client.disable_key(KeyId=made.key_arn)
    fresh = bench.another_process()
    bench.advance(exit_id, fresh)
    waiting = bench.workshop.order(exit_id)

    bench.client.enable_key(KeyId=made.key_arn)
    ended = bench.until_terminal(exit_id)

    assert waiting["status"] in {"PLANNED", "WORKING"}
    assert "signers" in bench.workshop.notices()
    assert ended["status"] == "FILLED"


def test_f23_a_key_of_another_account_signs_nothing_for_this_one(bench: Bench) -> None:
    bench.kms_signer()
    stranger = bench.client.create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"][
        "Arn"
    ]
    with bench.workshop.database.transaction() as tx:
        tx.execute("update signers set key_arn = :arn", arn=stranger)
    order_id = bench.workshop.plan_entry()

    with pytest.raises(BugError, match="not of the key of"):
        bench.advance(order_id)

    assert {row["sends"] for row in bench.actions(order_id)} == {0}
    assert bench.workshop.venue_size() == Decimal(0)
