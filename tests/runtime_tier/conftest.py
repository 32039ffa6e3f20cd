"""The build that is here, or why there is none to test; and the table of what was measured."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from local.aws import LocalAws
from local.built import Built, built
from local.runtime_process import is_supported
from local.x_api.server import XServer
from outcry.runtime.clock import SystemClock
from tests.architecture.sources import ROOT
from tests.functions.test_handlers import Cloud
from tests.runtime_tier.figures import Figures
from tools.build import BUILD, STAMP, machine
from tools.build_stamp import read, stamp

MUST_BE_HERE = "OUTCRY_BUILD_MUST_BE_HERE"  # set by `make runtime`: there, nothing may be passed over
FIGURES = pytest.StashKey[Figures]()


@pytest.fixture(scope="session")
def functions() -> dict[str, Built]:
    """The functions of the build, by name; skips where there is no build of the sources that are here."""
    if not is_supported():
        _without_build("the native modules in a layer are for Linux")
    made = read(STAMP)
    if made is None:
        _without_build("nothing is built here")
    if made.architecture != machine():
        _without_build(f"what is built is for {made.architecture}, and this machine is {machine()}")
    if made != stamp(ROOT, made.architecture):
        _without_build("what is built was not made of the sources that are here")
    return {function.name: function for function in built(BUILD)}


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What this run measures, for the table at its end."""
    return request.config.stash.setdefault(FIGURES, Figures())


def _without_build(why: str) -> NoReturn:
    sentence = f"{why}: `make runtime` builds the functions and runs these tests"
    if os.environ.get(MUST_BE_HERE):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture
def cloud(
    functions: dict[str, Built], aws: LocalAws, repository: Path, tmp_path: Path, database_url: str
) -> Iterator[Cloud]:
    """The queues, secrets and variables of the template on a Postgres and an AWS of this test's own."""
    with XServer(SystemClock()) as x:
        made = Cloud(aws, repository, tmp_path, database_url, x.url)
        yield made
        made.pool.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print what was measured in this run."""
    figures = config.stash.get(FIGURES, None)
    if figures is not None and figures.by_name:
        terminalreporter.section("built functions")
        for line in figures.table():
            terminalreporter.write_line(line)
