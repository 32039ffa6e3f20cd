"""A wire to Postgres that can be cut at a commit: before the server hears of it, or after it has committed and before it has said so."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

_COMMIT = b"commit\x00"
_READY = b"Z\x00\x00\x00\x05"


class Lost(StrEnum):
    """What the cut swallows."""

    REQUEST = "the commit"
    ANSWER = "the answer to the commit"


@dataclass
class Wire:
    """Cuts once, at the commit with this number, counted from when it was set; None: never."""

    port: int
    lost: Lost = Lost.ANSWER
    cut_at: int | None = None
    commits: int = 0
    cuts: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    def cut(self, lost: Lost, at: int = 1) -> None:
        """Cut at the `at`-th commit from now on."""
        self.lost, self.cut_at, self.commits = lost, at, 0

    def _is_cut_here(self) -> bool:
        self.commits += 1
        if self.commits != self.cut_at:
            return False
        self.cut_at, self.cuts = None, self.cuts + 1
        return True


@contextlib.contextmanager
def wire_to(postgres_socket: str) -> Iterator[Wire]:
    """Listens on 127.0.0.1 for as long as the block runs, and passes on to Postgres' socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    wire = Wire(listening.getsockname()[1])

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                thread = threading.Thread(target=_serve, args=(wire, client, postgres_socket))
                thread.start()
                wire._threads.append(thread)

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield wire
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()
        for thread in wire._threads:
            thread.join(timeout=15)


def _serve(wire: Wire, client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, contextlib.suppress(OSError):
        server.connect(path)
        while True:
            for source in select.select([client, server], [], [])[0]:
                part = source.recv(65536)
                if not part:
                    return
                if source is server:
                    client.sendall(part)
                    continue
                is_cut = part.endswith(_COMMIT) and wire._is_cut_here()
                if is_cut and wire.lost is Lost.REQUEST:
                    return
                server.sendall(part)
                if is_cut:
                    _wait_for_the_answer(server)
                    return


def _wait_for_the_answer(server: socket.socket) -> None:
    heard = b""
    while _READY not in heard:
        heard += server.recv(65536)
