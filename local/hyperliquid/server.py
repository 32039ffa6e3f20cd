"""The venue on HTTP: POST /exchange, POST /info and the /_sim controls, on 127.0.0.1 only.

Promises: HTTP/1.1 with keep-alive and no Nagle delay; what is answered, and whether at all, is the front's.
Started and stopped by its owner; never listens beyond loopback.
"""

import socket
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from local.hyperliquid.clockwork import PriceEvent
from local.hyperliquid.config import VenueConfig
from local.hyperliquid.engine import Clock, Engine
from local.hyperliquid.front import Reply, respond
from local.hyperliquid.journal import Journal


class _Wire(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine) -> None:
        self.engine = engine
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event of the venue's."""

    def drop_connections(self) -> None:
        for connection in list(self._open):
            self.shutdown_request(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Wire

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The journal is the log."""

    def do_GET(self) -> None:
        self._send(Reply(405, b"", "text/plain; charset=utf-8"))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, ip = self.headers.get("Content-Type") or "", str(self.client_address[0])
        reply = respond(self.server.engine, self.path, kind, raw, ip)
        if reply is None:
            self.close_connection = True
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()


class HyperliquidServer:
    """The venue in a thread of this process. A context manager; `url` is known from construction on."""

    def __init__(
        self,
        clock: Clock,
        *,
        port: int = 0,
        config: VenueConfig | None = None,
        journal: Journal | None = None,
        prices: Iterable[PriceEvent] = (),
    ) -> None:
        self.engine = Engine(clock, config=config, journal=journal, prices=prices)
        self._wire = _Wire(("127.0.0.1", port), self.engine)
        self.url = f"http://127.0.0.1:{self._wire.server_address[1]}"
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        self._thread = threading.Thread(
            target=self._wire.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True, name="hyperliquid"
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end open connections. May be called twice."""
        if self._thread is not None:
            self._wire.shutdown()
            self._thread.join()
            self._thread = None
        self._wire.drop_connections()
        self._wire.server_close()
        self.engine.journal.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
