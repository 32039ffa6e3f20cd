"""Postgres over TLS: only a server that proves its name by the named authority is spoken to, and nothing is sent to any other."""

import contextlib
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.postgres import Postgres, temporary_postgres
from local.processes import free_port
from outcry.runtime.connect import tls_context
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import ConfigurationError, DatabaseUnavailable
from outcry.runtime.secrets import Secret
from tests.runtime.terminator import TLS_REQUEST, Authority, Terminator, terminator

PASSWORD = "correct-horse"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the database's certificate."""
    return Authority.create(tmp_path_factory.mktemp("authority"), "the-right-one")


@pytest.fixture(scope="module")
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


# ─── who may answer ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_row_is_read_from_a_server_that_the_named_authority_vouches_for(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path, host: str
) -> None:
    server = serve(authority.sign(tmp_path, host))

    rows = read(address(server, authority.path, host=host))

    assert rows == ["one"]
    assert server.in_the_open() == [TLS_REQUEST]
    assert set(server.versions) <= {"TLSv1.2", "TLSv1.3"}


def test_an_authority_of_an_old_form_is_taken_once_it_is_named(
    serve: Callable[..., Terminator], tmp_path: Path
) -> None:
    old = Authority.create(tmp_path, "old", is_modern=False)
    server = serve(old.sign(tmp_path, "localhost"))

    assert read(address(server, old.path)) == ["one"]


def test_a_server_of_another_authority_is_refused(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path, "the-wrong-one")
    server = serve(authority.sign(tmp_path, "localhost"))

    said = refusal(address(server, other.path), ConfigurationError)

    assert said.startswith(
        f"OUTCRY_DATABASE_CA_FILE = '{other.path}' cannot be used: the certificate of localhost"
    )
    assert "is not signed by an authority in it" in said
    assert "DatabaseCaFile=/opt/certificates/" in said
    assert server.in_the_open() == [TLS_REQUEST]


def test_without_a_named_authority_only_those_that_the_system_knows_are_believed(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))

    said = refusal(address(server, None), ConfigurationError)

    assert said.startswith(
        "OUTCRY_DATABASE_CA_FILE is not set: the certificate of localhost is not signed by"
    )


@pytest.mark.parametrize(("certified", "asked"), [("db.example", "localhost"), ("10.0.0.9", "127.0.0.1")])
def test_a_certificate_for_another_name_is_refused(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path, certified: str, asked: str
) -> None:
    server = serve(authority.sign(tmp_path, certified))

    said = refusal(address(server, authority.path, host=asked), ConfigurationError)

    assert said.startswith(
        f"the database's host = '{asked}' cannot be used: its certificate is for another name"
    )
    assert server.in_the_open() == [TLS_REQUEST]


@pytest.mark.parametrize(
    ("since", "until", "sentence"),
    [
        (-2 * HOUR, -HOUR, "has expired: renew it at the server"),
        (HOUR, 2 * HOUR, "is not valid yet: look at the server's clock"),
    ],
)
def test_a_certificate_beyond_its_dates_is_refused(
    serve: Callable[..., Terminator],
    authority: Authority,
    tmp_path: Path,
    since: timedelta,
    until: timedelta,
    sentence: str,
) -> None:
    server = serve(authority.sign(tmp_path, "localhost", since=since, until=until))

    said = refusal(address(server, authority.path), DatabaseUnavailable)

    assert said == f"the certificate of the database at localhost:{server.port} {sentence}"


