"""X API v2's read endpoints over a time line: what is answered, without any HTTP.

Promises: newest first; `since_id` and `until_id` exclusive, `start_time` inclusive, `end_time` exclusive;
search goes back seven days and sees a post only once its index lag has passed; an edited post shows its
newest version alone; a next_token belongs to its query and gives the same following page whenever it is used.
Not safe for threads: the server asks under a lock.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local.x_api import answers
from local.x_api.limits import LIMITS, RateLimits
from local.x_api.query import Matcher, QueryError, compile_query
from local.x_api.timeline import TimelinePost, users

SEARCH_WINDOW = timedelta(days=7)
_ID_EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
_FIELD_PARAMETERS = frozenset(
    {"tweet.fields", "expansions", "user.fields", "media.fields", "place.fields", "poll.fields"}
)
_RANGE_PARAMETERS = frozenset({"since_id", "until_id", "start_time", "end_time", "max_results"})
_SEARCH_PARAMETERS = (
    _FIELD_PARAMETERS | _RANGE_PARAMETERS | {"query", "next_token", "pagination_token", "sort_order"}
)
_TIMELINE_PARAMETERS = _FIELD_PARAMETERS | _RANGE_PARAMETERS | {"pagination_token", "exclude"}
_LIST_PARAMETERS = _FIELD_PARAMETERS | {"max_results", "pagination_token"}
_ROUTES = tuple((re.compile(re.sub(r":\w+", r"([^/]+)", route)), route) for route in LIMITS)
_EXCLUDED = {"retweets": "retweeted", "replies": "replied_to"}

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: its status, X's own headers and its JSON body."""

    status: int
    body: answers.Body
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def post_count(self) -> int:
        """How many posts it delivers, which is what X charges for."""
        data = self.body.get("data")
        return len(data) if isinstance(data, list) and "meta" in self.body else 0


class InvalidParameter(Exception):
    """A parameter that X answers with 400."""

    def __init__(self, parameter: str, value: str, message: str) -> None:
        super().__init__(message)
        self.body = answers.invalid(parameter, value, message)


