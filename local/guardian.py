"""Outlives the process that started it for as long as it takes to clean up after it.

`local.processes` starts one of these beside itself and tells it, line by line on its standard input, what is
running:

    watch GROUP SIGNAL      a process group, and the signal that ends it properly
    forget GROUP            that group has ended
    keep-until-end PATH     a temporary directory to remove at the end
    removed PATH            that directory is gone

When the input ends, its owner has: properly, or killed in the middle of something. Then every group that is
still watched is ended, and every directory that is still listed is removed. A process group is used rather
than the kernel's parent-death signal because that fires when the *thread* that started a child ends, does not
reach grandchildren, and exists on Linux alone.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

GRACE_S = 3.0
DIRECTORY_PREFIX = "outcry-"  # nothing that is named otherwise is ever removed


def is_running(group: int) -> bool:
    """Whether any process of the group is left (a zombie counts until its parent has collected it)."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_groups(groups: dict[int, int], grace_s: float = GRACE_S) -> None:
    """Sends each group its own signal, waits at most `grace_s`, and kills what is left."""
    for group, signal_number in groups.items():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal_number)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(is_running(group) for group in groups):
        time.sleep(0.02)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def remove(directory: Path) -> None:
    """Removes a temporary directory of ours, if that is what it is."""
    if directory.name.startswith(DIRECTORY_PREFIX) and directory.is_absolute():
        shutil.rmtree(directory, ignore_errors=True)


def guard(lines: Iterable[str]) -> None:
    """Keeps the list until the input ends, then cleans up what is still on it."""
    groups: dict[int, int] = {}
    directories: list[Path] = []
    for line in lines:
        word, _, rest = line.rstrip("\n").partition(" ")
        match word:
            case "watch":
                group, signal_number = rest.split()
                groups[int(group)] = int(signal_number)
            case "forget":
                groups.pop(int(rest), None)
            case "keep-until-end":
                directories.append(Path(rest))
            case "removed":
                directories.remove(Path(rest))
    end_groups(groups)
    for directory in directories:
        remove(directory)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guard(sys.stdin)
