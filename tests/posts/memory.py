"""Posts without X: made up, and read from a feed that has them in memory."""

from collections.abc import Mapping
from datetime import datetime

from outcry.posts.feed import RateLimit, Reading
from outcry.posts.model import Kind, Post


class MemoryFeed:
    """A feed that gives the posts it was given, once, and says what its limit leaves where it was given one."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        self.posts: tuple[Post, ...] = ()
        self.limit = limit

    def read(
        self,
        query: str,
        *,
        since_id: int | None,
        start_time: datetime,
        usernames: Mapping[int, str] | None = None,
    ) -> Reading:
        posts, self.posts = self.posts, ()
        newest = max((post.edit_id for post in posts), default=None)
        return Reading(posts, (), newest, self.limit, 1)


def a_post(post_id: int, text: str, at: datetime) -> Post:
    """A post of the author whom the workshop's agent follows."""
    raw = {"id": str(post_id), "text": text, "author_id": "1001", "lang": "en", "created_at": at.isoformat()}
    return Post(post_id, post_id, 1001, "caller", text, Kind.ORIGINAL, False, at, raw)
