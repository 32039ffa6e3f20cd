"""What a monitor remembers between passes, and that it never acts on an outdated row."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from outcry.monitoring.book import Book, Entry
from outcry.positions import store as positions_store
from outcry.positions import watch_store
from outcry.positions.standing import Standing
from outcry.runtime.database import Transaction
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Workshop


def read(workshop: Workshop, book: Book, *accounts: str) -> list[Entry]:
    with workshop.database.transaction() as tx:
        pages = book.read(tx, list(accounts or (LIVE,)))
    return [entry for page in pages.values() for entry in page.shelf.entries]


def change(workshop: Workshop, **columns: object) -> None:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        positions_store.update(tx, position_id, now=workshop.clock.now(), **columns)


def test_a_row_that_stood_still_is_the_same_object_in_the_next_pass(workshop: Workshop) -> None:
    workshop.enter()
    book = Book()

    first, second = read(workshop, book), read(workshop, book)

    assert len(first) == 1
    assert first[0] is second[0]


def test_a_row_that_somebody_changed_is_read_again_with_its_new_levels(workshop: Workshop) -> None:
    workshop.enter()
    book = Book()
    before = read(workshop, book)[0]
    change(workshop, stop_price=Decimal(59000))

    after = read(workshop, book)[0]

    assert after.position.stop_price == Decimal(59000) != before.position.stop_price
    assert after.watch != before.watch


def test_a_position_that_is_gone_is_forgotten(workshop: Workshop) -> None:
    workshop.enter()
    book = Book()
    read(workshop, book)
    change(workshop, status="CLOSED")

    assert read(workshop, book) == []


def test_a_position_without_levels_has_no_band(workshop: Workshop) -> None:
    workshop.enter()
    change(workshop, stop_price=None)

    assert [entry.watch for entry in read(workshop, Book())] == [None]


def test_each_account_s_positions_are_given_to_whoever_asks_for_that_account(workshop: Workshop) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    book = Book()

    found = [
        sorted(entry.position.account_id for entry in read(workshop, book, *accounts))
        for accounts in ((LIVE,), (PAPER_ACCOUNT,), (LIVE, PAPER_ACCOUNT))
    ]

    assert found == [[LIVE], [PAPER_ACCOUNT], [LIVE, PAPER_ACCOUNT]]


def test_gone_positions_are_not_remembered(workshop: Workshop) -> None:
    workshop.enter()
    book = Book()
    kept = read(workshop, book)[0]
    book._kept[LIVE].entries |= {f"gone-{number}": kept for number in range(3)}
    change(workshop, stop_price=Decimal(59000))

    assert [entry.position.key for entry in read(workshop, book)] == [kept.position.key]
    assert list(book._kept[LIVE].entries) == [kept.position.key]


def test_a_pass_that_moved_a_row_remembers_what_it_wrote(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    for price in ("61500", "61501"):  # the trail is active and its stop rests
        workshop.mark("BTC", price)
        workshop.watch()
    asked: list[str] = []
    standing = watch_store.standing

    def counted(tx: Transaction, ids: Sequence[str]) -> list[Standing]:
        asked.extend(ids)
        return standing(tx, ids)

    monkeypatch.setattr(watch_store, "standing", counted)
    workshop.mark("BTC", "61550")
    workshop.watch()
    workshop.mark("BTC", "61540")
    workshop.watch()

    assert workshop.position()["peak"] == Decimal(61550)
    assert asked == []
