"""Our own servers as processes of this machine, and what only whoever runs them may ask of them.

Promises: `serve` returns when the server has said where it is, or raises NotStarted with its last words; a control that is
refused is a RuntimeError with what the server said. Everything is on 127.0.0.1.
"""

import contextlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.processes import Process, start, wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
_START_LIMIT_S = 30.0
_ANSWER_LIMIT_S = 10.0


def serve(
    module: str, arguments: Sequence[str | Path], *, log: Path, port: int = 0, clock_file: Path | None = None
) -> tuple[Process, str]:
    """Start `python -m local.<module>` and give it and its URL. Port 0 takes a free one; without a clock file it has real time."""
    log.unlink(missing_ok=True)
    clock = [] if clock_file is None else ["--clock-file", str(clock_file)]
    process = start(
        [sys.executable, "-m", f"local.{module}", "--port", str(port), *clock, *arguments],
        name=f"The local {module}",
        log=log,
        directory=ROOT,
    )
    wait_until_ready(process, lambda: _url(process) is not None, _START_LIMIT_S)
    url = _url(process)
    assert url is not None, "it was ready"
    return process, url


def _url(process: Process) -> str | None:
    for line in process.last_lines(100).splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(line)["url"])
    return None


def ask_venue(url: str, control: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Use one of the local venue's controls. Raises RuntimeError with what it says where it refuses."""
    return _post(f"{url}/_sim/{control}", body, f"the local venue refused {control}")


def publish(url: str, post: Mapping[str, Any]) -> None:
    """Let a post appear on the local X. Raises RuntimeError where it cannot be served."""
    _post(f"{url}/_local/post", post, "the local X refused a post")


def _post(url: str, body: Mapping[str, Any], refused: str) -> dict[str, Any]:
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")  # noqa: S310
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_LIMIT_S) as answer:  # noqa: S310 - 127.0.0.1
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{refused}: {error.read().decode(errors='replace')}") from None
