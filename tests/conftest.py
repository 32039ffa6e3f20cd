"""Fixtures for every test: a real Postgres with our schema, a local AWS, and clocks moved by hand."""

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local.aws import LocalAws, running_aws
from local.clock_file import ClockFile
from local.postgres import Postgres, temporary_postgres
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from outcry.runtime.migrations import migrate

_NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_TEMPLATE = "outcry_template"
_numbers = itertools.count(1)

# The same examples in every run, so that a failure is the change's and not the day's; and no verdict on speed, since the
# machine may be busy. HYPOTHESIS_PROFILE=explore looks for new examples instead.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at noon, UTC, of a Monday until the test moves it."""
    return FixedClock(_NOON)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server of this test process, as durable as the deployed one, with no schema in it yet."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """The name of a database with our schema and no rows, from which each test's own is copied."""
    database = Database(Address.from_url(postgres.create_database(_TEMPLATE)), network="local")
    migrate(database, now=_NOON)
    database.close()
    return _TEMPLATE


@pytest.fixture
def empty_database_url(postgres: Postgres) -> Iterator[str]:
    """The address of a database without any schema, of this test alone."""
    name = f"empty_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def database_url(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """The address of this test's own database, with our schema: for several connections or processes."""
    name = f"test_{next(_numbers)}"
    yield postgres.create_database(name, template=migrated_template)
    postgres.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A connection to this test's own database, with our schema and no rows."""
    connection = Database(Address.from_url(database_url), network="local")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalAws, ClockFile]]:
    """The local AWS of this test process, and the served clock that its queues follow."""
    served = ClockFile(tmp_path_factory.mktemp("clock") / "offset")
    with running_aws(clock_file=served.path) as server:
        yield server, served
    served.close()


@pytest.fixture
def aws(aws_server: tuple[LocalAws, ClockFile], monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """An empty local AWS, which every boto3 client that the test makes talks to."""
    server, _ = aws_server
    server.reset()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def aws_clock(aws_server: tuple[LocalAws, ClockFile]) -> ClockFile:
    """The served clock of the local AWS: moving it makes delayed messages due. Tests share it."""
    return aws_server[1]


@pytest.fixture
def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).resolve().parent.parent
