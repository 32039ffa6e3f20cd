"""Schedules fall on whole multiples of their interval, once each."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from local.dispatcher.schedules import after, schedules_of
from tests.local.dispatcher.made import function

NOW = datetime(2026, 3, 2, 13, 58, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1)), st.integers(1, 10_000))  # noqa: DTZ001 - made aware below
def test_the_next_run_is_the_first_multiple_after_now(moment: datetime, seconds: int) -> None:
    now, interval = moment.replace(tzinfo=UTC), timedelta(seconds=seconds)

    following = after(now, interval)

    assert now < following <= now + interval
    assert (following - datetime(1970, 1, 1, tzinfo=UTC)) % interval == timedelta(0)


def test_a_run_is_due_once_and_missed_ones_are_not_made_up_for() -> None:
    (schedule,) = schedules_of([function(schedules=(MINUTE,))], NOW)

    assert schedule.take_due(NOW) is None
    assert schedule.take_due(NOW + timedelta(minutes=3)) == datetime(2026, 3, 2, 13, 59, tzinfo=UTC)
    assert schedule.take_due(NOW + timedelta(minutes=3)) is None
    assert schedule.next_at == datetime(2026, 3, 2, 14, 2, tzinfo=UTC)
