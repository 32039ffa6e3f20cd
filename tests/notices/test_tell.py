"""Telling: one row per key, in the caller's transaction."""

import pytest

from outcry.notices.model import Level
from outcry.notices.tell import LONGEST_SUBJECT, LONGEST_TEXT, tell
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from outcry.runtime.leases import NOTICES, due


def _tell(database: Database, clock: FixedClock, **changes: str) -> int | None:
    words = {"topic": "feed", "subject": "X is down", "text": "No answer.", "dedupe_key": "feed:1", **changes}
    with database.transaction() as tx:
        return tell(tx, level=Level.WARNING, now=clock.now(), trace_id="t", **words)


def test_a_notice_is_due_at_once(database: Database, clock: FixedClock) -> None:
    notice_id = _tell(database, clock)

    with database.transaction() as tx:
        (row,) = tx.all("select * from notices")
        assert due(tx, NOTICES, now=clock.now()) == [notice_id]
    assert (row["level"], row["topic"], row["subject"], row["text"]) == (
        "warning",
        "feed",
        "X is down",
        "No answer.",
    )
    assert (row["created_at"], row["told_at"], row["trace_id"]) == (clock.now(), None, "t")


def test_a_second_notice_of_the_same_key_does_nothing(database: Database, clock: FixedClock) -> None:
    assert _tell(database, clock) is not None

    assert _tell(database, clock, text="Still no answer.") is None

    assert _tell(database, clock, dedupe_key="feed:2") is not None


def test_a_notice_exists_only_if_what_it_tells_of_does(database: Database, clock: FixedClock) -> None:
    def fail() -> None:
        with database.transaction() as tx:
            tell(tx, level=Level.PAGE, topic="t", subject="s", text="x", dedupe_key="k", now=clock.now())
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    with database.transaction() as tx:
        assert tx.all("select * from notices") == []


def test_text_that_the_database_cannot_hold_never_loses_a_notice(
    database: Database, clock: FixedClock
) -> None:
    _tell(database, clock, subject="nul \x00 " + "s" * 500, text="half \ud83d " + "x" * 9000)

    with database.transaction() as tx:
        (row,) = tx.all("select subject, text from notices")
    assert (len(row["subject"]), len(row["text"])) == (LONGEST_SUBJECT, LONGEST_TEXT)
    assert row["text"].startswith("half ? x")
    assert row["subject"].endswith("…")
