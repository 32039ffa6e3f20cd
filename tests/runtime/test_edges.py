"""Each effect passes its edges in order, and a deployed function has nobody who watches them."""

from collections.abc import Iterator
from typing import Any

import pytest

from outcry.runtime import edges
from outcry.runtime.database import Database
from outcry.runtime.edges import Edge
from outcry.runtime.queues import Queue, Ring, SqsDoorbell
from tests.architecture.sources import core, handlers


class Died(BaseException):
    """The process ended here."""


@pytest.fixture
def passed() -> Iterator[list[tuple[Edge, str]]]:
    seen: list[tuple[Edge, str]] = []
    edges.watch(lambda edge, what: seen.append((edge, what)))
    yield seen
    edges.watch(None)


def test_a_transaction_passes_its_edges_in_order(database: Database, passed: list[tuple[Edge, str]]) -> None:
    with database.transaction() as tx:
        tx.one("select 1 as one")

    assert [edge for edge, _ in passed] == [Edge.BEGIN, Edge.BEFORE_COMMIT, Edge.AFTER_COMMIT]


def test_a_transaction_that_fails_reaches_no_commit(
    database: Database, passed: list[tuple[Edge, str]]
) -> None:
    with pytest.raises(ValueError, match="no"), database.transaction():
        raise ValueError("no")

    assert [edge for edge, _ in passed] == [Edge.BEGIN]


@pytest.mark.parametrize(("dies_at", "kept"), [(Edge.BEFORE_COMMIT, 0), (Edge.AFTER_COMMIT, 1)])
def test_whoever_dies_before_the_commit_keeps_nothing_and_after_it_everything(
    database: Database, passed: list[tuple[Edge, str]], dies_at: Edge, kept: int
) -> None:
    with database.transaction() as tx:
        tx.execute("create table if not exists kept (one int)")
        tx.execute("delete from kept")

    def die(edge: Edge, what: str) -> None:
        if edge is dies_at:
            raise Died

    edges.watch(die)
    with pytest.raises(Died), database.transaction() as tx:
        tx.execute("insert into kept values (1)")
    edges.watch(None)

    with database.transaction() as tx:
        assert len(tx.all("select * from kept")) == kept


def test_a_ring_passes_its_edges(passed: list[tuple[Edge, str]]) -> None:
    class Sqs:
        def send_message_batch(self, **request: Any) -> dict[str, Any]:
            passed.append((Edge.BEGIN, request["QueueUrl"]))
            return {}

    SqsDoorbell({Queue.ENTRIES: "here"}, Sqs()).ring(Queue.ENTRIES, [Ring("1", "t")])

    assert passed == [
        (Edge.BEFORE_SEND, "queue entries"),
        (Edge.BEGIN, "here"),
        (Edge.AFTER_REPLY, "queue entries"),
    ]


def test_nothing_that_is_deployed_sets_a_watcher() -> None:
    setters = [source.name for source in [*core(), *handlers()] if "edges.watch" in source.text]

    assert setters == []
