"""One address, one limit: what each process behind it uses is seen by the others, and a fifth is kept for orders."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from outcry.venues.weights import PER_MINUTE, Weights

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


def monitor(clock: FixedClock, egress: str = "shared", per_minute: int = PER_MINUTE) -> Weights:
    return Weights(clock, venue="hyperliquid", egress=egress, per_minute=per_minute, carries_orders=False)


def orders(clock: FixedClock) -> Weights:
    return Weights(clock, venue="hyperliquid", egress="shared", carries_orders=True)


def book(database: Database, weights: Weights, ahead: int = 0) -> None:
    with database.transaction() as tx:
        weights.book(tx, ahead=ahead)


def stored(database: Database) -> list[tuple[str, int]]:
    with database.transaction() as tx:
        rows = tx.all("select egress, minute, weight from venue_weights order by egress, minute")
    return [(f"{row['egress']} {row['minute']:%H:%M}", row["weight"]) for row in rows]


def test_a_fifth_is_kept_for_orders(database: Database, clock: FixedClock) -> None:
    reader, carrier = monitor(clock), orders(clock)
    reader.spend(900)
    book(database, reader)
    book(database, carrier)

    assert reader.affords(60)
    assert not reader.affords(61)
    assert carrier.affords(300)


def test_what_one_process_used_another_sees_with_its_next_booking(
    database: Database, clock: FixedClock
) -> None:
    first, second = monitor(clock), monitor(clock)
    first.spend(700)
    book(database, first)

    assert second.affords(960)
    book(database, second)

    assert not second.affords(261)


def test_what_is_paid_ahead_counts_for_others_at_once_and_what_was_not_used_comes_back(
    database: Database, clock: FixedClock
) -> None:
    first, second = monitor(clock), monitor(clock)
    book(database, first, ahead=500)
    book(database, second)
    assert not second.affords(461)

    first.spend(100)
    book(database, first)

    assert stored(database) == [("shared 12:00", 100)]


def test_what_is_used_beyond_what_was_paid_ahead_counts_at_once(
    database: Database, clock: FixedClock
) -> None:
    reader = monitor(clock)
    book(database, reader, ahead=70)

    reader.spend(170)

    assert reader.affords(960 - 170)
    assert not reader.affords(960 - 170 + 1)
    book(database, reader)
    assert stored(database) == [("shared 12:00", 170)]


def test_the_minute_moves(database: Database, clock: FixedClock) -> None:
    reader = monitor(clock)
    reader.spend(960)
    book(database, reader)
    clock.advance(timedelta(seconds=75))  # a quarter into the next minute

    book(database, reader)

    assert not reader.affords(960 - 720 + 1)
    assert reader.affords(960 - 720)


def test_a_429_counts_as_a_full_minute_for_everybody_behind_the_address(
    database: Database, clock: FixedClock
) -> None:
    taught, other, elsewhere = orders(clock), monitor(clock), monitor(clock, egress="nat-2")
    taught.refused()
    assert not taught.affords(1)

    book(database, taught)
    book(database, other)
    book(database, elsewhere)

    assert not other.affords(0)
    assert elsewhere.affords(960)
    assert stored(database) == [("nat-2 12:00", 0), ("shared 12:00", 1200)]


def test_a_desk_with_a_part_of_the_address_keeps_a_fifth_of_its_part(
    database: Database, clock: FixedClock
) -> None:
    reader = monitor(clock, per_minute=600)
    book(database, reader)

    assert reader.affords(480)
    assert not reader.affords(481)


def test_minutes_that_nobody_asks_about_any_more_are_removed(database: Database, clock: FixedClock) -> None:
    reader = monitor(clock)
    for _ in range(3):
        reader.spend(10)
        book(database, reader)
        clock.advance(timedelta(minutes=6))

    book(database, reader)

    assert [name for name, _ in stored(database)] == ["shared 12:12", "shared 12:18"]


def test_a_booking_is_worth_a_statement_when_much_was_used_or_for_a_while(
    database: Database, clock: FixedClock
) -> None:
    carrier = orders(clock)
    book(database, carrier)
    assert not carrier.is_to_be_booked()

    carrier.spend(5)
    assert not carrier.is_to_be_booked()
    clock.advance(timedelta(seconds=15))
    assert carrier.is_to_be_booked()
    book(database, carrier)

    carrier.spend(100)
    assert carrier.is_to_be_booked()
    book(database, carrier)
    carrier.refused()
    assert carrier.is_to_be_booked()


def test_many_that_book_at_once_lose_nothing_and_never_wait_in_a_circle(
    database: Database, database_url: str
) -> None:
    def process(number: int) -> None:
        own = Database(Address.from_url(database_url), network="local")
        clock = FixedClock(NOON + timedelta(seconds=number))
        weights = monitor(clock)
        for _ in range(40):
            weights.spend(3)
            book(own, weights, ahead=2)
            clock.advance(timedelta(seconds=45))  # so that old minutes are being removed by all of them
            weights.spend(2)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(process, number) for number in range(4)]:
            done.result()

    assert len(stored(database)) <= 13  # those of the last ten minutes, as whoever was last saw them


def test_what_is_booked_is_the_sum_of_what_all_used(database: Database, database_url: str) -> None:
    def process() -> None:
        own, weights = Database(Address.from_url(database_url), network="local"), monitor(FixedClock(NOON))
        for _ in range(25):
            weights.spend(4)
            book(own, weights)
        own.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(process) for _ in range(4)]:
            done.result()

    assert stored(database) == [("shared 12:00", 400)]
