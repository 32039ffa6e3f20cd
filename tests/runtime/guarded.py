"""A Postgres that asks for a password, behind a server that speaks TLS with a certificate of the test's own choice."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.postgres import Postgres, temporary_postgres
from outcry.runtime.database import Address, Database
from outcry.runtime.secrets import Secret
from tests.runtime.terminator import Authority, Terminator, terminator

PASSWORD = "correct-horse"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the database's certificate."""
    return Authority.create(tmp_path_factory.mktemp("authority"), "the-right-one")


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres in which the role `keeper` needs a password, and has a table of one row."""
    rules = Path(tmp_path_factory.mktemp("rules")) / "pg_hba.conf"
    rules.write_text("local all outcry trust\nlocal all keeper scram-sha-256\nlocal all banned reject\n")
    for folder in (rules, *rules.parents):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o005)
    with temporary_postgres(settings={"hba_file": str(rules)}) as server:
        owner = Database(Address.from_url(server.url("postgres")), network="local")
        with owner.transaction() as tx:
            tx.script(f"create role keeper login password '{PASSWORD}'; create table rows (name text)")
            tx.script("insert into rows values ('one'); grant select on rows to keeper")
        owner.close()
        yield server


@pytest.fixture
def socket_path(guarded: Postgres) -> str:
    return str(guarded.socket_directory / ".s.PGSQL.5432")


@pytest.fixture
def serve(socket_path: str) -> Iterator[Callable[..., Terminator]]:
    """Puts a server before Postgres that has this certificate; without one it speaks no TLS."""
    with contextlib.ExitStack() as stack:

        def make(certificate: Path | None, **options: Any) -> Terminator:
            context = None
            if certificate is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
            return stack.enter_context(terminator(socket_path, context, **options))

        yield make


def address(server: Terminator, ca_file: Path | None, **changed: Any) -> Address:
    given = {"user": "keeper", "database": "postgres", "host": "localhost", "password": Secret(PASSWORD)}
    return Address(**{**given, "port": server.port, "ca_file": ca_file, **changed})


def read(where: Address, network: str = "testnet") -> list[str]:
    """The rows of the table, over a connection of its own."""
    database = Database(where, network=network)
    try:
        with database.transaction() as tx:
            return [row["name"] for row in tx.all("select name from rows")]
    finally:
        database.close()


def refusal(where: Address, kind: type[Exception], network: str = "mainnet") -> str:
    """What is said when nothing can be read from there."""
    with pytest.raises(kind) as refused:
        read(where, network)
    assert PASSWORD not in str(refused.value)
    return str(refused.value)
