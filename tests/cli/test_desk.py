"""`outcry desk check` and `outcry desk apply`."""

from pathlib import Path

import pytest

from outcry.agents import roster
from outcry.runtime.database import Database
from tests.cli.conftest import Outcry


def deployments(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [each.deployment_id for each in roster.active_deployments(tx, "runner")]


def test_a_good_file_is_said_to_be_good_and_changes_nothing(
    outcry: Outcry, database: Database, desk_file: Path
) -> None:
    answer = outcry("desk", "check", desk_file)

    assert answer.code == 0
    assert "is good: 1 author, 1 agent, 2 accounts, 2 deployments." in answer.out
    assert "outcry desk apply" in answer.out
    assert deployments(database) == []


def test_checking_needs_no_database(outcry: Outcry, environment: pytest.MonkeyPatch, desk_file: Path) -> None:
    environment.delenv("OUTCRY_DATABASE_URL")
    environment.delenv("OUTCRY_NETWORK")

    assert outcry("desk", "check", desk_file, "--json").json["agents"] == 1


def test_every_fault_of_a_file_is_named_with_its_field_and_fix(outcry: Outcry, desk_file: Path) -> None:
    text = (
        desk_file.read_text()
        .replace("min_score: 0.1", "min_score: 7")
        .replace("agent: runner,", "agent: walker,")
    )
    desk_file.write_text(text)

    answer = outcry("desk", "check", desk_file)

    assert answer.code == 2
    assert answer.out == ""
    assert "agents[0].strategy.min_score" in answer.err
    assert "deployments[0].agent" in answer.err


def test_applying_puts_the_file_into_effect_and_lists_what_changed(
    outcry: Outcry, database: Database, desk_file: Path
) -> None:
    answer = outcry("desk", "apply", desk_file, "--json")

    assert answer.code == 0
    assert deployments(database) == ["runner-live", "runner-paper"]
    changes = {(each["kind"], each["id"]): each["change"] for each in answer.json["changes"]}
    assert changes["deployment", "runner-live"] == "new, ACTIVE"
    assert changes["follow", "runner → @caller"] == "new, weight 100"
    assert "Positions that are open keep the exits" in answer.json["next"]


def test_applying_twice_changes_nothing(outcry: Outcry, desk_file: Path) -> None:
    outcry("desk", "apply", desk_file)

    again = outcry("desk", "apply", desk_file)

    assert "no changes." in again.out
    assert "new" not in again.out


def test_what_left_the_file_is_switched_off_and_said(
    outcry: Outcry, database: Database, desk_file: Path
) -> None:
    outcry("desk", "apply", desk_file)
    text = desk_file.read_text().replace("  - { id: runner-paper, agent: runner, account: paper-1 }\n", "")
    desk_file.write_text(
        text.replace("weight: 100", "weight: 50").replace("min_score: 0.1", "min_score: 0.2")
    )

    answer = outcry("desk", "apply", desk_file, "--json")
    outcry("pause", "--reason", "look", "--by", "ann")
    shown = outcry("desk", "apply", desk_file)

    assert deployments(database) == ["runner-live"]
    assert {(each["id"], each["change"]) for each in answer.json["changes"]} == {
        ("runner-paper", "ACTIVE → HALTED"),
        ("runner → @caller", "weight 100 → weight 50"),
        ("runner", "changed"),
    }
    assert "Standing: pause of desk; `outcry resume` lifts it." in shown.out


def test_the_changes_are_shown_as_a_table(outcry: Outcry, desk_file: Path) -> None:
    answer = outcry("desk", "apply", desk_file)

    assert "runner-live" in answer.out
    assert "new, ACTIVE" in answer.out


def test_an_account_of_another_network_is_refused_whole(
    outcry: Outcry, database: Database, desk_file: Path
) -> None:
    desk_file.write_text(desk_file.read_text().replace("network: local", "network: testnet"))

    answer = outcry("desk", "apply", desk_file)

    assert answer.code == 2
    assert "accounts[0].network = testnet: this installation trades on local" in answer.sentence
    assert deployments(database) == []


def test_a_file_that_is_not_there_is_one_sentence(outcry: Outcry, tmp_path: Path) -> None:
    answer = outcry("desk", "apply", tmp_path / "none.yaml")

    assert answer.code == 2
    assert "name a desk file: No such file or directory" in answer.sentence


def test_a_file_that_is_no_text_is_one_sentence(outcry: Outcry, tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    answer = outcry("desk", "check", file)

    assert answer.code == 2
    assert "it is not UTF-8 text" in answer.sentence


def test_an_author_that_nobody_follows_any_more_is_said_to_be_removed(
    outcry: Outcry, desk_file: Path
) -> None:
    good = desk_file.read_text()
    second = good.replace(
        "  - { username: caller, author_id: 1001 }\n",
        "  - { username: caller, author_id: 1001 }\n  - { username: other, author_id: 1002 }\n",
    )
    desk_file.write_text(
        second.replace(
            "[{ author: caller, weight: 100 }]",
            "[{ author: caller, weight: 100 }, { author: other, weight: 9 }]",
        )
    )
    outcry("desk", "apply", desk_file)
    desk_file.write_text(good)

    changes = outcry("desk", "apply", desk_file, "--json").json["changes"]

    assert {(each["id"], each["change"]) for each in changes} == {
        ("runner → @other", "removed"),
        ("other", "active → inactive"),
    }


# ─── export ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_exported_is_good_and_changes_nothing_when_it_is_applied(
    outcry: Outcry, desk_file: Path, tmp_path: Path
) -> None:
    outcry("desk", "apply", desk_file)
    exported = tmp_path / "exported.yaml"

    said = outcry("desk", "export", exported)

    assert (said.code, "1 author, 1 agent, 2 accounts, 2 deployments" in said.out) == (0, True)
    assert outcry("desk", "check", exported).code == 0
    assert outcry("desk", "apply", exported, "--json").json["changes"] == []


def test_without_a_file_the_desk_goes_to_stdout_alone(
    outcry: Outcry, desk_file: Path, tmp_path: Path
) -> None:
    outcry("desk", "apply", desk_file)

    piped = tmp_path / "piped.yaml"
    piped.write_text(outcry("desk", "export").out)

    assert outcry("desk", "apply", piped, "--json").json["changes"] == []


def test_a_file_that_is_there_is_never_written_over(outcry: Outcry, desk_file: Path) -> None:
    outcry("desk", "apply", desk_file)
    before = desk_file.read_text()

    answer = outcry("desk", "export", desk_file)

    assert (answer.code, desk_file.read_text()) == (2, before)
    assert "it exists already" in answer.sentence


def test_a_desk_that_was_never_applied_cannot_be_exported(outcry: Outcry) -> None:
    answer = outcry("desk", "export")

    assert (answer.code, "apply a desk file first" in answer.sentence) == (2, True)
