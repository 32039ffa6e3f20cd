"""A commit that nobody answered: it may have been kept, nobody is told that it was, and whoever repeats finds out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from outcry.runtime.database import Address, Database, UniqueViolation
from outcry.runtime.errors import DatabaseUnavailable, InfrastructureError
from outcry.runtime.leases import NOTICES, claim
from tests.runtime.wire import Lost, Wire, wire_to

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    path = Address.from_url(database_url).socket
    assert path is not None
    with wire_to(path) as made:
        yield made


@pytest.fixture
def cuttable(database_url: str, wire: Wire) -> Iterator[Database]:
    """A connection over the wire, with a table of unique names."""
    address = replace(Address.from_url(database_url), socket=None, host="127.0.0.1", port=wire.port)
    database = Database(address, network="local")
    with database.transaction() as tx:
        tx.script("create table names (name text constraint one_name unique)")
    yield database
    database.close()


def insert(database: Database, *names: str) -> None:
    with database.transaction() as tx:
        for name in names:
            tx.execute("insert into names (name) values (:name)", name=name)


def names(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [row["name"] for row in tx.all("select name from names order by name")]


def test_f1_a_commit_whose_answer_is_lost_is_kept_and_told_as_unavailable(
    cuttable: Database, wire: Wire, database: Database
) -> None:
    wire.cut(Lost.ANSWER)

    with pytest.raises(DatabaseUnavailable):
        insert(cuttable, "one", "two")

    assert wire.cuts == 1
    assert names(database) == ["one", "two"]


def test_f1_a_commit_that_never_arrived_is_told_the_same_way_and_nothing_of_it_is_kept(
    cuttable: Database, wire: Wire, database: Database
) -> None:
    wire.cut(Lost.REQUEST)

    with pytest.raises(DatabaseUnavailable):
        insert(cuttable, "one", "two")

    assert wire.cuts == 1
    assert names(database) == []


@pytest.mark.parametrize("lost", list(Lost))
def test_f1_the_transaction_after_a_lost_commit_works(cuttable: Database, wire: Wire, lost: Lost) -> None:
    wire.cut(lost)
    with pytest.raises(DatabaseUnavailable):
        insert(cuttable, "one")

    insert(cuttable, "two")

    assert names(cuttable) == (["one", "two"] if lost is Lost.ANSWER else ["two"])


def test_f2_work_that_was_kept_without_an_answer_is_found_done_when_it_is_repeated(
    cuttable: Database, wire: Wire
) -> None:
    wire.cut(Lost.ANSWER)
    with pytest.raises(DatabaseUnavailable):
        insert(cuttable, "one")

    with pytest.raises(UniqueViolation) as found:
        insert(cuttable, "one")

    assert found.value.constraint == "one_name"
    assert names(cuttable) == ["one"]


def test_f2_a_claim_whose_answer_was_lost_is_nobody_else_s_until_it_lapses(
    cuttable: Database, wire: Wire, database: Database
) -> None:
    with database.transaction() as tx:
        row = tx.one(
            """
            insert into notices (level, topic, subject, text, dedupe_key, created_at, next_ring_at)
            values ('info', 't', 's', 'x', 'k', :now, :now) returning notice_id
            """,
            now=NOON,
        )
    assert row is not None
    wire.cut(Lost.ANSWER)

    def take(connection: Database, token: int, now: datetime) -> int:
        with connection.transaction() as tx:
            return len(
                claim(
                    tx,
                    NOTICES,
                    [row["notice_id"]],
                    token=UUID(int=token),
                    now=now,
                    lasting=timedelta(seconds=30),
                )
            )

    with pytest.raises(InfrastructureError):
        take(cuttable, 1, NOON)

    assert take(database, 2, NOON + timedelta(seconds=29)) == 0
    assert take(database, 2, NOON + timedelta(seconds=31)) == 1


@pytest.mark.parametrize("lost", list(Lost))
def test_reading_alone_loses_nothing_with_its_commit(cuttable: Database, wire: Wire, lost: Lost) -> None:
    insert(cuttable, "one")
    wire.cut(lost)

    with pytest.raises(DatabaseUnavailable):
        names(cuttable)

    assert names(cuttable) == ["one"]
