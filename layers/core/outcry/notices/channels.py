"""Ways to reach a person, and the use case that tells a notice through all of them.

Promises: a notice is told by whoever holds its claim, and marked told only after every channel took it; a
channel that fails is tried again later, with growing pauses. Delivery is at least once: after a failure,
channels that had already taken the notice get it again. No network call is made inside a transaction.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from outcry.notices import store
from outcry.notices.model import Level, Notice
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, NOTICES, Claim, claim, release
from outcry.runtime.metrics import PAGES_TOLD


class ChannelUnavailable(InfrastructureError):
    """A channel did not take a notice. The notice stays due."""


class Channel(Protocol):
    """A way to reach a person."""

    @property
    def name(self) -> str:
        """What the channel is called in records."""
        ...

    def send(self, notice: Notice) -> None:
        """Tell the notice. Raises ChannelUnavailable where it was not, or may not have been, taken."""
        ...


class Log(Protocol):
    """What the log channel writes to: a standard logger, or Powertools' one."""

    def log(self, level: int, msg: object, *, extra: Mapping[str, object]) -> None:
        """Write one line with keys."""
        ...


_LOG_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.PAGE: logging.CRITICAL}


class LogChannel:
    """Writes notices to the log: a page as CRITICAL, so that a log alarm can wake somebody."""

    name = "log"

    def __init__(self, log: Log) -> None:
        self._log = log

    def send(self, notice: Notice) -> None:
        keys: dict[str, object] = {
            "notice_id": notice.notice_id,
            "level_of_notice": notice.level.value,
            "topic": notice.topic,
            "subject": notice.subject,
            "text": notice.text,
        }
        if notice.trace_id is not None:
            keys["trace_id"] = notice.trace_id
        self._log.log(_LOG_LEVELS[notice.level], "notice told", extra=keys)


class CountingChannel:
    """Counts the pages that were told, so that an alarm on the count wakes somebody."""

    name = "count"

    def send(self, notice: Notice) -> None:
        if notice.level is Level.PAGE:
            PAGES_TOLD.record()


def deliver(
    database: Database,
    channels: Sequence[Channel],
    notice_ids: Sequence[int],
    *,
    clock: Clock,
    new_token: Callable[[], UUID],
    lasting: timedelta,
) -> list[int]:
    """Tell the notices through every channel and return the ids of those that are now told.

    `lasting` is how long the claims hold (the function's deadline and a margin). Rows that others hold, or
    that were told before, are passed over. Raises ChannelUnavailable, after all were tried, where a channel
    failed.
    """
    with database.transaction() as tx:
        claims = claim(tx, NOTICES, notice_ids, token=new_token(), now=clock.now(), lasting=lasting)
        notices = {notice.notice_id: notice for notice in store.untold(tx, [held.key for held in claims])}
    told: list[int] = []
    failures: list[str] = []
    for held in claims:
        notice = notices.get(held.key)
        error = None if notice is None else _send(channels, notice)
        if _settle(
            database, held, now=clock.now(), is_told=notice is not None and error is None, error=error
        ):
            told.append(held.key)
        if error is not None:
            failures.append(error)
    if failures:
        raise ChannelUnavailable(f"{len(failures)} of {len(claims)} notices were not told: {failures[0]}")
    return told


def _send(channels: Sequence[Channel], notice: Notice) -> str | None:
    errors: list[str] = []
    for channel in channels:
        try:
            channel.send(notice)
        except ChannelUnavailable as error:
            errors.append(f"{channel.name}: {error}")
    return "; ".join(errors) or None


def _settle(database: Database, held: Claim, *, now: datetime, is_told: bool, error: str | None) -> bool:
    """Give the row back: done, or due again after a pause. True where it became told by this call."""
    pause_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(held.attempts, 10))
    with database.transaction() as tx:
        marked = is_told and store.mark_told(tx, held, now=now)
        release(
            tx,
            NOTICES,
            held,
            next_ring_at=now + timedelta(seconds=pause_s) if error is not None else None,
            error=error,
        )
    return marked
