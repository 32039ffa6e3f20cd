"""`outcry notices`: what people were told is shown as it was written, with where to read on."""

import pytest

from outcry.notices.model import Level
from outcry.notices.tell import tell
from tests.cli.conftest import Outcry
from tests.docs.pages import ROOT
from tests.docs.test_links import anchors
from tests.orders.workshop import Workshop


@pytest.fixture
def told(workshop: Workshop) -> None:
    """An old page that was told, and then a page and a warning that were not."""
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        for number, (level, topic) in enumerate(
            [(Level.PAGE, "exits"), (Level.PAGE, "signers"), (Level.WARNING, "feed")]
        ):
            tell(
                tx,
                level=level,
                topic=topic,
                subject=f"subject {number}",
                text=f"text {number}\nand more",
                dedupe_key=f"notice {number}",
                now=now,
                trace_id=f"trace-{number}",
            )
        tx.execute("update notices set told_at = :now where topic = 'exits'", now=now)


@pytest.mark.usefixtures("told")
def test_what_was_told_is_shown_newest_first_with_all_that_it_says(outcry: Outcry) -> None:
    found = outcry("notices", "--json").json["notices"]
    text = outcry("notices").out

    assert [each["subject"] for each in found] == ["subject 2", "subject 1", "subject 0"]
    assert found[2]["text"] == "text 0\nand more"
    assert (found[2]["trace_id"], found[2]["runbook"]) == ("trace-0", "infra/runbook.md#exits")
    assert "PAGE signers: subject 1\n" in text
    assert "NOT TOLD YET, trace trace-1\n    text 1\n    and more\n    See infra/runbook.md#signers\n" in text


@pytest.mark.usefixtures("told")
def test_notices_can_be_narrowed_to_what_nobody_was_told_and_to_a_level(outcry: Outcry) -> None:
    def subjects(*options: str) -> list[str]:
        return [each["subject"] for each in outcry("notices", *options, "--json").json["notices"]]

    assert subjects("--untold") == ["subject 2", "subject 1"]
    assert subjects("--untold", "--level", "page") == ["subject 1"]
    assert subjects("--limit", "1") == ["subject 2"]


def test_where_nobody_was_told_anything_that_is_said(workshop: Workshop, outcry: Outcry) -> None:
    assert outcry("notices").out == "Nobody was ever told anything.\n"
    assert outcry("notices", "--untold").out == "No such notice.\n"


@pytest.mark.parametrize(
    "topic",
    [
        "quarantine",
        "orders",
        "signers",
        "protection",
        "exits",
        "positions",
        "marks",
        "reconcile",
        "levels",
        "feed",
        "classifier",
        "controls",
    ],
)
def test_the_section_of_each_topic_is_there(topic: str) -> None:
    assert topic in anchors(ROOT / "infra" / "runbook.md")
