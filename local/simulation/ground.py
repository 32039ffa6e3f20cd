"""The Postgres of a simulation process: one embedded server, one database, emptied between runs.

Promises: a real server, whose data a killed process cannot lose; what a disk would lose is not simulated, so fsync is off. Ids that
Postgres draws by chance come from a counter instead, in this database alone, so that a run can be repeated; so do plans, which are
made generic from the start. Its own faults are real too: connections are terminated by the server, it crashes and recovers, a lock is
held by somebody else, a commit fails with the server's own serialization failure.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pg8000.exceptions
import pg8000.native

from local.postgres import Postgres, temporary_postgres
from outcry.runtime.database import Address, Database
from outcry.runtime.migrations import migrate

LOCK_TIMEOUT_S = 0.02  # nobody but a fault of ours ever holds a lock while another works
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "plan_cache_mode": "force_generic_plan",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "128MB",
}
_SCHEMA_AT = datetime(2026, 11, 1, tzinfo=UTC)
_DRAWN_KEYS = (("positions", "position_id"), ("orders", "order_id"), ("actions", "action_id"))
_OWN_OBJECTS = """
create schema sim;
create sequence sim.ids;
create function sim.next_id() returns uuid language sql volatile as $$ select md5(nextval('sim.ids')::text)::uuid $$;
create table sim.conflicts (id integer);
create function sim.refuse() returns trigger language plpgsql as $$
begin raise exception 'could not serialize access due to a concurrent update' using errcode = '40001'; end $$;
create constraint trigger refused after insert on sim.conflicts deferrable initially deferred
  for each row execute function sim.refuse();
"""
_LARGEST_SEED = 2**31
_PATIENCE = 12_000  # looks, 5 ms apart


class Ground:
    """The database of one simulation process. For one thread at a time, except the workers' own connections."""

    def __init__(self, server: Postgres) -> None:
        self.url = server.create_database("simulation")
        self._server = server
        self._admin = self.connect("simulation")
        migrate(self._admin, now=_SCHEMA_AT)
        with self._admin.transaction() as tx:
            tx.script(_OWN_OBJECTS)
            for table, key in _DRAWN_KEYS:
                tx.script(f"alter table {table} alter column {key} set default sim.next_id()")
            tables = tx.all("select tablename from pg_tables where schemaname = 'public' order by tablename")
        names = [row["tablename"] for row in tables if row["tablename"] != "schema_migrations"]
        self._empty = f"truncate {', '.join(names)} restart identity cascade"
        self._blocker: pg8000.native.Connection | None = None

    def connect(self, application: str) -> Database:
        """A connection of its own. Its timeouts are such that only a fault of the simulation runs into them."""
        return Database(
            Address.from_url(self.url),
            network="local",
            statement_timeout_s=60,
            lock_timeout_s=LOCK_TIMEOUT_S,
            application=application,
        )

    def reset(self, seed: int) -> None:
        """No rows, and ids that follow from the seed alone."""
        self.let_go()
        with self._admin.transaction() as tx:
            tx.script(self._empty)
            tx.script(f"select setval('sim.ids', {(seed % _LARGEST_SEED + 1) * 1_000_000})")

    # ─── faults ─────────────────────────────────────────────────────────────────────────────────────────────

    def drop_connections(self, application: str) -> int:
        """The server ends the connections of this application; returns how many it had."""
        with self._admin.transaction() as tx:
            ended = tx.all(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = :name",
                name=application,
            )
        return len(ended)

    def crash(self) -> bool:
        """One of the server's processes is killed: it ends every session and recovers. True when it is ready again."""
        with self._admin.transaction() as tx:
            row = tx.one("select pg_backend_pid() as pid")
        assert row is not None
        self.let_go()
        witness = self._another()
        witness.run("checkpoint")  # of many runs a server would have minutes of writing to repeat
        os.kill(int(row["pid"]), signal.SIGKILL)
        self._admin.close()
        _wait_for_its_end(
            witness
        )  # until then the server has not noticed, and lets in whom it is about to end
        for _ in range(_PATIENCE):
            try:
                with self._admin.transaction() as tx:
                    tx.all("select 1")
                return True
            except Exception:  # noqa: BLE001 - whatever it says while it recovers
                time.sleep(0.005)
        raise AssertionError("Postgres did not recover")

    def hold(self, table: str) -> None:
        """Somebody else locks the table against writes until `let_go`."""
        self.let_go()
        self._blocker = self._another()
        self._blocker.run("begin")
        self._blocker.run(f"lock table {table} in share row exclusive mode")

    def _another(self) -> pg8000.native.Connection:
        """A connection of nobody's that is watched."""
        address = Address.from_url(self.url)
        return pg8000.native.Connection(
            address.user, unix_sock=address.socket, database=address.database, timeout=30
        )

    def let_go(self) -> None:
        """The lock of `hold` is given back."""
        blocker, self._blocker = self._blocker, None
        if blocker is not None:
            try:
                blocker.close()
            except (OSError, pg8000.exceptions.Error):
                return

    def close(self) -> None:
        self.let_go()
        self._admin.close()


def _wait_for_its_end(witness: pg8000.native.Connection) -> None:
    for _ in range(_PATIENCE):
        try:
            witness.run("select 1")
        except (OSError, pg8000.exceptions.Error):
            with suppress(OSError, pg8000.exceptions.Error):
                witness.close()
            return
        time.sleep(0.005)
    raise AssertionError("Postgres did not notice that a process of it was killed")


@contextmanager
def ground(make: Callable[[Postgres], Ground] = Ground) -> Iterator[Ground]:
    """A server and its database for as long as the block runs."""
    with temporary_postgres(settings=_SETTINGS) as server:
        made = make(server)
        try:
            yield made
        finally:
            made.close()