class XApi:
    """The endpoints, over posts that can be added while it runs."""

    def __init__(
        self,
        posts: Iterable[TimelinePost] = (),
        *,
        bearer: str,
        lists: Mapping[str, AbstractSet[int]] | None = None,
        limits: Mapping[str, int] | None = None,
        index_lag: timedelta = timedelta(0),
    ) -> None:
        self.posts = list(posts)
        self.lists = dict(lists or {})
        self._bearer = bearer
        self._limits = RateLimits(limits or {})
        self._index_lag = index_lag

    def answer(self, path: str, parameters: Parameters, authorization: str, now: datetime) -> Answer:
        """Answer a GET. Every answer of a known endpoint to a known app carries its rate-limit headers."""
        if authorization != f"Bearer {self._bearer}":
            return Answer(401, answers.plain_error(401))
        route, argument = _route(path)
        if route is None:
            return Answer(404, answers.plain_error(404))
        allowance = self._limits.take(route, now)
        if allowance.is_exceeded:
            return Answer(429, answers.plain_error(429), allowance.headers())
        try:
            body = self._endpoints()[route](argument, parameters, now)
        except InvalidParameter as error:
            return Answer(400, error.body, allowance.headers())
        return Answer(200, body, allowance.headers())

    def _endpoints(self) -> Mapping[str, Callable[[str, Parameters, datetime], answers.Body]]:
        return {
            "/2/tweets/search/recent": self._search,
            "/2/users/by": self._users_by_names,
            "/2/users/by/username/:username": self._user_by_name,
            "/2/users/:id": self._user_by_id,
            "/2/users/:id/tweets": self._posts_of_user,
            "/2/lists/:id/tweets": self._posts_of_list,
        }

    def _search(self, _: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _SEARCH_PARAMETERS)
        text = parameters.get("query", "")
        try:
            matcher = compile_query(text, self.lists)
        except QueryError as error:
            raise InvalidParameter("query", text, str(error)) from None
        self._check_window(parameters, now)
        visible = [
            post for post in self._visible(now - self._index_lag) if post[1].created_at >= now - SEARCH_WINDOW
        ]
        return self._page(visible, matcher, parameters, now, sizes=(10, 100, 10))

    def _posts_of_user(self, user_id: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _TIMELINE_PARAMETERS)
        author_id = _whole_number("id", user_id)
        if author_id not in users(self.posts):
            return {"errors": [answers.missing("user", "id", user_id)]}
        left_out = [_EXCLUDED.get(name) for name in parameters.get("exclude", "").split(",") if name]
        if None in left_out:
            raise InvalidParameter("exclude", parameters["exclude"], "exclude is retweets, replies or both")
        kinds = [kind for kind in left_out if kind]
        return self._page(
            self._visible(now),
            lambda post: post.author_id == author_id and not any(map(post.refers_to, kinds)),
            parameters,
            now,
            sizes=(5, 100, 10),
        )

    def _posts_of_list(self, list_id: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _LIST_PARAMETERS)
        members = self.lists.get(list_id)
        if members is None:
            return {"errors": [answers.missing("list", "id", list_id)]}
        visible = self._visible(now - self._index_lag)
        return self._page(
            visible, lambda post: post.author_id in members, parameters, now, sizes=(1, 100, 100)
        )

    def _users_by_names(self, _: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _FIELD_PARAMETERS | {"usernames"})
        names = [name for name in parameters.get("usernames", "").split(",") if name]
        if not 1 <= len(names) <= 100:
            raise InvalidParameter(
                "usernames", parameters.get("usernames", ""), "between 1 and 100 usernames"
            )
        return self._found("usernames", names, self._ids_by_name())

    def _user_by_name(self, name: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _FIELD_PARAMETERS)
        return _only(self._found("username", [name], self._ids_by_name()))

    def _user_by_id(self, user_id: str, parameters: Parameters, now: datetime) -> answers.Body:
        _check_names(parameters, _FIELD_PARAMETERS)
        _whole_number("id", user_id)
        return _only(
            self._found("id", [user_id], {str(author_id): author_id for author_id in users(self.posts)})
        )

    def _found(self, parameter: str, asked: Sequence[str], ids: Mapping[str, int]) -> answers.Body:
        names = users(self.posts)
        there = [ids[name.lower()] for name in asked if name.lower() in ids]
        body: answers.Body = {}
        if there:
            body["data"] = [answers.user_object(author_id, names[author_id]) for author_id in there]
        errors = [answers.missing("user", parameter, name) for name in asked if name.lower() not in ids]
        return {**body, "errors": errors} if errors else body

    def _ids_by_name(self) -> dict[str, int]:
        return {name.lower(): author_id for author_id, name in users(self.posts).items()}

    def _visible(self, until: datetime) -> list[tuple[int, TimelinePost]]:
        """Published posts with their places in the time line, without versions that were edited since."""
        there = [(place, post) for place, post in enumerate(self.posts) if post.created_at <= until]
        replaced = {old for _, post in there for old in post.edit_history if old < post.post_id}
        return [(place, post) for place, post in there if post.post_id not in replaced]

    def _check_window(self, parameters: Parameters, now: datetime) -> None:
        """X refuses a search that begins before its window, or ends in the last ten seconds."""
        start, since = parameters.get("start_time"), parameters.get("since_id")
        if start is not None:
            if _time("start_time", start) < now - SEARCH_WINDOW:
                earliest = answers.moment(now - SEARCH_WINDOW)
                raise InvalidParameter("start_time", start, f"'start_time' must be on or after '{earliest}'")
            if _time("start_time", start) > now - timedelta(seconds=10):
                raise InvalidParameter("start_time", start, "'start_time' must be at least 10 seconds ago")
        if since is not None and self._published_at(_whole_number("since_id", since)) < now - SEARCH_WINDOW:
            raise InvalidParameter("since_id", since, "'since_id' must be an id created in the last 7 days")

    def _published_at(self, post_id: int) -> datetime:
        """The time of a post of ours, else the time that an id of X carries."""
        for post in self.posts:
            if post.post_id == post_id:
                return post.created_at
        return _ID_EPOCH + timedelta(milliseconds=min(post_id >> 22, 10**14))

    def _page(
        self,
        visible: Sequence[tuple[int, TimelinePost]],
        matcher: Matcher,
        parameters: Parameters,
        now: datetime,
        *,
        sizes: tuple[int, int, int],
    ) -> answers.Body:
        size = _size(parameters, *sizes)
        in_range = _range(parameters)
        matching = [(_key(place, post), post) for place, post in visible if in_range(post) and matcher(post)]
        matching.sort(key=lambda item: item[0], reverse=True)
        fingerprint = _fingerprint(parameters)
        token = parameters.get("next_token") or parameters.get("pagination_token")
        if token is not None:
            last = _last_of(token, fingerprint)
            matching = [item for item in matching if item[0] < last]
        shown = matching[:size]
        posts = [post for _, post in shown]
        fields = frozenset(parameters.get("tweet.fields", "").split(","))
        expansions = frozenset(parameters.get("expansions", "").split(","))
        known = [post for _, post in self._visible(now)]
        added, errors = answers.includes(posts, known, expansions=expansions, fields=fields)
        following = _token(shown[-1][0], fingerprint) if len(matching) > size else None
        return answers.page(posts, fields, includes=added, errors=errors, next_token=following)


