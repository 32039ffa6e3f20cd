"""The local X as a process of its own."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.x_api.__main__ import main


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "local.x_api", *map(str, arguments)]


def _environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{repository / 'layers/core'}:{repository}"}


def _posts(path: Path, at: str) -> Path:
    post = {"id": "5", "author_id": "77", "author_username": "ann", "created_at": at, "text": "LONG BTC"}
    (path / "posts.jsonl").write_text(json.dumps(post))
    return path / "posts.jsonl"


def test_it_says_where_it_is_follows_the_served_clock_and_stops_when_told(
    repository: Path, tmp_path: Path
) -> None:
    served = datetime(2030, 1, 1, tzinfo=UTC)
    clock_file = tmp_path / "clock"
    clock_file.write_bytes(struct.pack("<q", int((served - datetime.now(UTC)).total_seconds() * 1_000_000)))
    posts = _posts(tmp_path, "2029-12-31T23:59:00Z")
    process = subprocess.Popen(
        _command("--port", 0, "--clock-file", clock_file, "--posts", posts, "--bearer", "t"),
        cwd=repository,
        env=_environment(repository),
        stdout=subprocess.PIPE,
        text=True,
    )

    with process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            request = urllib.request.Request(  # noqa: S310 - our own server
                f"{url}/2/tweets/search/recent?query=from:ann", headers={"Authorization": "Bearer t"}
            )
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own server
                body = json.load(answer)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert body["data"][0]["text"] == "LONG BTC"


def test_a_posts_file_that_cannot_be_served_is_one_message_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    posts = _posts(tmp_path, "soon")

    assert main(["--posts", str(posts)]) == 2

    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith(
        f'{posts}:1: created_at = "soon" cannot be used: write a time with its zone'
    )


def test_a_busy_port_or_a_missing_clock_is_one_message_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err == f"--port {port}: Address already in use: name another\n"

    assert main(["--clock-file", str(tmp_path / "none")]) == 2
    assert (
        capsys.readouterr().err
        == f"--clock-file {tmp_path / 'none'}: No such file or directory: name another\n"
    )
