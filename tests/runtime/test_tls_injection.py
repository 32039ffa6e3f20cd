"""Bytes that somebody on the way slips in behind the server's one letter: they end the connection, and are never passed over."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outcry.runtime.connect import open_socket
from outcry.runtime.errors import DatabaseUnavailable
from tests.runtime.terminator import TLS_REQUEST, Authority

READY_FOR_QUERY = b"Z\0\0\0\x05I"


@contextmanager
def answering(certificate: Path, first: bytes) -> Iterator[int]:
    """A server whose first words are these, in one segment, and which then speaks good TLS; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                with client:
                    client.settimeout(10)
                    client.recv(len(TLS_REQUEST))
                    client.sendall(first)
                    with context.wrap_socket(client, server_side=True) as encrypted:
                        encrypted.recv(1)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            serving.join(timeout=15)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path, "the-right-one")


def test_a_server_that_says_its_letter_alone_is_spoken_to(authority: Authority, tmp_path: Path) -> None:
    """Without which the test below would prove nothing."""
    with answering(authority.sign(tmp_path, "localhost"), b"S") as port:
        opened = open_socket("localhost", port, None, "testnet", authority.path)
        version = opened.version() if isinstance(opened, ssl.SSLSocket) else None
        opened.close()

    assert version == "TLSv1.3"


def test_what_is_slipped_in_behind_the_letter_is_refused_though_the_server_is_the_right_one(
    authority: Authority, tmp_path: Path
) -> None:
    with (
        answering(authority.sign(tmp_path, "localhost"), b"S" + READY_FOR_QUERY) as port,
        pytest.raises(DatabaseUnavailable, match="does not agree on TLS"),
    ):
        open_socket("localhost", port, None, "testnet", authority.path)
