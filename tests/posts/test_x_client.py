"""The tweepy client against a local X: every page or an exception, and never a wait, a token in a log or an
empty lie.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.x_api.limits import WINDOW
from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.posts.feed import FeedRateLimited, Reading
from outcry.posts.queries import first_id_at
from outcry.posts.x_client import XFeed
from outcry.runtime.clock import FixedClock
from outcry.runtime.errors import FeedRefused, FeedUnavailable
from outcry.runtime.secrets import Secret

_QUERY = "(from:77 OR from:88) -is:retweet"
_SEARCH = "/2/tweets/search/recent"


def _post(post_id: int, at: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "id": str(post_id),
        "author_username": "ann",
        "author_id": "77",
        "created_at": at.isoformat(),
        "text": f"post {post_id}",
        **fields,
    }


@pytest.fixture
def server(clock: FixedClock) -> Iterator[XServer]:
    with XServer(clock) as running:
        yield running


@pytest.fixture
def feed(server: XServer) -> Iterator[XFeed]:
    client = XFeed(Secret(DEFAULT_BEARER), base_url=server.url, read_timeout_s=0.5, page_size=10)
    yield client
    client.close()


def _fill(server: XServer, clock: FixedClock, count: int) -> list[int]:
    """Posts of the last `count` minutes, oldest first."""
    times = [clock.now() - timedelta(minutes=count - number) for number in range(count)]
    ids = [first_id_at(at) + 1 for at in times]
    server.add([_post(post_id, at) for post_id, at in zip(ids, times, strict=True)])
    return ids


def _read(
    feed: XFeed, clock: FixedClock, since_id: int | None = None, back: timedelta = timedelta(hours=2)
) -> Reading:
    return feed.read(_QUERY, since_id=since_id, start_time=clock.now() - back, usernames={77: "ann"})


def test_all_pages_are_read_and_the_newest_id_and_the_limit_are_told(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    ids = _fill(server, clock, 25)

    reading = _read(feed, clock)

    assert sorted(post.edit_id for post in reading.posts) == ids
    assert {post.username for post in reading.posts} == {"ann"}
    assert (reading.newest_id, reading.requests, reading.malformed) == (ids[-1], 3, ())
    assert reading.rate_limit is not None
    assert (reading.rate_limit.limit, reading.rate_limit.remaining) == (450, 447)
    assert reading.rate_limit.resets_at == clock.now() + WINDOW


def test_f12_only_what_is_newer_than_the_checkpoint_is_read(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    ids = _fill(server, clock, 25)

    reading = _read(feed, clock, since_id=ids[20])

    assert [post.edit_id for post in reading.posts] == ids[:20:-1]
    assert reading.requests == 1


def test_f15_an_empty_answer_is_empty_and_only_that(server: XServer, feed: XFeed, clock: FixedClock) -> None:
    reading = _read(feed, clock)
    assert (reading.posts, reading.newest_id) == ((), None)

    server.script(kind="status", status=503)
    with pytest.raises(FeedUnavailable):
        _read(feed, clock)


def test_the_whole_text_of_a_long_post_is_read_as_typed(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    text = "LONG $BTC > 60k & hold. " * 30
    server.add(_post(5, clock.now() - timedelta(minutes=1), text=text))

    (post,) = _read(feed, clock).posts

    assert post.text == text
    assert post.raw["text"].endswith("…")


def test_the_fields_that_say_whose_words_they_are_arrive(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    at = clock.now() - timedelta(minutes=1)
    server.add(_post(5, at, referenced_tweets=[{"type": "quoted", "id": "3"}], paid_partnership=True))
    server.add(_post(6, at, referenced_tweets=[{"type": "retweeted", "id": "3"}]))

    (post,) = _read(feed, clock).posts

    assert (post.edit_id, post.kind.value, post.is_paid_partnership) == (5, "quote", True)


def test_a_since_id_that_x_finds_too_old_falls_back_to_the_start_time(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    ids = _fill(server, clock, 3)

    reading = _read(feed, clock, since_id=first_id_at(clock.now() - timedelta(days=9)))

    assert sorted(post.edit_id for post in reading.posts) == ids
    assert [asked.status for asked in server.journal] == [400, 200]
    assert set(server.journal[1].parameters) & {"since_id", "start_time"} == {"start_time"}


def test_the_request_limit_raises_at_once_with_the_time_of_the_reset(
    server: XServer, clock: FixedClock
) -> None:
    with XServer(clock, limits={_SEARCH: 1}) as strict:
        feed = XFeed(Secret(DEFAULT_BEARER), base_url=strict.url)
        began = time.monotonic()
        _read(feed, clock)

        with pytest.raises(FeedRateLimited) as raised:
            _read(feed, clock)

        assert raised.value.resets_at == clock.now() + WINDOW
        assert time.monotonic() - began < 5
        clock.advance(WINDOW)
        _read(feed, clock)
        feed.close()


@pytest.mark.parametrize("status", [401, 402, 403, 404, 400])
def test_a_refusal_that_a_retry_does_not_cure_is_told_apart(
    server: XServer, feed: XFeed, clock: FixedClock, status: int
) -> None:
    server.script(kind="status", status=status)

    with pytest.raises(FeedRefused, match=str(status)):
        _read(feed, clock)


def test_a_wrong_token_is_refused_and_not_repeated_in_the_message(server: XServer, clock: FixedClock) -> None:
    feed = XFeed(Secret("some-other-token"), base_url=server.url)

    with pytest.raises(FeedRefused) as raised:
        _read(feed, clock)

    feed.close()
    assert "some-other-token" not in str(raised.value)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 302},
        {"kind": "status", "status": 408},
        {"kind": "timeout"},
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "not_json"},
        {"kind": "partial"},
        {"kind": "short"},
    ],
)
@pytest.mark.parametrize("page", [0, 1])
def test_f15_a_page_without_a_complete_answer_is_no_answer_at_all(
    server: XServer, feed: XFeed, clock: FixedClock, fault: dict[str, Any], page: int
) -> None:
    _fill(server, clock, 15)
    server.script(**fault, after=page)
    began = time.monotonic()

    with pytest.raises(FeedUnavailable):
        _read(feed, clock)

    assert time.monotonic() - began < 4
    assert len(_read(feed, clock).posts) == 15


def test_a_malformed_post_is_reported_beside_its_neighbours(
    server: XServer, feed: XFeed, clock: FixedClock
) -> None:
    ids = _fill(server, clock, 5)
    server.script(kind="malformed")

    reading = _read(feed, clock)

    assert sorted(post.edit_id for post in reading.posts) == ids[:-1]
    assert [item.post_id for item in reading.malformed] == [ids[-1]]
    assert reading.newest_id == ids[-1]


def test_a_read_from_nowhere_is_unavailable(clock: FixedClock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        feed = XFeed(
            Secret("t"), base_url=f"http://127.0.0.1:{unused.getsockname()[1]}", connect_timeout_s=0.5
        )
        with pytest.raises(FeedUnavailable):
            _read(feed, clock)
        feed.close()


def _answering(*bodies: bytes, status: int = 200, header: str = "") -> tuple[str, threading.Thread]:
    """A server that gives each request the next of these bodies, whatever is asked."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for body in bodies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    head = f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{header}\r\n"
                    connection.sendall(head.encode() + body)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"",
        b"{}",
        b'{"data": []}',
        b'{"data": {}, "meta": {"result_count": 0}}',
        b'{"meta": {"result_count": "0"}}',
        b'{"meta": {"result_count": 2}}',
        b'{"meta": {"result_count": 0, "next_token": 5}}',
        b'{"meta": {"result_count": 0, "next_token": ""}}',
        b'{"meta": {"result_count": 0}, "errors": "all over the place"}',
        b'{"meta": {"result_count": 0}, "errors": ["text"]}',
        b"[" * 100_000,
    ],
)
def test_f15_an_answer_of_another_form_is_unavailable_never_empty(clock: FixedClock, body: bytes) -> None:
    url, thread = _answering(body)
    feed = XFeed(Secret("t"), base_url=url)

    with pytest.raises(FeedUnavailable):
        _read(feed, clock)

    feed.close()
    thread.join(5)


