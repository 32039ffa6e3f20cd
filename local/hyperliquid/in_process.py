"""A `requests` session that reaches an engine of this process without a socket or a thread.

Promises: bytes go through the same front as over HTTP, so faults and errors are the same ones; an ended
connection is a `requests.ConnectionError`. One thread from the caller to the engine and back: a run repeats
itself to the letter. Never leaves the process, whatever host a URL names.
"""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import BaseAdapter

from local.hyperliquid.engine import LOCAL_IP, Engine
from local.hyperliquid.front import respond

URL = "http://127.0.0.1:1"  # an address that nothing is asked at


class _ToEngine(BaseAdapter):
    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        body = request.body or b""
        raw = body if isinstance(body, bytes) else str(body).encode()
        kind = str(request.headers.get("Content-Type", ""))
        reply = respond(self._engine, request.path_url, kind, raw, LOCAL_IP)
        if reply is None:
            raise requests.ConnectionError("Connection aborted: the venue closed it without an answer")
        response = requests.Response()
        response.status_code, response.request, response.url = reply.status, request, str(request.url)
        response.headers["Content-Type"] = reply.content_type
        response._content = reply.body  # read already: there is no stream behind it
        return response

    def close(self) -> None:
        """Nothing is held open."""


def session(engine: Engine) -> requests.Session:
    """A session whose every http request is answered by `engine`; use it with URL."""
    made = requests.Session()
    made.trust_env = False
    made.mount("http://", _ToEngine(engine))
    return made
