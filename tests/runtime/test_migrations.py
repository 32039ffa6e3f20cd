"""Migrations on a real Postgres: forward only, once, under a lock, and refused where the past was changed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from outcry.runtime.database import Address, Database
from outcry.runtime.errors import BugError, SchemaMismatch
from outcry.runtime.migrations import SCHEMA_MIN, Migration, bundled, migrate, require_schema

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FIRST = Migration(1, "0001_first.sql", "create table first (a integer); insert into first values (1);")
SECOND = Migration(2, "0002_second.sql", "alter table first add column b text;")


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """A connection to a database without any schema."""
    database = Database(Address.from_url(empty_database_url), network="local")
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    with database.transaction() as tx:
        rows = tx.all("select tablename from pg_tables where schemaname = 'public'")
    return {row["tablename"] for row in rows}


def test_the_files_of_this_build_are_numbered_without_gaps() -> None:
    files = bundled()

    assert [one.version for one in files] == list(range(1, len(files) + 1))
    assert all(one.name.startswith(f"{one.version:04}_") for one in files)
    assert len(files) >= SCHEMA_MIN


def test_a_fresh_database_gets_every_table(empty: Database) -> None:
    applied = migrate(empty, now=NOON)

    assert applied == [one.name for one in bundled()]
    assert {
        *("authors", "posts", "calls", "agents", "follows", "accounts", "signers", "deployments", "signals"),
        *("orders", "actions", "fills", "positions", "reservations", "markets", "marks", "controls", "locks"),
        *("notices", "heartbeats", "leases"),
    } <= tables(empty)
    require_schema(empty)


def test_a_second_run_does_nothing(empty: Database) -> None:
    migrate(empty, now=NOON)

    assert migrate(empty, now=NOON.replace(year=2027)) == []

    with empty.transaction() as tx:
        rows = tx.all("select version, name, applied_at from schema_migrations order by version")
    assert [(row["version"], row["name"]) for row in rows] == [(one.version, one.name) for one in bundled()]
    assert {row["applied_at"] for row in rows} == {NOON}


def test_only_what_is_new_is_applied(empty: Database) -> None:
    assert migrate(empty, now=NOON, migrations=[FIRST]) == ["0001_first.sql"]
    assert migrate(empty, now=NOON, migrations=[FIRST, SECOND]) == ["0002_second.sql"]

    with empty.transaction() as tx:
        assert tx.all("select * from first") == [{"a": 1, "b": None}]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty: Database) -> None:
    migrate(empty, now=NOON, migrations=[FIRST])

    with pytest.raises(SchemaMismatch, match=r"0001_first\.sql was changed"):
        migrate(empty, now=NOON, migrations=[replace(FIRST, sql=FIRST.sql + " "), SECOND])

    with empty.transaction() as tx:
        assert tx.all("select * from first") == [{"a": 1}]


def test_a_file_that_fails_leaves_nothing_of_the_run_behind(empty: Database) -> None:
    broken = replace(SECOND, sql="alter table nothing add column b text;")

    says = r'0002_second\.sql failed: relation "nothing" does not exist. Nothing was applied, the schema is as it was'
    with pytest.raises(BugError, match=says):
        migrate(empty, now=NOON, migrations=[FIRST, broken])

    assert tables(empty) == set()
    assert migrate(empty, now=NOON, migrations=[FIRST, SECOND]) == [FIRST.name, SECOND.name]


def test_of_two_runs_at_once_one_applies_and_the_other_finds_it_done(empty_database_url: str) -> None:
    ready = threading.Barrier(2)

    def run() -> list[str]:
        database = Database(Address.from_url(empty_database_url), network="local", lock_timeout_s=30)
        try:
            ready.wait(timeout=10)
            return migrate(database, now=NOON)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        results = [future.result(timeout=60) for future in [pool.submit(run), pool.submit(run)]]

    assert sorted(results) == [[], [one.name for one in bundled()]]


# ─── what a function asks before it works ───────────────────────────────────────────────────────────────────


def test_a_database_without_a_schema_is_told_how_to_get_one(empty: Database) -> None:
    with pytest.raises(SchemaMismatch, match="no schema yet: run the migrate function first"):
        require_schema(empty)


def test_a_schema_older_than_the_build_needs_is_refused_with_both_numbers(empty: Database) -> None:
    migrate(empty, now=NOON, migrations=bundled()[: SCHEMA_MIN - 1])

    with pytest.raises(
        SchemaMismatch, match=f"the schema is at {SCHEMA_MIN - 1}, this build needs {SCHEMA_MIN}"
    ):
        require_schema(empty)


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_newer_schema_is_refused_only_where_its_file_says_that_it_breaks_this_build(
    empty: Database, beyond: int
) -> None:
    newest = len(bundled())
    says = f"-- what no build still reads\n-- breaks builds before {newest + beyond:04d}\n"
    later = Migration(newest + 1, f"{newest + 1:04d}_contract.sql", says + "create table later (a integer);")

    migrate(empty, now=NOON, migrations=[*bundled(), later])

    if beyond:
        with pytest.raises(SchemaMismatch, match="deploy a newer build"):
            require_schema(empty)
    else:
        require_schema(empty)


def test_an_expanding_migration_breaks_no_build() -> None:
    assert {one.breaks_before for one in bundled()} == {None}


def test_an_older_build_that_comes_back_in_a_rollback_changes_nothing(empty: Database) -> None:
    migrate(empty, now=NOON, migrations=[FIRST, SECOND])

    assert migrate(empty, now=NOON, migrations=[FIRST]) == []
    with empty.transaction() as tx:
        assert [row["version"] for row in tx.all("select version from schema_migrations order by 1")] == [
            1,
            2,
        ]
