"""The venue on HTTP: POST /exchange, POST /info and the /_sim controls, on 127.0.0.1 only.

Promises: HTTP/1.1 with keep-alive and no Nagle delay; error bodies as the venue writes them; scripted faults
happen on the wire, around the engine. Started and stopped by its owner; never listens beyond loopback.
"""

import json
import socket
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from local.hyperliquid.answers import BadRequest
from local.hyperliquid.clockwork import PriceEvent
from local.hyperliquid.config import VenueConfig
from local.hyperliquid.engine import Clock, Engine
from local.hyperliquid.faults import Fault
from local.hyperliquid.journal import Journal

_CONTROL = "/_sim/"
_HTML = b"<html><body>upstream unavailable</body></html>"
_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"


class _Dropped(Exception):
    """The connection ends here without an answer."""


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
        self._send(405, b"", _PLAIN)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._route(raw)
        except BadRequest as bad:
            is_json = bad.body == "null"
            self._send(bad.status, bad.body.encode(), _JSON if is_json else _PLAIN)
        except _Dropped:
            self.close_connection = True

    def _route(self, raw: bytes) -> None:
        engine = self.server.engine
        if self.path not in ("/exchange", "/info") and not self.path.startswith(_CONTROL):
            raise BadRequest(404, "")
        if not (self.headers.get("Content-Type") or "").startswith(_JSON):
            raise BadRequest.content_type()
        try:
            body = json.loads(raw)
        except ValueError as unreadable:
            raise BadRequest.not_json() from unreadable
        if self.path.startswith(_CONTROL):
            self._answer(engine.control(self.path.removeprefix(_CONTROL), body))
            return
        endpoint = self.path[1:]
        fault = engine.take_fault(endpoint, body)
        if fault is not None:
            self._answer_with(fault, endpoint, body)
        else:
            self._answer(self._ask(endpoint, body))

    def _ask(self, endpoint: str, body: Any) -> Any:
        engine, ip = self.server.engine, str(self.client_address[0])
        return engine.exchange(body, ip) if endpoint == "exchange" else engine.info(body, ip)

    def _answer_with(self, fault: Fault, endpoint: str, body: Any) -> None:
        if fault.do == "delay_ms" and fault.when == "before":
            time.sleep(fault.ms / 1000)
        result = self._ask(endpoint, body) if fault.reaches_engine else None
        if fault.do == "delay_ms" and fault.when == "after":
            time.sleep(fault.ms / 1000)
        if fault.do in ("drop_before_commit", "drop_after_commit"):
            raise _Dropped
        if fault.do == "status":
            self._send(fault.status, fault.body.encode(), "text/html")
        elif fault.do == "html":
            self._send(200, _HTML, "text/html")
        elif fault.do == "truncate":
            whole = json.dumps(result).encode()
            self._send(200, whole[: len(whole) // 2], _JSON)
        else:
            if fault.do == "deliver_twice":
                self._ask(endpoint, body)
            self._answer(result)

    def _answer(self, result: Any) -> None:
        self._send(200, json.dumps(result, separators=(",", ":")).encode(), _JSON)

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
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

    def serve(self, engine: Engine) -> None:
        """Answer out of another venue from now on; connections stay open."""
        self.engine = self._wire.engine = engine

    def start(self) -> Self:
        self._thread = threading.Thread(
            target=self._wire.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="hyperliquid"
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
