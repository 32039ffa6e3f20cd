"""The posts, their authors and the feed's checkpoints, as ingestion needs them. Private to this room."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from outcry.posts.model import Post
from outcry.posts.queries import Checkpoint, Followed
from outcry.runtime.database import Row, Transaction

_KEY = "search:"  # a checkpoint is kept per author, so that it survives every change of the packing
_NOTHING_SEEN = 1


def followed_authors(tx: Transaction) -> list[Followed]:
    """Active authors whom at least one active agent follows, with where each was read to."""
    rows = tx.all(
        """
        select a.author_id, a.username, c.since_id, c.moved_at
          from authors a
          left join feed_checkpoints c on c.query = cast(:key as text) || a.author_id
         where a.is_active
           and exists (select from follows f join agents g using (agent_id)
                        where f.author_id = a.author_id and g.is_active)
         order by a.author_id
        """,
        key=_KEY,
    )
    return [_followed(row) for row in rows]


def insert_posts(
    tx: Transaction,
    posts: Sequence[Post],
    *,
    source: str,
    received_at: datetime,
    ring_again_after: timedelta,
    new_trace_id: Callable[[], str],
) -> list[tuple[int, str]]:
    """Store those posts whose identity is new and return their ids with their trace ids; known ones stay as
    they are.

    Each new row is due for a sweep after `ring_again_after`, in case its doorbell is lost.
    """
    rows = tx.all(
        """
        insert into posts (post_id, edit_id, author_id, text, kind, is_paid_partnership, created_at,
                           received_at, source, raw, trace_id, next_ring_at)
        select p.post_id, p.edit_id, p.author_id, p.text, p.kind, p.is_paid_partnership, p.created_at,
               :received_at, :source, p.raw, p.trace_id, :next_ring_at
          from jsonb_to_recordset(cast(:posts as jsonb)) as p (
               post_id bigint, edit_id bigint, author_id bigint, text text, kind text,
               is_paid_partnership boolean, created_at timestamptz, raw jsonb, trace_id text)
        on conflict (post_id) do nothing
        returning post_id, trace_id
        """,
        received_at=received_at,
        source=source,
        next_ring_at=received_at + ring_again_after,
        posts=json.dumps([_row(post, new_trace_id()) for post in posts]),
    )
    return sorted((int(row["post_id"]), str(row["trace_id"])) for row in rows)


def move_checkpoints(
    tx: Transaction, author_ids: Sequence[int], *, newest_id: int | None, read_at: datetime
) -> None:
    """Record that all these authors were read up to `newest_id` by a reading that began at `read_at`; never
    backwards.
    """
    tx.execute(
        """
        insert into feed_checkpoints (query, since_id, moved_at)
        select cast(:key as text) || author_id, cast(:since_id as bigint), cast(:read_at as timestamptz)
          from unnest(cast(:author_ids as bigint[])) as author_id order by author_id
        on conflict (query) do update set
               since_id = greatest(feed_checkpoints.since_id, excluded.since_id),
               moved_at = greatest(feed_checkpoints.moved_at, excluded.moved_at)
        """,
        key=_KEY,
        since_id=newest_id or _NOTHING_SEEN,
        read_at=read_at,
        author_ids=list(author_ids),
    )


def beat(tx: Transaction, stage: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
    """Record that a stage did its work."""
    tx.execute(
        """
        insert into heartbeats (stage, beat_at, detail) values (:stage, :now, cast(:detail as jsonb))
        on conflict (stage) do update set
               beat_at = greatest(heartbeats.beat_at, excluded.beat_at), detail = excluded.detail
        """,
        stage=stage,
        now=now,
        detail=json.dumps(detail),
    )


def _followed(row: Row) -> Followed:
    checkpoint = None if row["since_id"] is None else Checkpoint(int(row["since_id"]), row["moved_at"])
    return Followed(int(row["author_id"]), row["username"], checkpoint)


def _row(post: Post, trace_id: str) -> dict[str, Any]:
    return {
        "post_id": post.post_id,
        "edit_id": post.edit_id,
        "author_id": post.author_id,
        "text": post.text,
        "kind": post.kind.value,
        "is_paid_partnership": post.is_paid_partnership,
        "created_at": post.created_at.isoformat(),
        "raw": post.raw,
        "trace_id": trace_id,
    }
