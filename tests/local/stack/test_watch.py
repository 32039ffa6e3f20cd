"""The figures that are read out of the functions' logs, ours and the runtime's."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from local.stack.alarms import Point
from local.stack.watch import points_in

GROUP = "/aws/cloudformation/outcry/TickLogs"
NAMES = {"TickLogs": "outcry-TickFunction-1"}
START = "START RequestId: 1 Version: $LATEST"
REPORT = "REPORT RequestId: 1\tDuration: 120 ms\tBilled Duration: 120 ms\tMemory Size: 512 MB"
EMBEDDED = json.dumps(
    {
        "_aws": {
            "Timestamp": 1_795_000_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Outcry",
                    "Dimensions": [["stack"]],
                    "Metrics": [{"Name": "UnprotectedPositions"}],
                }
            ],
        },
        "stack": "outcry",
        "UnprotectedPositions": [0, 2],
    }
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "functions.jsonl"


def write(log: Path, *messages: str, stream: str = "one") -> None:
    with log.open("a") as file:
        for message in messages:
            line = {"group": GROUP, "stream": stream, "at": 1_795_000_000_000, "message": message}
            file.write(json.dumps(line) + "\n")


def values(points: list[Point], metric: str) -> list[Decimal]:
    return [point.value for point in points if point.series.metric == metric]


def test_a_run_that_came_to_its_end_is_an_invocation_with_its_duration_and_no_error(log: Path) -> None:
    write(log, START, '{"level":"INFO","message":"The minute was rung"}', "END RequestId: 1", REPORT)

    points = points_in(log, NAMES)

    assert values(points, "Invocations") == [1]
    assert values(points, "Errors") == [0]
    assert values(points, "Duration") == [120]
    assert {dict(point.series.dimensions)["FunctionName"] for point in points} == {"outcry-TickFunction-1"}


def test_a_run_that_raised_is_an_error_and_the_next_one_in_the_same_environment_is_none(log: Path) -> None:
    write(log, START, "Traceback (most recent call last):", "OSError: no", "END RequestId: 1", REPORT)
    write(log, START, "END RequestId: 1", REPORT)

    assert values(points_in(log, NAMES), "Errors") == [1, 0]


def test_an_error_in_one_environment_is_not_counted_in_another(log: Path) -> None:
    write(log, START, stream="one")
    write(log, "Traceback (most recent call last):", stream="two")
    write(log, REPORT, stream="one")

    assert values(points_in(log, NAMES), "Errors") == [0]


def test_an_error_that_was_caught_and_logged_is_no_error_of_the_function(log: Path) -> None:
    logged = '{"level":"ERROR","exception":"Traceback (most recent call last):\\n …"}'
    write(log, START, logged, "END RequestId: 1", REPORT)

    assert values(points_in(log, NAMES), "Errors") == [0]


def test_our_own_figures_are_read_with_each_of_their_values(log: Path) -> None:
    write(log, START, EMBEDDED, REPORT)

    points = points_in(log, NAMES)

    assert values(points, "UnprotectedPositions") == [0, 2]


def test_lines_of_a_group_that_is_no_functions_are_passed_over(log: Path) -> None:
    write(log, START, REPORT)

    assert points_in(log, {}) == []
