"""The one source of time. Every process asks a `Clock`; SQL takes `:now`; nothing calls the system clock itself.

Promises aware UTC times. The served clock, which local runs use to move time forward together with their venues,
exists for `network = local` alone: `clock_from` refuses it everywhere else.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from outcry.runtime.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = struct.Struct("@q")  # native: one move, so that no reader ever sees half a number


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved: for tests and for replays."""

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move forward by `by` (never back) and return the new time."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards")
        self._now += by
        return self._now


class ServedClock:
    """The machine's clock plus an offset that other processes can move, read from a shared file.

    The file holds one 8-byte little-endian signed integer: microseconds to add to the machine's time.
    Reading it costs about a microsecond, so every process on the machine can share one accelerated time.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)

    def now(self) -> datetime:
        (offset_us,) = _OFFSET.unpack_from(self._memory)
        return _EPOCH + timedelta(microseconds=time.time_ns() // 1_000 + offset_us)


def clock_from(network: str, clock_file: str | None) -> Clock:
    """The clock of this process: the system's, or on `network = local` the served one where a file is named.

    Raises ConfigurationError when a served clock is asked for on any other network.
    """
    if clock_file is None:
        return SystemClock()
    if network != "local":
        raise ConfigurationError(
            "OUTCRY_CLOCK_FILE", clock_file, "remove it: only network=local may serve its own time"
        )
    return ServedClock(Path(clock_file))


def to_milliseconds(moment: datetime) -> int:
    """Unix time in milliseconds, floored: the unit of Hyperliquid's nonces, expiries and fill times."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(milliseconds: int) -> datetime:
    """The aware UTC time of a Unix time in milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
