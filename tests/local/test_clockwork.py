"""The served clock flows by itself, jumps when it is told to, and never runs backwards."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.clockwork import LONGEST_JUMP, Clockwork
from outcry.runtime.clock import ServedClock

START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
SOON = timedelta(seconds=1)


@pytest.fixture
def clockwork(tmp_path: Path) -> Iterator[Clockwork]:
    made = Clockwork.starting(tmp_path / "clock", START)
    yield made
    made.close()


def test_it_starts_where_it_is_told_and_flows_at_the_machines_pace(clockwork: Clockwork) -> None:
    first = clockwork.now()
    time.sleep(0.05)
    second = clockwork.now()

    assert START <= first < START + SOON
    assert timedelta(seconds=0.05) <= second - first < timedelta(seconds=2)


def test_a_jump_lands_on_the_next_thing_that_is_due(clockwork: Clockwork) -> None:
    due = clockwork.now() + timedelta(seconds=3)

    moved = clockwork.jump(due)

    assert timedelta(0) < moved <= timedelta(seconds=3)
    assert due <= clockwork.now() < due + SOON


def test_a_jump_is_never_longer_than_five_seconds(clockwork: Clockwork) -> None:
    before = clockwork.now()

    moved = clockwork.jump(before + timedelta(hours=1))

    assert moved == LONGEST_JUMP
    assert clockwork.now() < before + LONGEST_JUMP + SOON


def test_a_jump_into_the_past_moves_nothing(clockwork: Clockwork) -> None:
    before = clockwork.now()

    moved = clockwork.jump(before - timedelta(minutes=1))

    assert moved == timedelta(0)
    assert clockwork.now() >= before


def test_every_reader_of_the_file_sees_the_move(clockwork: Clockwork) -> None:
    elsewhere = ServedClock(clockwork.path)

    clockwork.move_to(START + timedelta(days=1))

    assert timedelta(0) <= elsewhere.now() - (START + timedelta(days=1)) < SOON


def test_moving_to_an_earlier_moment_moves_nothing(clockwork: Clockwork) -> None:
    clockwork.move_to(START - timedelta(days=1))

    assert clockwork.now() >= START
