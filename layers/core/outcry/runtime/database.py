"""Postgres, through pg8000: one connection per process, short transactions, typed failures.

Promises:
- `transaction()` commits at the end of the block and rolls back on any exception; no network call belongs inside it.
- Statement and lock timeouts are set on the server, so that no statement outlives a Lambda.
- A socket that died while the process was frozen is replaced once, at the start of a transaction, where nothing has
  been done yet. In the middle of work it is never replaced: `DatabaseUnavailable` is raised and the queue repeats.
- Certificate and host name are verified; a plain connection is refused everywhere but on `network = local` (see `connect`).

A connection is never shared by threads.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pg8000.exceptions
import pg8000.native

from outcry.runtime import edges
from outcry.runtime.connect import LoginRefused, login_fault, open_socket
from outcry.runtime.edges import Edge
from outcry.runtime.errors import BugError, ConfigurationError, DatabaseUnavailable, InfrastructureError
from outcry.runtime.metrics import DATABASE_CONNECT_MS
from outcry.runtime.secrets import Secret

Row = Mapping[str, Any]

UNIQUE_VIOLATION = "23505"
_UNAVAILABLE_CLASSES = (
    "08",
    "57",
    "53",
    "25P03",
)  # connection exception, operator intervention, insufficient resources, ended for idling in a transaction
# severity, code, message, constraint and table of an error; its detail shows the row
_TOLD = frozenset("SCMnt")
PLAN_IS_OUTDATED = "0A000"  # a kept statement no longer fits its table
# serialization, deadlock, lock timeout, statement timeout, outdated plan: doing it again may cure it
_REPEATABLE = ("40001", "40P01", "55P03", "57014", PLAN_IS_OUTDATED)


class UniqueViolation(Exception):
    """A unique constraint refused the row: somebody made it already. `constraint` names which."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


@dataclass(frozen=True, slots=True)
class Address:
    """Where Postgres is and who we are there."""

    user: str
    database: str
    host: str | None = None
    port: int = 5432
    socket: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None

    @classmethod
    def from_url(cls, url: str) -> "Address":
        """Read `postgresql://user@host:port/name` or, for a unix socket, `postgresql://user@/name?host=/folder`.

        A password in the URL is refused: it belongs in the secret store.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"postgresql", "postgres"} or not parts.username or len(parts.path) < 2:
            raise ConfigurationError("OUTCRY_DATABASE_URL", "…", "write postgresql://user@host:port/name")
        if parts.password:
            raise ConfigurationError(
                "OUTCRY_DATABASE_URL", "…", "put the password into the secret, not into the URL"
            )
        query = parse_qs(parts.query)
        folder = query.get("host", [None])[0]
        try:
            port = parts.port or 5432
        except ValueError:
            raise ConfigurationError(
                "OUTCRY_DATABASE_URL", "…", "write the port as a number up to 65535"
            ) from None
        return cls(
            user=unquote(parts.username),
            database=unquote(parts.path[1:]),
            host=None if folder else parts.hostname,
            port=port,
            socket=f"{folder}/.s.PGSQL.{port}" if folder else None,
        )


class Transaction:
    """One open transaction. Parameters are written `:name`; money comes back as Decimal, times as aware UTC."""

    def __init__(
        self, connection: pg8000.native.Connection, prepared: dict[str, pg8000.native.PreparedStatement]
    ) -> None:
        self._connection = connection
        self._prepared = prepared

    def all(self, sql: str, **parameters: Any) -> list[Row]:
        """Every row of the answer."""
        statement, rows = self._run(sql, parameters)
        names = [column["name"] for column in statement.columns or []]
        return [dict(zip(names, row, strict=True)) for row in rows or []]

    def one(self, sql: str, **parameters: Any) -> Row | None:
        """The only row of the answer, or None. More than one is a bug in the statement."""
        rows = self.all(sql, **parameters)
        if len(rows) > 1:
            raise AssertionError(f"expected at most one row, got {len(rows)}")
        return rows[0] if rows else None

    def execute(self, sql: str, **parameters: Any) -> int:
        """Run a statement for its effect and return how many rows it touched."""
        statement, _ = self._run(sql, parameters)
        return max(int(statement._context.row_count), 0)

    def script(self, sql: str) -> None:
        """Run several statements without parameters: migrations only. Raises BugError, in the database's words, for a wrong one."""
        try:
            self._guard(lambda: self._connection.execute_simple(sql))
        except pg8000.exceptions.DatabaseError as error:
            raise BugError(str(_detail(error).get("M", error))) from error

    def _statement(self, sql: str) -> pg8000.native.PreparedStatement:
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = self._guard(lambda: self._connection.prepare(sql))
        return statement

    def _run(self, sql: str, parameters: dict[str, Any]) -> tuple[pg8000.native.PreparedStatement, Any]:
        statement = self._statement(sql)
        try:
            return statement, self._guard(lambda: statement.run(**parameters))
        except InfrastructureError:
            self._prepared.pop(sql, None)  # a plan that a migration made stale would fail on every retry
            raise

    def _guard[T](self, call: Callable[[], T]) -> T:
        try:
            return call()
        except pg8000.exceptions.DatabaseError as error:
            raise _translated(error) from error
        except (OSError, pg8000.exceptions.InterfaceError) as error:
            raise DatabaseUnavailable(str(error)) from error