def test_pages_that_go_round_in_circles_end(clock: FixedClock) -> None:
    body = b'{"meta": {"result_count": 0, "next_token": "again"}}'
    url, thread = _answering(body, body)
    feed = XFeed(Secret("t"), base_url=url)

    with pytest.raises(FeedUnavailable, match="do not end"):
        _read(feed, clock)

    feed.close()
    thread.join(5)


def test_the_token_is_not_carried_to_where_an_answer_points(server: XServer, clock: FixedClock) -> None:
    url, thread = _answering(b"", status=307, header=f"location: {server.url}/2/users/77\r\n")
    feed = XFeed(Secret(DEFAULT_BEARER), base_url=url)

    with pytest.raises(FeedUnavailable, match="307"):
        _read(feed, clock)

    feed.close()
    thread.join(5)
    assert server.journal == []


def test_a_refusal_of_a_since_id_that_was_not_sent_is_no_reason_to_go_on(clock: FixedClock) -> None:
    url, thread = _answering(b'{"errors": [{"parameters": {"since_id": ["1"]}}]}', status=400)
    feed = XFeed(Secret("t"), base_url=url)

    with pytest.raises(FeedRefused, match="since_id"):
        _read(feed, clock)

    feed.close()
    thread.join(5)


def test_a_missing_reference_is_told_and_the_answer_is_complete(clock: FixedClock) -> None:
    problem = b'{"title": "Not Found Error", "resource_type": "tweet", "resource_id": "3", "type": "'
    problem += b'https://api.x.com/2/problems/resource-not-found"}'
    url, thread = _answering(b'{"meta": {"result_count": 0}, "errors": [' + problem + b"]}")
    feed = XFeed(Secret("t"), base_url=url)

    reading = _read(feed, clock)

    feed.close()
    thread.join(5)
    assert reading.partial_errors == ("Not Found Error: tweet 3",)
    assert reading.rate_limit is None


def test_the_token_reaches_no_log_even_where_everything_is_logged(
    server: XServer, feed: XFeed, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        _read(feed, clock)
        server.script(kind="status", status=401)
        with pytest.raises(FeedRefused):
            _read(feed, clock)

    assert DEFAULT_BEARER not in caplog.text


def test_the_environment_can_neither_divert_the_request_nor_replace_the_token(
    server: XServer, feed: XFeed, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert _read(feed, clock).requests == 1
