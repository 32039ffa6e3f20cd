"""The database's address: whole and right, or a sentence that says what to mend and shows nothing secret."""

import json
from typing import Any

import pytest

from outcry.runtime.address import address_of, place_of
from outcry.runtime.database import Address
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.secrets import Secret, SecretStore
from outcry.runtime.settings import Network, Settings

ARN = "arn:aws:secretsmanager:eu-west-1:1:secret:db"
GOOD = {"host": "db.example", "port": 5432, "dbname": "outcry", "username": "app", "password": "hidden-word"}


class Vault:
    """Secrets Manager with one secret."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803 - as AWS names it
        assert SecretId == ARN
        return {"SecretString": json.dumps(self._content)}


def read(content: dict[str, Any]) -> Address:
    settings = Settings(network=Network.TESTNET, database_secret_arn=ARN)
    return address_of(settings, SecretStore(Vault(content)))


def test_the_secret_gives_the_whole_address() -> None:
    address = read(GOOD)

    assert (address.host, address.port, address.database, address.user) == (
        "db.example",
        5432,
        "outcry",
        "app",
    )
    assert address.password is not None
    assert address.password.reveal() == "hidden-word"
    assert place_of(address) == "db.example:5432/outcry"


@pytest.mark.parametrize("port", ["", "five", "0", "65536", "54 32", "-1"])
def test_f23_a_port_that_is_none_is_refused_in_words(port: str) -> None:
    with pytest.raises(ConfigurationError, match="write its field 'port' as a number") as refused:
        read({**GOOD, "port": port})

    assert "hidden-word" not in str(refused.value)


@pytest.mark.parametrize("field", ["host", "dbname", "username"])
def test_f23_a_field_that_is_empty_or_missing_is_named(field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{field}'"):
        read({**GOOD, field: " "})
    with pytest.raises(ConfigurationError, match=f"'{field}'"):
        read({name: value for name, value in GOOD.items() if name != field})


def test_f22_a_password_that_was_rotated_is_found_when_the_address_is_asked_for_anew() -> None:
    content = dict(GOOD)
    settings = Settings(network=Network.TESTNET, database_secret_arn=ARN)
    secrets = SecretStore(Vault(content))
    address_of(settings, secrets)
    content["password"] = "rotated"

    known, renewed = address_of(settings, secrets), address_of(settings, secrets, anew=True)

    assert (known.password, renewed.password) == (Secret("hidden-word"), Secret("rotated"))


def test_a_socket_says_nothing_about_where_a_database_is() -> None:
    assert place_of(Address.from_url("postgresql://outcry@/desk?host=/tmp/s")) is None
