"""HTTP to Hyperliquid, as the benchmarks need it: counted, or answered from memory.

Promises: everything above the socket is the project's own code, so that parsing is part of every figure; the time that
passes between handing a request over and holding its answer is the venue's, and is kept apart.
"""

import time
from collections.abc import Callable
from typing import Any

import requests


class MemorySession(requests.Session):
    """Answers reads from memory, with bodies that were made before the clock started."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        super().__init__()
        self._answer = answer
        self.reads = 0
        self.bytes_read = 0

    def post(self, url: str | bytes, data: Any = None, json: Any = None, **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 200
        body = self._answer(data.decode())
        response._content = body
        self.reads += 1
        self.bytes_read += len(body)
        return response


class CountedSession(requests.Session):
    """Passes requests on, and adds up how long the venue took. `on_order` hears of each order before it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.seconds = 0.0
        self.requests = 0
        self.on_order: Callable[[], None] | None = None

    def post(self, url: str | bytes, data: Any = None, json: Any = None, **more: Any) -> requests.Response:
        if self.on_order is not None and b'"type":"order"' in data:
            self.on_order()
        began = time.perf_counter()
        try:
            return super().post(url, data=data, json=json, **more)
        finally:
            self.seconds += time.perf_counter() - began
            self.requests += 1
