"""The file behind the served clock: the one place that moves time for every process of a local run.

Promises: readers (`outcry.runtime.clock.ServedClock`, the local AWS) see a move at their next look, whole;
time never runs backwards. It holds 8 bytes: how many microseconds to add to the machine's time,
little-endian, signed.
"""

import mmap
import struct
from datetime import timedelta
from pathlib import Path

_OFFSET = struct.Struct("@q")


class ClockFile:
    """The writer's side. There is one writer; each look of a reader costs it no call to anybody."""

    def __init__(self, path: Path, offset: timedelta = timedelta(0)) -> None:
        """Makes the file, so that time stands `offset` away from the machine's."""
        self.path = path
        path.write_bytes(_OFFSET.pack(_microseconds(offset)))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _OFFSET.size)

    @property
    def offset(self) -> timedelta:
        """How far served time is ahead of the machine's."""
        return timedelta(microseconds=int(_OFFSET.unpack_from(self._memory)[0]))

    def advance(self, by: timedelta) -> None:
        """Moves served time forward by `by`. Raises ValueError for a move backwards."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards")
        # One aligned store of eight bytes, which no reader can see half of.
        _OFFSET.pack_into(self._memory, 0, _microseconds(self.offset + by))

    def close(self) -> None:
        """Lets go of the file; its readers keep the last offset."""
        self._memory.close()


def _microseconds(offset: timedelta) -> int:
    return offset // timedelta(microseconds=1)
