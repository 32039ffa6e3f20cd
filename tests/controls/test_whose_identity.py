"""The identity of a database does not depend on who asks, nor on how its address is written."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from outcry.controls import operate, restored
from outcry.controls.gate import standing_controls
from outcry.runtime.address import place_of
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database, Transaction


def said(tx: Transaction) -> str:
    row = tx.one("select identity_of_this_database() as said")
    assert row is not None
    return str(row["said"])


@pytest.fixture
def limited(database: Database, database_url: str) -> Iterator[Database]:
    """The same database by a role that may not ask the server which cluster it is, as the functions' role may be."""
    with database.transaction() as tx:
        tx.script(
            """
            create role limited login;
            grant usage on schema public to limited;
            grant all on all tables in schema public to limited;
            grant all on all sequences in schema public to limited;
            revoke execute on function pg_control_system(), pg_current_wal_lsn() from public;
            """
        )
    made = Database(replace(Address.from_url(database_url), user="limited"), network="local")
    yield made
    made.close()
    with database.transaction() as tx:
        tx.script(
            """
            grant execute on function pg_control_system(), pg_current_wal_lsn() to public;
            drop owned by limited; drop role limited
            """
        )


def test_two_roles_are_told_the_same_identity(database: Database, limited: Database) -> None:
    with database.transaction() as tx:
        owner = said(tx)
    with limited.transaction() as tx:
        functions = said(tx)

    assert functions == owner
    assert "unknown" not in owner


def test_a_person_by_another_role_than_the_functions_lifts_the_pause_for_good(
    database: Database, limited: Database, clock: FixedClock
) -> None:
    with limited.transaction() as tx:
        operate.ensure_started_paused(tx, clock.now())

    with database.transaction() as tx:
        operate.resume(tx, "desk", "ann", clock.advance(timedelta(minutes=1)))

    with limited.transaction() as tx:
        assert not restored.recognise(tx, address=None, now=clock.advance(timedelta(minutes=1)))
        assert standing_controls(tx) == []


@pytest.mark.parametrize("host", ["DB.Example", "db.example.", "db.example"])
def test_a_name_in_capitals_or_with_a_dot_at_its_end_is_the_same_place(host: str) -> None:
    address = Address(user="outcry", database="outcry", host=host, port=5432)

    assert place_of(address) == "db.example:5432/outcry"
