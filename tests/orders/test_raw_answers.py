"""What the venue said stays as it was said: settling a request by the venue's own record takes nothing away (DESIGN, section 7)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from outcry.venues.hyperliquid.client import HttpAnswer
from tests.orders.workshop import Workshop

Change = Callable[[HttpAnswer], HttpAnswer]


def renamed(answer: HttpAnswer) -> HttpAnswer:
    """A fill in words that our parser does not know."""
    return HttpAnswer(answer.status, answer.body.replace('"filled"', '"executed"'))


def failed(_: HttpAnswer) -> HttpAnswer:
    """The page of a server that lost the answer."""
    return HttpAnswer(502, "<html>Bad Gateway</html>")


def change_answers(workshop: Workshop, change: Change, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each placement be answered so; returns the bodies, as they come."""
    client: Any = workshop.venue._client
    exchange, bodies = client.exchange, []

    def changed(signed: str) -> Any:
        answer = exchange(signed)
        if not isinstance(answer, HttpAnswer) or '"type":"order"' not in signed:
            return answer
        bodies.append(change(answer).body)
        return change(answer)

    monkeypatch.setattr(client, "exchange", changed)
    return bodies


def entry(workshop: Workshop) -> dict[str, Any]:
    (row,) = workshop.rows(
        """
        select a.status, a.answer, a.raw_answer from actions a join orders o using (order_id)
         where o.kind = 'enter' and a.kind = 'place'
        """
    )
    return row


@pytest.mark.parametrize(
    ("change", "doubt"), [(renamed, "the venue's answer is not one that we know"), (failed, "HTTP 502")]
)
def test_an_answer_that_settled_nothing_stays_stored_when_the_venues_record_settles_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, change: Change, doubt: str
) -> None:
    bodies = change_answers(workshop, change, monkeypatch)

    order_id = workshop.enter()
    for _ in range(5):
        if workshop.order(order_id)["status"] == "FILLED":
            break
        workshop.clock.advance(timedelta(seconds=10))
        workshop.advance(order_id)

    row = entry(workshop)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert row["status"] == "ACKED"
    assert row["raw_answer"] == bodies[0]
    assert (row["answer"]["is"], row["answer"]["doubt"]) == ("filled", doubt)


def test_an_answer_that_is_read_at_once_leaves_no_doubt(workshop: Workshop) -> None:
    workshop.enter()

    row = entry(workshop)
    assert row["raw_answer"]
    assert set(row["answer"]) == {"is", "size", "average_price", "venue_order_id"}