@pytest.mark.parametrize("is_named", [True, False])
def test_no_version_before_1_2_is_offered_and_everything_is_verified(
    authority: Authority, is_named: bool
) -> None:
    context = tls_context(authority.path if is_named else None)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_server_that_speaks_nothing_newer_than_tls_1_1_is_refused(
    socket_path: str, authority: Authority, tmp_path: Path
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(authority.sign(tmp_path, "localhost"))
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")

    with terminator(socket_path, old) as server:
        said = refusal(address(server, authority.path), DatabaseUnavailable)

    assert "does not agree on TLS 1.2 or newer" in said


# ─── nothing falls back to plain ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("network", ["mainnet", "testnet"])
def test_f25_nothing_is_sent_to_a_server_that_offers_no_tls(
    serve: Callable[..., Terminator], authority: Authority, network: str
) -> None:
    server = serve(None)

    said = refusal(address(server, authority.path), DatabaseUnavailable, network)

    assert said.startswith(
        f"the database at localhost:{server.port} offers no TLS, and nothing is sent to it"
    )
    assert server.in_the_open() == [TLS_REQUEST, b""]


def test_f25_nor_is_anything_where_no_authority_is_named(serve: Callable[..., Terminator]) -> None:
    server = serve(None)

    refusal(address(server, None), DatabaseUnavailable)

    assert server.in_the_open() == [TLS_REQUEST, b""]


def test_what_is_slipped_in_before_the_handshake_fails_it(
    serve: Callable[..., Terminator], authority: Authority
) -> None:
    server = serve(None, answer=b"S" + b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")

    said = refusal(address(server, authority.path), DatabaseUnavailable)

    assert "does not agree on TLS 1.2 or newer" in said


def test_a_server_that_hangs_up_is_not_taken_for_one_without_tls(
    serve: Callable[..., Terminator], authority: Authority
) -> None:
    server = serve(None, answer=b"")

    said = refusal(address(server, authority.path), DatabaseUnavailable)

    assert said.startswith(f"the database at localhost:{server.port} hung up when it was asked for TLS")


def test_on_the_local_network_a_connection_is_encrypted_too_if_an_authority_is_named(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))

    assert read(address(server, authority.path), "local") == ["one"]
    assert server.in_the_open() == [TLS_REQUEST]


def test_on_the_local_network_a_plain_connection_never_leaves_the_machine() -> None:
    elsewhere = Address("keeper", "postgres", host="db.example", password=Secret(PASSWORD))

    said = refusal(elsewhere, ConfigurationError, "local")

    assert said == (
        "OUTCRY_DATABASE_CA_FILE is not set: name the CA file of db.example: a plain connection never leaves this machine"
    )


# ─── the file of the authority ──────────────────────────────────────────────────────────────────────────────


def test_a_missing_ca_file_is_named_with_what_to_do(serve: Callable[..., Terminator], tmp_path: Path) -> None:
    server = serve(None)

    said = refusal(address(server, tmp_path / "rds.pem"), ConfigurationError)

    assert said.startswith(
        f"OUTCRY_DATABASE_CA_FILE = '{tmp_path}/rds.pem' cannot be used: No such file or directory"
    )
    assert "layers/core/certificates" in said
    assert server.in_the_open() == []


@pytest.mark.parametrize(
    "content", ["", "<html>404</html>", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_file_without_a_certificate_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    where = Address("keeper", "postgres", host="localhost", port=1, ca_file=tmp_path / "ca.pem")

    said = refusal(where, ConfigurationError)

    assert said.startswith(
        f"OUTCRY_DATABASE_CA_FILE = '{tmp_path}/ca.pem' cannot be used: it has no certificate in it"
    )


# ─── reaching it and logging in ─────────────────────────────────────────────────────────────────────────────


def test_a_port_that_nobody_listens_on_is_told_with_what_to_do() -> None:
    port = free_port()

    said = refusal(
        Address("keeper", "postgres", host="127.0.0.1", port=port, password=Secret(PASSWORD)),
        DatabaseUnavailable,
    )

    assert said == (
        f"nobody answers at 127.0.0.1:{port} (Connection refused): start the database, or correct host and port in its secret"
    )


def test_a_host_that_has_no_address_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    said = refusal(Address("keeper", "postgres", host="nowhere.invalid"), DatabaseUnavailable)

    assert said == "the database's host nowhere.invalid has no address: correct host in its secret"


def test_a_host_that_is_no_name_is_told_with_what_to_do() -> None:
    said = refusal(Address("keeper", "postgres", host="db..example"), DatabaseUnavailable)

    assert said == "the database's host db..example has no address: correct host in its secret"


def test_f25_a_wrong_password_is_told_without_it(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))

    said = refusal(address(server, authority.path, password=Secret("hunter2")), DatabaseUnavailable)

    assert said == (
        "the database at localhost refuses the password of user keeper: correct username and password in its secret"
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"password": None}, "refuses the password of user keeper"),
        ({"user": "banned"}, "does not let user banned in from here: correct username in its secret"),
        ({"database": "nothing"}, "has no database nothing: create it, or correct dbname in its secret"),
    ],
)
def test_a_login_that_fails_says_which_field_to_correct(
    serve: Callable[..., Terminator],
    authority: Authority,
    tmp_path: Path,
    changed: dict[str, Any],
    sentence: str,
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))

    assert sentence in refusal(address(server, authority.path, **changed), DatabaseUnavailable)


def test_f22_a_password_that_was_rotated_is_read_anew_once(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))
    old, new = (address(server, authority.path, password=Secret(word)) for word in ("old", PASSWORD))
    asked: list[str] = []

    def renew() -> Address:
        asked.append("anew")
        return new

    database = Database(old, network="mainnet", renew=renew)
    for _ in range(2):
        with database.transaction() as tx:
            assert tx.one("select name from rows") == {"name": "one"}
        database.close()

    assert asked == ["anew"]


def test_a_renewed_login_never_leads_to_another_database(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    certificate = authority.sign(tmp_path, "localhost")
    known, other = serve(certificate), serve(certificate)
    database = Database(
        address(known, authority.path, password=Secret("old")),
        network="mainnet",
        renew=lambda: address(other, authority.path),
    )

    with database.transaction() as tx:
        assert tx.one("select name from rows") == {"name": "one"}
    database.close()

    assert known.in_the_open() == [TLS_REQUEST, TLS_REQUEST]
    assert other.in_the_open() == []


def test_a_password_that_was_not_rotated_is_not_tried_twice(
    serve: Callable[..., Terminator], authority: Authority, tmp_path: Path
) -> None:
    server = serve(authority.sign(tmp_path, "localhost"))
    wrong = address(server, authority.path, password=Secret("wrong"))
    database = Database(wrong, network="mainnet", renew=lambda: wrong)

    with pytest.raises(DatabaseUnavailable, match="refuses the password"), database.transaction():
        pass

    assert server.in_the_open() == [TLS_REQUEST]
