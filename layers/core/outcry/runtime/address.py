"""Where the database is: from the settings and the secret that they name.

Promises: a secret that cannot be an address raises ConfigurationError with the field and the fix, before any connection is
tried; the password stays a `Secret`.
"""

from pathlib import Path

from outcry.runtime.database import Address
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.secrets import SecretStore
from outcry.runtime.settings import Settings

_HIGHEST_PORT = 65_535


def address_of(common: Settings, secrets: SecretStore, *, anew: bool = False) -> Address:
    """The address in the URL, or in the secret. Raises ConfigurationError, or InfrastructureError where it cannot be read.

    `anew` reads the secret again, because the password in it may have been rotated.
    """
    if common.database_url is not None:
        return Address.from_url(common.database_url)
    arn = common.database_secret_arn
    assert arn is not None, "checked with the settings"
    if anew:
        secrets.forget(arn)
    found = secrets.read(arn, "host", "port", "dbname", "username", "password")
    port = found["port"].reveal()
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise ConfigurationError(f"secret {arn}", "…", "write its field 'port' as a number, such as 5432")
    for field in ("host", "dbname", "username"):
        if not found[field].reveal().strip():
            raise ConfigurationError(f"secret {arn}", "…", f"its field {field!r} is empty: fill it in")
    return Address(
        user=found["username"].reveal(),
        database=found["dbname"].reveal(),
        host=found["host"].reveal(),
        port=int(port),
        password=found["password"],
        ca_file=Path(common.database_ca_file) if common.database_ca_file else None,
    )


def place_of(address: Address) -> str | None:
    """Host, port and database, by which a restored one may be told; None for a socket, whose path says nothing.

    DNS knows neither upper case nor the dot at a name's end, so neither makes another place of it.
    """
    if address.host is None:
        return None
    return f"{address.host.strip().rstrip('.').lower()}:{address.port}/{address.database}"
