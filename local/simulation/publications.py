"""The feed of a simulation: what authors published, as X's recent search gives it, each query up to the present moment."""

from collections.abc import Mapping
from datetime import datetime

from outcry.posts.feed import Reading
from outcry.posts.model import Kind, Post
from outcry.runtime.clock import Clock, to_milliseconds

_ID_EPOCH_MS = 1_288_834_974_657  # docs.x.com, "X IDs"
_ID_SHIFT = 22


class Publications:
    """Posts by several authors. What was read once is read again while it is young, as the queries overlap."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._posts: list[Post] = []

    def publish(self, author_id: int, text: str) -> int:
        """An author posts now; returns the post's id."""
        now = self._clock.now()
        post_id = ((to_milliseconds(now) - _ID_EPOCH_MS) << _ID_SHIFT) + len(self._posts)
        raw = {"id": str(post_id), "text": text, "author_id": str(author_id), "created_at": now.isoformat()}
        self._posts.append(Post(post_id, post_id, author_id, None, text, Kind.ORIGINAL, False, now, raw))
        return post_id

    def read(
        self,
        query: str,
        *,
        since_id: int | None,
        start_time: datetime,
        usernames: Mapping[int, str] | None = None,
    ) -> Reading:
        """Every post that was published since."""
        found = tuple(
            post
            for post in self._posts
            if (post.created_at >= start_time if since_id is None else post.edit_id > since_id)
            and post.author_id in (usernames or {})
        )
        newest = max((post.edit_id for post in found), default=None)
        return Reading(found, (), newest, None, 1)
