"""Transactions on a real Postgres: what is kept, what is undone, and how each fault is told apart."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from outcry.runtime.database import Address, Database, Transaction, UniqueViolation
from outcry.runtime.errors import ConfigurationError, DatabaseUnavailable, InfrastructureError
from outcry.runtime.secrets import Secret

Connect = Callable[..., Database]


class ChangedMind(Exception):
    """What a stage raises in the middle of its work."""


@pytest.fixture
def table(database: Database) -> None:
    """A table of amounts with one unique name each."""
    with database.transaction() as tx:
        tx.script("create table amounts (name text, amount numeric, constraint one_name unique (name))")


def insert(tx: Transaction, name: str = "one", amount: str = "1") -> int:
    return tx.execute(
        "insert into amounts (name, amount) values (:name, :amount)", name=name, amount=Decimal(amount)
    )


def names(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [row["name"] for row in tx.all("select name from amounts order by name")]


def backend(tx: Transaction) -> int:
    """The process id of the server's side of a connection."""
    row = tx.one("select pg_backend_pid() as pid")
    assert row is not None
    return int(row["pid"])


def insert_alone(database: Database) -> None:
    with database.transaction() as tx:
        insert(tx)


def until_it_waits(tx: Transaction) -> None:
    """Come back once somebody waits for a lock."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if tx.one("select count(*) as waiting from pg_locks where not granted") != {"waiting": 0}:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def kill(other: Database, pid: int) -> None:
    """End a connection from the server's side and wait until it is gone."""
    with other.transaction() as tx:
        tx.execute("select pg_terminate_backend(:pid, 5000)", pid=pid)


# ─── what is kept ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("table")
def test_a_transaction_is_committed_at_the_end_of_its_block(database: Database, connect: Connect) -> None:
    with database.transaction() as tx:
        assert insert(tx) == 1

    assert names(connect()) == ["one"]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("error", [ChangedMind, KeyboardInterrupt])
def test_a_transaction_is_undone_by_any_exception(database: Database, error: type[BaseException]) -> None:
    def change_mind() -> None:
        with database.transaction() as tx:
            insert(tx)
            raise error

    with pytest.raises(error):
        change_mind()

    assert names(database) == []


@pytest.mark.usefixtures("table")
def test_f2_a_row_that_somebody_made_already_is_told_by_the_name_of_its_constraint(
    database: Database,
) -> None:
    def insert_twice() -> None:
        with database.transaction() as tx:
            insert(tx, "other")
            insert(tx)
            insert(tx)

    with pytest.raises(UniqueViolation) as refused:
        insert_twice()

    assert refused.value.constraint == "one_name"
    assert names(database) == []


def test_another_broken_rule_is_not_taken_for_a_fault_that_passes(database: Database) -> None:
    with pytest.raises(Exception, match="division by zero") as refused, database.transaction() as tx:
        tx.all("select 1 / cast(:zero as integer)", zero=0)

    assert not isinstance(refused.value, InfrastructureError)


def test_f42_money_comes_back_as_the_exact_decimal_that_went_in(database: Database) -> None:
    amounts = [
        Decimal(text)
        for text in ("0.000000000000000001", "123456789012345678901234.5678", "-0.10", "1E+3", "0")
    ]

    with database.transaction() as tx:
        row = tx.one(
            "select cast(:a as numeric) as a, cast(:b as numeric) as b, cast(:all as numeric[]) as every",
            a=amounts[0],
            b=amounts[1],
            all=amounts,
        )

    assert row is not None
    assert (row["a"], row["b"]) == (amounts[0], amounts[1])
    assert row["every"] == amounts
    assert {type(amount) for amount in row["every"]} == {Decimal}


def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database) -> None:
    elsewhere = datetime(2026, 1, 5, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))

    with database.transaction() as tx:
        row = tx.one("select cast(:at as timestamptz) as at", at=elsewhere)

    assert row is not None
    assert row["at"] == elsewhere
    assert row["at"].utcoffset() == timedelta(0)


def test_more_rows_than_one_where_one_was_meant_is_a_bug(database: Database) -> None:
    with database.transaction() as tx:
        assert tx.one("select 1 as a where false") is None
        with pytest.raises(AssertionError, match="got 2"):
            tx.one("select generate_series(1, 2) as a")


