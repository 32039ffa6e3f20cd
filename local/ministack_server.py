"""Runs ministack on the served clock, inside ministack's own environment: `python ministack_server.py
CLOCK_FILE`.

ministack counts a queue's delays, visibility timeouts and retention with `time.time`. It is replaced, before
ministack is imported, by the machine's time plus the offset that the clock file holds: 8 bytes,
little-endian, signed, microseconds. Waiting itself (event loop, sockets) uses the monotonic clock and stays
real. Without a clock file it runs on real time.

Imports nothing of ours: this environment has none of our packages.
"""

import mmap
import runpy
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_OFFSET = struct.Struct("@q")


def served_time_ns(clock_file: Path, real_time_ns: Callable[[], int]) -> Callable[[], int]:
    """`time.time_ns` moved by what the file holds, read anew at every call."""
    with clock_file.open("rb") as file:
        memory = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)

    def time_ns() -> int:
        (offset_us,) = _OFFSET.unpack_from(memory)
        return real_time_ns() + int(offset_us) * 1_000

    return time_ns


def main(arguments: list[str]) -> None:
    if arguments:
        time_ns = served_time_ns(Path(arguments[0]), time.time_ns)
        time.time_ns = time_ns
        time.time = lambda: time_ns() / 1_000_000_000
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
