"""`outcry pause`, `resume`, `flatten`, `halt`: what they set, say, ask and refuse."""

import getpass

import pytest

from outcry.controls.gate import standing_controls
from outcry.orders.flatten import flatten_standing
from tests.cli.conftest import Outcry
from tests.orders.workshop import Workshop


def standing(workshop: Workshop) -> list[tuple[str, str, str, str]]:
    with workshop.database.transaction() as tx:
        return [(each.scope, each.mode.value, each.reason, each.set_by) for each in standing_controls(tx)]


def test_a_pause_stands_over_the_desk_and_says_what_follows(workshop: Workshop, outcry: Outcry) -> None:
    answer = outcry("pause", "--reason", "news", "--by", "ann")

    assert answer.code == 0
    assert standing(workshop) == [("desk", "pause", "news", "ann")]
    assert answer.out.splitlines() == [
        "desk is paused: no new entries.",
        "Positions that are open stay, with their stops and their exits, until `outcry resume desk`.",
    ]


def test_a_second_pause_says_whose_stands_already(workshop: Workshop, outcry: Outcry) -> None:
    outcry("pause", "--reason", "news", "--by", "ann")

    answer = outcry("pause", "--reason", "again", "--by", "bob", "--json")

    assert answer.json["changed"] is False
    assert answer.json["by"] == "ann"
    assert "It was already, since 2026-11-22" in answer.json["says"]
    assert standing(workshop) == [("desk", "pause", "news", "ann")]


def test_a_flatten_closes_at_the_next_sweep_as_it_says(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()

    answer = outcry("flatten", "account:live-1", "--reason", "out", "--by", "ann", "--yes")
    with workshop.database.transaction() as tx:
        rings = flatten_standing(tx, now=workshop.clock.now())

    assert "The next sweep, at most a minute away, closes 1 position" in answer.out
    assert "`outcry resume account:live-1`" in answer.out
    assert len(rings) == 1


def test_a_position_that_is_being_closed_says_why(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    outcry("flatten", "--reason", "out", "--yes")
    with workshop.database.transaction() as tx:
        flatten_standing(tx, now=workshop.clock.now())

    (shown,) = outcry("positions", "--json").json["positions"]

    assert shown["exit_reason"] == "FLATTEN"
    assert shown["reason"].startswith("closing: ")


@pytest.mark.parametrize("command", ["flatten", "halt"])
@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_what_cannot_be_undone_is_not_done_without_a_yes(
    workshop: Workshop, outcry: Outcry, command: str, typed: str
) -> None:
    workshop.enter()

    answer = outcry(command, "--reason", "out", "--json", typed=typed)

    assert answer.code == 2
    assert answer.out == ""
    assert "1 position" in answer.err.split("[y/N]")[0]
    assert "nothing was changed: answer y, or give --yes" in answer.err
    assert standing(workshop) == []


def test_a_yes_that_is_typed_is_taken(workshop: Workshop, outcry: Outcry) -> None:
    answer = outcry("halt", "--reason", "out", "--by", "ann", "--json", typed="y\n")

    assert answer.code == 0
    assert answer.json["mode"] == "halt"
    assert "no positions" in answer.json["next"]
    assert standing(workshop) == [("desk", "halt", "out", "ann")]


def test_resume_lifts_what_stands_and_names_what_is_left(workshop: Workshop, outcry: Outcry) -> None:
    outcry("pause", "--reason", "news", "--by", "ann")
    outcry("halt", "agent:runner", "--reason", "odd", "--by", "ann", "--yes")

    answer = outcry("resume", "--reason", "all is well", "--by", "bob", "--json")

    assert answer.json["lifted"] == ["pause"]
    assert answer.json["next"] == "Still standing: halt of agent:runner (odd)."
    assert standing(workshop) == [("agent:runner", "halt", "odd", "ann")]
    told = workshop.rows("select text from notices where subject = 'Why desk was resumed'")
    assert told == [{"text": "bob: all is well"}]


def test_resuming_what_does_not_stand_changes_nothing_and_says_so(workshop: Workshop, outcry: Outcry) -> None:
    answer = outcry("resume", "--reason", "hm")

    assert answer.code == 0
    assert answer.out.splitlines()[0] == "desk: nothing was standing, nothing was changed."
    assert workshop.notices() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("pause", "account:nobody", "--reason", "x"),
            "there is no account 'nobody'; known: live-1, paper-1",
        ),
        (("pause", "everything", "--reason", "x"), "write desk, account:ID, deployment:ID or agent:ID"),
        (("pause", "--reason", " "), "--reason = ' ' cannot be used: say why"),
        (("flatten", "everything", "--reason", "x"), "write desk, account:ID, deployment:ID or agent:ID"),
        (("resume", "agent:nobody"), "there is no agent 'nobody'"),
    ],
)
def test_wrong_input_is_one_sentence_and_sets_nothing(
    workshop: Workshop, outcry: Outcry, arguments: tuple[str, ...], says: str
) -> None:
    answer = outcry(*arguments)

    assert answer.code == 2
    assert says in answer.sentence
    assert standing(workshop) == []


def test_a_reason_cannot_be_left_out(outcry: Outcry) -> None:
    answer = outcry("pause")

    assert answer.code == 2
    assert "--reason" in answer.err


def test_who_acts_must_be_known(workshop: Workshop, outcry: Outcry, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)

    answer = outcry("pause", "--reason", "news")

    assert answer.code == 2
    assert "say who you are: this machine does not know" in answer.sentence
    assert standing(workshop) == []
