"""Reaching Postgres and logging in: what fails is told with what to do, and a rotated password is read anew, once."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.processes import free_port
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import DatabaseUnavailable
from outcry.runtime.secrets import Secret
from tests.runtime.guarded import PASSWORD, address, refusal
from tests.runtime.terminator import TLS_REQUEST, Authority, Terminator


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
