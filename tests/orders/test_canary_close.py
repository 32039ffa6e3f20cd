"""Ending a canary: what may have been sent is never called cancelled, however old the look was that says so."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from outcry.agents import roster
from outcry.orders import canary, store
from outcry.orders.model import OrderStatus
from outcry.orders.plan import LedgerPlanner
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.side import Side
from tests.orders.workshop import LIVE, Workshop

KEY = "first"


def begin(workshop: Workshop) -> UUID:
    """Begin a canary; returns its planned entry."""
    market = workshop.venue.markets()["BTC"]
    with workshop.database.transaction() as tx:
        account = roster.account(tx, LIVE)
        assert account is not None
        canary.begin(
            tx,
            account,
            workshop.venue,
            market,
            Decimal(60000),
            key=KEY,
            by="ann",
            now=workshop.clock.now(),
        )
        entry = canary.look(tx, KEY).entry
    assert entry is not None
    return entry.order_id


def close(workshop: Workshop) -> list[str]:
    """Close the canary; returns the orders that are to be rung."""
    with workshop.database.transaction() as tx:
        return [ring.id for _, ring in canary.close(tx, KEY, now=workshop.clock.now())]


def send_without_an_answer(workshop: Workshop, order_id: UUID) -> None:
    """A worker approves and sends it, hears nothing, and gives it back."""
    workshop.control("fault", on="exchange", match={"type": "order"}, do="drop_before_commit", times=9)
    workshop.advance(order_id)


@pytest.fixture
def look_again(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Calling it fixes what is seen of the canary from then on, as a read that others overtake."""

    def freeze() -> None:
        with workshop.database.transaction() as tx:
            stale = canary.look(tx, KEY)
        monkeypatch.setattr(canary, "look", lambda tx, key: stale)

    return freeze


def test_an_entry_that_is_planned_is_cancelled(workshop: Workshop) -> None:
    order_id = begin(workshop)

    rings = close(workshop)

    order = workshop.order(order_id)
    assert (order["status"], order["reason"], rings) == ("CANCELLED", "PERSON", [])


def test_an_entry_that_was_sent_since_it_was_looked_at_is_closed_and_not_called_cancelled(
    workshop: Workshop, look_again: Callable[[], None]
) -> None:
    order_id = begin(workshop)
    look_again()
    send_without_an_answer(workshop, order_id)
    sent = workshop.order(order_id)["status"]

    rings = close(workshop)

    (closing,) = workshop.rows("select order_id from orders where kind = 'exit'")
    assert (sent, workshop.order(order_id)["status"]) == ("UNKNOWN", "UNKNOWN")
    assert rings == [str(closing["order_id"])]


def test_an_entry_that_was_only_approved_since_it_was_looked_at_keeps_its_place_until_it_is_closed(
    workshop: Workshop, look_again: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = begin(workshop)
    look_again()
    monkeypatch.setattr("outcry.orders.execute.MOST_STEPS", 1)
    workshop.advance(order_id)
    approved = workshop.order(order_id)["status"]

    close(workshop)

    assert (approved, workshop.order(order_id)["status"]) == ("APPROVED", "APPROVED")
    assert len(workshop.rows("select 1 from orders where kind = 'exit' and finished_at is null")) == 1


def test_a_canary_may_hold_one_position_at_a_time(workshop: Workshop) -> None:
    begin(workshop)

    (row,) = workshop.rows("select limits from deployments where agent_id = :id", id=canary.AGENT_ID)
    assert row["limits"]["max_open_positions"] == 1


# ─── whoever else ends an order that nobody works on ────────────────────────────────────────────────────────


def finish(workshop: Workshop, order_id: UUID, known: OrderStatus) -> bool:
    with workshop.database.transaction() as tx:
        return store.finish_unclaimed(
            tx,
            order_id,
            OrderStatus.CANCELLED,
            known=known,
            now=workshop.clock.now(),
            reason="NO_LONGER_NEEDED",
        )


def test_an_order_is_ended_only_as_it_was_known(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()

    as_approved = finish(workshop, order_id, OrderStatus.APPROVED)
    as_planned = finish(workshop, order_id, OrderStatus.PLANNED)

    assert (as_approved, as_planned) == (False, True)


@pytest.mark.parametrize("status", ["SENT", "UNKNOWN", "ACKED"])
def test_an_order_of_which_something_may_have_run_is_never_ended_without_the_venue(
    workshop: Workshop, status: str
) -> None:
    order_id = workshop.plan_entry()
    send_without_an_answer(workshop, order_id)
    with workshop.database.transaction() as tx:
        tx.execute("update actions set status = :status where kind = 'place'", status=status)
        tx.execute("update orders set status = 'WORKING' where order_id = :id", id=order_id)

    assert not finish(workshop, order_id, OrderStatus.WORKING)


def test_a_worker_whose_claim_lapsed_can_send_nothing_of_an_order_that_was_ended(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    venue_sign = workshop.venue.sign

    def ended_meanwhile(*arguments: object, **more: object) -> str:
        with workshop.database.transaction() as tx:
            tx.execute(
                "update orders set claimed_until = :now where order_id = :id",
                now=workshop.clock.now(),
                id=order_id,
            )
        assert finish(workshop, order_id, OrderStatus.APPROVED)
        return venue_sign(*arguments, **more)  # type: ignore[arg-type]

    workshop.venue.sign = ended_meanwhile  # type: ignore[method-assign]
    with pytest.raises(InfrastructureError, match="continued by somebody else"):
        workshop.advance(order_id)

    assert workshop.order(order_id)["status"] == "CANCELLED"
    assert not workshop.rows("select 1 from actions where sends > 0")


def test_a_close_call_waits_for_an_entry_that_is_being_approved(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read that found it planned is older than the approval."""
    order_id = workshop.plan_entry()
    monkeypatch.setattr("outcry.orders.execute.MOST_STEPS", 1)
    workshop.advance(order_id)
    monkeypatch.setattr("outcry.orders.plan_store.planned_on_calls_of", lambda *_, **__: [order_id])

    with (
        pytest.raises(InfrastructureError, match="being approved"),
        workshop.database.transaction() as tx,
    ):
        LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.LONG,
            now=workshop.clock.now(),
            trace_id="test",
        )

    assert workshop.order(order_id)["status"] == "APPROVED"
