"""The way to Postgres: the socket, TLS over it, and a sentence for each way in which that fails.

Promises:
- Off `network = local` nothing but Postgres' request for TLS is sent before the server has proven, by its certificate, that it is
  the host that was asked for: authority, name and dates are verified, with TLS 1.2 or newer. There is no way back to a plain
  connection. The driver is handed a socket that is encrypted already, because its own negotiation falls back if nothing is said.
- On `network = local` a connection is plain, and then never leaves this machine; it is encrypted if a CA file is named.
- What is raised says what is wrong and what to do. It never contains a password.
"""

import socket
import ssl
import struct
from pathlib import Path

from outcry.runtime.errors import ConfigurationError, DatabaseUnavailable

CONNECT_TIMEOUT_S = 5.0  # for the connection, and again for the TLS handshake
CA_SETTING = "OUTCRY_DATABASE_CA_FILE"

_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_TLS_REQUEST = struct.pack("!ii", 8, 80877103)  # length and code of Postgres' SSLRequest
_PUT_CA = (
    "name a PEM file with the certificate of the database's authority; for a stack, put it into layers/core/certificates,"
    " build, and deploy with DatabaseCaFile=/opt/certificates/<name>.pem"
)
# OpenSSL's reasons, in its X509_V_ERR_… numbers
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAMES = (62, 64)  # of the host, of the address
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # self-signed, self-signed in the chain, issuer not found, no chain

_REFUSED = ("28P01", "28000")
# What Postgres answers to a login that fails, by SQLSTATE.
_LOGIN_FAULTS = {
    "28P01": "refuses the password of user {user}: correct username and password in its secret",
    "28000": "does not let user {user} in from here: correct username in its secret, or the server's pg_hba.conf",
    "3D000": "has no database {database}: create it, or correct dbname in its secret",
    "42501": "does not let user {user} use database {database}: grant connect on it",
    "53300": "has no connection left: end idle ones, or raise its max_connections",
    "57P03": "is starting or stopping: wait for it",
}


def open_socket(
    host: str | None, port: int, unix_socket: str | None, network: str, ca_file: Path | None
) -> socket.socket:
    """A connection to the server, encrypted and verified as the network demands, ready for the driver.

    Raises ConfigurationError for what a person has to correct, DatabaseUnavailable for what the server's side has to.
    """
    if host is None:
        if network != "local":
            raise ConfigurationError(
                "OUTCRY_DATABASE_URL", "unix socket", "name a host: plain sockets are for network=local"
            )
        assert unix_socket is not None, "an address has a host or a socket"
        return _open_unix(unix_socket)
    if network == "local" and ca_file is None:
        if host not in _LOCAL_HOSTS:
            raise ConfigurationError(
                CA_SETTING, None, f"name the CA file of {host}: a plain connection never leaves this machine"
            )
        return _open(host, port)
    context = tls_context(ca_file)
    plain = _open(host, port)
    try:
        return _encrypt(plain, context, host, port, ca_file)
    except BaseException:
        plain.close()
        raise


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """What a server is verified against: the authorities in `ca_file` and no others, or else those that the system knows.

    Raises ConfigurationError for a file that is not there or has no certificate in it.
    """
    if ca_file is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies name and chain; trusts nobody yet
        # Not VERIFY_X509_STRICT: it refuses authorities for their form, such as most that a company made for itself. Who is
        # trusted is decided by naming them.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cafile=ca_file)
        except ssl.SSLError:
            raise ConfigurationError(
                CA_SETTING, str(ca_file), f"it has no certificate in it: {_PUT_CA}"
            ) from None
        except OSError as error:
            raise ConfigurationError(CA_SETTING, str(ca_file), f"{error.strerror}: {_PUT_CA}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class LoginRefused(DatabaseUnavailable):
    """The server does not know this user with this password: one of the two was changed, here or there."""


def login_fault(
    code: str, message: str, *, user: str, database: str, host: str | None
) -> DatabaseUnavailable:
    """What the server said to our login, as a sentence of ours where we know what to do about it."""
    where = f"the database at {host or 'its socket'}"
    if code not in _LOGIN_FAULTS:
        return DatabaseUnavailable(f"{where} refused the connection: {message}")
    kind = LoginRefused if code in _REFUSED else DatabaseUnavailable
    return kind(f"{where} {_LOGIN_FAULTS[code].format(user=user, database=database)}")


def _open_unix(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.settimeout(CONNECT_TIMEOUT_S)
    try:
        opened.connect(path)
    except OSError as error:
        opened.close()
        raise DatabaseUnavailable(f"nobody answers at {path}: {error.strerror or error}") from error
    return opened


def _open(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        opened = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
    except (socket.gaierror, UnicodeError) as error:  # unknown, or no name at all
        raise DatabaseUnavailable(
            f"the database's host {host} has no address: correct host in its secret"
        ) from error
    except TimeoutError as error:
        raise DatabaseUnavailable(
            f"no answer from the database at {where} within {CONNECT_TIMEOUT_S:.0f} s:"
            " let it be reached from here (security group, allow list), or correct host and port in its secret"
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(
            f"nobody answers at {where} ({error.strerror or error}): start the database, or correct host and port in its secret"
        ) from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened


def _encrypt(
    plain: socket.socket, context: ssl.SSLContext, host: str, port: int, ca_file: Path | None
) -> socket.socket:
    """Ask for TLS and verify who answers. Sends nothing else in the open, whatever the answer is."""
    where = f"the database at {host}:{port}"
    try:
        plain.sendall(_TLS_REQUEST)
        # one byte: what a third party slips in behind it is read as part of the handshake, and fails it
        answer = plain.recv(1)
        if answer == b"S":
            return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _certificate_fault(error, host, where, ca_file) from error
    except ssl.SSLError as error:
        raise DatabaseUnavailable(
            f"{where} does not agree on TLS 1.2 or newer ({error.reason or 'no reason given'}): let the server speak it"
        ) from error
    except OSError as error:
        raise DatabaseUnavailable(
            f"{where} broke off before TLS was agreed on ({error.strerror or error}): see what its log says"
        ) from error
    if answer == b"":
        raise DatabaseUnavailable(f"{where} hung up when it was asked for TLS: see what its log says")
    raise DatabaseUnavailable(
        f"{where} offers no TLS, and nothing is sent to it without: turn TLS on at the server (ssl = on)"
    )


def _certificate_fault(
    error: ssl.SSLCertVerificationError, host: str, where: str, ca_file: Path | None
) -> ConfigurationError | DatabaseUnavailable:
    if error.verify_code in _OTHER_NAMES:
        return ConfigurationError(
            "the database's host",
            host,
            "its certificate is for another name: write the name that is in it into the secret",
        )
    if error.verify_code in _UNKNOWN_AUTHORITY:
        why = (
            "is not signed by an authority in it"
            if ca_file
            else "is not signed by an authority that this system knows"
        )
        return ConfigurationError(
            CA_SETTING, str(ca_file) if ca_file else None, f"the certificate of {host} {why}: {_PUT_CA}"
        )
    if error.verify_code == _EXPIRED:
        return DatabaseUnavailable(f"the certificate of {where} has expired: renew it at the server")
    if error.verify_code == _NOT_YET_VALID:
        return DatabaseUnavailable(f"the certificate of {where} is not valid yet: look at the server's clock")
    return DatabaseUnavailable(f"the certificate of {where} cannot be verified: {error.verify_message}")
