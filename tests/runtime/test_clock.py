"""Time: always aware UTC, never backwards, and served to several processes on the local network alone."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.clock_file import ClockFile
from outcry.runtime.clock import (
    FixedClock,
    ServedClock,
    SystemClock,
    clock_from,
    from_milliseconds,
    to_milliseconds,
)
from outcry.runtime.errors import ConfigurationError

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_the_system_clock_tells_aware_utc() -> None:
    before = datetime.now(UTC)

    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert before <= now <= datetime.now(UTC)


def test_a_fixed_clock_stands_still_until_it_is_moved() -> None:
    clock = FixedClock(NOON)

    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(seconds=5)) == clock.now() == NOON + timedelta(seconds=5)


def test_a_fixed_clock_never_runs_backwards() -> None:
    clock = FixedClock(NOON)

    with pytest.raises(ValueError, match="backwards"):
        clock.advance(timedelta(microseconds=-1))

    assert clock.now() == NOON


def test_a_fixed_clock_needs_an_aware_time() -> None:
    with pytest.raises(ValueError, match="aware"):
        FixedClock(datetime(2026, 1, 5))  # noqa: DTZ001 - the naive time is what is refused


def test_every_reader_of_a_served_clock_sees_its_file_move(tmp_path: Path) -> None:
    served = ClockFile(tmp_path / "clock", offset=timedelta(days=-3))
    one, other = ServedClock(served.path), clock_from("local", str(served.path))
    before = one.now()
    assert abs(datetime.now(UTC) - timedelta(days=3) - before) < timedelta(seconds=5)

    served.advance(timedelta(hours=2))

    assert timedelta(hours=2) <= one.now() - before < timedelta(hours=2, seconds=5)
    assert abs(other.now() - one.now()) < timedelta(seconds=5)
    assert one.now().tzinfo is UTC
    served.close()


def test_a_served_clock_runs_between_two_moves(tmp_path: Path) -> None:
    served = ClockFile(tmp_path / "clock")
    clock = ServedClock(served.path)

    readings = [clock.now() for _ in range(1000)]

    assert readings == sorted(readings)
    assert readings[0] < readings[-1]
    served.close()


@pytest.mark.parametrize("network", ["mainnet", "testnet", "paper", "LOCAL", ""])
def test_f56_only_the_local_network_may_serve_its_own_time(network: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"OUTCRY_CLOCK_FILE.*network=local"):
        clock_from(network, str(tmp_path / "clock"))


@pytest.mark.parametrize("network", ["mainnet", "testnet", "local"])
def test_without_a_clock_file_the_time_is_the_systems(network: str) -> None:
    assert isinstance(clock_from(network, None), SystemClock)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_milliseconds_are_floored_and_come_back_exactly(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)

    milliseconds = to_milliseconds(moment)

    assert timedelta(0) <= moment - from_milliseconds(milliseconds) < timedelta(milliseconds=1)
    assert to_milliseconds(from_milliseconds(milliseconds)) == milliseconds
    assert from_milliseconds(milliseconds).tzinfo is UTC


def test_milliseconds_are_unix_time_whatever_the_zone() -> None:
    elsewhere = datetime(2026, 1, 5, 14, 0, tzinfo=timezone(timedelta(hours=2)))

    assert to_milliseconds(elsewhere) == to_milliseconds(NOON) == 1767614400000
