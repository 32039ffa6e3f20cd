"""A server that speaks TLS for a Postgres which cannot: it answers the request for TLS, and passes on what comes after it."""

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TLS_REQUEST = struct.pack("!ii", 8, 80877103)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates; `path` is its own, as PEM."""

    path: Path
    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path, name: str, *, is_modern: bool = True) -> "Authority":
        """A new authority. One that is not modern is made as companies' own often are: without what RFC 5280 asks for."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key, -_DAY, 30 * _DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=is_modern)
        if is_modern:
            usage = dict.fromkeys(
                [
                    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                    *("key_agreement", "encipher_only", "decipher_only"),
                ],
                False,
            )
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
            identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        certificate = builder.sign(key, hashes.SHA256())
        path = folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(path, key, certificate)

    def sign(
        self,
        folder: Path,
        host: str,
        *,
        since: timedelta = -_DAY,
        until: timedelta = 2 * _DAY,
    ) -> Path:
        """A server's certificate and key in one PEM file, for a name or an address, valid from and until these times from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        builder = _builder(_name(host), self._certificate.subject, key, since, until)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        path = folder / f"server-{host}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    since: timedelta,
    until: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(now + until)
    )


@dataclass
class Terminator:
    """A running server. `versions` are those of TLS that were agreed on."""

    port: int
    versions: list[str | None] = field(default_factory=list)
    _in_the_open: list[bytes] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def in_the_open(self) -> list[bytes]:
        """All that clients sent before TLS, or without it, once they have hung up; b"" is where they did."""
        for thread in self._threads:
            thread.join(timeout=15)
        return list(self._in_the_open)


@contextlib.contextmanager
def terminator(
    postgres_socket: str, context: ssl.SSLContext | None, *, answer: bytes | None = None
) -> Iterator[Terminator]:
    """Listens on 127.0.0.1 for as long as the block runs, and passes on to Postgres' socket.

    With a context it answers S and speaks TLS; without one it answers N, as a Postgres without TLS does, and would take what
    comes in plain. `answer` replaces the one byte; an empty one hangs up.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    served = Terminator(listening.getsockname()[1])

    def serve(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            served._in_the_open.append(client.recv(len(TLS_REQUEST)))
            reply = answer if answer is not None else b"S" if context else b"N"
            client.sendall(reply)
            if reply == b"":
                return
            if reply != b"S":
                served._in_the_open.append(client.recv(65536))
                return
            assert context is not None
            with context.wrap_socket(client, server_side=True) as encrypted:
                served.versions.append(encrypted.version())
                _pass_on(encrypted, postgres_socket)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                thread = threading.Thread(target=serve, args=(client,))
                thread.start()
                served._threads.append(thread)

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield served
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        served.in_the_open()


def _pass_on(client: ssl.SSLSocket, path: str) -> None:
    """Hand bytes over in both directions until either side hangs up. One thread: a TLS socket is not for two at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(path)
        client.settimeout(0.02)
        server.settimeout(0.02)
        while True:
            for source, target in ((client, server), (server, client)):
                try:
                    part = source.recv(65536)
                except TimeoutError:
                    continue
                if not part:
                    return
                target.sendall(part)
