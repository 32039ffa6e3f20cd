"""What a run reports: every step with its time and reason, nothing that was not looked at."""

import json

import pytest

from local.stack.report import Report, StackFailure, expect, wait_for


def test_a_step_is_reported_with_its_facts(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()

    with report.step("count") as facts:
        facts["fills"] = 2

    told = json.loads(report.as_json())
    assert told["steps"][0]["name"] == "count"
    assert told["steps"][0]["fills"] == 2
    assert told["failed"] == []
    assert "ok     count" in capsys.readouterr().err


def test_a_step_that_raises_is_reported_as_failed_with_its_reason_and_raises_on() -> None:
    report = Report()

    def look() -> None:
        with report.step("look") as facts:
            facts["seen"] = 1
            expect(condition=False, otherwise="two stops rest, and one should")

    with pytest.raises(StackFailure):
        look()

    told = json.loads(report.as_json())
    assert report.failed == ["look"]
    assert told["steps"][0]["failure"] == "StackFailure: two stops rest, and one should"
    assert told["steps"][0]["seen"] == 1


def test_waiting_gives_what_was_found_and_asks_until_then() -> None:
    answers = iter([None, 0, "found"])

    assert wait_for("it", lambda: next(answers), 5.0, every_s=0.001) == "found"


def test_waiting_ends_with_what_was_waited_for() -> None:
    with pytest.raises(StackFailure, match="a protected position: not within 0 s"):
        wait_for("a protected position", lambda: None, 0.0, every_s=0.001)


def test_an_expectation_that_does_not_hold_says_what_was_seen() -> None:
    expect(condition=True, otherwise="never said")

    with pytest.raises(StackFailure, match="3 fills"):
        expect(condition=False, otherwise="3 fills where one was expected")
