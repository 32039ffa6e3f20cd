"""Decisions carried out: against the row as it is now, and never against one that somebody changed in between."""

from decimal import Decimal
from uuid import UUID

import pytest

from outcry.monitoring.act import Actor
from outcry.monitoring.book import Book
from outcry.monitoring.exits import Decision
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.positions import watch_store
from outcry.positions.model import Position
from outcry.positions.standing import Standing
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, Workshop


def position(workshop: Workshop) -> Standing:
    position_id: UUID = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        (found,) = watch_store.standing(tx, [str(position_id)])
    return found


def whole(workshop: Workshop, seen: Standing) -> Position:
    with workshop.database.transaction() as tx:
        found = positions_store.load(tx, seen.position_id)
    assert found is not None
    return found


def decision(
    *, close: Reason | None = None, trail_price: Decimal | None = None, ratchet_to: Decimal | None = None
) -> Decision:
    return Decision(Decimal(60700), trail_price, None, ratchet_to, close, "a test")


def follow(workshop: Workshop, *moved: tuple[Standing, Decision], book: Book | None = None) -> list[str]:
    actor = Actor(workshop.desk, book or Book())
    return [ring.id for ring in actor.follow(moved, workshop.clock.now())]


def orders(workshop: Workshop, kind: str) -> int:
    return int(workshop.rows("select count(*) as n from orders where kind = :kind", kind=kind)[0]["n"])


def test_nothing_moved_writes_nothing(workshop: Workshop) -> None:
    workshop.enter()
    before = workshop.position()

    assert follow(workshop) == []
    assert workshop.position() == before


def test_f3_a_decision_to_close_what_is_being_closed_plans_no_second_exit(workshop: Workshop) -> None:
    workshop.enter()
    seen = position(workshop)
    held = whole(workshop, seen)
    with workshop.database.transaction() as tx:
        mine = plan_exit(tx, held, Reason.PERSON, now=workshop.clock.now(), trace_id="test")

    rung = follow(workshop, (seen, decision(close=Reason.STOP_LOSS)))

    assert rung == [str(mine)]
    assert orders(workshop, "exit") == 1


@pytest.mark.parametrize("status", ["CLOSED", "CLOSING", "CLOSE_PENDING", "ABANDONED"])
def test_a_decision_on_a_position_that_is_no_longer_open_is_dropped(workshop: Workshop, status: str) -> None:
    workshop.enter()
    seen = position(workshop)
    with workshop.database.transaction() as tx:
        positions_store.update(tx, seen.position_id, now=workshop.clock.now(), status=status)

    assert follow(workshop, (seen, decision(close=Reason.TIME_LIMIT))) == []
    assert orders(workshop, "exit") == 0


def test_a_row_that_somebody_changed_since_it_was_read_is_left_for_the_next_pass(workshop: Workshop) -> None:
    workshop.enter()
    seen, book = position(workshop), Book()
    with workshop.database.transaction() as tx:
        positions_store.update(tx, seen.position_id, now=workshop.clock.now(), peak=Decimal(61000))

    follow(workshop, (seen, decision()), book=book)

    assert workshop.position()["peak"] == Decimal(61000)
    with workshop.database.transaction() as tx:
        assert [entry.position.peak for entry in book.read(tx, [LIVE])[LIVE].shelf.entries] == [
            Decimal(61000)
        ]


def test_a_nearer_stop_is_not_planned_while_one_is_being_placed(workshop: Workshop) -> None:
    workshop.enter()
    seen = position(workshop)
    nearer = decision(trail_price=Decimal(60090), ratchet_to=Decimal(60090))

    first = follow(workshop, (seen, nearer))
    second = follow(workshop, (position(workshop), nearer))

    assert len(first) == 1
    assert second == []
    assert workshop.rows("select count(*) as n from orders where leg = 'stop'") == [{"n": 2}]


def test_the_page_about_a_missing_mark_names_the_market_and_comes_once_an_hour(workshop: Workshop) -> None:
    workshop.enter()
    actor, seen = Actor(workshop.desk, Book()), position(workshop)

    for _ in range(3):
        actor.tell_no_mark(seen, workshop.clock.now())

    told = workshop.rows("select subject from notices where topic = 'marks'")
    assert [row["subject"] for row in told] == ["No fresh mark for BTC"]
