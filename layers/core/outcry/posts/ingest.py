"""Hear what followed authors published: read, store, then move the checkpoints, then ring.

Promises: the posts of a query and the checkpoints of its authors are committed together, after every page was
read, so a failure anywhere loses nothing and fires nothing twice. A post is stored once under the first id of
its edit history; seen again, read twice or edited later, it does nothing. Posts of authors whom nobody
follows are dropped. A feed that fails is an alarm and an exception; it never becomes an empty answer, and no
post is ever made up.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.posts import store
from outcry.posts.feed import Feed, FeedRateLimited, Reading
from outcry.posts.model import latest_versions
from outcry.posts.queries import FIRST_LOOKBACK, PackedQuery, pack
from outcry.posts.wire import Malformed
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import FeedRefused, FeedUnavailable, InfrastructureError
from outcry.runtime.metrics import FEED_REQUESTS_LEFT, POSTS_HEARD
from outcry.runtime.observability import logger
from outcry.runtime.queues import Doorbell, Queue, Ring
from outcry.runtime.version import build_id

STAGE = "ingest_posts"
RING_AGAIN_AFTER = timedelta(seconds=30)
_TOPIC = "feed"
_EXCERPT = 1500  # characters of a malformed object that are kept for whoever looks into it


@dataclass(slots=True)
class Ingested:
    """What one run did. `read` counts posts on all pages, `stored` those that were new, `dropped` those of
    others.
    """

    queries: int = 0
    requests: int = 0
    read: int = 0
    stored: int = 0
    dropped: int = 0
    malformed: int = 0
    rate_limit_remaining: int | None = None


def ingest(
    database: Database,
    feed: Feed,
    doorbell: Doorbell,
    *,
    clock: Clock,
    new_trace_id: Callable[[], str],
    first_lookback: timedelta = FIRST_LOOKBACK,
    ring_again_after: timedelta = RING_AGAIN_AFTER,
) -> Ingested:
    """Read all followed authors once, and ring `Queue.POSTS` for every post that is new.

    A query that fails does not keep the others from being read, unless the feed as a whole refuses.
    Afterwards the first failure is raised: FeedUnavailable (FeedRateLimited among them), FeedRefused, or
    InfrastructureError for the queue. A database error is raised at once. The heartbeat is written only where
    every query was read and rung.
    """
    done = Ingested()
    failures: list[FeedRefused | InfrastructureError] = []
    with database.transaction() as tx:
        authors = store.followed_authors(tx)
    usernames = {author.author_id: author.username for author in authors}
    for query in pack(authors, now=clock.now(), first_lookback=first_lookback):
        began_at = clock.now()
        try:
            reading = feed.read(
                query.text, since_id=query.since_id, start_time=query.start_time, usernames=usernames
            )
        except (FeedUnavailable, FeedRefused) as failure:
            failures.append(failure)
            if isinstance(failure, FeedRateLimited | FeedRefused):
                break  # it holds for every query
            continue
        heard = _Heard(query, reading, began_at, clock.now())
        with database.transaction() as tx:
            new = _keep(tx, heard, usernames, ring_again_after, new_trace_id)
        _count(done, heard, new, usernames)
        try:
            doorbell.ring(Queue.POSTS, [Ring(str(post_id), trace_id) for post_id, trace_id in new])
        except InfrastructureError as failure:
            failures.append(failure)  # the rows are due: the next sweep rings them
    with database.transaction() as tx:
        if failures:
            _tell_failure(tx, failures[0], clock.now())
        else:
            store.beat(tx, STAGE, now=clock.now(), detail={**asdict(done), "build": build_id()})
    if failures:
        raise failures[0]
    return done


@dataclass(frozen=True, slots=True)
class _Heard:
    """A complete reading of one query, with the times between which it was made."""

    query: PackedQuery
    reading: Reading
    began_at: datetime
    received_at: datetime


def _keep(
    tx: Transaction,
    heard: _Heard,
    followed: Mapping[int, str],
    ring_again_after: timedelta,
    new_trace_id: Callable[[], str],
) -> list[tuple[int, str]]:
    """Store the reading's posts and move its authors' checkpoints, in the caller's transaction: both or
    neither.
    """
    reading, now = heard.reading, heard.received_at
    new = store.insert_posts(
        tx,
        latest_versions(post for post in reading.posts if post.author_id in followed),
        source="poll",
        received_at=now,
        ring_again_after=ring_again_after,
        new_trace_id=new_trace_id,
    )
    for malformed in reading.malformed:
        _tell_malformed(tx, malformed, now)
    if reading.partial_errors:
        _tell_partial(tx, reading, now)
    author_ids = [author.author_id for author in heard.query.authors]
    store.move_checkpoints(tx, author_ids, newest_id=reading.newest_id, read_at=heard.began_at)
    return new


def _count(done: Ingested, heard: _Heard, new: list[tuple[int, str]], followed: Mapping[int, str]) -> None:
    reading = heard.reading
    done.queries += 1
    done.requests += reading.requests
    done.read += len(reading.posts)
    done.stored += len(new)
    POSTS_HEARD.record(len(new))
    for post_id, trace_id in new:
        logger.info("A post was heard", extra={"post_id": post_id, "trace_id": trace_id})
    done.dropped += sum(post.author_id not in followed for post in reading.posts)
    done.malformed += len(reading.malformed)
    if reading.rate_limit is not None:
        done.rate_limit_remaining = reading.rate_limit.remaining
        FEED_REQUESTS_LEFT.record(reading.rate_limit.remaining)


def _tell_failure(tx: Transaction, failure: FeedRefused | InfrastructureError, now: datetime) -> None:
    kind = type(failure).__name__
    text = str(failure)
    if isinstance(failure, FeedRateLimited) and failure.resets_at is not None:
        text = f"{text}. The limit resets at {failure.resets_at:%Y-%m-%d %H:%M:%S} UTC."
    tell(
        tx,
        level=Level.PAGE if isinstance(failure, FeedRefused) else Level.WARNING,
        topic=_TOPIC,
        subject=_SUBJECTS.get(type(failure), "Posts were stored, but the queue could not be rung"),
        text=text,
        dedupe_key=f"{_TOPIC}:{kind}:{now:%Y-%m-%dT%H}",
        now=now,
    )


_SUBJECTS: dict[type[Exception], str] = {
    FeedRefused: "X refuses to be read: no posts are heard until a person acts",
    FeedRateLimited: "X's request limit is used up: posts are heard late",
    FeedUnavailable: "X could not be read completely: posts are heard late",
}


def _tell_malformed(tx: Transaction, malformed: Malformed, now: datetime) -> None:
    identity = malformed.post_id or hashlib.sha256(malformed.raw.encode()).hexdigest()[:16]
    tell(
        tx,
        level=Level.WARNING,
        topic=_TOPIC,
        subject=f"Post {identity} could not be read and was left out",
        text=f"{malformed.error}\n{malformed.raw[:_EXCERPT]}",
        dedupe_key=f"{_TOPIC}:malformed:{identity}",
        now=now,
    )


def _tell_partial(tx: Transaction, reading: Reading, now: datetime) -> None:
    tell(
        tx,
        level=Level.INFO,
        topic=_TOPIC,
        subject="X left something out of its answers",
        text="\n".join(reading.partial_errors),
        dedupe_key=f"{_TOPIC}:partial:{now:%Y-%m-%d}",
        now=now,
    )
