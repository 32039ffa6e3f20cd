"""The posts that the local X serves: read from a JSONL file, validated, and visible once the clock has
reached them.

Promises: every problem of a file is named with the file, the line and the fix, all at once, in one exception.
A line that is repeated word for word is served twice, as X may do; the same id with different content is an
error. Never fills a gap: what a post does not say is not served.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LONGEST_SHORT_TEXT = 280
_LARGEST_ID = 2**63 - 1
_MOST_PROBLEMS = 20
_USERNAME = re.compile(r"[A-Za-z0-9_]{1,15}")
_OWN_FIELDS = frozenset({"author_username"})
_KINDS_OF_REFERENCE = ("retweeted", "quoted", "replied_to")


class TimelineError(ValueError):
    """A posts file, or a post, that cannot be served. The message names place and fix, a line for each
    problem.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:_MOST_PROBLEMS])
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown)} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class TimelinePost:
    """One post of the time line. `fields` are X API v2's own fields, as they are served."""

    post_id: int
    author_id: int
    username: str
    created_at: datetime
    edit_history: tuple[int, ...]
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All of the text, as typed."""
        note = self.fields.get("note_tweet")
        return str(note["text"] if note else self.fields["text"])

    def refers_to(self, kind: str) -> bool:
        """Whether the post is a `retweeted`, `quoted` or `replied_to` of another."""
        return any(reference["type"] == kind for reference in self.fields.get("referenced_tweets", ()))


def load(path: Path) -> list[TimelinePost]:
    """Read a posts file: one JSON object a line, blank lines are passed over.

    Each object has `id`, `author_username`, `author_id`, `created_at` and `text`, and may have any other
    field of an X API v2 post. Raises TimelineError with every problem of the file.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise TimelineError(
            [f"{path}: cannot be read ({error.strerror}): name a file of posts, one JSON object a line"]
        ) from None
    posts: list[TimelinePost] = []
    problems: list[str] = []
    first_lines: dict[int, tuple[int, TimelinePost]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            post = read_post(_parsed(line))
        except TimelineError as error:
            problems += [f"{path}:{number}: {problem}" for problem in error.problems]
            continue
        seen = first_lines.setdefault(post.post_id, (number, post))
        if seen[1] != post:
            known = f"id {post.post_id} is also on line {seen[0]} with other content"
            problems.append(f"{path}:{number}: {known}: give one of them another id")
        posts.append(post)
    if problems:
        raise TimelineError(problems)
    return posts


def read_post(raw: object) -> TimelinePost:
    """Validate one post object. Raises TimelineError with all of its problems, each with the fix."""
    if not isinstance(raw, dict):
        raise TimelineError(['not a JSON object: write one object a line, like {"id": "1", …}'])
    problems: list[str] = []
    post_id = _id(raw, "id", problems)
    author_id = _id(raw, "author_id", problems)
    username = raw.get("author_username")
    if not isinstance(username, str) or not _USERNAME.fullmatch(username):
        problems.append(
            _problem(raw, "author_username", "write a handle of 1 to 15 letters, digits or _, without @")
        )
    created_at = _moment(raw, problems)
    if not isinstance(raw.get("text"), str):
        problems.append(_problem(raw, "text", "write the post's words as text"))
    history = _history(raw, post_id, problems)
    _check_references(raw, problems)
    _check_note(raw, problems)
    if not _is_plain_text(json.dumps(raw, ensure_ascii=False)):
        problems.append("the object holds half a surrogate pair: write the whole character, or its \\u pair")
    if problems or created_at is None:
        raise TimelineError(problems)
    fields = {name: value for name, value in raw.items() if name not in _OWN_FIELDS}
    return TimelinePost(post_id, author_id, str(username), created_at, history, fields)


def users(posts: Iterable[TimelinePost]) -> dict[int, str]:
    """The latest handle of every author."""
    return {post.author_id: post.username for post in sorted(posts, key=lambda post: post.created_at)}


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise TimelineError([f"not UTF-8 (byte {error.start + 1}): save the file as UTF-8"]) from None
    except json.JSONDecodeError as error:
        raise TimelineError(
            [f"not JSON ({error.msg}, column {error.colno}): write one JSON object a line"]
        ) from None
    except RecursionError:
        raise TimelineError(["nested too deeply: write one flat JSON object a line"]) from None


def _problem(raw: Mapping[str, Any], field: str, fix: str) -> str:
    if field not in raw:
        return f"{field} is missing: {fix}"
    shown = json.dumps(raw[field])
    return f"{field} = {shown if len(shown) <= 60 else shown[:59] + '…'} cannot be used: {fix}"


def _as_id(value: object) -> int | None:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or value.startswith("0"):
        return None
    return int(value) if len(value) <= 19 and int(value) <= _LARGEST_ID else None


def _id(raw: Mapping[str, Any], field: str, problems: list[str]) -> int:
    found = _as_id(raw.get(field))
    if found is None:
        problems.append(_problem(raw, field, 'write digits in quotes, like "1859000000000000001"'))
    return found or 0


def _moment(raw: Mapping[str, Any], problems: list[str]) -> datetime | None:
    fix = "write a time with its zone, like 2026-11-22T09:30:00Z"
    value = raw.get("created_at")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None and 2006 <= moment.year <= 2100:
            return moment.astimezone(UTC)
    except ValueError:
        pass
    problems.append(_problem(raw, "created_at", fix))
    return None


def _history(raw: Mapping[str, Any], post_id: int, problems: list[str]) -> tuple[int, ...]:
    if "edit_history_tweet_ids" not in raw:
        return (post_id,)
    listed = raw["edit_history_tweet_ids"]
    ids = [_as_id(item) for item in listed] if isinstance(listed, list) else []
    found = tuple(item for item in ids if item is not None)
    if not found or len(found) < len(ids) or list(found) != sorted(set(found)) or post_id not in found:
        fix = "list the ids of all versions in rising order, the post's own among them"
        problems.append(_problem(raw, "edit_history_tweet_ids", fix))
    return found


def _check_references(raw: Mapping[str, Any], problems: list[str]) -> None:
    listed = raw.get("referenced_tweets", [])
    if not isinstance(listed, list) or not all(
        isinstance(item, dict) and item.get("type") in _KINDS_OF_REFERENCE and _as_id(item.get("id"))
        for item in listed
    ):
        fix = 'write a list of {"type": "retweeted", "quoted" or "replied_to", "id": "…"}'
        problems.append(_problem(raw, "referenced_tweets", fix))


def _check_note(raw: Mapping[str, Any], problems: list[str]) -> None:
    note = raw.get("note_tweet")
    if "note_tweet" in raw and not (isinstance(note, dict) and isinstance(note.get("text"), str)):
        problems.append(_problem(raw, "note_tweet", 'write {"text": "the whole text"}'))


def _is_plain_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
