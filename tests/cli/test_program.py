"""The program as people type it: a process of its own, its streams and its exit codes."""

import json
import subprocess
from pathlib import Path

import pytest

from outcry.controls.gate import standing_controls
from outcry.runtime.database import Database
from tests.cli.conftest import Outcry


def test_a_desk_is_applied_paused_and_looked_at(program: Outcry, database: Database, desk_file: Path) -> None:
    applied = program("desk", "apply", desk_file)
    paused = program("pause", "account:live-1", "--reason", "a try", "--by", "ann", "--json")
    status = program("status", "--json")

    assert (applied.code, paused.code, status.code) == (0, 0, 0)
    assert (applied.err, paused.err, status.err) == ("", "", "")
    assert paused.json["changed"] is True
    assert [each["scope"] for each in status.json["controls"]] == ["account:live-1"]
    with database.transaction() as tx:
        assert len(standing_controls(tx)) == 1


def test_nothing_starts_without_a_network(program: Outcry, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("OUTCRY_NETWORK")

    answer = program("status")

    assert answer.code == 2
    assert "OUTCRY_NETWORK" in answer.sentence


def test_a_database_that_does_not_answer_is_exit_code_one(
    program: Outcry, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("OUTCRY_DATABASE_URL", f"postgresql://nobody@/nothing?host={tmp_path}")

    answer = program("status", "--json")

    assert answer.code == 1
    assert answer.sentence.startswith("outcry: it did not work: ")


def test_a_database_without_a_schema_says_what_to_run(
    program: Outcry, environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    environment.setenv("OUTCRY_DATABASE_URL", empty_database_url)

    answer = program("status")

    assert answer.code == 1
    assert "run the migrate function first" in answer.sentence


def test_a_question_that_nobody_can_answer_is_a_no(program: Outcry, database: Database) -> None:
    answer = program("flatten", "--reason", "out", "--json")

    assert answer.code == 2
    assert answer.out == ""
    with database.transaction() as tx:
        assert standing_controls(tx) == []


def test_help_is_there_without_any_configuration(program: Outcry, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("OUTCRY_NETWORK")

    answer = program("--help")

    assert answer.code == 0
    for command in (
        "status",
        "positions",
        "orders",
        "signals",
        "pause",
        "resume",
        "flatten",
        "halt",
        "signer",
        "desk",
    ):
        assert command in answer.out


def test_the_word_outcry_is_the_program(environment: pytest.MonkeyPatch, repository: Path) -> None:
    script = repository / ".venv" / "bin" / "outcry"
    if not script.exists():
        pytest.skip("this environment was not made by `make setup`")

    done = subprocess.run(
        [script, "status", "--json"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0
    assert json.loads(done.stdout)["network"] == "local"
