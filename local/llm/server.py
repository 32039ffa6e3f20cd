"""The server: chat completions over HTTP on 127.0.0.1, with a journal of what it was asked.

Promises: it listens on the loopback address only, takes a free port when asked for port 0, and `close` ends
it with its thread.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from local.llm.answers import Mode, Script, completion

_MAX_BODY = 4_000_000


class LlmServer:
    """A running server. `script` may be changed while it runs; `requests` are the bodies that it received."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self.script = script or Script()
        self.requests: list[dict[str, Any]] = []
        self._stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"model": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def base_url(self) -> str:
        """What a client is given as its base URL."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def start(self) -> "LlmServer":
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering, wake whatever is being slow, and free the port."""
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, request: dict[str, Any]) -> tuple[Mode, int]:
        """Write the request down and say how it is to be answered."""
        self.requests.append(request)
        number = len(self.requests)
        spent = self.script.failures is not None and number > self.script.failures
        return (Mode.ANSWER if spent else self.script.mode), number

    def linger(self) -> None:
        """Be slow, unless the server is being closed."""
        self._stopping.wait(self.script.slow_s)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection as the script of the server that made it says."""

    protocol_version = "HTTP/1.1"
    model: LlmServer

    def do_GET(self) -> None:
        if self.path == f"/v1/models/{self.model.script.known_model}":
            self._answer(
                200,
                {"id": self.model.script.known_model, "object": "model", "created": 0, "owned_by": "local"},
            )
            return
        self._answer(404, {"error": {"message": "no such model", "type": "invalid_request_error"}})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, _MAX_BODY))
        if self.path != "/v1/chat/completions":
            self._answer(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
            return
        try:
            request = json.loads(body)
            mode, number = self.model.note(request)
            answer = completion(self.model.script, mode, request, number)
        except (ValueError, KeyError, IndexError, TypeError):
            self._answer(
                400,
                {"error": {"message": "not a classification request", "type": "invalid_request_error"}},
            )
            return
        self._act(mode, answer)

    def _act(self, mode: Mode, answer: dict[str, Any]) -> None:
        if mode is Mode.RATE_LIMIT:
            self._answer(
                429,
                {"error": {"message": "slow down", "type": "rate_limit_error"}},
                {"retry-after-ms": "20"},
            )
        elif mode is Mode.ERROR:
            self._answer(
                500, {"error": {"message": "broken", "type": "server_error"}}, {"retry-after-ms": "20"}
            )
        elif mode is Mode.NO_ANSWER:
            self.close_connection = True
        else:
            if mode is Mode.SLOW:
                self.model.linger()
            self._answer(200, answer)

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in {"content-type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client did not wait: that is what slowness is for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        return


def serve_until_interrupted(server: LlmServer) -> None:
    """Run in the foreground until the process is told to end."""
    with server:
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return
