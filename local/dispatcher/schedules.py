"""When each scheduled function is due next, on the served clock. Pure.

Runs fall on whole multiples of their interval (a rate of one minute: at each full minute), so that a run of
the same time line always sees the same schedule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.dispatcher.blueprint import FunctionSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Schedule:
    """One schedule of one function."""

    function: FunctionSpec
    interval: timedelta
    next_at: datetime

    def take_due(self, now: datetime) -> datetime | None:
        """The moment of the run that is due by now, once; runs that were missed are not made up for."""
        if self.next_at > now:
            return None
        due = self.next_at
        self.next_at = after(now, self.interval)
        return due


def after(now: datetime, interval: timedelta) -> datetime:
    """The first multiple of the interval that is later than now."""
    return _EPOCH + ((now - _EPOCH) // interval + 1) * interval


def schedules_of(functions: Iterable[FunctionSpec], now: datetime) -> list[Schedule]:
    """Every schedule of the template, first due after now."""
    return [
        Schedule(function, interval, after(now, interval))
        for function in functions
        for interval in function.schedules
    ]
