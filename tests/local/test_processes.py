"""Children end with the process that started them, in whatever way it ends, and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import guardian, processes
from local.processes import (
    NotStarted,
    Process,
    free_port,
    start,
    stop_all,
    temporary_directory,
    wait_until_ready,
)

SLEEPER = ["/bin/sh", "-c", "exec sleep 600"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]
PARENT = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts children that are ended with the test."""
    children: list[Process] = []

    def start_one(command: list[str], **options: object) -> Process:
        log = tmp_path / f"log-{len(children)}"
        children.append(start(command, name="A child", log=log, **options))  # type: ignore[arg-type]
        return children[-1]

    yield start_one
    for child in children:
        child.kill()


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def becomes_true(condition: Callable[[], bool], timeout_s: float = 8.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_child_leads_its_own_group_and_stops_with_its_signal(started: Callable[..., Process]) -> None:
    child = started(SLEEPER)

    group = os.getpgid(child.pid)
    code = child.stop()

    assert group == child.pid
    assert code == -signal.SIGTERM
    assert not runs(child.pid)


def test_stopping_twice_sends_nothing_to_a_number_that_may_be_somebody_elses(
    started: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = started(SLEEPER)
    first = child.stop()
    sent: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: sent.append(group))

    second = child.stop()

    assert (first, second, sent) == (-signal.SIGTERM, -signal.SIGTERM, [])


def test_looking_at_a_child_that_ended_does_not_give_its_number_away(started: Callable[..., Process]) -> None:
    child = started(["/bin/sh", "-c", "exit 7"])

    assert child.wait(5.0) == 7
    assert Path(f"/proc/{child.pid}").exists()
    assert child.kill() == 7
    assert child.exit_code() == 7
    assert not Path(f"/proc/{child.pid}").exists()


def test_grandchildren_end_with_the_group(started: Callable[..., Process]) -> None:
    child = started(PARENT)
    assert becomes_true(lambda: child.last_lines().strip().isdigit())
    grandchild = int(child.last_lines())

    child.stop()

    assert becomes_true(lambda: not runs(grandchild))


def test_a_child_that_ignores_its_signal_is_killed_after_the_grace(started: Callable[..., Process]) -> None:
    child = started(STUBBORN)
    assert becomes_true(lambda: "ready" in child.last_lines())

    code = child.stop(grace_s=0.2)

    assert code == -signal.SIGKILL


def test_several_children_share_one_grace(started: Callable[..., Process]) -> None:
    children = [started(STUBBORN) for _ in range(4)]
    assert becomes_true(lambda: all("ready" in child.last_lines() for child in children))

    began = time.monotonic()
    stop_all(children, grace_s=0.5)

    assert [child.exit_code() for child in children] == [-signal.SIGKILL] * 4
    assert time.monotonic() - began < 1.5


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"The thing could not be started: /no/such/program: No such file"):
        start(["/no/such/program"], name="The thing", log=tmp_path / "log")


def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_last_lines(
    started: Callable[..., Process],
) -> None:
    child = started(["/bin/sh", "-c", "echo the reason; exit 4"])

    with pytest.raises(NotStarted, match=r"(?s)A child did not start: .*exit code 4.*the reason"):
        wait_until_ready(child, lambda: False, timeout_s=5.0)


def test_a_child_that_is_never_ready_is_stopped_in_time(started: Callable[..., Process]) -> None:
    child = started(SLEEPER)

    with pytest.raises(NotStarted, match="not ready within 0 s"):
        wait_until_ready(child, lambda: False, timeout_s=0.1)

    assert not runs(child.pid)


def test_the_last_lines_of_a_log_that_is_gone_are_none(started: Callable[..., Process]) -> None:
    child = started(SLEEPER)
    child.log.unlink()

    assert child.last_lines() == ""


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_a_temporary_directory_is_private_short_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(long))  # type: ignore[attr-defined]

    with temporary_directory("test") as directory:
        assert directory.parent == Path("/tmp")
        assert (directory.stat().st_mode & 0o777) == 0o700

    assert not directory.exists()


def test_children_and_directories_of_a_process_that_is_killed_are_cleaned_up(repository: Path) -> None:
    program = (
        "import time\n"
        "from local.processes import start, temporary_directory\n"
        "with temporary_directory('killed') as directory:\n"
        "    child = start(['/bin/sh', '-c', 'sleep 600 & wait'], name='c', log=directory / 'log')\n"
        "    print(child.pid, directory, flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=repository, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid, directory = parent.stdout.readline().split()
    assert runs(int(pid))
    assert Path(directory).is_dir()

    parent.kill()
    parent.communicate()

    assert becomes_true(lambda: not runs(int(pid)))
    assert becomes_true(lambda: not Path(directory).exists())


def test_the_guardian_ends_what_is_still_watched_and_nothing_else(
    started: Callable[..., Process], tmp_path: Path
) -> None:
    watched, forgotten = started(SLEEPER), started(SLEEPER)
    ours, done, foreign = tmp_path / "outcry-a", tmp_path / "outcry-b", tmp_path / "somebody-elses"
    for directory in (ours, done, foreign):
        directory.mkdir()

    guardian.guard(
        [
            f"watch {watched.pid} {int(signal.SIGTERM)}\n",
            f"watch {forgotten.pid} {int(signal.SIGTERM)}\n",
            f"forget {forgotten.pid}\n",
            *(f"keep-until-end {directory}\n" for directory in (ours, done, foreign)),
            f"removed {done}\n",
        ]
    )

    assert watched.exit_code() == -signal.SIGTERM
    assert forgotten.exit_code() is None
    assert [directory.exists() for directory in (ours, done, foreign)] == [False, True, True]


def test_the_guardian_kills_what_ignores_its_signal(started: Callable[..., Process]) -> None:
    child = started(STUBBORN)
    assert becomes_true(lambda: "ready" in child.last_lines())

    guardian.end_groups({child.pid: int(signal.SIGTERM)}, grace_s=0.2)

    assert child.wait(5.0) == -signal.SIGKILL


def test_the_guardian_takes_a_group_that_is_gone_for_what_it_is(started: Callable[..., Process]) -> None:
    child = started(SLEEPER)
    child.kill()

    assert not guardian.is_running(child.pid)
    guardian.end_groups({child.pid: int(signal.SIGTERM)})