class Database:
    """The process's connection to Postgres, opened at first use."""

    def __init__(
        self,
        address: Address,
        *,
        network: str,
        statement_timeout_s: float = 10.0,
        lock_timeout_s: float = 4.0,
        application: str = "outcry",
        renew: Callable[[], Address] | None = None,
    ) -> None:
        """`renew` reads the address anew: its login is taken when ours is refused, because a password may have been rotated."""
        self._address = address
        self._renew = renew
        self._network = network
        self._statement_timeout_s = statement_timeout_s
        self._lock_timeout_s = lock_timeout_s
        self._application = application
        self._connection: pg8000.native.Connection | None = None
        self._prepared: dict[str, pg8000.native.PreparedStatement] = {}
        self._is_open = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction around the block: committed at its end, rolled back on any exception.

        Raises DatabaseUnavailable, InfrastructureError (a timeout or a conflict that a retry may cure) or UniqueViolation.
        """
        if self._is_open:
            raise AssertionError(
                "a transaction is open already: an inner one would commit the outer one's work"
            )
        edges.reached(Edge.BEGIN, "database")
        connection = self._begin()
        self._is_open = True
        try:
            yield Transaction(connection, self._prepared)
            edges.reached(Edge.BEFORE_COMMIT, "database")
        except BaseException:
            self._rollback(connection)
            raise
        else:
            self._commit(connection)
        finally:
            self._is_open = False
        edges.reached(Edge.AFTER_COMMIT, "database")

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection = self._connection, None
        self._prepared = {}
        if connection is not None:
            try:
                connection.close()
            except (OSError, pg8000.exceptions.Error):
                return

    def _begin(self) -> pg8000.native.Connection:
        if self._connection is not None:
            try:
                self._connection.run("begin")
                return self._connection
            except (OSError, pg8000.exceptions.Error):
                self.close()
        self._connection = self._connect()
        try:
            self._connection.run("begin")
        except (OSError, pg8000.exceptions.Error) as error:
            self.close()
            raise DatabaseUnavailable(str(error)) from error
        return self._connection

    def _commit(self, connection: pg8000.native.Connection) -> None:
        try:
            connection.run("commit")
        except pg8000.exceptions.DatabaseError as error:
            self._rollback(connection)
            raise _translated(error) from error
        except (OSError, pg8000.exceptions.InterfaceError) as error:
            self.close()
            raise DatabaseUnavailable(str(error)) from error

    def _rollback(self, connection: pg8000.native.Connection) -> None:
        try:
            connection.run("rollback")
        except (OSError, pg8000.exceptions.Error):
            self.close()

    def _connect(self) -> pg8000.native.Connection:
        try:
            return self._log_in(self._address)
        except LoginRefused:
            known = self._address
            found = self._renew() if self._renew else known
            # the login alone: at another place there may be another database, and this process knows the one that it began with
            self._address = replace(known, user=found.user, password=found.password)
            if self._address == known:
                raise
            return self._log_in(self._address)

    def _log_in(self, address: Address) -> pg8000.native.Connection:
        began_s = time.perf_counter()
        opened = open_socket(address.host, address.port, address.socket, self._network, address.ca_file)
        opened.settimeout(int(self._statement_timeout_s) + 5)
        try:
            connection = pg8000.native.Connection(
                address.user,
                database=address.database,
                password=address.password.reveal() if address.password else "",
                sock=opened,
                ssl_context=False,  # it is as secure as it will be: the driver has nothing to negotiate
                application_name=self._application,
            )
            for name, seconds in (
                ("statement_timeout", self._statement_timeout_s),
                ("lock_timeout", self._lock_timeout_s),
                ("idle_in_transaction_session_timeout", self._statement_timeout_s * 2),
            ):
                connection.run(
                    "select set_config(:name, :value, false)", name=name, value=f"{int(seconds * 1000)}ms"
                )
            connection.run("set timezone to 'UTC'")
            connection.register_in_adapter(pg8000.native.TIMESTAMPTZ, _moment)
        except (OSError, pg8000.exceptions.Error) as error:
            opened.close()
            refusal = _refusal(error)
            raise login_fault(
                str(refusal.get("C", "")),
                _without_password(str(refusal.get("M", error))),
                user=address.user,
                database=address.database,
                host=address.host,
            ) from error
        except BaseException:
            opened.close()
            raise
        DATABASE_CONNECT_MS.record((time.perf_counter() - began_s) * 1000)
        return connection


def _refusal(error: BaseException) -> dict[str, Any]:
    """What the server said to a login: the driver hides it where the server hung up right after it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, pg8000.exceptions.DatabaseError):
            return _detail(found)
        found = found.__context__
    return {}


def _moment(written: str) -> datetime:
    """A timestamptz as the server writes it. The driver's own reader tries several formats and takes ten times as long."""
    return datetime.fromisoformat(written)


def _detail(error: Exception) -> dict[str, Any]:
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def _translated(error: Exception) -> Exception:
    detail = _detail(error)
    code = str(detail.get("C", ""))
    message = str(detail.get("M", error))
    if code == UNIQUE_VIOLATION:
        return UniqueViolation(str(detail.get("n", "")))
    if code.startswith(_UNAVAILABLE_CLASSES) and code not in _REPEATABLE:
        return DatabaseUnavailable(message)
    if code in _REPEATABLE:
        return InfrastructureError(message)
    if detail:  # what the row held, and where in which statement: payload, for no log
        error.args = ({name: said for name, said in detail.items() if name in _TOLD},)
    return error


def _without_password(message: str) -> str:
    return re.sub(r"password[^,)]*", "password …", message)
