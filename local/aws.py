"""SQS, KMS and Secrets Manager on this machine: ministack, as a child process in an environment of its own.

Promises: listens on 127.0.0.1 alone, on a free port; ready when `running_aws` enters its block, or NotStarted
with the end of its log; its queues count their delays and timeouts on the served clock where one is given;
all it held is gone when it stops. Clients are the ordinary ones of boto3: they only need `environment`.

What it does not do, and tests must not conclude from it: it accepts altered KMS ciphertexts, enforces no key
policy unless told to, and moves a message to its dead-letter queue only when the source queue is next received from.
"""

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.processes import NotStarted, Process, free_port, start, temporary_directory, wait_until_ready

REGION = "us-east-1"
ACCOUNT = "000000000000"
_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = _ROOT / ".tools" / "ministack" / "bin" / "python"
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
_ENFORCING = {"AUTH": "true", **_CREDENTIALS}  # told of them, it takes them for the account's own
_ATTEMPTS = 3  # a port that was free may be taken by the time it is bound


@dataclass(frozen=True, slots=True)
class LocalAws:
    """A running local AWS."""

    port: int
    process: Process

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What points any boto3 client at it. The credentials are not secret: they are the account's own there."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            **_CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Forgets every queue, key and secret."""
        status = _request(self.port, "POST", "/_ministack/reset")
        if status != 200:
            raise RuntimeError(f"the local AWS could not be reset: HTTP {status}")


@contextlib.contextmanager
def running_aws(
    *, clock_file: Path | None = None, enforce_permissions: bool = False, start_timeout_s: float = 30.0
) -> Iterator[LocalAws]:
    """A local AWS for as long as the block runs, on the served clock of `clock_file` or else on real time.

    With `enforce_permissions` it evaluates the policies of whoever asks with a role's credentials, and those of queues and keys, as
    far as `local.permissions.limits` says; the credentials of `environment` are the account's own, which may everything.
    """
    if not _PYTHON.exists():
        raise NotStarted("the local AWS has no environment yet: run tools/setup.sh ministack")
    with temporary_directory("aws") as directory:
        server = _start(directory, clock_file, enforce_permissions, start_timeout_s)
        try:
            yield server
        finally:
            server.process.stop()


def _start(directory: Path, clock_file: Path | None, enforce_permissions: bool, timeout_s: float) -> LocalAws:
    for attempt in range(_ATTEMPTS):
        port = free_port()
        process = start(
            [
                _PYTHON,
                "-P",
                Path(__file__).with_name("ministack_server.py"),
                *([clock_file] if clock_file else []),
            ],
            name="The local AWS",
            log=directory / "log",
            environment=_environment(directory, port) | (_ENFORCING if enforce_permissions else {}),
            directory=directory,
        )
        try:
            wait_until_ready(process, partial(_is_ready, directory, port), timeout_s)
        except NotStarted:
            if attempt + 1 < _ATTEMPTS and "already in use" in process.last_lines():
                continue
            raise
        return LocalAws(port, process)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _environment(directory: Path, port: int) -> dict[str, str]:
    """Everything it may read from the environment, and nothing of ours: no credentials, no configuration."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LAMBDA_EXECUTOR": "local",
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
    }


def _is_ready(directory: Path, port: int) -> bool:
    """Whether it is ours that answers: it writes this file once it has found the port free."""
    return (directory / f"ministack-{port}.pid").exists() and _request(
        port, "GET", "/_ministack/health"
    ) == 200


def _request(port: int, method: str, path: str) -> int | None:
    """The HTTP status of a request without a body; None if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
