"""The line between the dispatcher and one execution environment: JSON objects, one a line, over a socket
pair.

To the environment: {"event": …, "request_id": …}. From it: {"ready": true} or {"init_error": …} once; then,
for each event, any number of {"sent": [[queue url, delay in s], …]} and one {"answer": …} or {"error":
{"type", "message"}}.
"""

import json
import socket
from typing import Any

_CHUNK = 65_536


class Channel:
    """One end of the line. Reading never waits unless asked to."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message. Raises OSError where nobody listens any more."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive_all(self) -> list[dict[str, Any]]:
        """The messages that are there now; `is_closed` tells that the other end is gone."""
        while True:
            try:
                chunk = self._socket.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk:
                self.is_closed = True
                break
            self._buffer += chunk
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in lines]

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None when the other end is gone."""
        while b"\n" not in self._buffer:
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        self._socket.close()
