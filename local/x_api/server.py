"""The local X over HTTP/1.1 on 127.0.0.1, in this process: start it, ask it, stop it.

Beside X's endpoints it has its own under `/_local/`: `POST post` adds a post (or a list of them), `POST list`
makes a list, `POST fault` scripts a fault and `DELETE fault` forgets them, `GET journal` tells what was asked
and how many posts were delivered. Stopping it closes every connection, held ones included.
"""

import json
import socket
import threading
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from local.x_api import answers
from local.x_api.api import Answer, XApi
from local.x_api.faults import Fault, FaultError, Faults, read_fault
from local.x_api.timeline import TimelineError, TimelinePost, read_post

DEFAULT_BEARER = "local-bearer"
_LARGEST_BODY = 10_000_000


class Clock(Protocol):
    """What tells the server the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to X's endpoints: what was asked, what was answered, how many posts were delivered, which
    fault struck.
    """

    at: str
    path: str
    parameters: Mapping[str, str]
    status: int
    posts: int
    fault: str | None


class XServer:
    """A running local X. Use it as a context manager, or call `start` and `stop`."""

    def __init__(
        self,
        clock: Clock,
        posts: Iterable[TimelinePost] = (),
        *,
        port: int = 0,
        bearer: str = DEFAULT_BEARER,
        lists: Mapping[str, AbstractSet[int]] | None = None,
        limits: Mapping[str, int] | None = None,
        index_lag: timedelta = timedelta(0),
    ) -> None:
        self.api = XApi(posts, bearer=bearer, lists=lists, limits=limits, index_lag=index_lag)
        self.faults = Faults()
        self.journal: list[Asked] = []
        self.clock = clock
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._http = _Http(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL: in place of https://api.x.com."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> Self:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), name="local-x", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and close everything."""
        self.stopping.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(self, raw: object) -> None:
        """Add one post object, or a list of them, to the time line: all or none. Raises TimelineError."""
        added = [read_post(item) for item in (raw if isinstance(raw, list) else [raw])]
        with self.lock:
            self.api.posts.extend(added)

    def script(self, **fault: Any) -> None:
        """Script a fault; the fields are those of `Fault`. Raises FaultError."""
        with self.lock:
            self.faults.add(read_fault(fault))

    def ask(
        self, path: str, parameters: Mapping[str, str], authorization: str
    ) -> tuple[Answer, Fault | None]:
        """Answer a request to X's endpoints, and the fault that spoils the answer."""
        with self.lock:
            now = self.clock.now()
            answer = self.api.answer(path, parameters, authorization, now)
            fault = self.faults.strike(path)
            if fault is not None:
                answer = _spoiled(answer, fault)
            kind = fault.kind if fault else None
            self.journal.append(
                Asked(answers.moment(now), path, dict(parameters), answer.status, answer.post_count, kind)
            )
            return answer, fault


def _spoiled(answer: Answer, fault: Fault) -> Answer:
    """The answer as the fault leaves it, as far as that can be said in a body."""
    if fault.kind == "status":
        headers = {**answer.headers, "x-rate-limit-remaining": "0"} if fault.status == 429 else answer.headers
        return Answer(fault.status, answers.plain_error(fault.status), headers)
    data = answer.body.get("data")
    if fault.kind == "partial":
        error = {
            "title": "operational-disconnect",
            "type": "https://api.twitter.com/2/problems/operational-disconnect",
        }
        return replace(answer, body={**answer.body, "errors": [error]})
    if fault.kind == "malformed" and isinstance(data, list):
        return replace(
            answer, body={**answer.body, "data": [{**data[0], "created_at": "yesterday"}, *data[1:]]}
        )
    if fault.kind == "short" and isinstance(data, list):
        return replace(answer, body={**answer.body, "data": data[1:]})
    return answer


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: XServer) -> None:
        self.owner = owner
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no error of ours."""

    def server_close(self) -> None:
        super().server_close()
        for request in list(self._open):
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment an answer
    server: _Http

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/_local/journal":
            with self.server.owner.lock:
                self._send(200, {"requests": [asdict(asked) for asked in self.server.owner.journal]})
            return
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer, fault = self.server.owner.ask(parts.path, parameters, self.headers.get("Authorization", ""))
        self._deliver(answer, fault)

    def do_POST(self) -> None:
        owner = self.server.owner
        try:
            raw = self._body()
            match self.path:
                case "/_local/post":
                    owner.add(raw)
                case "/_local/fault":
                    fault = read_fault(raw)
                    with owner.lock:
                        owner.faults.add(fault)
                case "/_local/list":
                    list_id, members = _list_of(raw)
                    with owner.lock:
                        owner.api.lists[list_id] = members
                case _:
                    self._send(404, answers.plain_error(404))
                    return
        except (TimelineError, FaultError, ValueError) as error:
            self._send(400, {"error": str(error)})
            return
        self._send(200, {})

    def do_DELETE(self) -> None:
        if self.path != "/_local/fault":
            self._send(404, answers.plain_error(404))
            return
        with self.server.owner.lock:
            self.server.owner.faults.clear()
        self._send(200, {})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """The journal tells what was asked; nothing is printed."""

    def _body(self) -> object:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            self.close_connection = True
            raise ValueError("the body is larger than 10 MB: send it in parts")
        return json.loads(self.rfile.read(length))

    def _deliver(self, answer: Answer, fault: Fault | None) -> None:
        match fault.kind if fault else None:
            case "timeout" if fault:
                self.server.owner.stopping.wait(fault.seconds)
                self.close_connection = True
            case "reset":
                self.close_connection = True
            case "not_json":
                self._write(200, answer.headers, b"<html>Something went wrong</html>", kind="text/html")
            case "truncate":
                body = json.dumps(answer.body).encode()
                self._write(answer.status, answer.headers, body, sent=len(body) // 2)
                self.close_connection = True
            case _:
                self._send(answer.status, answer.body, answer.headers)

    def _send(self, status: int, body: answers.Body, headers: Mapping[str, str] | None = None) -> None:
        self._write(status, headers or {}, json.dumps(body).encode())

    def _write(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        kind: str = "application/json; charset=utf-8",
        sent: int | None = None,
    ) -> None:
        known = {item.value: item.phrase for item in HTTPStatus}
        self.send_response(status, known.get(status, "Unknown"))
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:sent])
        self.wfile.flush()


def _list_of(raw: object) -> tuple[str, frozenset[int]]:
    if (
        not isinstance(raw, dict)
        or not isinstance(raw.get("id"), str)
        or not isinstance(raw.get("member_ids"), list)
    ):
        raise ValueError('write {"id": "…", "member_ids": ["…"]}')  # noqa: TRY004 - its content is wrong
    return raw["id"], frozenset(int(member) for member in raw["member_ids"])
