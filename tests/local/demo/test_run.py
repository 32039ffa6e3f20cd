"""The demo as a person runs it: the whole of it, end to end, in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.demo import run
from local.demo.inputs import SAMPLES

BEGIN = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
CLEAN = {
    "venue_fills_without_order": 0,
    "orders_with_more_than_one_fill_set": 0,
    "ledger_vs_venue_position_mismatch": 0,
    "pnl_vs_venue_difference_usd": "0.00",
    "invariant_violations": 0,
}
LIVE = {"compass-live", "spark-live"}


# The same as `python -m local demo`, but a machine that is busy with other tests may take longer than a person is asked to wait.
PATIENT = (
    "import sys; from local.demo import run; run.LONGEST_RUN_S = 280.0; sys.exit(run.main(sys.argv[1:]))"
)


def demo(repository: Path, *arguments: str | Path, limit_s: float = 150) -> subprocess.CompletedProcess[str]:
    """`python -m local demo` with these arguments."""
    return started(repository, ["-m", "local", "demo"], arguments, limit_s)


def patient_demo(repository: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The demo with time to come to the end of its files."""
    return started(repository, ["-c", PATIENT], arguments, 340)


def started(
    repository: Path, how: list[str], arguments: tuple[str | Path, ...], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """A demo in a process of its own."""
    return subprocess.run(
        [sys.executable, *how, *map(str, arguments)],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The object in the last line."""
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """A time line of seven minutes: one LONG that is stopped out, one SHORT that is held."""
    folder = tmp_path_factory.mktemp("short")
    posts, prices = folder / "posts.jsonl", folder / "prices.jsonl"
    said = [
        (20, "macro_marta", 1, "LONG BTC 60k, SL 59.4k, TP 63k"),
        (50, "bear_beatriz", 4, "SHORT ETH 3000, SL 3060"),
    ]
    with posts.open("w") as file:
        for number, (second, author, author_id, text) in enumerate(said, 1):
            post = {
                "id": str(2028470671897526272 + number),
                "author_username": author,
                "author_id": str(910000000000000000 + author_id),
                "created_at": (BEGIN + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "text": text,
            }
            file.write(json.dumps(post) + "\n")
    with prices.open("w") as file:
        for second in range(0, 420, 10):
            btc = Decimal(60000) - (Decimal(second - 150) * 5 if second > 150 else Decimal(second % 20))
            for market, mark in (("BTC", btc), ("ETH", Decimal(3000) + Decimal(second % 30) / 10)):
                at = (BEGIN + timedelta(seconds=second)).isoformat()
                file.write(json.dumps({"at": at, "market": market, "mark": str(mark)}) + "\n")
    return ["--posts", posts, "--prices", prices, "--json"]


@pytest.fixture(scope="module")
def plain_run(short: list[str | Path]) -> dict[str, Any]:
    """What the short time line comes to when nothing is broken and nothing is doubled."""
    return found(demo(Path(__file__).resolve().parents[3], *short))


def intents(told: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """What was decided and entered, without the ids that differ between runs."""
    signals = [
        (s["agent"], *s["post_ids"], s["market"], s["side"], s["status"], s["reason"])
        for s in told["signals"]
    ]
    entries = [(o["deployment"], o["market"], o["side"]) for o in told["orders"] if o["kind"] == "enter"]
    return Counter([*signals, *entries])


# ─── the sample, from a post to a protected position ───


def test_the_sample_desk_does_all_that_is_promised_and_its_books_are_the_venues(repository: Path) -> None:
    done = patient_demo(repository, "--json")
    told = found(done)

    live = [position for position in told["positions"] if position["deployment"] in LIVE]
    closed = Counter(position["exit_reason"] for position in live if position["status"] == "CLOSED")
    skipped = {each["reason"] for each in told["signals"] if each["status"] == "SKIPPED"}
    checks = told["checks"]
    assert done.returncode == 0, done.stderr
    assert {"STOP_LOSS", "TRAILING_STOP", "TAKE_PROFIT", "TIME_LIMIT", "CLOSE_CALL"} <= set(closed)
    assert {position["side"] for position in live} == {"LONG", "SHORT"}
    assert len(skipped) >= 5
    assert CLEAN.items() <= checks.items()
    assert checks["seconds_owned_without_venue_stop_max"] <= 5
    assert told["reached"]["posts_not_reached"] == 0
    injected = [post["id"] for post in told["posts"] if post["reason"] == "SUSPICIOUS_TEXT"]
    assert injected
    assert not [signal for signal in told["signals"] if set(signal["post_ids"]) & set(injected)]


# ─── faults ───


def test_the_short_time_line_is_clean(plain_run: dict[str, Any]) -> None:
    assert CLEAN.items() <= plain_run["checks"].items()
    end = "2026-03-02T14:06:50+00:00"
    assert plain_run["reached"] == {"until": end, "of": end, "posts_not_reached": 0}
    assert [p["exit_reason"] for p in plain_run["positions"] if p["deployment"] == "compass-live"] == [
        "STOP_LOSS",
        None,
    ]


def test_f01_delivered_or_published_twice_it_is_the_same_intents_with_one_fill_set_each(
    repository: Path, short: list[str | Path], plain_run: dict[str, Any]
) -> None:
    done = demo(repository, *short, "--deliver-twice", "--posts-twice")
    told = found(done)

    assert "--posts-twice: 2 posts served 2x, 2 stored" in done.stderr
    assert "--deliver-twice: every message delivered 2x" in done.stderr
    assert intents(told) == intents(plain_run)
    assert CLEAN.items() <= told["checks"].items()
    assert len({fill["id"] for fill in told["fills"]}) == len(told["fills"])


def test_with_keys_that_never_leave_kms_it_is_the_same_intents_with_one_fill_set_each(
    repository: Path, short: list[str | Path], plain_run: dict[str, Any]
) -> None:
    done = demo(repository, *short, "--custody", "kms", "--deliver-twice")
    told = found(done)

    assert "custody kms" in done.stderr
    assert intents(told) == intents(plain_run)
    assert CLEAN.items() <= told["checks"].items()
    assert len({fill["id"] for fill in told["fills"]}) == len(told["fills"])


@pytest.mark.parametrize(
    ("kind", "check", "least"),
    [
        ("stop", "seconds_owned_without_venue_stop_max", 30),
        ("dedupe", "orders_with_more_than_one_fill_set", 1),
        ("fill", "ledger_vs_venue_position_mismatch", 0.0001),
    ],
)
def test_what_is_broken_on_purpose_is_noticed(
    repository: Path, short: list[str | Path], kind: str, check: str, least: float
) -> None:
    done = demo(repository, *short, "--break", kind)

    assert found(done)["checks"][check] >= least
    assert done.returncode == 0


def test_a_time_line_that_is_too_long_ends_and_says_how_far_it_got(
    short: list[str | Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "LONGEST_RUN_S", 0.0)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    try:
        run.main([str(argument) for argument in short])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    out, err = capfd.readouterr()
    told = json.loads(out.splitlines()[-1])
    assert "or the files are too long: reached " in err
    assert "2 posts not reached" in err
    assert told["reached"]["until"] < told["reached"]["of"] == "2026-03-02T14:06:50+00:00"
    assert told["reached"]["posts_not_reached"] == 2
    assert told["elapsed_s"] < 20


# ─── what cannot be run ───


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize("option", ["--x-port", "--hyperliquid-port"])
def test_a_busy_port_is_one_message_and_nothing_is_started(
    repository: Path, busy_port: int, option: str
) -> None:
    done = demo(repository, option, str(busy_port))

    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"demo: {option} {busy_port}: Address already in use: name another port, or leave it out for a free one"
    ]


def test_one_port_for_both_servers_is_one_message(repository: Path) -> None:
    done = demo(repository, "--x-port", "8231", "--hyperliquid-port", "8231")

    assert done.returncode == 2
    assert done.stderr == "demo: --x-port 8231: --hyperliquid-port has it: name another, or leave one out\n"


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        ("/proc/kept", "No such file or directory"),
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("odd", "Is a directory"),
    ],
)
def test_a_directory_that_cannot_be_written_is_one_message_and_nothing_is_started(
    repository: Path, tmp_path: Path, keep: str, reason: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "odd" / "venue-journal.jsonl").mkdir(parents=True)

    done = demo(repository, "--keep", tmp_path / keep)

    assert done.returncode == 2
    assert done.stderr == f"demo: --keep {tmp_path / keep}: {reason}: name a directory that can be written\n"


def test_help_names_the_defaults_the_fields_and_the_exit_codes(repository: Path) -> None:
    done = demo(repository, "--help")

    assert done.returncode == 0
    assert "local/samples/posts.jsonl" in done.stdout
    assert '"author_id": "910000000000000001"' in done.stdout
    assert "exit codes: 0 done; 1 " in done.stdout
    assert " ".join(done.stdout.split()).count("one fill is booked twice") == 1


def test_a_bad_file_is_one_message_and_nothing_is_started(repository: Path, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text((SAMPLES / "posts.jsonl").read_text() + "nonsense\n")

    done = demo(repository, "--posts", posts)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"demo: {posts}:22: not JSON")


@pytest.mark.parametrize(
    "arguments", [["--x-port", "http"], ["--x-port", "70000"], ["--break", "everything"]]
)
def test_a_wrong_argument_is_explained(repository: Path, arguments: list[str]) -> None:
    done = demo(repository, *arguments)

    assert done.returncode == 2
    assert arguments[0] in done.stderr


def test_only_what_is_known_can_be_started_by_name(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "no"], cwd=repository, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (
        2,
        "usage: python -m local demo|stack|sim|crash|load [--help] …\n",
    )


@pytest.mark.parametrize(
    ("number", "after"), [(signal.SIGTERM, "starting Postgres"), (signal.SIGINT, "14:03:0")]
)
def test_interrupted_at_any_time_it_leaves_nothing_behind(
    repository: Path, number: signal.Signals, after: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("w") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "local", "demo"],
            cwd=repository,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
    deadline_s = time.monotonic() + 60
    while after not in log.read_text() and time.monotonic() < deadline_s:
        time.sleep(0.05)

    running.send_signal(number)
    code = running.wait(30)

    assert code == 130
    assert "interrupted; everything was stopped" in log.read_text()
    assert children_in(repository, tmp_path) == []


def children_in(repository: Path, folder: Path) -> list[str]:
    """The command lines of processes that still know the run's folder."""
    found_lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command or f"TMPDIR={folder}\0" in variables:
            found_lines.append(command)
    return [line for line in found_lines if "pytest" not in line and "guardian" not in line]
