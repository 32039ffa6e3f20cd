"""Ingestion on a real Postgres, with the real tweepy client, against a local X."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.posts.feed import FeedRateLimited, Reading
from outcry.posts.ingest import RING_AGAIN_AFTER, Ingested, ingest
from outcry.posts.model import Post
from outcry.posts.queries import first_id_at
from outcry.posts.wire import parse_post
from outcry.posts.x_client import XFeed
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database, Row
from outcry.runtime.errors import FeedRefused, FeedUnavailable, InfrastructureError
from outcry.runtime.leases import POSTS, due
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.secrets import Secret

_ANN, _BOB, _EVE = 77, 88, 99
_MINUTE = timedelta(minutes=1)
_SEARCH = "/2/tweets/search/recent"


class Bell:
    """Remembers what was rung; can be broken, as a queue can."""

    def __init__(self) -> None:
        self.rung: list[tuple[Queue, Ring]] = []
        self.is_broken = False

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        if self.is_broken:
            raise InfrastructureError("queue posts cannot be rung")
        self.rung += [(queue, ring) for ring in rings]

    @property
    def ids(self) -> list[int]:
        return [int(ring.id) for _, ring in self.rung]


class Desk:
    """A desk that listens: everything one run of ingestion needs."""

    def __init__(self, database: Database, clock: FixedClock, server: XServer) -> None:
        self.database, self.clock, self.server = database, clock, server
        self.bell = Bell()
        self.feed = XFeed(Secret(DEFAULT_BEARER), base_url=server.url, read_timeout_s=0.5, page_size=10)
        self._numbers = itertools.count(1)
        with database.transaction() as tx:
            tx.execute(
                """
                insert into agents (agent_id, name, strategy, created_at, updated_at)
                values ('swing', 'Swing', '{}', :now, :now)
                """,
                now=clock.now(),
            )

    def follow(self, author_id: int, username: str) -> None:
        with self.database.transaction() as tx:
            tx.execute(
                """
                insert into authors (author_id, username, created_at, updated_at)
                values (:id, :name, :now, :now) on conflict do nothing
                """,
                id=author_id,
                name=username,
                now=self.clock.now(),
            )
            tx.execute(
                "insert into follows (agent_id, author_id, weight) values ('swing', :id, 50)", id=author_id
            )

    def publish(self, author_id: int, *, ago: timedelta = _MINUTE, **fields: Any) -> int:
        """A post on X, with an id of its time; returns the id."""
        at = self.clock.now() - ago
        post_id = int(fields.pop("id", first_id_at(at) + next(self._numbers)))
        self.server.add(_post(post_id, author_id, at, **fields))
        return post_id

    def ingest(self, **options: Any) -> Ingested:
        return ingest(
            self.database,
            self.feed,
            self.bell,
            clock=self.clock,
            new_trace_id=lambda: f"trace-{next(self._numbers)}",
            **options,
        )

    def rows(self, sql: str) -> list[Row]:
        with self.database.transaction() as tx:
            return tx.all(sql)

    def stored(self) -> list[int]:
        return [int(row["post_id"]) for row in self.rows("select post_id from posts order by post_id")]

    def checkpoints(self) -> dict[str, tuple[int, datetime]]:
        rows = self.rows("select query, since_id, moved_at from feed_checkpoints")
        return {row["query"]: (int(row["since_id"]), row["moved_at"]) for row in rows}

    def asked(self) -> list[dict[str, str]]:
        return [dict(asked.parameters) for asked in self.server.journal]


def _post(post_id: int, author_id: int, at: datetime, **fields: Any) -> dict[str, Any]:
    names = {_ANN: "ann", _BOB: "bob", _EVE: "eve"}
    return {
        "id": str(post_id),
        "author_username": names.get(author_id, f"user{author_id}"),
        "author_id": str(author_id),
        "created_at": at.isoformat(),
        "text": f"LONG BTC {post_id}",
        **fields,
    }


@pytest.fixture
def desk(database: Database, clock: FixedClock) -> Iterator[Desk]:
    with XServer(clock) as server:
        desk = Desk(database, clock, server)
        desk.follow(_ANN, "ann")
        desk.follow(_BOB, "bob")
        yield desk
        desk.feed.close()


def test_a_new_post_is_stored_as_it_was_said_and_rung_once(desk: Desk) -> None:
    text = "LONG $BTC > 60k & \N{ROCKET} 'quoted' \\ {x} :name"
    post_id = desk.publish(_ANN, text=text, entities={"cashtags": [{"tag": "BTC"}]})

    done = desk.ingest()

    (row,) = desk.rows("select * from posts")
    assert (row["post_id"], row["author_id"], row["text"], row["kind"]) == (post_id, _ANN, text, "original")
    assert (row["status"], row["source"], row["received_at"]) == ("HEARD", "poll", desk.clock.now())
    assert row["created_at"] == desk.clock.now() - _MINUTE
    assert row["raw"]["entities"] == {"cashtags": [{"tag": "BTC"}]}
    assert desk.bell.rung == [(Queue.POSTS, Ring(str(post_id), row["trace_id"]))]
    assert (done.queries, done.read, done.stored, done.dropped) == (1, 1, 1, 0)


def test_f11_a_post_is_never_heard_a_second_time(desk: Desk) -> None:
    post_id = desk.publish(_ANN)

    for _ in range(10):
        desk.ingest()
        desk.clock.advance(timedelta(hours=6))

    assert (desk.stored(), desk.bell.ids) == ([post_id], [post_id])


def test_f12_a_checkpoint_keeps_old_posts_from_being_fetched_again(desk: Desk) -> None:
    for minutes in range(30, 10, -1):
        desk.publish(_ANN, ago=timedelta(minutes=minutes))
    first = desk.ingest()
    desk.clock.advance(timedelta(minutes=5))
    desk.publish(_BOB)

    second = desk.ingest()

    assert (first.read, second.read, second.requests, second.stored) == (20, 2, 1, 1)
    assert "since_id" in desk.asked()[-1]


def test_f12_only_followed_authors_are_asked_for_all_in_one_query(desk: Desk) -> None:
    desk.rows("update authors set is_active = false where author_id = 88 returning 1")
    desk.follow(_EVE, "eve")
    with desk.database.transaction() as tx:
        tx.execute(
            """
            insert into authors (author_id, username, created_at, updated_at)
            values (1234, 'nobody', :now, :now)
            """,
            now=desk.clock.now(),
        )

    desk.ingest()

    assert [asked["query"] for asked in desk.asked()] == ["(from:77 OR from:99) -is:retweet"]


def test_without_anybody_to_follow_nothing_is_asked(desk: Desk) -> None:
    desk.rows("update agents set is_active = false returning 1")

    assert desk.ingest() == Ingested()
    assert desk.asked() == []


def test_doubled_posts_and_edits_act_once_per_first_id(desk: Desk) -> None:
    first = desk.publish(_ANN, ago=timedelta(minutes=3), text="LONG BTC")
    desk.server.api.posts *= 2
    desk.ingest()
    desk.publish(_ANN, edit_history_tweet_ids=[str(first), str(first + 5)], id=first + 5, text="SHORT BTC")

    done = desk.ingest()

    (row,) = desk.rows("select post_id, edit_id, text from posts")
    assert (row["post_id"], row["edit_id"], row["text"]) == (first, first, "LONG BTC")
    assert (done.read, done.stored, desk.bell.ids) == (1, 0, [first])


def test_a_post_that_was_edited_before_it_was_heard_is_heard_as_edited(desk: Desk) -> None:
    first = desk.publish(_ANN, ago=timedelta(minutes=3), text="LONG BTC")
    desk.publish(_ANN, edit_history_tweet_ids=[str(first), str(first + 5)], id=first + 5, text="SHORT BTC")

    desk.ingest()

    (row,) = desk.rows("select post_id, edit_id, text from posts")
    assert (row["post_id"], row["edit_id"], row["text"]) == (first, first + 5, "SHORT BTC")


class ScriptedFeed:
    """Gives one answer, and takes a while for it."""

    def __init__(self, clock: FixedClock, posts: list[Post], takes: timedelta = timedelta(0)) -> None:
        self.clock, self.posts, self.takes = clock, posts, takes

    def read(
        self,
        query: str,
        *,
        since_id: int | None,
        start_time: datetime,
        usernames: Mapping[int, str] | None = None,
    ) -> Reading:
        self.clock.advance(self.takes)
        newest = max((post.edit_id for post in self.posts), default=None)
        return Reading(tuple(self.posts), (), newest, None, 1)


def test_of_two_versions_in_one_answer_the_newer_is_heard(desk: Desk) -> None:
    first = parse_post(_post(5, _ANN, desk.clock.now(), text="LONG BTC"))
    edited = replace(first, edit_id=7, text="SHORT BTC")
    feed = ScriptedFeed(desk.clock, [first, edited])

    done = ingest(desk.database, feed, desk.bell, clock=desk.clock, new_trace_id=lambda: "t")

    (row,) = desk.rows("select post_id, edit_id, text from posts")
    assert (row["post_id"], row["edit_id"], row["text"]) == (5, 7, "SHORT BTC")
    assert (done.stored, desk.bell.ids, done.rate_limit_remaining) == (1, [5], None)


def test_the_checkpoint_is_of_the_time_when_the_reading_began(desk: Desk) -> None:
    began_at = desk.clock.now()
    feed = ScriptedFeed(desk.clock, [], takes=timedelta(seconds=50))

    ingest(desk.database, feed, desk.bell, clock=desk.clock, new_trace_id=lambda: "t")

    assert set(desk.checkpoints().values()) == {(1, began_at)}


def test_posts_of_others_are_dropped_and_do_not_stop_the_checkpoint(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, foreign = desk.publish(_ANN, ago=2 * _MINUTE), desk.publish(_EVE)
    monkeypatch.setattr("local.x_api.api.compile_query", lambda text, lists: lambda post: True)

    done = desk.ingest()

    assert (desk.stored(), done.dropped) == ([mine], 1)
    assert {since for since, _ in desk.checkpoints().values()} == {foreign}


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 500}, {"kind": "timeout"}, {"kind": "truncate"}, {"kind": "partial"}],
)
def test_f52_a_later_page_that_fails_stores_nothing_moves_nothing_and_invents_nothing(
    desk: Desk, fault: dict[str, Any]
) -> None:
    ids = [desk.publish(_ANN, ago=timedelta(minutes=minutes)) for minutes in range(25, 0, -1)]
    desk.server.script(**fault, after=2)

    with pytest.raises(FeedUnavailable):
        desk.ingest()

    assert (desk.stored(), desk.checkpoints(), desk.bell.rung) == ([], {}, [])
    assert desk.rows("select * from heartbeats") == []
    (notice,) = desk.rows("select level, topic, dedupe_key, next_ring_at from notices")
    assert (notice["level"], notice["topic"], notice["next_ring_at"]) == ("warning", "feed", desk.clock.now())

    desk.ingest()
    assert (desk.stored(), desk.bell.ids) == (ids, ids)


def test_f52_without_credentials_there_are_no_posts_but_a_page_to_a_person(desk: Desk) -> None:
    desk.publish(_ANN)
    desk.feed.close()
    desk.feed = XFeed(Secret("expired"), base_url=desk.server.url)

    with pytest.raises(FeedRefused):
        desk.ingest()
    with pytest.raises(FeedRefused):
        desk.ingest()

    assert (desk.stored(), desk.checkpoints(), desk.bell.rung) == ([], {}, [])
    assert [row["level"] for row in desk.rows("select level from notices")] == ["page"]


def test_f15_an_outage_is_not_silence(desk: Desk) -> None:
    desk.ingest()
    (before,) = desk.rows("select beat_at from heartbeats")
    desk.server.script(kind="status", status=503)
    desk.clock.advance(_MINUTE)

    with pytest.raises(FeedUnavailable):
        desk.ingest()

    (after,) = desk.rows("select beat_at from heartbeats")
    assert after == before


def test_a_rate_limit_stops_the_run_and_its_notice_tells_when_it_ends(
    database: Database, clock: FixedClock
) -> None:
    with XServer(clock, limits={_SEARCH: 1}) as server:
        desk = Desk(database, clock, server)
        desk.follow(_ANN, "ann")
        desk.ingest()

        with pytest.raises(FeedRateLimited):
            desk.ingest()
        desk.feed.close()

        (notice,) = desk.rows("select text from notices")
        assert "resets at 2026-01-05 12:15:00 UTC" in notice["text"]


def test_one_failing_query_does_not_silence_the_others(desk: Desk) -> None:
    for number in range(10**9, 10**9 + 40):
        desk.follow(number, f"user{number}"[:15])
    quiet, heard = desk.publish(_ANN), desk.publish(10**9 + 39)
    desk.server.script(kind="status", status=500)

    with pytest.raises(FeedUnavailable):
        desk.ingest()
    assert desk.stored() == [heard]

    desk.clock.advance(timedelta(hours=3))
    desk.ingest()
    assert desk.stored() == sorted([quiet, heard])


def test_a_lost_ring_loses_nothing_because_the_row_is_due(desk: Desk) -> None:
    post_id = desk.publish(_ANN)
    desk.bell.is_broken = True

    with pytest.raises(InfrastructureError, match="cannot be rung"):
        desk.ingest()

    assert (desk.stored(), desk.bell.rung) == ([post_id], [])
    with desk.database.transaction() as tx:
        assert due(tx, POSTS, now=desk.clock.now()) == []
    desk.clock.advance(RING_AGAIN_AFTER)
    with desk.database.transaction() as tx:
        assert due(tx, POSTS, now=desk.clock.now()) == [post_id]


def test_a_crash_between_store_and_ring_loses_nothing_and_fires_nothing_twice(desk: Desk) -> None:
    class Killed(BaseException):
        pass

    class Dying:
        def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
            raise Killed

    post_id = desk.publish(_ANN)
    with pytest.raises(Killed):
        ingest(desk.database, desk.feed, Dying(), clock=desk.clock, new_trace_id=lambda: "t")

    desk.ingest()

    assert (desk.stored(), desk.bell.rung) == ([post_id], [])
    desk.clock.advance(RING_AGAIN_AFTER)
    with desk.database.transaction() as tx:
        assert due(tx, POSTS, now=desk.clock.now()) == [post_id]


def test_a_crash_before_the_commit_moves_neither_posts_nor_checkpoint(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    post_id = desk.publish(_ANN)
    with monkeypatch.context() as patched:
        patched.setattr("outcry.posts.store.move_checkpoints", die)
        with pytest.raises(Killed):
            desk.ingest()

    assert (desk.stored(), desk.checkpoints()) == ([], {})
    desk.ingest()
    assert (desk.stored(), desk.bell.ids) == ([post_id], [post_id])


def test_when_an_author_is_added_nothing_is_lost_and_nothing_fires_again(desk: Desk) -> None:
    old = [desk.publish(_ANN, ago=timedelta(minutes=30)), desk.publish(_BOB, ago=timedelta(minutes=20))]
    desk.ingest()
    desk.clock.advance(timedelta(minutes=10))
    between = desk.publish(_ANN, ago=timedelta(minutes=5))
    of_new = desk.publish(_EVE, ago=timedelta(minutes=8))
    desk.follow(_EVE, "eve")

    desk.ingest()
    desk.ingest()

    assert desk.stored() == sorted([*old, between, of_new])
    assert sorted(desk.bell.ids) == sorted([*old, between, of_new])
    assert set(desk.checkpoints()) == {"search:77", "search:88", "search:99"}


def test_posts_that_the_index_shows_late_and_out_of_order_are_heard(desk: Desk) -> None:
    desk.ingest()
    desk.clock.advance(_MINUTE)
    early = desk.publish(_BOB, ago=timedelta(seconds=5))
    desk.ingest()
    late = desk.publish(_ANN, ago=timedelta(seconds=25))
    assert late < early
    desk.clock.advance(_MINUTE / 4)

    desk.ingest()

    assert desk.stored() == [late, early]


def test_ids_that_carry_no_time_are_read_on_by_time_and_none_is_lost(desk: Desk) -> None:
    for number in (5, 3, 9, 1):
        desk.publish(_ANN, ago=timedelta(seconds=30), id=number)
        desk.ingest()
        desk.clock.advance(_MINUTE)

    assert desk.stored() == [1, 3, 5, 9]
    assert desk.bell.ids == [5, 3, 9, 1]
    assert all("since_id" not in asked for asked in desk.asked())


def test_after_eight_days_without_a_post_reading_goes_on(desk: Desk) -> None:
    desk.publish(_ANN)
    desk.ingest()
    for _ in range(8):
        desk.clock.advance(timedelta(days=1))
        desk.ingest()
    late = desk.publish(_ANN)

    desk.ingest()

    assert desk.bell.ids[-1] == late
    assert "since_id" not in desk.asked()[-1]


def test_after_an_outage_of_two_days_everything_is_caught_up(desk: Desk) -> None:
    desk.ingest()
    desk.clock.advance(timedelta(days=2))
    ids = [desk.publish(_ANN, ago=timedelta(hours=hours)) for hours in range(40, 0, -1)]

    done = desk.ingest()

    assert (desk.stored(), done.requests) == (ids, 4)


def test_a_first_reading_goes_back_no_further_than_the_look_back(desk: Desk) -> None:
    desk.publish(_ANN, ago=timedelta(hours=3))
    recent = desk.publish(_ANN, ago=timedelta(minutes=10))

    desk.ingest()

    assert desk.stored() == [recent]


def test_a_malformed_post_is_recorded_once_and_its_neighbours_are_heard(desk: Desk) -> None:
    good, bad = desk.publish(_ANN, ago=2 * _MINUTE), desk.publish(_ANN, text="half \x00 of it")

    first = desk.ingest()
    desk.ingest()

    assert (desk.stored(), first.malformed) == ([good], 1)
    (notice,) = desk.rows("select level, subject, text from notices")
    assert (notice["level"], notice["subject"]) == (
        "warning",
        f"Post {bad} could not be read and was left out",
    )
    assert "\\u0000" in notice["text"]


def test_a_reference_that_x_cannot_show_is_told_once_a_day(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcry.posts.x_client._FIELDS", ("author_id", "created_at", "referenced_tweets"))
    post_id = desk.publish(_ANN, referenced_tweets=[{"type": "quoted", "id": "3"}])
    client = desk.feed._tweepy()
    plain = client.search_recent_tweets
    monkeypatch.setattr(
        client,
        "search_recent_tweets",
        lambda query, **rest: plain(query, expansions="referenced_tweets.id", **rest),
    )

    desk.ingest()
    desk.ingest()

    assert desk.stored() == [post_id]
    assert [row["level"] for row in desk.rows("select level from notices")] == ["info"]


def test_the_heartbeat_tells_what_was_done(desk: Desk) -> None:
    desk.publish(_ANN)

    desk.ingest()

    (row,) = desk.rows("select stage, beat_at, detail from heartbeats")
    assert (row["stage"], row["beat_at"]) == ("ingest_posts", desk.clock.now())
    assert (row["detail"]["stored"], row["detail"]["rate_limit_remaining"]) == (1, 449)


def test_a_full_page_of_hostile_looking_text_is_stored_word_for_word(desk: Desk) -> None:
    texts = [
        "'); drop table posts; --",
        ":post_id %s {0}",
        "\\u0000 as words",
        "\u202egnol\u202c",
        "\N{ZERO WIDTH SPACE}",
    ]
    ids = [desk.publish(_ANN, text=text) for text in texts]

    desk.ingest()

    rows = desk.rows("select post_id, text from posts")
    assert {row["post_id"]: row["text"] for row in rows} == dict(zip(ids, texts, strict=True))
