"""What fails is tried again: what protects or closes a position within seconds, and never so often that messages multiply."""

import contextlib
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit
from outcry.orders.plan_protection import PROTECT_DEADLINE
from outcry.positions import store as positions_store
from outcry.runtime.errors import BugError, InfrastructureError
from outcry.runtime.reasons import Reason
from outcry.venues.port import DigestSigner, Signature
from tests.orders.workshop import Workshop

SIGNED_FOR_AN_ENTRY = 2  # its leverage and its order


class FailingKey:
    """A key that signs as often as it is let, and then fails as a KMS that throttles for a number of times."""

    def __init__(self, key: DigestSigner, *, good: int, failures: int, error: Exception) -> None:
        self._key, self._good, self._failures, self._error = key, good, failures, error

    @property
    def address(self) -> str:
        return self._key.address

    def sign_digest(self, digest: bytes) -> Signature:
        self._good -= 1
        if self._good < 0 and self._failures > 0:
            self._failures -= 1
            raise self._error
        return self._key.sign_digest(digest)


def let_the_key_fail(workshop: Workshop, *, good: int = 0, failures: int) -> None:
    error = InfrastructureError("KMS cannot be used for signer live-1-signer-1: ThrottlingException")
    workshop.signers.key = FailingKey(workshop.signers.key, good=good, failures=failures, error=error)


def ring_until_silent(workshop: Workshop, most: int = 20) -> list[int]:
    """Answer doorbells only, without a monitor, a sweep or a delivery again; returns the delays that were asked for."""
    delays: list[int] = []
    for _ in range(most):
        if not workshop.bells.rung:
            return delays
        delays.append(max(delay for _, _, delay in workshop.bells.rung))
        with contextlib.suppress(InfrastructureError, BugError):
            workshop.drain_once()
    raise AssertionError(f"the doorbells never fell silent: {delays}")


def plan_closing(workshop: Workshop) -> UUID:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        return plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="test")


@pytest.mark.parametrize("failures", [1, 3])
def test_a_position_whose_stop_could_not_be_signed_is_protected_before_its_deadline_by_doorbells_alone(
    workshop: Workshop, failures: int
) -> None:
    let_the_key_fail(workshop, good=SIGNED_FOR_AN_ENTRY, failures=failures)
    began = workshop.clock.now()

    with pytest.raises(InfrastructureError, match="Throttling"):
        workshop.enter()
    ring_until_silent(workshop)

    position = workshop.position()
    assert position["protected_at"] is not None
    assert position["protected_at"] - began < PROTECT_DEADLINE
    assert position["status"] == "OPEN"


def test_a_stop_that_failed_is_due_two_seconds_later_in_the_database_and_by_its_doorbell(
    workshop: Workshop,
) -> None:
    let_the_key_fail(workshop, good=SIGNED_FOR_AN_ENTRY, failures=1)

    with pytest.raises(InfrastructureError):
        workshop.enter()

    (stop,) = workshop.rows(
        "select order_id, next_ring_at from orders where kind = 'protect' and leg = 'stop'"
    )
    delays = [delay for _, ring, delay in workshop.bells.rung if ring.id == str(stop["order_id"])]
    assert stop["next_ring_at"] - workshop.clock.now() == timedelta(seconds=2)
    assert delays == [2]


def test_an_exit_that_goes_on_failing_is_tried_ever_more_rarely(workshop: Workshop) -> None:
    workshop.enter()
    workshop.drain()
    exit_id = plan_closing(workshop)
    lacking = Executor(replace(workshop.desk, venues={}, _markets={}, _accounts={}))

    delays: list[int] = []
    for _ in range(6):
        with pytest.raises(BugError):
            lacking.advance(exit_id, deadline=workshop.clock.now() + timedelta(seconds=60))
        ((_, _, delay),) = workshop.bells.rung
        workshop.bells.rung.clear()
        workshop.clock.advance(timedelta(seconds=delay))
        delays.append(delay)

    assert delays == [2, 4, 8, 16, 30, 30]


def test_an_exit_that_kms_cannot_sign_for_a_minute_is_closed_by_doorbells_alone(workshop: Workshop) -> None:
    workshop.enter()
    workshop.drain()
    exit_id = plan_closing(workshop)
    let_the_key_fail(workshop, failures=10)

    with pytest.raises(InfrastructureError):
        workshop.advance(exit_id)
    delays = ring_until_silent(workshop, most=40)

    assert workshop.order(exit_id)["status"] == "FILLED"
    assert workshop.venue_size() == 0
    assert max(delays) <= 30


def test_a_message_that_fails_again_while_a_doorbell_is_on_its_way_rings_no_other(workshop: Workshop) -> None:
    workshop.enter()
    workshop.drain()
    exit_id = plan_closing(workshop)
    let_the_key_fail(workshop, failures=99)
    with pytest.raises(InfrastructureError):
        workshop.advance(exit_id)
    due_at = workshop.order(exit_id)["next_ring_at"]

    workshop.clock.advance(timedelta(seconds=1))
    with pytest.raises(InfrastructureError):
        workshop.advance(exit_id)

    assert [(ring.id, delay) for _, ring, delay in workshop.bells.rung] == [(str(exit_id), 2)]
    assert workshop.order(exit_id)["next_ring_at"] == due_at


def test_an_entry_that_failed_waits_for_the_sweep(workshop: Workshop) -> None:
    let_the_key_fail(workshop, failures=1)

    with pytest.raises(InfrastructureError):
        workshop.enter()

    (entry,) = workshop.rows("select next_ring_at from orders")
    assert entry["next_ring_at"] - workshop.clock.now() == timedelta(seconds=30)
    assert workshop.bells.rung == []


def test_an_exit_that_fails_for_a_bug_pages_once_an_hour_and_stays_due(workshop: Workshop) -> None:
    workshop.enter()
    workshop.drain()
    exit_id = plan_closing(workshop)
    lacking = Executor(replace(workshop.desk, venues={}, _markets={}, _accounts={}))

    for minutes in (0, 0, 60):
        workshop.clock.advance(timedelta(minutes=minutes))
        with pytest.raises(BugError) as bug:
            lacking.advance(exit_id, deadline=workshop.clock.now() + timedelta(seconds=60))
        lacking.give_up(exit_id, bug.value)

    exit_order = workshop.order(exit_id)
    pages = workshop.rows("select level, subject, text from notices where topic = 'exits'")
    assert [(page["level"], page["subject"]) for page in pages] == [
        ("page", "An exit of BTC on live-1 keeps failing")
    ] * 2
    assert "BugError" in pages[0]["text"]
    assert exit_order["next_ring_at"] is not None
    assert (exit_order["quarantined_at"], exit_order["finished_at"]) == (None, None)


@pytest.mark.parametrize("is_at_deadline", [False, True])
def test_a_doorbell_of_an_order_that_is_in_another_database_is_a_fault(
    workshop: Workshop, is_at_deadline: bool
) -> None:
    deadline = workshop.clock.now() + timedelta(seconds=0 if is_at_deadline else 60)

    with pytest.raises(InfrastructureError, match="is not in this database"):
        workshop.executor.advance(UUID(int=1), deadline=deadline)


def test_an_order_that_somebody_else_holds_is_left_alone(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    held_until = workshop.clock.now() + timedelta(seconds=30)
    with workshop.database.transaction() as tx:
        tx.execute(
            "update orders set claim_token = gen_random_uuid(), claimed_until = :until where order_id = :id",
            until=held_until,
            id=order_id,
        )

    workshop.advance(order_id)

    order = workshop.order(order_id)
    assert (order["status"], order["claimed_until"]) == ("PLANNED", held_until)
