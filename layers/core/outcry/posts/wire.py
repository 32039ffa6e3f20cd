"""X API v2 post objects, read strictly: what is not understood is malformed, never guessed.

Promises: one malformed object is reported with its error and does not lose its neighbours; every accepted
object can be stored in Postgres as it is (no NUL, no lone surrogate, no number that is not finite); ids stay
exact, because they are text on the wire and integers here, never floats. Source of the fields: docs.x.com,
data dictionary, Post object.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError

from outcry.posts.model import Post, as_typed, first_id, kind_of

LARGEST_ID = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 2006, 2100  # the first post is of March 2006


def _id(value: object) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or value.startswith("0"):
        raise ValueError("an id is text of decimal digits")
    if len(value) > 19 or int(value) > LARGEST_ID:
        raise ValueError("an id fits into 63 bits")
    return int(value)


def _moment(value: object) -> datetime:
    moment: datetime | None = None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(value)
    if moment is None:
        raise ValueError("a time is ISO 8601 text")
    return moment


def _plausible(moment: datetime) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError("a time between 2006 and 2100")
    return moment.astimezone(UTC)


Id = Annotated[int, BeforeValidator(_id)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_plausible)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Reference(_Shape):
    type: Literal["retweeted", "quoted", "replied_to"]
    id: Id


class _LongText(_Shape):
    text: str


class _PostObject(_Shape):
    id: Id
    author_id: Id
    created_at: Moment
    text: str
    note_tweet: _LongText | None = None
    edit_history_tweet_ids: list[Id] = []
    referenced_tweets: list[_Reference] = []
    paid_partnership: bool | dict[str, Any] | None = None


class MalformedPost(ValueError):
    """An object that is not a post as X documents it. The message names the field and never repeats its
    content.
    """


@dataclass(frozen=True, slots=True)
class Malformed:
    """What could not be read: the object's id if it has one, what is wrong, and the object as JSON text."""

    post_id: int | None
    error: str
    raw: str


def parse_post(raw: object, usernames: Mapping[int, str] | None = None) -> Post:
    """Read one post object. `usernames` gives the label of an author id.

    The text is that of the note (posts above 280 characters), else the short one. Raises MalformedPost.
    """
    if not isinstance(raw, dict):
        raise MalformedPost("not an object")
    if not _is_storable(raw):
        raise MalformedPost("holds a NUL, a lone surrogate or a number that is not finite")
    try:
        found = _PostObject.model_validate(raw)
    except ValidationError as error:
        raise MalformedPost(_explained(error)) from None
    text = as_typed(found.note_tweet.text if found.note_tweet else found.text)
    return Post(
        post_id=first_id(found.id, found.edit_history_tweet_ids),
        edit_id=found.id,
        author_id=found.author_id,
        username=(usernames or {}).get(found.author_id),
        text=text,
        kind=kind_of((reference.type for reference in found.referenced_tweets), text),
        # what is disclosed in a form we do not know is disclosed all the same
        is_paid_partnership=found.paid_partnership not in (None, False),
        created_at=found.created_at,
        raw=raw,
    )


def parse_posts(
    objects: Iterable[object], usernames: Mapping[int, str] | None = None
) -> tuple[list[Post], list[Malformed]]:
    """Read many objects, each by itself: the posts, and what was malformed."""
    posts: list[Post] = []
    malformed: list[Malformed] = []
    for raw in objects:
        try:
            posts.append(parse_post(raw, usernames))
        except MalformedPost as error:
            malformed.append(Malformed(id_of(raw), str(error), json.dumps(raw)))
    return posts, malformed


def id_of(raw: object) -> int | None:
    """The id of an object, however broken the rest of it is; None where it has none."""
    try:
        return _id(raw.get("id")) if isinstance(raw, dict) else None
    except ValueError:
        return None


def _is_storable(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_storable(item) for item in value)
    return True


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems[:5])
