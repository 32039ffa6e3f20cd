"""A built function at work: its own folder and its own layers under AWS's runtime client, and nothing else of this machine.

Promises: the interpreter is isolated (no environment, no user, no site packages): it sees what Lambda would show it, which are the
function's folder, its layers, the runtime's packages (the client and the SDK, from .tools/runtime) and the standard library, in
that order. So a package that is missing in a layer is missing here. Stopped by whoever started it, by its process id.

What it cannot show: Lambda's own start of a sandbox, its slower processors for less memory, and its kernel.
"""

import contextlib
import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.built import Built
from local.processes import Process, start
from local.runtime_api import Fault, Invocation, RuntimeApi

_ROOT = Path(__file__).resolve().parent.parent
RUNTIME = _ROOT / ".tools" / "runtime"
# Lambda gives ten seconds; a busy machine that reads everything for the first time needs more
INIT_LIMIT_S = 60.0
_MODULES_LIMIT_S = 30.0


@dataclass(slots=True)
class RunningFunction:
    """An environment that has been initialised, or could not be: then `fault` says why."""

    process: Process
    api: RuntimeApi
    fault: Fault | None
    init_s: float
    _line: socket.socket

    def invoke(self, event: Any, *, timeout_s: float = 60.0) -> Invocation:
        """Run it on one event."""
        return self.api.invoke(event, timeout_s=timeout_s)

    def modules(self) -> dict[str, str | None]:
        """All modules that it has loaded by now, by name, each with its file; None for one that has none."""
        self._line.settimeout(_MODULES_LIMIT_S)
        self._line.send(b"?")
        said = b""
        while not said.endswith(b"\n"):
            part = self._line.recv(65536)
            if not part:
                raise ConnectionError("the environment has ended")
            said += part
        return dict(json.loads(said))

    def memory_mb(self) -> float:
        """The most memory that it has held in RAM so far, in MB of 1,048,576 bytes. Linux only."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


def runtime_packages() -> Path:
    """Where the packages of Lambda's runtime are."""
    return next((RUNTIME / "lib").glob("python3.*/site-packages"))


def search_path(built: Built) -> list[Path]:
    """Where the function's imports are looked for before the standard library, as on Lambda."""
    return [built.folder, *(layer / "python" for layer in built.layers.values()), runtime_packages()]


@contextlib.contextmanager
def running(built: Built, variables: Mapping[str, str], logs: Path) -> Iterator[RunningFunction]:
    """The function for as long as the block runs, with these variables and those that Lambda itself sets.

    What it prints is in `logs`. Raises NoAnswer if it neither comes up nor says why.
    """
    ours, theirs = socket.socketpair()
    with RuntimeApi(built.name) as api, ours:
        with theirs:
            started_s = time.monotonic()
            command: list[str | Path] = [RUNTIME / "bin" / "python", "-I", "-S", "-B"]
            command += [Path(__file__).with_name("runtime_start.py"), str(theirs.fileno()), built.handler]
            process = start(
                [*command, *search_path(built)],
                name=f"The built function {built.name}",
                log=logs / f"{built.name}.log",
                environment={**_lambda_variables(built, api.address), **variables},
                directory=built.folder,
                pass_fds=[theirs.fileno()],
            )
        try:
            fault = api.wait_until_initialised(INIT_LIMIT_S)
            init_s = (api.first_asked_s or time.monotonic()) - started_s
            yield RunningFunction(process, api, fault, init_s, ours)
        finally:
            process.stop(grace_s=0.0)


def _lambda_variables(built: Built, address: str) -> dict[str, str]:
    return {
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": built.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{built.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(built.folder),
        "_HANDLER": built.handler,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
    }


def is_supported() -> bool:
    """Whether built functions can run on this machine at all: their native modules are Linux'."""
    return sys.platform == "linux"
