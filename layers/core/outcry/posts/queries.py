"""Which queries hear all followed authors, and from where each goes on reading. Pure.

Authors are asked for by their numeric id: a handle may change hands, an id does not. Each author has a
checkpoint of their own, so that nothing depends on how authors happen to be packed. A query goes on from the
oldest checkpoint among its authors; what is thereby read twice is stored once. A new author starts
`first_lookback` ago and pulls nobody else's checkpoint back.

A checkpoint is an id and the time at which the reading began that saw it. X's ids carry the time at which
they were given (docs.x.com, "X IDs": milliseconds since 2010-11-04 01:42:54.657 UTC, shifted by 22 bits).
Going on by id is possible only while that time lies in the search window of seven days; otherwise the reading
goes on by time. Either way it overlaps the last one by a minute, because the search index lags and need not
be filled in the order of the ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LONGEST_QUERY = 512  # characters, self-serve access (docs.x.com, recent search: query limits)
WINDOW = timedelta(days=7) - timedelta(
    hours=1
)  # recent search goes back seven days; an hour is kept as a margin
OVERLAP = timedelta(seconds=60)
FIRST_LOOKBACK = timedelta(hours=1)
_ID_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
_ID_SHIFT = 22
_MILLISECOND = timedelta(milliseconds=1)
_SKEW = timedelta(minutes=10)
_SUFFIX = " -is:retweet"
_JOINT = " OR "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to `since_id` was read by a reading that began at `read_at`."""

    since_id: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """An author whom an active agent follows; `checkpoint` is None before the first complete reading."""

    author_id: int
    username: str
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class PackedQuery:
    """One request's worth of authors, and from where to read; `start_time` holds where `since_id` is None or
    refused.
    """

    text: str
    authors: tuple[Followed, ...]
    since_id: int | None
    start_time: datetime


def pack(
    authors: Iterable[Followed],
    *,
    now: datetime,
    first_lookback: timedelta = FIRST_LOOKBACK,
    overlap: timedelta = OVERLAP,
    longest: int = LONGEST_QUERY,
) -> list[PackedQuery]:
    """The fewest queries of at most `longest` characters that cover all authors, each author in exactly one.

    Authors that were left behind by a failed reading are packed together and come first, so that they do not
    make the others read far back.
    """
    in_order = sorted(authors, key=lambda author: (_read_at(author, now - first_lookback), author.author_id))
    return [
        PackedQuery(
            text=_text(group),
            authors=tuple(group),
            since_id=_since_id(group, now=now, overlap=overlap),
            start_time=_start_time(group, now=now, first_lookback=first_lookback, overlap=overlap),
        )
        for group in _groups(in_order, longest)
    ]


def published_at(post_id: int) -> datetime:
    """The time that an id of X carries."""
    return _ID_EPOCH + (post_id >> _ID_SHIFT) * _MILLISECOND


def first_id_at(moment: datetime) -> int:
    """The smallest id that X could have given at that moment; 0 before there were such ids."""
    return max(0, (moment - _ID_EPOCH) // _MILLISECOND) << _ID_SHIFT


def _groups(authors: Sequence[Followed], longest: int) -> list[list[Followed]]:
    groups: list[list[Followed]] = []
    length = 0
    for author in authors:
        added = len(_term(author)) + len(_JOINT)
        if not groups or length + added > longest:
            groups.append([])
            length = len(_text([])) - len(_JOINT)
        groups[-1].append(author)
        length += added
    return groups


def _term(author: Followed) -> str:
    return f"from:{author.author_id}"


def _text(authors: Sequence[Followed]) -> str:
    return f"({_JOINT.join(map(_term, authors))}){_SUFFIX}"


def _read_at(author: Followed, default: datetime) -> datetime:
    return author.checkpoint.read_at if author.checkpoint else default


def _since_id(authors: Sequence[Followed], *, now: datetime, overlap: timedelta) -> int | None:
    ids = [author.checkpoint.since_id for author in authors if author.checkpoint]
    if len(ids) < len(authors) or not all(
        now - WINDOW <= published_at(since) <= now + _SKEW for since in ids
    ):
        return None
    return min(ids) - ((overlap // _MILLISECOND) << _ID_SHIFT)


def _start_time(
    authors: Sequence[Followed], *, now: datetime, first_lookback: timedelta, overlap: timedelta
) -> datetime:
    oldest = min(_read_at(author, now - first_lookback) for author in authors)
    return max(oldest - overlap, now - WINDOW).replace(microsecond=0)
