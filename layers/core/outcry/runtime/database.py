"""Postgres, through pg8000: one connection per process, short transactions, typed failures.

Promises:
- `transaction()` commits at the end of the block and rolls back on any exception; no network call belongs inside it.
- Statement and lock timeouts are set on the server, so that no statement outlives a Lambda.
- `begin` travels with the first statement of a transaction, in one round trip; one without statements asks for nothing.
- A socket that died while the process was frozen is replaced once, at the first statement of a transaction, where nothing
  has been done yet. In the middle of work it is never replaced: `DatabaseUnavailable` is raised and the queue repeats.
- Certificate and host name are verified; a plain connection is refused everywhere but on `network = local` (see `connect`).

A connection is never shared by threads.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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


class _Session:
    """One login: its connection, and the statements that were prepared on it."""

    def __init__(self, connection: pg8000.native.Connection) -> None:
        self.connection = connection
        self._prepared: dict[str, pg8000.native.PreparedStatement] = {}
        self._begin = connection.prepare("begin")
        self._stream = connection._sock

    def run(
        self, sql: str, parameters: dict[str, Any], *, begins: bool
    ) -> tuple[pg8000.native.PreparedStatement, Any]:
        """Run a statement; `begins` opens the transaction with it. The statement, which knows its columns and count, and its rows."""
        statement = self._prepared.get(sql)
        if statement is None:
            statement = self._prepared[sql] = self.connection.prepare(sql)
        if begins:  # written to the driver's buffer alone: it leaves together with the statement
            self.connection.send_BIND(self._begin.name_bin, ())
            self.connection.send_EXECUTE()
        return statement, statement.run(**parameters)

    def close(self) -> None:
        """Hang up, also where the server is gone. The driver lets go of its stream; what an error still holds would keep it open."""
        for close in (self.connection.close, self._stream.close):
            with suppress(OSError, ValueError, pg8000.exceptions.Error):
                close()

    def forget(self, sql: str) -> None:
        """Prepare a statement anew when it is run again."""
        self._prepared.pop(sql, None)


class Transaction:
    """One open transaction. Parameters are written `:name`; money comes back as Decimal, times as aware UTC."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def all(self, sql: str, **parameters: Any) -> list[Row]:
        """Every row of the answer."""
        statement, rows = self._database._run(sql, parameters)
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
        statement, _ = self._database._run(sql, parameters)
        return max(int(statement._context.row_count), 0)

    def script(self, sql: str) -> None:
        """Run several statements without parameters: migrations only. Raises BugError, in the database's words, for a wrong one."""
        self._database._script(sql)


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
        self._session: _Session | None = None
        self._is_new = True  # nothing was done on the session before this transaction
        self._is_open = False
        self._has_begun = False

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
        self._is_new = self._session is None
        if self._session is None:
            self._session = self._connect()
        self._is_open, self._has_begun = True, False
        try:
            yield Transaction(self)
            edges.reached(Edge.BEFORE_COMMIT, "database")
        except BaseException:
            self._rollback()
            raise
        else:
            self._commit()
        finally:
            self._is_open = False
        edges.reached(Edge.AFTER_COMMIT, "database")

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _run(self, sql: str, parameters: dict[str, Any]) -> tuple[pg8000.native.PreparedStatement, Any]:
        """Run a statement of the open transaction. Where it is the first, a socket that died meanwhile is replaced once."""
        begins, self._has_begun = not self._has_begun, True
        try:
            return self._guard(lambda session: session.run(sql, parameters, begins=begins))
        except DatabaseUnavailable:
            if self._is_new or not begins:
                raise
        except InfrastructureError:
            if self._session is not None:  # a plan that a migration made stale would fail on every retry
                self._session.forget(sql)
            raise
        self.close()
        self._session, self._is_new = self._connect(), True
        return self._guard(lambda session: session.run(sql, parameters, begins=True))

    def _script(self, sql: str) -> None:
        try:
            if not self._has_begun:
                self._run("select", {})
            self._guard(lambda session: session.connection.execute_simple(sql))
        except pg8000.exceptions.DatabaseError as error:
            raise BugError(str(_detail(error).get("M", error))) from error

    def _guard[T](self, call: Callable[[_Session], T]) -> T:
        if self._session is None:
            raise DatabaseUnavailable("the connection was closed in the middle of a transaction")
        try:
            return call(self._session)
        except pg8000.exceptions.DatabaseError as error:
            raise _translated(error) from error
        except (OSError, pg8000.exceptions.InterfaceError) as error:
            raise DatabaseUnavailable(str(error)) from error

    def _commit(self) -> None:
        """A commit whose answer does not come may have been kept: nobody is told so, and whoever repeats finds the work done."""
        if not self._has_begun:
            return
        try:
            self._guard(lambda session: session.connection.run("commit"))
        except DatabaseUnavailable:
            self.close()
            raise
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        if not self._has_begun or self._session is None:
            return
        try:
            self._session.connection.run("rollback")
        except (OSError, pg8000.exceptions.Error):
            self.close()

    def _connect(self) -> _Session:
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

    def _log_in(self, address: Address) -> _Session:
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
            connection.run(
                """
                select set_config('statement_timeout', :statement, false), set_config('lock_timeout', :lock, false),
                       set_config('idle_in_transaction_session_timeout', :idle, false), set_config('timezone', 'UTC', false)
                """,
                statement=f"{int(self._statement_timeout_s * 1000)}ms",
                lock=f"{int(self._lock_timeout_s * 1000)}ms",
                idle=f"{int(self._statement_timeout_s * 2000)}ms",
            )
            connection.register_in_adapter(pg8000.native.TIMESTAMPTZ, _moment)
            session = _Session(connection)
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
        return session


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
