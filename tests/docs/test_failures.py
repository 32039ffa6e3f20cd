"""The table of failures in docs/how-it-is-tested.md claims no test that is not there."""

import re

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-it-is-tested.md"


def failures() -> dict[int, str]:
    """By number, what the table says that holds it."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {int(number): held for number, held in rows}


@pytest.mark.parametrize("number", range(1, 58))
def test_what_is_said_to_hold_a_failure_carries_its_number(number: int) -> None:
    files = re.findall(r"`([^`]+\.py)`", failures()[number])

    name = re.compile(rf"def test_(?:\w+_)?f0?{number}_")

    assert [file for file in files if not name.search((ROOT / "tests" / file).read_text())] == []


@pytest.mark.parametrize("number", [22, 23, 24, 25, 26, 27, 41, 56, 57])
def test_the_failures_of_a_deployment_are_held_by_tests(number: int) -> None:
    assert "test_" in failures()[number]


OF_THE_SEAMS = [*range(1, 12), *range(13, 22), *range(29, 42), *range(47, 52)]


@pytest.mark.parametrize("number", OF_THE_SEAMS)
def test_the_failures_between_two_steps_are_held_by_tests(number: int) -> None:
    assert "test_" in failures()[number]
