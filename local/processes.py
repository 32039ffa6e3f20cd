"""Child processes and temporary directories that never outlive this process, however it ends.

Promises:
- Every child leads a process group of its own, so that an interrupt in the terminal reaches this process
  alone, which then ends its children in order; `stop` ends the whole group, grandchildren included, and waits
  for it.
- If this process dies without stopping them, even by SIGKILL, its guardian ends the children and removes the
  directories.
- What a child prints goes to a file, and its last lines are part of the message when it does not come up.

Never kills by name, and never a group that it did not start.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.guardian import DIRECTORY_PREFIX

_POLL_S = 0.02
_LONGEST_PARENT = 50


class NotStarted(Exception):
    """Something local could not be started. The message is for a person: what, why, and what to do."""


class _Guardian:
    """The line to this process's guardian, which is started when there is first something to guard."""

    def __init__(self) -> None:
        self._line = -1
        self._owner = 0
        self._lock = threading.Lock()

    def tell(self, text: str) -> None:
        with self._lock:
            if self._owner != os.getpid():
                self._line = self._start()
                self._owner = os.getpid()
            os.write(self._line, f"{text}\n".encode())

    def _start(self) -> int:
        theirs, ours = os.pipe()  # ours is closed by the kernel when this process ends, in whatever way
        script = Path(__file__).with_name("guardian.py")
        popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        os.close(theirs)
        popen.returncode = 0  # it ends after us, so nobody here will ever collect it
        return ours


_guardian = _Guardian()


@dataclass(slots=True)
class Process:
    """A child that was started here."""

    name: str
    log: Path
    stop_signal: signal.Signals
    _popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._popen.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it.

        It is only looked at, not collected: as long as it is not, the number of its group cannot go to
        anybody else.
        """
        if self._popen.returncode is not None:
            return self._popen.returncode
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait(self, timeout_s: float) -> int | None:
        """Waits for it to end by itself; None if it has not by then."""
        deadline = time.monotonic() + timeout_s
        while (code := self.exit_code()) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return code

    def stop(self, grace_s: float = 5.0) -> int:
        """Ends the whole group: properly within `grace_s`, else by SIGKILL. May be called again."""
        self.ask_to_stop()
        self.wait(grace_s)
        return self.kill()

    def ask_to_stop(self) -> None:
        """Sends the group its stop signal, without waiting."""
        self._send(self.stop_signal)

    def kill(self) -> int:
        """Ends the whole group at once, collects it, and gives the exit code; may be called again."""
        if self._popen.returncode is None:
            self._send(signal.SIGKILL)
            self._popen.wait()
            _guardian.tell(f"forget {self.pid}")
        return self._popen.returncode

    def _send(self, signal_number: signal.Signals) -> None:
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal_number)

    def last_lines(self, count: int = 12) -> str:
        """The end of what it printed, for a message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return ""


def start(
    command: Sequence[str | Path],
    *,
    name: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    user_id: int | None = None,
    group_id: int | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """Starts a child in its own process group, with its output in `log` and nothing on its input.

    The environment is ours when none is given. Raises NotStarted if the command cannot be run at all.
    """
    arguments = [str(part) for part in command]
    try:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                start_new_session=True,
                pass_fds=pass_fds,
                user=user_id,
                group=group_id,
                extra_groups=None if group_id is None else [],
            )
    except OSError as error:
        raise NotStarted(f"{name} could not be started: {arguments[0]}: {error.strerror}") from error
    _guardian.tell(f"watch {popen.pid} {int(stop_signal)}")
    return Process(name=name, log=log, stop_signal=stop_signal, _popen=popen)


def wait_until_ready(process: Process, is_ready: Callable[[], bool], timeout_s: float) -> None:
    """Waits until `is_ready`; stops the process and raises NotStarted if it ends first or takes longer."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        code = process.exit_code()
        if code is not None or time.monotonic() > deadline:
            process.stop(grace_s=1.0)
            why = (
                f"it ended with exit code {code}"
                if code is not None
                else f"it was not ready within {timeout_s:.0f} s"
            )
            raise NotStarted(f"{process.name} did not start: {why}. Its last lines:\n{process.last_lines()}")
        time.sleep(_POLL_S)


def stop_all(processes: Sequence[Process], grace_s: float = 5.0) -> None:
    """Stops several at once, so that they end beside each other and not one after the other."""
    deadline = time.monotonic() + grace_s
    for process in processes:
        process.ask_to_stop()
    for process in processes:
        process.stop(max(0.0, deadline - time.monotonic()))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextlib.contextmanager
def temporary_directory(purpose: str) -> Iterator[Path]:
    """A directory for as long as the block runs, removed even if this process is killed in it.

    Its path is short, because that of a unix socket in it may have 107 characters at most.
    """
    parent = tempfile.gettempdir()
    if len(parent) > _LONGEST_PARENT:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a directory that only we can open
    path = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{purpose}-", dir=parent))
    _guardian.tell(f"keep-until-end {path}")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _guardian.tell(f"removed {path}")
