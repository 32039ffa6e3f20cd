"""The command line over this test's own database, in process and as the program that people type."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from outcry import wiring
from outcry.cli import aws
from outcry.cli.main import app
from outcry.runtime.clock import FixedClock
from tests.orders.conftest import venue_changes, workshop
from tests.orders.workshop import DESK, NOON

__all__ = ["venue_changes", "workshop"]

PROGRAM = """from outcry.cli.main import app; app(prog_name="outcry")"""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one sentence of an error."""
        assert self.out == ""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]


Outcry = Callable[..., Answer]


def forget_parts() -> None:
    """Let the wiring make everything anew, from the environment of the moment."""
    if wiring.plain_database.cache_info().currsize:
        wiring.plain_database().close()
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()
    aws.client.cache_clear()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:
    """A configuration for this test's database, and none of the machine's. Whatever a command sets is undone."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("OUTCRY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OUTCRY_NETWORK", "local")
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    forget_parts()
    yield monkeypatch
    forget_parts()
    monkeypatch.undo()
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def outcry(environment: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Outcry:
    """Runs a command in this process, on the workshop's clock where the test has one."""
    has_workshop = "workshop" in request.fixturenames
    clock = request.getfixturevalue("workshop").clock if has_workshop else FixedClock(NOON)
    environment.setattr(wiring, "clock", lambda: clock)

    def run(*arguments: str | Path, typed: str = "") -> Answer:
        result = CliRunner().invoke(app, [str(each) for each in arguments], input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def program(environment: pytest.MonkeyPatch, repository: Path) -> Outcry:
    """Runs a command in a process of its own."""

    def run(*arguments: str | Path, typed: str = "") -> Answer:
        done = subprocess.run(
            [repository / ".venv" / "bin" / "python", "-P", "-c", PROGRAM, *map(str, arguments)],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(repository / "layers" / "core")},
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def kms_key(environment: pytest.MonkeyPatch) -> Iterator[str]:
    """A KMS with one key, which the configuration names."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.setenv(name, "testing")
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        arn = str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])
        environment.setenv("OUTCRY_SIGNING_KEY_ARN", arn)
        yield arn


@pytest.fixture
def desk_file(tmp_path: Path) -> Path:
    """A desk file that is good."""
    file = tmp_path / "desk.yaml"
    file.write_text(DESK)
    return file
