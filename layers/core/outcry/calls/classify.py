"""The stage that turns a heard post into calls: claim, read outside any transaction, store, then ring.

Promises: a post is read to its end once (failures.md: the same post must never fire again); a second ring, a
second process
or a crash between any two steps makes no second call; a classifier that fails leaves the post HEARD and due
later, tells a
person, and raises so that the queue delivers again. There is no default reading and no other classifier to
fall back on.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from outcry.calls import grammar, store
from outcry.calls.model import PostToRead, Reading
from outcry.calls.tickers import TickerBook
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime import leases, metrics
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import ClassifierUnavailable
from outcry.runtime.queues import Doorbell, Queue, Ring
from outcry.runtime.reasons import Reason

_log = logging.getLogger(__name__)


class Classifier(Protocol):
    """Reads a post. `name` says which one it is, version included; it is stored with every verdict."""

    @property
    def name(self) -> str:
        """Which classifier, which version."""
        ...

    def read(self, post: PostToRead) -> Reading:
        """What the post says. Raises ClassifierUnavailable where there is no usable answer."""
        ...


class Outcome(StrEnum):
    """What became of one ring."""

    CLASSIFIED = "CLASSIFIED"
    NOT_A_CALL = "NOT_A_CALL"
    UNCLASSIFIED = "UNCLASSIFIED"
    ALREADY_DONE = "ALREADY_DONE"  # read before, deleted, or unknown
    TAKEN = "TAKEN"  # somebody else is at work on it, or a person has to redrive it


@dataclass(frozen=True, slots=True)
class GrammarClassifier:
    """The precise parser, as a classifier."""

    book: Callable[[], TickerBook]
    name: str = "grammar/1"

    def read(self, post: PostToRead) -> Reading:
        return grammar.read(post.text, self.book())


@dataclass(slots=True)
class StoredTickerBook:
    """The ticker book of the markets that are listed in Postgres, read again after `lasting`."""

    database: Database
    clock: Clock
    lasting: timedelta = timedelta(minutes=5)
    _book: TickerBook | None = field(default=None, repr=False)
    _read_at: datetime | None = field(default=None, repr=False)

    def __call__(self) -> TickerBook:
        now = self.clock.now()
        if self._book is None or self._read_at is None or now - self._read_at >= self.lasting:
            with self.database.transaction() as tx:
                self._book = TickerBook.from_markets(store.market_names(tx))
            self._read_at = now
        return self._book


@dataclass(frozen=True, slots=True)
class ClassifyPosts:
    """The use case of `functions/classify_posts`: call it with a post's id."""

    database: Database
    clock: Clock
    doorbell: Doorbell
    classifier: Classifier
    new_token: Callable[[], UUID]
    max_age: timedelta
    lease: timedelta = timedelta(seconds=90)

    def __call__(self, post_id: int) -> Outcome:
        """Advance the post from whatever state it is in.

        Raises ClassifierUnavailable (the post is due again), or InfrastructureError where Postgres or the
        queue fails.
        """
        claimed = self._claim(post_id)
        if isinstance(claimed, Outcome):
            return claimed
        post, claim = claimed
        verdict = self._refusal(post)
        if verdict is None:
            try:
                reading = self.classifier.read(post)
            except ClassifierUnavailable as error:
                self._postpone(post, claim, error)
                raise
            verdict = (Outcome.CLASSIFIED if reading.calls else Outcome.NOT_A_CALL), reading
        return self._finish(post, claim, *verdict)

    def _claim(self, post_id: int) -> Outcome | tuple[PostToRead, leases.Claim]:
        with self.database.transaction() as tx:
            post = store.post_to_read(tx, post_id)
            if post is None or post.status != "HEARD":
                return Outcome.ALREADY_DONE
            held = leases.claim(
                tx, leases.POSTS, [post_id], token=self.new_token(), now=self.clock.now(), lasting=self.lease
            )
            if not held:
                return Outcome.TAKEN
            # Read again under the claim's row lock: the post may have been finished or deleted in between.
            post = store.post_to_read(tx, post_id)
            if post is None or post.status != "HEARD":
                leases.release(tx, leases.POSTS, held[0])
                return Outcome.ALREADY_DONE
            return post, held[0]

    def _refusal(self, post: PostToRead) -> tuple[Outcome, Reading] | None:
        if post.kind == "repost":
            return Outcome.NOT_A_CALL, Reading(reason=Reason.REPOST)
        if post.is_paid_partnership:
            return Outcome.NOT_A_CALL, Reading(reason=Reason.PAID_PARTNERSHIP)
        if self.clock.now() - post.created_at > self.max_age:
            failed = post.last_error is not None
            return (Outcome.UNCLASSIFIED if failed else Outcome.NOT_A_CALL), Reading(
                reason=Reason.POST_TOO_OLD
            )
        return None

    def _finish(self, post: PostToRead, claim: leases.Claim, outcome: Outcome, reading: Reading) -> Outcome:
        now = self.clock.now()
        with self.database.transaction() as tx:
            kept = store.finish_post(
                tx,
                post.post_id,
                token=claim.token,
                status=outcome.value,
                reason=reading.reason,
                error=post.last_error if outcome is Outcome.UNCLASSIFIED else None,
                classifier=self.classifier.name,
                now=now,
            )
            if not kept:
                return Outcome.TAKEN
            if outcome is Outcome.UNCLASSIFIED:
                self._tell(
                    tx, post, now, key=f"unclassified:{post.post_id}", subject="A post was never classified"
                )
            due = now + timedelta(seconds=leases.FIRST_BACKOFF_S)
            call_ids = store.insert_calls(
                tx, post, reading.calls, classifier=self.classifier.name, now=now, next_ring_at=due
            )
        metrics.POSTS_READ.record(1, metrics.Outcome(outcome.value.lower()))
        for call in reading.calls:
            if call.notes:
                _log.info(
                    "levels of a call were dropped",
                    extra={"post_id": post.post_id, "dropped": list(call.notes)},
                )
        if call_ids:
            self.doorbell.ring(Queue.CALLS, [Ring(str(call_id), post.trace_id) for call_id in call_ids])
        return outcome

    def _postpone(self, post: PostToRead, claim: leases.Claim, error: ClassifierUnavailable) -> None:
        now = self.clock.now()
        delay_s = min(leases.LONGEST_BACKOFF_S, leases.FIRST_BACKOFF_S * 2 ** min(claim.attempts - 1, 10))
        with self.database.transaction() as tx:
            leases.release(
                tx,
                leases.POSTS,
                claim,
                next_ring_at=now + timedelta(seconds=delay_s),
                error=str(error)[:2000] or "no answer",
            )
            self._tell(
                tx, post, now, key=f"classifier:{now:%Y-%m-%dT%H}", subject="The classifier does not answer"
            )

    def _tell(self, tx: Transaction, post: PostToRead, now: datetime, *, key: str, subject: str) -> None:
        tell(
            tx,
            level=Level.WARNING,
            topic="classifier",
            subject=subject,
            text=f"{self.classifier.name} gave no usable answer for post {post.post_id}: it gives no trade.",
            dedupe_key=f"{key}:{self.classifier.name}" if key.startswith("classifier") else key,
            now=now,
            trace_id=post.trace_id,
        )
