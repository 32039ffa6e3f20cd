"""Delivering notices: claimed once, told through every channel, tried again where one fails."""

import logging
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from outcry.notices.channels import Channel, ChannelUnavailable, LogChannel, deliver
from outcry.notices.model import Level, Notice
from outcry.notices.tell import tell
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database, Row
from outcry.runtime.leases import NOTICES, claim, due, quarantine

_LASTING = timedelta(minutes=1)


class Mailbox:
    """A channel that keeps what it was sent, or takes nothing."""

    def __init__(self, name: str = "mailbox") -> None:
        self.name = name
        self.taken: list[Notice] = []
        self.is_down = False

    def send(self, notice: Notice) -> None:
        if self.is_down:
            raise ChannelUnavailable("no answer")
        self.taken.append(notice)


def _tell(database: Database, clock: FixedClock, key: str = "k", level: Level = Level.INFO) -> int:
    with database.transaction() as tx:
        notice_id = tell(
            tx, level=level, topic="feed", subject="s", text="x", dedupe_key=key, now=clock.now()
        )
    assert notice_id is not None
    return notice_id


def _deliver(database: Database, clock: FixedClock, notice_ids: list[int], *channels: Channel) -> list[int]:
    return deliver(database, channels, notice_ids, clock=clock, new_token=uuid4, lasting=_LASTING)


def _row(database: Database, notice_id: int) -> Row:
    with database.transaction() as tx:
        row = tx.one("select * from notices where notice_id = :id", id=notice_id)
    assert row is not None
    return row


def test_a_notice_is_told_once_through_every_channel(database: Database, clock: FixedClock) -> None:
    notice_id = _tell(database, clock, level=Level.PAGE)
    first, second = Mailbox(), Mailbox("other")

    assert _deliver(database, clock, [notice_id], first, second) == [notice_id]
    assert _deliver(database, clock, [notice_id], first, second) == []

    expected = Notice(notice_id, Level.PAGE, "feed", "s", "x", clock.now(), None)
    assert (first.taken, second.taken) == ([expected], [expected])
    row = _row(database, notice_id)
    assert (row["told_at"], row["next_ring_at"], row["claim_token"]) == (clock.now(), None, None)


def test_a_channel_that_is_down_keeps_the_notice_due_and_its_neighbours_are_told(
    database: Database, clock: FixedClock
) -> None:
    class Moody(Mailbox):
        def send(self, notice: Notice) -> None:
            self.is_down = notice.notice_id == bad
            super().send(notice)

    bad, good = _tell(database, clock, "a"), _tell(database, clock, "b")
    moody = Moody()

    with pytest.raises(ChannelUnavailable, match="1 of 2 notices were not told: mailbox: no answer"):
        _deliver(database, clock, [bad, good], moody)

    assert _row(database, good)["told_at"] == clock.now()
    row = _row(database, bad)
    assert (row["told_at"], row["last_error"], row["claim_token"]) == (None, "mailbox: no answer", None)
    assert row["next_ring_at"] > clock.now()
    clock.advance(timedelta(minutes=1))
    with database.transaction() as tx:
        assert due(tx, NOTICES, now=clock.now()) == [bad]
    mailbox = Mailbox()
    assert _deliver(database, clock, [bad], mailbox) == [bad]
    assert [notice.notice_id for notice in mailbox.taken] == [bad]


def test_what_somebody_else_holds_is_left_to_them_until_their_claim_lapses(
    database: Database, clock: FixedClock
) -> None:
    notice_id = _tell(database, clock)
    with database.transaction() as tx:
        claim(tx, NOTICES, [notice_id], token=UUID(int=1), now=clock.now(), lasting=_LASTING)
    mailbox = Mailbox()

    assert _deliver(database, clock, [notice_id], mailbox) == []
    clock.advance(_LASTING)
    assert _deliver(database, clock, [notice_id], mailbox) == [notice_id]
    assert len(mailbox.taken) == 1


def test_a_claim_that_was_taken_over_in_the_middle_writes_nothing(
    database: Database, clock: FixedClock
) -> None:
    notice_id = _tell(database, clock)

    class Slow(Mailbox):
        def send(self, notice: Notice) -> None:
            clock.advance(_LASTING)
            with database.transaction() as tx:
                claim(tx, NOTICES, [notice_id], token=UUID(int=2), now=clock.now(), lasting=_LASTING)

    assert _deliver(database, clock, [notice_id], Slow()) == []

    row = _row(database, notice_id)
    assert (row["told_at"], row["claim_token"]) == (None, UUID(int=2))


def test_a_quarantined_notice_is_left_alone(database: Database, clock: FixedClock) -> None:
    notice_id = _tell(database, clock)
    with database.transaction() as tx:
        quarantine(tx, NOTICES, notice_id, now=clock.now(), error="bad")

    assert _deliver(database, clock, [notice_id, notice_id + 1], Mailbox()) == []


@pytest.mark.parametrize(
    ("level", "logged"), [(Level.INFO, "INFO"), (Level.WARNING, "WARNING"), (Level.PAGE, "CRITICAL")]
)
def test_the_log_channel_writes_a_constant_sentence_with_keys_at_the_notices_level(
    clock: FixedClock, caplog: pytest.LogCaptureFixture, level: Level, logged: str
) -> None:
    notice = Notice(7, level, "feed", "X is down", "No answer.", clock.now(), "trace-1")

    with caplog.at_level(logging.DEBUG):
        LogChannel(logging.getLogger("outcry.tests")).send(notice)

    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (logged, "notice told")
    assert (record.__dict__["notice_id"], record.__dict__["text"]) == (7, "No answer.")
    assert record.__dict__["trace_id"] == "trace-1"


def test_a_notice_without_a_trace_logs_none(clock: FixedClock, caplog: pytest.LogCaptureFixture) -> None:
    notice = Notice(7, Level.WARNING, "feed", "X is down", "No answer.", clock.now(), None)

    LogChannel(logging.getLogger("outcry.tests")).send(notice)

    assert "trace_id" not in caplog.records[0].__dict__
