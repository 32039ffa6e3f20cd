"""The end of an invocation, and which trace its lines belong to."""

import ast
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from outcry.runtime import metrics
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.metrics import Nature
from outcry.runtime.observability import logger, trace, watched
from tests.architecture.sources import Source, handlers

RUN = "0f3c2b1a-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Context:
    function_name: str = "tick"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:tick"
    aws_request_id: str = RUN


CONTEXT: Any = Context()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the logger writes."""
    found = io.StringIO()
    (handler,) = logger.handlers
    monkeypatch.setattr(handler, "stream", found)
    metrics.drain()
    yield found
    metrics.drain()
    logger.remove_keys(["trace_id"])


def logged(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@watched
def handler(event: dict[str, Any], context: Any) -> str:
    logger.info("It began")
    metrics.FILLS.record(1, *event.get("of", ()))
    if "trace" in event:
        trace(event["trace"])
        logger.info("It went on")
    if "error" in event:
        raise RuntimeError(event["error"])
    return "done"


def test_a_run_has_a_trace_of_its_own_until_a_message_brings_another(lines: io.StringIO) -> None:
    assert handler({"trace": "a" * 32}, CONTEXT) == "done"
    assert handler({}, CONTEXT) == "done"

    assert [line["trace_id"] for line in logged(lines)] == [
        "0f3c2b1a000040008000000000000001",
        "a" * 32,
        "0f3c2b1a000040008000000000000001",
    ]


def test_metrics_are_written_at_the_end(lines: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    handler({}, CONTEXT)

    assert json.loads(capsys.readouterr().out)["Fills"] == [1.0]


def test_metrics_are_written_also_where_the_handler_raises(
    lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="no luck"):
        handler({"error": "no luck"}, CONTEXT)

    assert json.loads(capsys.readouterr().out)["Fills"] == [1.0]


def test_a_figure_that_cannot_be_written_costs_no_answer(
    lines: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handler({"of": [Nature.LIVE]}, CONTEXT) == "done"

    assert capsys.readouterr().out == ""
    assert [line["message"] for line in logged(lines)] == ["It began", "Metrics could not be written"]


class ClosedStream(io.StringIO):
    """An output that is gone, as a log's pipe may be at the end of an environment."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_an_output_that_is_gone_costs_no_answer(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", ClosedStream())

    assert handler({}, CONTEXT) == "done"

    assert [line["message"] for line in logged(lines)] == ["It began", "Metrics could not be written"]


def test_an_output_that_takes_neither_figures_nor_lines_costs_no_answer(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", ClosedStream())
    monkeypatch.setattr(logger.handlers[0], "stream", ClosedStream())

    assert handler({}, CONTEXT) == "done"


def test_figures_that_cannot_be_written_do_not_hide_what_the_handler_raised(lines: io.StringIO) -> None:
    with pytest.raises(RuntimeError, match="no luck") as raised:
        handler({"of": [Nature.LIVE], "error": "no luck"}, CONTEXT)

    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert [line["message"] for line in logged(lines)] == ["It began", "Metrics could not be written"]


@pytest.mark.parametrize("source", handlers(), ids=lambda source: source.path.parent.name)
def test_every_handler_is_watched(source: Source) -> None:
    inside = {
        "migrate": "run"
    }  # imports what is ours within, so that a layer that does not load is told to the stack
    functions = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)]
    decorated = {node.name: [ast.unparse(each) for each in node.decorator_list] for node in functions}

    assert decorated[inside.get(source.path.parent.name, "handler")] == ["watched"]


# ─── what an exception says ─────────────────────────────────────────────────────────────────────────────────


ROW = "Failing row contains (LONG BTC 60k)"


def fail_with_foreign_words() -> None:
    raise ValueError(ROW)


def told_of(lines: io.StringIO) -> str:
    (line,) = logged(lines)
    assert "stack_trace" not in line
    return str(line["exception"])


def test_an_exception_of_others_is_told_without_its_words(lines: io.StringIO) -> None:
    try:
        fail_with_foreign_words()
    except ValueError:
        logger.exception("A message failed")

    told = told_of(lines)
    assert told.startswith("ValueError\n")
    assert "in fail_with_foreign_words" in told
    assert "LONG BTC" not in lines.getvalue()


def test_an_exception_of_ours_is_told_in_words_and_what_it_came_from_is_not(lines: io.StringIO) -> None:
    try:
        try:
            fail_with_foreign_words()
        except ValueError as error:
            raise InfrastructureError("the queue cannot be rung") from error
    except InfrastructureError:
        logger.exception("A message failed")

    told = told_of(lines)
    assert told.startswith("InfrastructureError: the queue cannot be rung\n")
    assert "from ValueError\n" in told
    assert "LONG BTC" not in lines.getvalue()


def test_what_was_raised_from_nothing_hides_what_was_before(lines: io.StringIO) -> None:
    try:
        try:
            fail_with_foreign_words()
        except ValueError:
            raise InfrastructureError("no") from None
    except InfrastructureError:
        logger.exception("A message failed")

    assert "ValueError" not in told_of(lines)
