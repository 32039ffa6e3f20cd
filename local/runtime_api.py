"""The Lambda Runtime API on 127.0.0.1, for one environment: what AWS's own client for Python talks to.

Promises: gives each event to the environment once and waits for its answer; tells when the environment asked for its first event,
which is when its initialisation was over; passes on an error of the initialisation or of an invocation as the client worded it.
Answers nothing but the paths of version 2018-06-01, and keeps nothing when it stops.
"""

import json
import queue
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import uuid4

_PREFIX = "/2018-06-01/runtime/"
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the runtime client tells it: its type, such as Runtime.ImportModuleError, and its words."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one event ended. `fault` is None for success; `answer` is what the handler returned."""

    answer: Any
    fault: Fault | None
    took_s: float


@dataclass(frozen=True, slots=True)
class _Event:
    request_id: str
    body: bytes
    deadline_ms: int


class NoAnswer(Exception):
    """The environment did not come to an end in time."""


class RuntimeApi:
    """One environment's side of Lambda. `with RuntimeApi("tick") as api: …`"""

    def __init__(self, function: str) -> None:
        self.function = function
        self.first_asked_s: float | None = None
        self._events: queue.Queue[_Event | None] = queue.Queue()
        self._ends: queue.Queue[tuple[Any, Fault | None]] = queue.Queue()
        self._settled = threading.Event()
        self._init_fault: Fault | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def address(self) -> str:
        """Host and port, as AWS_LAMBDA_RUNTIME_API takes them."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_until_initialised(self, timeout_s: float) -> Fault | None:
        """Wait for the environment to ask for its first event; the fault that kept it from doing so, or None.

        Raises NoAnswer if neither comes in time.
        """
        if not self._settled.wait(timeout_s):
            raise NoAnswer(f"{self.function} asked for no event within {timeout_s:.0f} s")
        return self._init_fault

    def invoke(self, event: Any, *, timeout_s: float) -> Invocation:
        """Give it one event and wait for how it ends. Raises NoAnswer if it does not in time."""
        started = time.monotonic()
        deadline_ms = int((time.time() + timeout_s) * 1000)
        self._events.put(_Event(str(uuid4()), json.dumps(event).encode(), deadline_ms))
        try:
            answer, fault = self._ends.get(timeout=timeout_s)
        except queue.Empty:
            raise NoAnswer(f"{self.function} did not answer an event within {timeout_s:.0f} s") from None
        return Invocation(answer, fault, time.monotonic() - started)

    def next_event(self) -> _Event | None:
        """What the client waits for; None when there will be no more."""
        if self.first_asked_s is None:
            self.first_asked_s = time.monotonic()
            self._settled.set()
        return self._events.get()

    def take(self, path: list[str], body: bytes) -> bool:
        """Note what the client posted; whether that is a path of the API."""
        match path:
            case ["invocation", _, "response"]:
                self._ends.put((json.loads(body), None))
            case ["invocation", _, "error"]:
                self._ends.put((None, _fault(body)))
            case ["init", "error"]:
                self._init_fault = _fault(body)
                self._settled.set()
            case _:
                return False
        return True


def _fault(body: bytes) -> Fault:
    said = json.loads(body)
    return Fault(str(said.get("errorType", "")), str(said.get("errorMessage", "")))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An environment that ends, or is ended, leaves its connection as it is: that is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is written in two parts, and without this the second waits 40 ms for the client's acknowledgement of the first.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            self._answer(404)
            return
        assert isinstance(self.server, _Server)
        event = self.server.api.next_event()
        if event is None:
            self.close_connection = True
            return
        self._answer(
            200,
            event.body,
            {
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": f"{_ARN}{self.server.api.function}",
            },
        )

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        known = self.path.startswith(_PREFIX) and self.server.api.take(
            self.path.removeprefix(_PREFIX).split("/"), body
        )
        self._answer(202 if known else 404, b'{"status":"OK"}')

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
