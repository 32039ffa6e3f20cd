"""The owner of the served clock: lets time flow while anybody works, and jumps when nobody does.

Promises: time never runs backwards; while it is not told to jump it flows at the machine's own pace, so that
what takes a second takes a second; a jump never passes the next thing that is due, and is never longer than
five seconds.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.clock_file import ClockFile
from outcry.runtime.clock import ServedClock

LONGEST_JUMP = timedelta(seconds=5)


class Clockwork:
    """One per local run. It is a `Clock` itself: what it tells is what every process sees."""

    def __init__(self, file: ClockFile) -> None:
        self._file = file
        self._served = ServedClock(file.path)

    @classmethod
    def starting(cls, path: Path, start: datetime) -> "Clockwork":
        """Makes the clock file so that it is `start` now."""
        return cls(ClockFile(path, start - datetime.now(UTC)))

    @property
    def path(self) -> Path:
        """The file that other processes read the time from."""
        return self._file.path

    def now(self) -> datetime:
        return self._served.now()

    def jump(self, next_due: datetime) -> timedelta:
        """Move to `next_due`, or as far towards it as one jump may go; how far that was."""
        now = self.now()
        target = min(next_due, now + LONGEST_JUMP)
        if target <= now:
            return timedelta(0)
        self._file.advance(target - now)
        return target - now

    def move_to(self, moment: datetime) -> None:
        """Set-up only: move forward to `moment` at once, when nothing is running yet."""
        self._file.advance(max(moment - self.now(), timedelta(0)))

    def close(self) -> None:
        self._file.close()
