"""What was recorded is written once, in the embedded metric format, with the stack's name and the process's time."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from outcry.runtime import emission, metrics
from outcry.runtime.clock import FixedClock, SystemClock
from outcry.runtime.metrics import Nature, Work

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OUTCRY_STACK_NAME", "desk")
    metrics.drain()
    emission.follow(FixedClock(AT))
    yield
    metrics.drain()
    emission.follow(SystemClock())


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_says_namespace_stack_time_unit_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.FILLS.record(3)

    emission.flush()

    assert written(capsys) == [
        {
            "_aws": {
                "Timestamp": 1767614400000,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Outcry",
                        "Dimensions": [["stack"]],
                        "Metrics": [{"Name": "Fills", "Unit": "Count"}],
                    }
                ],
            },
            "stack": "desk",
            "Fills": [3.0],
        }
    ]


def test_metrics_of_the_same_dimensions_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.FILLS.record()
    metrics.POST_TO_FILL_MS.record(7)
    metrics.WAITING_AGE_S.record(1, Work.EXITS)
    metrics.WAITING_AGE_S.record(2, Work.ENTRIES)
    metrics.EXPOSURE_USD.record(Decimal("12.5"), Nature.PAPER)

    emission.flush()

    lines = written(capsys)
    assert [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for line in lines] == [
        [["stack"]],
        [["stack", "work"]],
        [["stack", "work"]],
        [["stack", "nature"]],
    ]
    assert (lines[0]["Fills"], lines[0]["PostToFill"]) == ([1.0], [7.0])
    assert (lines[3]["nature"], lines[3]["ExposureUsd"]) == ("paper", [12.5])


def test_nothing_recorded_is_nothing_written(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.FILLS.record()

    emission.flush()
    emission.flush()

    assert len(written(capsys)) == 1


def test_a_process_of_no_stack_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTCRY_STACK_NAME")
    metrics.FILLS.record()

    emission.flush()

    assert written(capsys)[0]["stack"] == "outcry"


def test_no_other_dimension_slips_in_from_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "other")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Other")
    metrics.FILLS.record()

    emission.flush()

    (line,) = written(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stack"]]
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Outcry"


def test_a_series_that_is_not_registered_is_refused_and_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.FILLS.record(1, Nature.LIVE)

    with pytest.raises(ValueError, match="Fills has no series"):
        emission.flush()

    emission.flush()
    assert written(capsys) == []
