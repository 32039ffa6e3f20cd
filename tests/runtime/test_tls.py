"""Postgres over TLS: only a server that proves its name by the named authority is spoken to, and nothing is sent to any other."""

import ssl
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from outcry.runtime.connect import tls_context
from outcry.runtime.database import Address
from outcry.runtime.errors import ConfigurationError, DatabaseUnavailable
from outcry.runtime.secrets import Secret
from tests.runtime.guarded import PASSWORD, address, read, refusal
from tests.runtime.terminator import TLS_REQUEST, Authority, Terminator, terminator

HOUR = timedelta(hours=1)


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