@pytest.mark.usefixtures("table")
def test_a_statement_says_how_many_rows_it_touched(database: Database) -> None:
    with database.transaction() as tx:
        counts = [insert(tx, name) for name in "abc"]
        updated = tx.execute("update amounts set amount = amount + 1 where name <> :name", name="a")
        nothing = tx.execute("delete from amounts where name = :name", name="z")

    assert (counts, updated, nothing) == ([1, 1, 1], 2, 0)


@pytest.mark.usefixtures("table")
def test_a_rule_that_is_checked_at_the_commit_undoes_the_transaction_by_its_name(
    database: Database,
) -> None:
    with database.transaction() as tx:
        tx.script("alter table amounts add constraint late unique (amount) deferrable initially deferred")

    def insert_both() -> None:
        with database.transaction() as tx:
            insert(tx, "one", "5")
            insert(tx, "two", "5")

    with pytest.raises(UniqueViolation) as refused:
        insert_both()

    assert refused.value.constraint == "late"
    assert names(database) == []


# ─── faults ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_statement_that_takes_too_long_may_be_repeated(connect: Connect) -> None:
    hasty = connect(statement_timeout_s=0.2)

    with pytest.raises(InfrastructureError, match="statement timeout") as late, hasty.transaction() as tx:
        tx.all("select pg_sleep(5)")

    assert not isinstance(late.value, DatabaseUnavailable)
    with hasty.transaction() as tx:
        assert tx.one("select 1 as alive") == {"alive": 1}


@pytest.mark.usefixtures("table")
def test_a_row_that_somebody_holds_too_long_may_be_tried_again(database: Database, connect: Connect) -> None:
    with database.transaction() as tx:
        insert(tx)
    hasty = connect(lock_timeout_s=0.2)

    with database.transaction() as tx:
        tx.execute("update amounts set amount = 2")
        started = time.monotonic()
        with pytest.raises(InfrastructureError, match="lock timeout"), hasty.transaction() as waiting:
            waiting.execute("update amounts set amount = 3")

    assert time.monotonic() - started < 3
    assert names(hasty) == ["one"]


@pytest.mark.usefixtures("table")
def test_what_was_done_before_a_lock_timeout_is_undone_and_the_next_transaction_works(
    database: Database, connect: Connect
) -> None:
    with database.transaction() as tx:
        insert(tx, "held")
    hasty = connect(lock_timeout_s=0.2)

    def half_done() -> None:
        with hasty.transaction() as waiting:
            insert(waiting, "half")
            waiting.execute("update amounts set amount = 3 where name = 'held'")

    with database.transaction() as tx:
        tx.execute("update amounts set amount = 2 where name = 'held'")
        with pytest.raises(InfrastructureError, match="lock timeout"):
            half_done()

    with hasty.transaction() as tx:
        insert(tx, "whole")
    assert names(database) == ["held", "whole"]


@pytest.mark.usefixtures("table")
def test_a_serialization_failure_may_be_repeated_undoes_everything_and_the_next_transaction_works(
    database: Database, connect: Connect
) -> None:
    with database.transaction() as tx:
        insert(tx, "seen")
    other = connect()

    def overtaken() -> None:
        with database.transaction() as tx:
            tx.execute("set transaction isolation level repeatable read")
            insert(tx, "half")
            with other.transaction() as faster:
                faster.execute("update amounts set amount = 2 where name = 'seen'")
            tx.execute("update amounts set amount = 3 where name = 'seen'")

    with pytest.raises(InfrastructureError, match="could not serialize") as failed:
        overtaken()

    assert not isinstance(failed.value, DatabaseUnavailable)
    with database.transaction() as tx:
        assert insert(tx, "whole") == 1
    assert names(other) == ["seen", "whole"]


