"""What an approval in progress must not hold up: whoever only names the account, the agent, the deployment or the order."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from outcry.orders import approval_store, store
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import ORDERS, claim
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, Workshop


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """Another worker's connection, which waits for no lock for long."""
    database = Database(Address.from_url(database_url), network="local", lock_timeout_s=0.5)
    yield database
    database.close()


def test_f41_an_exit_is_planned_while_an_entry_of_its_account_is_being_approved(
    workshop: Workshop, other: Database
) -> None:
    workshop.enter()
    position_id = workshop.position()["position_id"]

    with workshop.database.transaction() as approving:
        approval_store.lock_scopes(approving, LIVE, "runner-live")
        with other.transaction() as tx:
            position = positions_store.load(tx, position_id, lock=True)
            assert position is not None
            order_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="test")

    workshop.advance(order_id)
    assert workshop.order(order_id)["status"] == "FILLED"


def test_two_approvals_of_one_account_still_wait_for_each_other(workshop: Workshop, other: Database) -> None:
    with workshop.database.transaction() as approving:
        approval_store.lock_scopes(approving, LIVE, "runner-live")

        with pytest.raises(InfrastructureError), other.transaction() as tx:
            approval_store.lock_scopes(tx, LIVE, "runner-live")


def test_an_order_that_is_named_by_a_row_being_written_can_be_claimed(
    workshop: Workshop, other: Database
) -> None:
    order_id = workshop.plan_entry()
    now = workshop.clock.now()

    with workshop.database.transaction() as recording:
        recording.execute("select 1 from orders where order_id = :id for key share", id=order_id)
        with other.transaction() as tx:
            claims = claim(tx, ORDERS, [order_id], token=uuid4(), now=now, lasting=timedelta(seconds=30))

    assert [each.key for each in claims] == [order_id]
    with workshop.database.transaction() as tx:
        assert store.load(tx, order_id, lock=True) is not None
