"""A pass on an address that is short of request weight: what it leaves out, in which order, and what it never does."""

from datetime import timedelta

import pytest

from outcry.venues.weights import Weights
from tests.orders.workshop import LIVE, Workshop

MARKS, ACCOUNT, LIST = 20, 2, 20


@pytest.fixture
def busy(workshop: Workshop) -> Weights:
    """Whoever else asks the venue from this address."""
    workshop.desk.weights = Weights(
        workshop.clock, venue="hyperliquid", egress="shared", carries_orders=False
    )
    return Weights(workshop.clock, venue="hyperliquid", egress="shared", carries_orders=True)


def use(workshop: Workshop, other: Weights, weight: int) -> None:
    other.spend(weight)
    with workshop.database.transaction() as tx:
        other.book(tx)


def weight_of_a_pass(workshop: Workshop, *, after_s: float = 15) -> int:
    workshop.clock.advance(timedelta(seconds=after_s))
    before = workshop.venue.weight_used
    workshop.monitor.run(
        [LIVE],
        due_at=workshop.clock.now(),
        deadline=workshop.clock.now() + timedelta(seconds=30),
        trace_id="t",
    )
    return workshop.venue.weight_used - before


def test_with_room_every_account_is_read(workshop: Workshop, busy: Weights) -> None:
    weight_of_a_pass(workshop)
    use(workshop, busy, 500)

    assert weight_of_a_pass(workshop) == MARKS + ACCOUNT


def test_without_room_an_account_that_holds_nothing_waits_but_less_than_a_minute(
    workshop: Workshop, busy: Weights
) -> None:
    weight_of_a_pass(workshop)
    use(workshop, busy, 2000)

    assert [weight_of_a_pass(workshop) for _ in range(3)] == [MARKS, MARKS, MARKS + ACCOUNT]


def test_without_room_an_account_that_holds_something_is_read_and_its_orders_later(
    workshop: Workshop, busy: Weights
) -> None:
    workshop.enter()
    weight_of_a_pass(workshop)
    with_room = weight_of_a_pass(workshop, after_s=61)
    use(workshop, busy, 4000)

    without = weight_of_a_pass(workshop, after_s=61)
    use(workshop, busy, 4000)
    at_last = weight_of_a_pass(workshop, after_s=240)

    assert with_room == MARKS + ACCOUNT + LIST
    assert without == MARKS + ACCOUNT
    assert at_last == MARKS + ACCOUNT + LIST


def test_without_room_a_stop_that_may_be_missing_is_looked_for_all_the_same(
    workshop: Workshop, busy: Weights
) -> None:
    workshop.enter()
    weight_of_a_pass(workshop)
    with workshop.database.transaction() as tx:
        tx.execute("update positions set protected_at = null, version = version + 1")
    use(workshop, busy, 4000)

    assert weight_of_a_pass(workshop) >= MARKS + ACCOUNT + LIST


def test_a_pass_books_its_weight_in_one_statement_and_pays_for_it_ahead(
    workshop: Workshop, busy: Weights
) -> None:
    weight_of_a_pass(workshop)

    (row,) = workshop.rows("select weight from venue_weights")
    assert row["weight"] == MARKS + ACCOUNT