@pytest.mark.usefixtures("table")
def test_two_that_wait_for_each_other_are_told_apart_and_one_may_repeat(
    database: Database, connect: Connect
) -> None:
    with database.transaction() as tx:
        insert(tx, "a")
        insert(tx, "b")
    other = connect()
    both = threading.Barrier(2)
    failures: list[Exception] = []

    def cross(connection: Database, first: str, second: str) -> None:
        try:
            with connection.transaction() as tx:
                tx.execute("update amounts set amount = 2 where name = :name", name=first)
                both.wait(timeout=10)
                tx.execute("update amounts set amount = 3 where name = :name", name=second)
        except InfrastructureError as error:
            failures.append(error)

    threads = [
        threading.Thread(target=cross, args=(database, "a", "b")),
        threading.Thread(target=cross, args=(other, "b", "a")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert len(failures) == 1
    assert "deadlock" in str(failures[0])


@pytest.mark.usefixtures("table")
def test_a_connection_that_died_between_transactions_is_replaced_once(
    database: Database, connect: Connect
) -> None:
    with database.transaction() as tx:
        pid = backend(tx)
    kill(connect(), pid)

    with database.transaction() as tx:
        insert(tx)
        assert backend(tx) != pid

    assert names(database) == ["one"]


@pytest.mark.usefixtures("table")
def test_a_connection_that_dies_with_the_first_statement_runs_it_once(
    database: Database, connect: Connect
) -> None:
    with database.transaction() as tx:
        pid = backend(tx)
    holder = connect()

    with ThreadPoolExecutor(1) as pool:
        with holder.transaction() as tx:
            tx.script("lock table amounts")
            waiting = pool.submit(insert_alone, database)
            until_it_waits(tx)
            kill(connect(), pid)
        waiting.result(timeout=10)

    assert names(database) == ["one"]


@pytest.mark.usefixtures("table")
def test_a_new_connection_that_dies_with_its_first_statement_is_not_replaced(
    database: Database, connect: Connect
) -> None:
    holder, fresh = connect(), connect()

    with ThreadPoolExecutor(1) as pool, holder.transaction() as tx:
        tx.script("lock table amounts")
        waiting = pool.submit(insert_alone, fresh)
        until_it_waits(tx)
        tx.execute(
            "select pg_terminate_backend(pid) from pg_locks where not granted and relation = 'amounts'::regclass"
        )
        with pytest.raises(DatabaseUnavailable):
            waiting.result(timeout=10)

    assert names(database) == []


@pytest.mark.usefixtures("table")
def test_f1_a_connection_that_dies_within_a_transaction_is_never_replaced_in_it(
    database: Database, connect: Connect
) -> None:
    entered = []

    def work() -> None:
        with database.transaction() as tx:
            entered.append(tx)
            insert(tx, "lost")
            kill(connect(), backend(tx))
            insert(tx, "never")

    with pytest.raises(DatabaseUnavailable):
        work()

    assert len(entered) == 1
    assert names(database) == []
    with database.transaction() as tx:
        assert insert(tx, "next") == 1
    assert names(connect()) == ["next"]


@pytest.mark.usefixtures("table")
def test_f1_a_connection_that_dies_before_the_commit_is_no_success(
    database: Database, connect: Connect
) -> None:
    def work() -> None:
        with database.transaction() as tx:
            insert(tx, "lost")
            kill(connect(), backend(tx))

    with pytest.raises(DatabaseUnavailable):
        work()

    assert names(database) == []


def test_a_transaction_that_idles_too_long_is_ended_by_the_server_and_may_be_repeated(
    connect: Connect,
) -> None:
    idle = connect(statement_timeout_s=0.1)

    def idle_in_it() -> None:
        with idle.transaction() as tx:
            tx.one("select 1 as one")
            time.sleep(0.6)
            tx.one("select 1 as one")

    with pytest.raises(DatabaseUnavailable):
        idle_in_it()

    with idle.transaction() as tx:
        assert tx.one("select 2 as two") == {"two": 2}


@pytest.mark.usefixtures("table")
def test_a_statement_prepared_before_a_migration_fails_once_and_may_be_repeated(
    database: Database, connect: Connect
) -> None:
    def read() -> list[dict[str, object]]:
        with database.transaction() as tx:
            return [dict(row) for row in tx.all("select * from amounts")]

    assert read() == []
    with connect().transaction() as tx:
        tx.script("alter table amounts add column added text default 'new'")
        insert(tx)

    with pytest.raises(InfrastructureError, match="cached plan"):
        read()

    assert read() == [{"name": "one", "amount": Decimal(1), "added": "new"}]


@pytest.mark.usefixtures("table")
def test_a_closed_connection_is_opened_again_at_the_next_transaction(database: Database) -> None:
    with database.transaction() as tx:
        insert(tx)
        pid = backend(tx)
    database.close()
    database.close()

    assert names(database) == ["one"]
    with database.transaction() as tx:
        assert backend(tx) != pid


def test_closing_a_connection_that_died_says_nothing(database: Database, connect: Connect) -> None:
    with database.transaction() as tx:
        pid = backend(tx)
    kill(connect(), pid)

    database.close()


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    address = Address.from_url(f"postgresql://outcry@/nowhere?host={tmp_path}")

    with (
        pytest.raises(DatabaseUnavailable),
        Database(address, network="local").transaction(),
    ):
        pass


def test_the_server_knows_the_connection_by_its_name_and_its_limits(connect: Connect) -> None:
    with connect(application="a-test", statement_timeout_s=3, lock_timeout_s=1.5).transaction() as tx:
        rows = tx.all(
            """
            select name, setting from pg_settings
             where name in ('application_name', 'statement_timeout', 'lock_timeout', 'TimeZone',
                            'idle_in_transaction_session_timeout')
            """
        )

    assert {row["name"]: row["setting"] for row in rows} == {
        "application_name": "a-test",
        "statement_timeout": "3000",
        "lock_timeout": "1500",
        "idle_in_transaction_session_timeout": "6000",
        "TimeZone": "UTC",
    }


# ─── who we are and how we get there ────────────────────────────────────────────────────────────────────────


def test_an_address_is_read_from_its_url() -> None:
    assert Address.from_url("postgresql://me%40x@db.example:6543/main%20one") == Address(
        user="me@x", database="main one", host="db.example", port=6543
    )
    assert Address.from_url("postgres://me@/main?host=/run/pg") == Address(
        user="me", database="main", socket="/run/pg/.s.PGSQL.5432"
    )


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me@h/d",
        "postgresql://h/d",
        "postgresql://me@h/",
        "postgresql://me@h",
        "postgresql://me@h:port/d",
        "postgresql://me@h:70000/d",
        "",
    ],
)
def test_an_address_that_says_too_little_is_refused_with_the_fix(url: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTCRY_DATABASE_URL"):
        Address.from_url(url)


def test_f25_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="into the secret") as refused:
        Address.from_url("postgresql://me:hunter2@db.example/main")

    assert "hunter2" not in str(refused.value)


