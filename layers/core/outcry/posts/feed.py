"""The port through which posts are read, and what a reading is.

Promises of every feed: `read` gives all pages of an answer or raises; it never gives a part as if it were the
whole, never an empty answer for a failed one, and never a post that nobody published. It never sleeps: when
to ask again is the schedule's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from outcry.posts.model import Post
from outcry.posts.wire import Malformed
from outcry.runtime.errors import FeedUnavailable


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the feed said about its own limit: requests per window, those left, and when the window ends."""

    limit: int
    remaining: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """A complete answer to one query, all pages of it.

    `newest_id` is the greatest id that was seen, malformed objects included; None where there was nothing.
    `partial_errors` are what the feed could not add to an otherwise complete answer, in its own words.
    """

    posts: tuple[Post, ...]
    malformed: tuple[Malformed, ...]
    newest_id: int | None
    rate_limit: RateLimit | None
    requests: int
    partial_errors: tuple[str, ...] = ()


class FeedRateLimited(FeedUnavailable):
    """The feed's request limit is used up. `resets_at` is when it says to come back; None where it does not
    say.
    """

    def __init__(self, message: str, resets_at: datetime | None) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class Feed(Protocol):
    """Where posts come from."""

    def read(
        self,
        query: str,
        *,
        since_id: int | None,
        start_time: datetime,
        usernames: Mapping[int, str] | None = None,
    ) -> Reading:
        """All posts that match `query` and are newer than `since_id` (exclusive).

        Where `since_id` is None, or older than the feed goes back, those from `start_time` on are read
        instead. Raises FeedRateLimited or FeedUnavailable where no complete answer came, FeedRefused where a
        retry cannot help.
        """
        ...
