"""Packing of authors into queries, and from where each query goes on."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from outcry.posts.queries import (
    FIRST_LOOKBACK,
    LONGEST_QUERY,
    OVERLAP,
    WINDOW,
    Checkpoint,
    Followed,
    first_id_at,
    pack,
    published_at,
)

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def _author(author_id: int, *, read: timedelta | None = _MINUTE, since: timedelta = _MINUTE) -> Followed:
    checkpoint = None if read is None else Checkpoint(first_id_at(_NOW - since), _NOW - read)
    return Followed(author_id, f"name{author_id}", checkpoint)


_AUTHORS = st.lists(
    st.builds(
        _author,
        st.integers(1, 2**63 - 1),
        read=st.none() | st.timedeltas(timedelta(0), timedelta(days=30)),
        since=st.timedeltas(timedelta(0), timedelta(days=30)),
    ),
    max_size=80,
    unique_by=lambda author: author.author_id,
)


@given(_AUTHORS)
def test_every_author_is_in_exactly_one_query_and_no_query_is_too_long(authors: list[Followed]) -> None:
    queries = pack(authors, now=_NOW)

    packed = [author for query in queries for author in query.authors]
    assert sorted(packed, key=lambda author: author.author_id) == sorted(
        authors, key=lambda author: author.author_id
    )
    for query in queries:
        assert len(query.text) <= LONGEST_QUERY
        terms = query.text.removeprefix("(").removesuffix(") -is:retweet").split(" OR ")
        assert terms == [f"from:{author.author_id}" for author in query.authors]


@given(_AUTHORS)
def test_no_query_leaves_a_gap_behind_any_of_its_authors(authors: list[Followed]) -> None:
    for query in pack(authors, now=_NOW):
        for author in query.authors:
            read_at = author.checkpoint.read_at if author.checkpoint else _NOW - FIRST_LOOKBACK
            assert query.start_time <= max(read_at - OVERLAP, _NOW - WINDOW)
            if query.since_id is not None:
                assert author.checkpoint is not None
                assert query.since_id < author.checkpoint.since_id
                assert published_at(query.since_id) >= _NOW - timedelta(days=7)


def test_queries_are_filled_before_another_is_begun() -> None:
    queries = pack([_author(number) for number in range(10**9, 10**9 + 100)], now=_NOW)

    sizes = [len(query.authors) for query in queries]
    assert sizes == [26, 26, 26, 22]
    assert len(queries[0].text) + len(" OR from:1000000026") > LONGEST_QUERY


def test_f12_a_read_author_goes_on_behind_the_checkpoint_less_the_overlap() -> None:
    (query,) = pack([_author(1), _author(2)], now=_NOW)

    assert query.since_id == first_id_at(_NOW - _MINUTE - OVERLAP)


def test_a_since_id_older_than_the_window_becomes_a_start_time() -> None:
    (query,) = pack([_author(1, read=_MINUTE, since=timedelta(days=8))], now=_NOW)

    assert (query.since_id, query.start_time) == (None, _NOW - _MINUTE - OVERLAP)


def test_an_id_that_carries_no_time_becomes_a_start_time() -> None:
    authors = [
        Followed(1, "ann", Checkpoint(17, _NOW - _MINUTE)),
        Followed(2, "bob", Checkpoint(2**62, _NOW)),
    ]

    (query,) = pack(authors, now=_NOW)

    assert (query.since_id, query.start_time) == (None, _NOW - _MINUTE - OVERLAP)


def test_after_a_long_outage_reading_begins_at_the_edge_of_the_window() -> None:
    (query,) = pack([_author(1, read=timedelta(days=30), since=timedelta(days=30))], now=_NOW)

    assert (query.since_id, query.start_time) == (None, _NOW - WINDOW)


def test_a_new_author_begins_at_the_look_back() -> None:
    (query,) = pack([_author(1, read=None)], now=_NOW, first_lookback=timedelta(minutes=20))

    assert (query.since_id, query.start_time) == (None, _NOW - timedelta(minutes=20) - OVERLAP)


def test_those_left_behind_come_first_and_do_not_pull_the_others_back() -> None:
    late = [_author(number, read=timedelta(days=2), since=timedelta(days=2)) for number in range(500, 540)]
    current = [_author(number) for number in range(1, 41)]

    queries = pack([*current, *late], now=_NOW)

    assert queries[0].authors[0].author_id == 500
    assert queries[-1].since_id == first_id_at(_NOW - _MINUTE - OVERLAP)


@given(st.datetimes(datetime(2010, 11, 5), datetime(2060, 1, 1)))  # noqa: DTZ001 - made aware below
def test_ids_carry_their_time_to_the_millisecond(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)

    assert timedelta(0) <= moment - published_at(first_id_at(moment)) < timedelta(milliseconds=1)


def test_a_real_id_tells_when_it_was_given() -> None:
    # a post of the recorded answers that says itself when it was written: 2022-10-07 22:58:12.637170
    assert published_at(1578520094778740736).replace(microsecond=0) == datetime(
        2022, 10, 7, 22, 58, 12, tzinfo=UTC
    )


def test_there_were_no_such_ids_before_their_epoch() -> None:
    assert first_id_at(datetime(2009, 1, 1, tzinfo=UTC)) == 0