def test_f25_an_address_never_shows_its_password() -> None:
    address = Address("me", "main", host="db.example", password=Secret("hunter2"))

    assert "hunter2" not in repr(address)


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_a_plain_socket_is_refused_off_the_local_network(database_url: str, network: str) -> None:
    with (
        pytest.raises(ConfigurationError, match="network=local"),
        Database(Address.from_url(database_url), network=network).transaction(),
    ):
        pass


@contextmanager
def server_without_tls() -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers a request for TLS with "no", and keeps whatever comes after it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            client, _ = listening.accept()
            with client:
                client.settimeout(5)
                client.recv(8)
                client.sendall(b"N")
                heard.append(client.recv(1024))

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join(timeout=10)


def test_f25_a_server_without_tls_hears_no_password_off_the_local_network() -> None:
    with server_without_tls() as (port, heard):
        address = Address("me", "main", host="127.0.0.1", port=port, password=Secret("hunter2"))

        with (
            pytest.raises(DatabaseUnavailable) as refused,
            Database(address, network="mainnet").transaction(),
        ):
            pass

    assert "hunter2" not in str(refused.value)
    assert heard == [b""]


def test_a_moment_is_compared_in_sql_as_in_python(database: Database) -> None:
    now = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

    with database.transaction() as tx:
        row = tx.one(
            "select cast(:now as timestamptz) <= :later as before, cast(:id as uuid) as id",
            now=now,
            later=now + timedelta(microseconds=1),
            id=UUID(int=7),
        )

    assert row == {"before": True, "id": UUID(int=7)}
