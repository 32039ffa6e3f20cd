"""The local X over real HTTP: pages, ranges, limits, errors and faults as X has them."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.x_api.limits import WINDOW
from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.runtime.clock import FixedClock

_RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "x_api_recorded"
_SEARCH = "/2/tweets/search/recent"
_ALL = "from:ann OR from:bob"


@pytest.fixture
def server(clock: FixedClock) -> Iterator[XServer]:
    with XServer(clock, lists={"12": frozenset({77})}) as running:
        yield running


def _call(
    server: XServer,
    path: str,
    *,
    method: str = "GET",
    bearer: str = DEFAULT_BEARER,
    body: object = None,
    **parameters: str,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    query = (
        f"?{urllib.parse.urlencode({name.replace('__', '.'): value for name, value in parameters.items()})}"
    )
    request = urllib.request.Request(  # noqa: S310 - our own server
        server.url + path + (query if parameters else ""),
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {bearer}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own server
            return answer.status, json.load(answer), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def _post(post_id: int, at: datetime, author: tuple[int, str] = (77, "ann"), **fields: Any) -> dict[str, Any]:
    return {
        "id": str(post_id),
        "author_id": str(author[0]),
        "author_username": author[1],
        "created_at": at.isoformat(),
        "text": f"post {post_id}",
        **fields,
    }


def _fill(server: XServer, clock: FixedClock, count: int = 25) -> None:
    server.add(
        [_post(number, clock.now() - timedelta(minutes=count - number)) for number in range(1, count + 1)]
    )


def _ids(body: dict[str, Any]) -> list[int]:
    return [int(item["id"]) for item in body.get("data", [])]


def test_search_answers_newest_first_in_pages_that_end(server: XServer, clock: FixedClock) -> None:
    _fill(server, clock)
    seen: list[int] = []
    token: dict[str, str] = {}

    while True:
        _, body, _ = _call(server, _SEARCH, query=_ALL, max_results="10", **token)
        seen += _ids(body)
        assert body["meta"]["result_count"] == len(body["data"])
        assert (body["meta"]["newest_id"], body["meta"]["oldest_id"]) == (
            body["data"][0]["id"],
            body["data"][-1]["id"],
        )
        if "next_token" not in body["meta"]:
            break
        token = {"next_token": body["meta"]["next_token"]}

    assert seen == list(range(25, 0, -1))


def test_a_next_token_gives_the_same_page_although_newer_posts_came(
    server: XServer, clock: FixedClock
) -> None:
    _fill(server, clock)
    _, first, _ = _call(server, _SEARCH, query=_ALL)
    server.add(_post(99, clock.now()))

    _, second, _ = _call(server, _SEARCH, query=_ALL, next_token=first["meta"]["next_token"])

    assert _ids(second) == list(range(15, 5, -1))


def test_a_token_of_another_query_is_refused(server: XServer, clock: FixedClock) -> None:
    _fill(server, clock)
    _, first, _ = _call(server, _SEARCH, query=_ALL)

    for token, query in ((first["meta"]["next_token"], "from:ann"), ("AAAA", _ALL), ("!", _ALL)):
        status, body, _ = _call(server, _SEARCH, query=query, next_token=token)
        assert (status, body["title"]) == (400, "Invalid Request")


def test_without_results_data_is_absent_and_the_count_is_zero(server: XServer) -> None:
    assert _call(server, _SEARCH, query=_ALL)[:2] == (200, {"meta": {"result_count": 0}})


def test_ranges_are_exclusive_by_id_and_half_open_by_time(server: XServer, clock: FixedClock) -> None:
    _fill(server, clock, 25)
    at = {
        number: (clock.now() - timedelta(minutes=25 - number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for number in range(1, 26)
    }

    assert _ids(_call(server, _SEARCH, query=_ALL, since_id="20")[1]) == [25, 24, 23, 22, 21]
    assert _ids(_call(server, _SEARCH, query=_ALL, since_id="20", until_id="23")[1]) == [22, 21]
    assert _ids(_call(server, _SEARCH, query=_ALL, start_time=at[23])[1]) == [25, 24, 23]
    assert _ids(_call(server, _SEARCH, query=_ALL, start_time=at[20], end_time=at[22])[1]) == [21, 20]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": "from:ann", "max_results": "9"},
        {"query": "from:ann", "max_results": "101"},
        {"query": "from:ann", "max_results": "many"},
        {"query": "from:ann", "since_id": "x"},
        {"query": "from:ann", "start_time": "2026-01-05"},
        {"query": "from:ann", "start_time": "now"},
        {"query": "from:ann", "start_time": "2025-12-29T11:59:59Z"},
        {"query": "from:ann", "start_time": "2026-01-05T11:59:55Z"},
        {"query": "from:ann", "since_id": "1578520094778740736"},
        {"query": "from:ann", "since": "5"},
        {"query": "nonsense:5"},
    ],
)
def test_what_x_refuses_is_refused_with_the_parameter_named(
    server: XServer, parameters: dict[str, str]
) -> None:
    status, body, headers = _call(server, _SEARCH, **parameters)

    assert (status, body["title"]) == (400, "Invalid Request")
    (error,) = body["errors"]
    assert len(error["parameters"]) == 1
    assert error["message"]
    assert headers["x-rate-limit-limit"] == "450"


def test_search_goes_back_seven_days_and_a_time_line_further(server: XServer, clock: FixedClock) -> None:
    server.add([_post(1, clock.now() - timedelta(days=8)), _post(2, clock.now() - timedelta(days=6))])

    assert _ids(_call(server, _SEARCH, query=_ALL)[1]) == [2]
    assert _ids(_call(server, "/2/users/77/tweets")[1]) == [2, 1]


def test_a_post_appears_when_the_clock_reaches_it_and_in_search_after_the_index_lag(
    clock: FixedClock,
) -> None:
    with XServer(clock, index_lag=timedelta(seconds=20)) as server:
        server.add(_post(5, clock.now() + timedelta(seconds=30)))
        seen = []
        for _ in range(4):
            seen.append(
                (_ids(_call(server, "/2/users/77/tweets")[1]), _ids(_call(server, _SEARCH, query=_ALL)[1]))
            )
            clock.advance(timedelta(seconds=20))

    assert seen == [([], []), ([], []), ([5], []), ([5], [5])]


def test_only_the_fields_that_were_asked_for_are_sent(server: XServer, clock: FixedClock) -> None:
    server.add(_post(5, clock.now(), text="a < b & c", lang="en", public_metrics={"like_count": 3}))

    _, plain, _ = _call(server, _SEARCH, query=_ALL)
    _, rich, _ = _call(
        server, _SEARCH, query=_ALL, tweet__fields="created_at,author_id,lang", expansions="author_id"
    )

    assert plain["data"] == [{"id": "5", "text": "a &lt; b &amp; c", "edit_history_tweet_ids": ["5"]}]
    assert rich["data"][0]["created_at"] == "2026-01-05T12:00:00.000Z"
    assert set(rich["data"][0]) == {"id", "text", "edit_history_tweet_ids", "created_at", "author_id", "lang"}
    assert rich["includes"] == {"users": [{"id": "77", "name": "ann", "username": "ann"}]}


def test_a_long_post_is_cut_and_whole_in_its_note(server: XServer, clock: FixedClock) -> None:
    server.add([_post(5, clock.now(), text="x" * 300), _post(6, clock.now(), note_tweet={"text": "a & b"})])

    _, body, _ = _call(server, _SEARCH, query=_ALL, tweet__fields="note_tweet")

    assert [item["note_tweet"]["text"] for item in body["data"]] == ["a &amp; b", "x" * 300]
    assert body["data"][1]["text"] == "x" * 279 + "…"


def test_referenced_posts_are_included_or_told_missing(server: XServer, clock: FixedClock) -> None:
    bob = (88, "bob")
    quoting = [{"type": "quoted", "id": "3"}, {"type": "replied_to", "id": "4"}]
    server.add([_post(3, clock.now(), bob), _post(5, clock.now(), referenced_tweets=quoting)])

    status, body, _ = _call(
        server,
        _SEARCH,
        query="from:ann",
        tweet__fields="referenced_tweets",
        expansions="referenced_tweets.id",
    )

    assert (status, [item["id"] for item in body["includes"]["tweets"]]) == (200, ["3"])
    assert [(error["resource_id"], error["title"]) for error in body["errors"]] == [("4", "Not Found Error")]


def test_an_edit_takes_the_place_of_the_earlier_version_when_it_appears(
    server: XServer, clock: FixedClock
) -> None:
    later = clock.now() + timedelta(minutes=5)
    server.add([_post(5, clock.now()), _post(7, later, edit_history_tweet_ids=["5", "7"])])

    _, before, _ = _call(server, _SEARCH, query=_ALL)
    clock.advance(timedelta(minutes=5))
    _, after, _ = _call(server, _SEARCH, query=_ALL)

    assert [item["edit_history_tweet_ids"] for item in before["data"]] == [["5"]]
    assert [item["edit_history_tweet_ids"] for item in after["data"]] == [["5", "7"]]


def test_time_lines_leave_out_what_is_excluded(server: XServer, clock: FixedClock) -> None:
    kinds = {5: None, 6: "retweeted", 7: "replied_to"}
    for post_id, kind in kinds.items():
        references = [{"type": kind, "id": "3"}] if kind else []
        server.add(_post(post_id, clock.now(), referenced_tweets=references))

    assert _ids(_call(server, "/2/users/77/tweets")[1]) == [7, 6, 5]
    assert _ids(_call(server, "/2/users/77/tweets", exclude="retweets,replies")[1]) == [5]
    assert _call(server, "/2/users/77/tweets", exclude="quotes")[0] == 400
    assert _call(server, "/2/users/x/tweets")[0] == 400
    assert _call(server, "/2/users/5/tweets")[1]["errors"][0]["title"] == "Not Found Error"


def test_lists_show_their_members_in_pages_without_since_id(server: XServer, clock: FixedClock) -> None:
    server.add([_post(5, clock.now()), _post(6, clock.now(), (88, "bob")), _post(7, clock.now())])

    _, first, _ = _call(server, "/2/lists/12/tweets", max_results="1")
    _, second, _ = _call(
        server, "/2/lists/12/tweets", max_results="1", pagination_token=first["meta"]["next_token"]
    )

    assert (_ids(first), _ids(second)) == ([7], [5])
    assert _call(server, "/2/lists/12/tweets", since_id="5")[0] == 400
    assert "errors" in _call(server, "/2/lists/13/tweets")[1]
    assert _call(server, "/_local/list", method="POST", body={"id": "13", "member_ids": ["88"]})[0] == 200
    assert _ids(_call(server, "/2/lists/13/tweets")[1]) == [6]
    assert _call(server, "/_local/list", method="POST", body={"id": 13})[0] == 400
    assert _ids(_call(server, _SEARCH, query="list:13")[1]) == [6]


def test_users_are_found_by_id_and_by_their_latest_name(server: XServer, clock: FixedClock) -> None:
    earlier = clock.now() - timedelta(days=1)
    server.add(
        [
            _post(5, clock.now(), (77, "ann_new")),
            _post(4, earlier, (77, "ann")),
            _post(6, earlier, (88, "bob")),
        ]
    )

    _, many, _ = _call(server, "/2/users/by", usernames="Bob,ann_new,ann")
    assert [user["username"] for user in many["data"]] == ["bob", "ann_new"]
    assert [error["resource_id"] for error in many["errors"]] == ["ann"]
    assert _call(server, "/2/users/by/username/ANN_NEW")[1] == {
        "data": {"id": "77", "name": "ann_new", "username": "ann_new"}
    }
    assert _call(server, "/2/users/88")[1]["data"]["username"] == "bob"
    assert _call(server, "/2/users/89")[1]["errors"][0]["parameter"] == "id"
    assert _call(server, "/2/users/by", usernames="")[0] == 400
    assert _call(server, "/2/users/by", usernames=",".join(["a"] * 101))[0] == 400


def test_without_the_token_nothing_is_told(server: XServer) -> None:
    status, body, headers = _call(server, _SEARCH, bearer="wrong", query=_ALL)

    assert (status, body["title"]) == (401, "Unauthorized")
    assert "x-rate-limit-limit" not in headers


def test_what_x_does_not_have_is_not_found(server: XServer) -> None:
    assert _call(server, "/2/tweets/search/everything")[0] == 404
    assert _call(server, "/_local/nothing", method="POST", body={})[0] == 404
    assert _call(server, "/_local/nothing", method="DELETE")[0] == 404


def test_the_limit_is_told_on_every_answer_and_ends_with_its_window(clock: FixedClock) -> None:
    with XServer(clock, limits={_SEARCH: 2}) as server:
        told = []
        for _ in range(3):
            status, _, headers = _call(server, _SEARCH, query=_ALL)
            told.append((status, headers["x-rate-limit-limit"], headers["x-rate-limit-remaining"]))
            assert int(headers["x-rate-limit-reset"]) == int(
                (datetime.fromisoformat("2026-01-05T12:15:00Z")).timestamp()
            )
        assert _call(server, "/2/users/by", usernames="ann")[0] == 200
        clock.advance(WINDOW)
        told.append((_call(server, _SEARCH, query=_ALL)[0], "", ""))

    assert told == [(200, "2", "1"), (200, "2", "0"), (429, "2", "0"), (200, "", "")]


def test_posts_can_be_added_while_it_runs_all_or_none(server: XServer, clock: FixedClock) -> None:
    good = _post(5, clock.now())

    assert _call(server, "/_local/post", method="POST", body=good)[0] == 200
    status, body, _ = _call(
        server, "/_local/post", method="POST", body=[_post(6, clock.now()), {**good, "id": 7}]
    )

    assert (status, "digits in quotes" in body["error"]) == (400, True)
    assert _ids(_call(server, _SEARCH, query=_ALL)[1]) == [5]


@pytest.mark.parametrize(
    "fault",
    [
        [],
        {"kind": "fire"},
        {"kind": "status", "status": 200},
        {"kind": "status", "times": 0},
        {"kind": "status", "after": -1},
        {"kind": "status", "times": True},
        {"kind": "status", "when": 5},
        {"kind": "timeout", "seconds": "long"},
    ],
)
def test_a_fault_that_cannot_be_scripted_is_refused(server: XServer, fault: object) -> None:
    status, body, _ = _call(server, "/_local/fault", method="POST", body=fault)

    assert status == 400
    assert body["error"]


def test_faults_strike_where_when_and_as_often_as_scripted_and_can_be_forgotten(server: XServer) -> None:
    fault = {"kind": "status", "status": 503, "path": _SEARCH, "after": 1, "times": 2}
    _call(server, "/_local/fault", method="POST", body=fault)

    statuses = [_call(server, _SEARCH, query=_ALL)[0], _call(server, "/2/users/by", usernames="ann")[0]]
    statuses += [_call(server, _SEARCH, query=_ALL)[0] for _ in range(3)]
    assert statuses == [200, 200, 503, 503, 200]

    server.script(kind="status", status=429)
    _, body, headers = _call(server, _SEARCH, query=_ALL)
    assert (body["title"], headers["x-rate-limit-remaining"]) == ("Too Many Requests", "0")
    server.script(kind="status", status=418)
    assert _call(server, "/_local/fault", method="DELETE")[0] == 200
    assert _call(server, _SEARCH, query=_ALL)[0] == 200


def test_a_truncated_answer_is_noticeably_incomplete(server: XServer, clock: FixedClock) -> None:
    _fill(server, clock)
    server.script(kind="truncate")

    with pytest.raises(http.client.IncompleteRead):
        _call(server, _SEARCH, query=_ALL)


def test_faults_that_spoil_a_body_leave_an_empty_one_alone(server: XServer) -> None:
    for kind in ("malformed", "short"):
        server.script(kind=kind)
        assert _call(server, _SEARCH, query=_ALL)[1] == {"meta": {"result_count": 0}}


def test_a_held_request_does_not_keep_the_server_from_stopping(clock: FixedClock) -> None:
    with XServer(clock) as server:
        server.script(kind="timeout", seconds=60)
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
        connection.request("GET", _SEARCH, headers={"Authorization": f"Bearer {DEFAULT_BEARER}"})
        while not server.journal:
            time.sleep(0.005)
        began = time.monotonic()

    assert time.monotonic() - began < 5
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


def test_one_connection_serves_many_requests_without_delay(server: XServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=5)
    began = time.monotonic()

    for _ in range(50):
        connection.request("GET", "/2/users/88", headers={"Authorization": f"Bearer {DEFAULT_BEARER}"})
        assert connection.getresponse().read()

    connection.close()
    assert time.monotonic() - began < 1.5  # with delayed acknowledgements it would be above two seconds


def test_the_journal_tells_what_was_asked_and_how_many_posts_were_delivered(
    server: XServer, clock: FixedClock
) -> None:
    _fill(server, clock)
    _call(server, _SEARCH, query=_ALL)
    server.script(kind="status", status=500)
    _call(server, _SEARCH, query=_ALL, max_results="100")

    _, body, _ = _call(server, "/_local/journal")

    assert [(asked["status"], asked["posts"], asked["fault"]) for asked in body["requests"]] == [
        (200, 10, None),
        (500, 0, "status"),
    ]
    assert body["requests"][0]["parameters"] == {"query": _ALL}


def test_a_body_that_is_no_json_or_too_large_is_refused(server: XServer) -> None:
    for length, sent in ((3, b"{x}"), (10_000_001, b"")):
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=5)
        connection.request("POST", "/_local/post", body=sent, headers={"Content-Length": str(length)})
        answer = connection.getresponse()
        assert answer.status == 400
        answer.read()
        connection.close()


@pytest.mark.parametrize("name", ["search_recent_tweets", "users_tweets", "users", "user"])
def test_answers_have_the_form_of_recorded_ones(server: XServer, clock: FixedClock, name: str) -> None:
    if not _RECORDED.is_dir():
        pytest.skip("no recorded answers beside this checkout")
    (recording,) = json.loads((_RECORDED / f"{name}.json").read_text())
    _fill(server, clock)
    path = urllib.parse.urlsplit(recording["request"]["uri"]).path
    path = path.replace("783214", "77").replace("/Twitter", "/ann")
    parameters = {"search_recent_tweets": {"query": _ALL}, "users": {"usernames": "ann"}}.get(name, {})

    status, body, headers = _call(server, path, **parameters)

    recorded = recording["body"]
    assert (status, set(body)) == (recording["status"], set(recorded))
    ours, theirs = (
        item["data"][0] if isinstance(item["data"], list) else item["data"] for item in (body, recorded)
    )
    assert set(ours) == set(theirs)
    assert set(body.get("meta", {})) == set(recorded.get("meta", {}))
    limits = {header for header in recording["headers"] if header.startswith("x-rate-limit")}
    assert limits <= set(headers)
    assert headers["content-type"] == recording["headers"]["content-type"]
