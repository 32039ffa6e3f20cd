"""The SAM CLI as a person uses it, pointed at the local AWS: build, deploy, logs, remote invoke, delete.

Promises: each command runs with a home of its own and no telemetry, so that nothing of the machine's AWS configuration is read
or written; what it printed is kept in the run's folder; a command that takes longer than its limit is ended. An exit code is
reported and never raised, because a deployment that fails is one of the things that are tried.
"""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import LocalAws
from local.processes import NotStarted
from local.servers import ROOT

STACK = "outcry"
_SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
_SAM_PYTHON = ROOT / ".tools" / "sam" / "bin" / "python"
_PYTHON = ROOT / ".tools" / "build" / "bin"
_OF_THIS_MACHINE = (
    "PIP_CACHE_DIR",
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "SSL_CERT_FILE",
)  # where pip finds packages
_LIMIT_S = 300.0
_LAST_LINES = 25
ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

# SAM takes the address of a nested template for one of S3 only where it begins with https://s3, as it does on AWS. The local AWS
# gives it as http://127.0.0.1:port/bucket/key, so `sam delete` is shown the same bucket and key in the other form.
_DELETE = """
import sys
from urllib.parse import urlsplit
from samcli.cli.main import cli
from samcli.lib.package import packageable_resources
known = packageable_resources.parse_s3_url
def parse(url, *more, **named):
    local = url.startswith("http://127.0.0.1")
    return known("s3:/" + urlsplit(url).path if local else url, *more, **named)
packageable_resources.parse_s3_url = parse
cli(prog_name="sam")
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did: its exit code, how long it took, what it answered (stdout), and all that it printed."""

    what: str
    code: int
    seconds: float
    answer: str
    text: str

    @property
    def end(self) -> str:
        """Its last lines, for a message."""
        return "\n".join(self.text.splitlines()[-_LAST_LINES:])


class Sam:
    """Runs `sam` for one stack."""

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        """Raises NotStarted where the tool's environment was not made."""
        if not _SAM.exists():
            raise NotStarted("SAM has no environment yet: run tools/setup.sh sam build")
        self._folder = folder
        self._count = 0
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **aws.environment,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": f"{_PYTHON}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "SAM_CLI_TELEMETRY": "0",
            "OUTCRY_ARCHITECTURE": ARCHITECTURE,
            **{name: os.environ[name] for name in _OF_THIS_MACHINE if name in os.environ},
        }

    def build(self, source: Path, into: Path) -> Ran:
        """Build the template of `source`; the built one is `into/template.yaml`."""
        return self._run(
            "build", "--template", str(source / "template.yaml"), "--build-dir", str(into), at=source
        )

    def deploy(self, built: Path, parameters: Mapping[str, str], *, stack: str = STACK) -> Ran:
        """Create or update the stack, and wait for its end, also where that is a rollback."""
        return self._run(
            *("deploy", "--template-file", str(built / "template.yaml"), "--stack-name", stack),
            *("--resolve-s3", "--no-confirm-changeset", "--no-progressbar", "--no-fail-on-empty-changeset"),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            "--parameter-overrides",
            *(f"{name}={value}" for name, value in sorted(parameters.items())),
        )

    def logs(self, *arguments: str) -> Ran:
        """`sam logs` of the stack."""
        return self._run("logs", "--stack-name", STACK, *arguments)

    def remote_invoke(self, function: str, event: Path) -> Ran:
        """`sam remote invoke` of one function, by its logical id, with an event file."""
        return self._run("remote", "invoke", function, "--stack-name", STACK, "--event-file", str(event))

    def delete(self) -> Ran:
        """Delete the stack without asking."""
        arguments = ("delete", "--stack-name", STACK, "--no-prompts", "--region", "us-east-1")
        return self._run(*arguments, program=(str(_SAM_PYTHON), "-c", _DELETE))

    def _run(self, *arguments: str, at: Path | None = None, program: Sequence[str] = (str(_SAM),)) -> Ran:
        self._count += 1
        name = f"sam-{self._count:02d}-{arguments[0]}"
        said, told = self._folder / f"{name}.out", self._folder / f"{name}.err"
        started = time.monotonic()
        with said.open("wb") as output, told.open("wb") as errors:
            code = _code([*program, *arguments], self._environment, at or self._folder, output, errors)
        answer = said.read_text(errors="replace")
        text = answer + told.read_text(errors="replace")
        return Ran(f"sam {arguments[0]}", code, time.monotonic() - started, answer, text)


def _code(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Any, errors: Any
) -> int:
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1
    return done.returncode