def _route(path: str) -> tuple[str | None, str]:
    for pattern, route in _ROUTES:
        found = pattern.fullmatch(path)
        if found:
            return route, found.group(1) if found.groups() else ""
    return None, ""


def _only(body: answers.Body) -> answers.Body:
    return {**body, "data": body["data"][0]} if "data" in body else body


def _check_names(parameters: Parameters, known: AbstractSet[str]) -> None:
    for name, value in parameters.items():
        if name not in known:
            shown = ",".join(sorted(known))
            raise InvalidParameter(name, value, f"The query parameter [{name}] is not one of [{shown}]")


def _whole_number(parameter: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 19:
        raise InvalidParameter(
            parameter, value, f"The `{parameter}` query parameter value [{value}] is not valid"
        )
    return int(value)


def _size(parameters: Parameters, least: int, most: int, default: int) -> int:
    value = parameters.get("max_results", str(default))
    if not least <= _whole_number("max_results", value) <= most:
        message = f"The `max_results` query parameter value [{value}] is not between {least} and {most}"
        raise InvalidParameter("max_results", value, message)
    return int(value)


def _time(parameter: str, value: str) -> datetime:
    found: datetime | None = None
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(value)
    if found is None or found.tzinfo is None:
        message = f"The `{parameter}` query parameter value [{value}] is not a time"
        raise InvalidParameter(parameter, value, message)
    return found


def _range(parameters: Parameters) -> Matcher:
    tests: list[Matcher] = []
    if "since_id" in parameters:
        since = _whole_number("since_id", parameters["since_id"])
        tests.append(lambda post: post.post_id > since)
    if "until_id" in parameters:
        until = _whole_number("until_id", parameters["until_id"])
        tests.append(lambda post: post.post_id < until)
    if "start_time" in parameters:
        start = _time("start_time", parameters["start_time"])
        tests.append(lambda post: post.created_at >= start)
    if "end_time" in parameters:
        end = _time("end_time", parameters["end_time"])
        tests.append(lambda post: post.created_at < end)
    return lambda post: all(test(post) for test in tests)


_Key = tuple[int, int, int]


def _key(place: int, post: TimelinePost) -> _Key:
    """Where a post stands: by time, then by id, then by place, since a post may be there twice."""
    return ((post.created_at - _ID_EPOCH) // timedelta(microseconds=1), post.post_id, place)


def _fingerprint(parameters: Parameters) -> str:
    rest = sorted((name, value) for name, value in parameters.items() if not name.endswith("_token"))
    return hashlib.sha256(json.dumps(rest).encode()).hexdigest()[:12]


def _token(last: _Key, fingerprint: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([*last, fingerprint]).encode()).decode().rstrip("=")


def _last_of(token: str, fingerprint: str) -> _Key:
    try:
        time, post_id, place, belongs_to = json.loads(
            base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        )
        if belongs_to == fingerprint:
            return int(time), int(post_id), int(place)
    except (ValueError, TypeError):
        pass
    raise InvalidParameter(
        "next_token", token, f"The `next_token` query parameter value [{token}] is not valid"
    )
