"""Every post of a rehearsal reads as what its step waits for, and its author is one whom its desk follows."""

import pytest

from local.stack.market import AUTHORS
from local.stack.texts import ALL, Said
from local.stack.trading import DESK_FILE, MARKS
from outcry.agents.desk import parse_desk
from outcry.calls.grammar import read
from outcry.calls.tickers import TickerBook


@pytest.mark.parametrize("said", ALL, ids=lambda said: said.text)
def test_a_post_of_the_rehearsal_makes_exactly_its_call(said: Said) -> None:
    book = TickerBook.from_markets(MARKS)

    (call,) = read(said.text, book).calls

    assert (call.token, call.side.value, call.action.value) == (said.token, said.side, said.action)


def test_the_desk_of_the_rehearsal_follows_every_author() -> None:
    desk = parse_desk(DESK_FILE.read_text(encoding="utf-8"), DESK_FILE.name)

    assert {author.username: author.author_id for author in desk.authors} == AUTHORS
    assert {said.author for said in ALL} == set(AUTHORS)
