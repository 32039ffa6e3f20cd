"""Posts, as the later stages see them.

Pure data and pure rules about identity and kind. A post's identity is the first id of its edit history,
because X gives every edited version a new id; the version that was read is `edit_id`. Nothing here reads,
stores or decides.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_REPOST_PREFIX = re.compile(r"RT @[A-Za-z0-9_]{1,15}:")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # the ampersand last: "&amp;lt;" is a typed "&lt;"


class Kind(StrEnum):
    """Whose words a post carries: the author's own, an answer, own words about another post, or somebody
    else's.
    """

    ORIGINAL = "original"
    REPLY = "reply"
    QUOTE = "quote"
    REPOST = "repost"


@dataclass(frozen=True, slots=True)
class Post:
    """One post of an author. `text` is all of it, as typed; `raw` is X's own object; `username` is a label
    only.
    """

    post_id: int
    edit_id: int
    author_id: int
    username: str | None
    text: str
    kind: Kind
    is_paid_partnership: bool
    created_at: datetime
    raw: Mapping[str, Any]


def kind_of(references: Iterable[str], text: str) -> Kind:
    """The kind of a post that refers to others as `retweeted`, `replied_to` or `quoted` (X API v2,
    referenced_tweets).

    Words of others win over own ones: a repost is a repost whatever else it is, and an answer that quotes is
    an answer. A text in the form of an old-style repost ("RT @name: …") is somebody else's words too.
    """
    found = set(references)
    if "retweeted" in found or _REPOST_PREFIX.match(text):
        return Kind.REPOST
    if "replied_to" in found:
        return Kind.REPLY
    if "quoted" in found:
        return Kind.QUOTE
    return Kind.ORIGINAL


def first_id(edit_id: int, edit_history: Sequence[int]) -> int:
    """The id under which a post was first published. X lists the ids of all versions; they rise with time."""
    return min((*edit_history, edit_id))


def as_typed(text: str) -> str:
    """The text as its author typed it: X delivers `&`, `<` and `>`, and only these, as HTML entities."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def latest_versions(posts: Iterable[Post]) -> list[Post]:
    """One post per identity, the newest version of each, in the order of their identities."""
    latest: dict[int, Post] = {}
    for post in posts:
        known = latest.get(post.post_id)
        if known is None or post.edit_id > known.edit_id:
            latest[post.post_id] = post
    return [latest[post_id] for post_id in sorted(latest)]
