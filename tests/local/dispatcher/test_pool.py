"""Execution environments: one event at a time, kept warm, replaced when they fail, killed at their limit."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local.aws import LocalAws
from local.dispatcher.blueprint import FunctionSpec
from local.dispatcher.pool import Pool, Result, Sent
from tests.local.dispatcher.made import function, written


class Bench:
    """A pool, and what came out of it."""

    def __init__(self, logs: Path, variables: dict[str, str]) -> None:
        self.sent: list[Sent] = []
        self.killed = 0
        self.pool = Pool(
            {"NOTES": str(logs / "notes"), **variables}, logs, uuid4, self.sent.append, self._on_killed
        )

    def _on_killed(self) -> None:
        self.killed += 1

    def run(self, what: FunctionSpec, *todo: str, wait_s: float = 30.0) -> list[Result]:
        """Run the function on all of these at once and wait for the results."""
        results: list[Result] = []
        for each in todo:
            self.pool.submit(what, {"do": each}, results.append)
        deadline_s = time.monotonic() + wait_s
        while len(results) < len(todo) and time.monotonic() < deadline_s:
            self.pool.poll(0.05)
        return results


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, {})
    yield made
    made.pool.close()


@pytest.fixture
def worker(tmp_path: Path) -> FunctionSpec:
    return function(written(tmp_path / "worker"), timeout_s=1, variables={"OWN": "yes"})


def test_a_handlers_answer_comes_back(bench: Bench, worker: FunctionSpec) -> None:
    (result,) = bench.run(worker, "hello")

    assert (result.function, result.answer, result.error) == ("worker", "hello", None)
    assert not bench.pool.is_busy


def test_a_warm_environment_is_used_again_and_two_events_need_two(bench: Bench, worker: FunctionSpec) -> None:
    first = bench.run(worker, "environment")[0].answer
    bench.run(worker, "sleep", "sleep")
    bench.run(worker, "hello")

    assert first["OWN"] == "yes"
    assert len(list(worker.folder.parent.glob("worker-*.log"))) == 2


def test_what_a_handler_raises_is_the_runs_error_and_the_environment_lives_on(
    bench: Bench, worker: FunctionSpec
) -> None:
    (failed,) = bench.run(worker, "raise")
    (after,) = bench.run(worker, "hello")

    assert failed.error == "ValueError: as asked"
    assert after.error is None
    assert bench.killed == 0
    assert "as asked" in next(worker.folder.parent.glob("worker-*.log")).read_text()


def test_an_answer_that_is_not_json_fails_as_it_does_on_lambda(bench: Bench, worker: FunctionSpec) -> None:
    (result,) = bench.run(worker, "odd")

    assert result.error is not None
    assert result.error.startswith("TypeError")


def test_an_environment_is_killed_at_its_limit_and_replaced(bench: Bench, worker: FunctionSpec) -> None:
    began_s = time.monotonic()
    (hung,) = bench.run(worker, "hang")
    (after,) = bench.run(worker, "hello")

    assert hung.error == "killed at its limit of 1 s"
    assert time.monotonic() - began_s < 20
    assert (after.answer, bench.killed) == ("hello", 1)


def test_an_environment_that_dies_fails_its_event_and_is_replaced(bench: Bench, worker: FunctionSpec) -> None:
    (dead,) = bench.run(worker, "die")
    (after,) = bench.run(worker, "hello")

    assert dead.error == "the environment died"
    assert (after.answer, bench.killed) == ("hello", 1)


def test_f56_a_handler_that_cannot_be_imported_says_why(bench: Bench, tmp_path: Path) -> None:
    broken = function(written(tmp_path / "broken", "import no_such_module"), name="broken")

    (result,) = bench.run(broken, "hello")

    assert result.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_the_environment_has_the_templates_variables_and_nothing_of_ours(
    bench: Bench, worker: FunctionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTCRY_SOMETHING", "of whoever runs the tests")

    (result,) = bench.run(worker, "environment")

    assert "OUTCRY_SOMETHING" not in result.answer
    assert "PYTHONPATH" not in result.answer
    assert "HOME" not in result.answer
    assert result.answer["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
    assert result.answer["TZ"] == "UTC"


def test_a_handler_finds_its_folder_and_the_layer_but_not_the_repository(
    bench: Bench, worker: FunctionSpec, repository: Path
) -> None:
    (result,) = bench.run(worker, "path")

    assert result.answer[:2] == [str(worker.folder), str(repository / "layers" / "core")]
    assert str(repository) not in result.answer


def test_the_context_is_lambdas(bench: Bench, worker: FunctionSpec) -> None:
    (result,) = bench.run(worker, "context")

    name, remaining_ms, request_id = result.answer
    assert name == "worker"
    assert 0 < remaining_ms <= 1000
    assert len(request_id) == 36


@pytest.mark.parametrize(("todo", "delay_s"), [("ring", 0), ("ring later", 30)])
def test_what_a_function_sends_is_told_at_once(
    aws: LocalAws, tmp_path: Path, worker: FunctionSpec, todo: str, delay_s: int
) -> None:
    import boto3

    url = boto3.client("sqs").create_queue(QueueName="work")["QueueUrl"]
    bench = Bench(tmp_path, {**aws.environment, "QUEUE": url})
    try:
        (result,) = bench.run(worker, todo)
    finally:
        bench.pool.close()

    assert result.error is None
    assert bench.sent == [Sent(url, delay_s)]


def test_closing_ends_every_environment(bench: Bench, worker: FunctionSpec) -> None:
    bench.pool.warm(worker)
    pids = [environment.process.pid for environment in bench.pool._environments]

    bench.pool.close()

    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_to_poll_only_waits(bench: Bench) -> None:
    before: list[Any] = list(bench.sent)

    bench.pool.poll(0.01)

    assert bench.sent == before
