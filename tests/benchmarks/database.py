"""Real Postgres for the figures, fsync and synchronous_commit on, and a connection that counts what it is asked.

Promises: one server for the whole run, gone at its end; a fresh copy of our schema for each figure; the settings that
the targets name are read back from the server, not assumed.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pg8000.native import PreparedStatement

from local.postgres import Postgres, temporary_postgres
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.migrations import migrate

_TEMPLATE = "benchmark_template"


@dataclass(slots=True)
class Asked:
    """How much of the database was used: transactions, statements in them, and seconds spent in statements and in commits."""

    transactions: int = 0
    statements: int = 0
    seconds: float = 0.0
    commit_seconds: float = 0.0

    def copy(self) -> "Asked":
        return replace(self)

    def since(self, earlier: "Asked") -> "Asked":
        return Asked(
            self.transactions - earlier.transactions,
            self.statements - earlier.statements,
            self.seconds - earlier.seconds,
            self.commit_seconds - earlier.commit_seconds,
        )

    def plus(self, other: "Asked") -> "Asked":
        return Asked(
            self.transactions + other.transactions,
            self.statements + other.statements,
            self.seconds + other.seconds,
            self.commit_seconds + other.commit_seconds,
        )


class CountingDatabase(Database):
    """The real connection, which also counts. `begin` travels with a statement and is none; neither is `commit`."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, network="local", statement_timeout_s=60)
        self.asked = Asked()
        self._pid: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self.asked.transactions += 1
        with super().transaction() as tx:
            yield tx

    def served(self) -> float:
        """Seconds that this connection's server process has computed so far, where the system tells; zero elsewhere."""
        if self._pid is None:
            with self.transaction() as tx:
                row = tx.one("select pg_backend_pid() as pid")
            self._pid = row["pid"] if row else 0
        try:
            return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[0]) / 1e9
        except OSError:
            return 0.0

    def _run(self, sql: str, parameters: dict[str, Any]) -> tuple[PreparedStatement, Any]:
        self.asked.statements += 1
        began = time.perf_counter()
        try:
            return super()._run(sql, parameters)
        finally:
            self.asked.seconds += time.perf_counter() - began

    def _commit(self) -> None:
        began = time.perf_counter()
        try:
            super()._commit()
        finally:
            self.asked.commit_seconds += time.perf_counter() - began


@dataclass(slots=True)
class Server:
    """The Postgres of this run."""

    postgres: Postgres
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def database(self) -> Iterator[CountingDatabase]:
        """A connection to a database of its own, with our schema and no rows."""
        name = f"benchmark_{next(self._numbers)}"
        database = CountingDatabase(Address.from_url(self.postgres.create_database(name, template=_TEMPLATE)))
        try:
            yield database
        finally:
            database.close()
            self.postgres.drop_database(name)


@contextmanager
def running_server(now: datetime) -> Iterator[Server]:
    """A migrated server for as long as the block runs. Raises NotStarted."""
    with temporary_postgres() as postgres:
        database = Database(Address.from_url(postgres.create_database(_TEMPLATE)), network="local")
        migrate(database, now=now)
        database.close()
        yield Server(postgres)
