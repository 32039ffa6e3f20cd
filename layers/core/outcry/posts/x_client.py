"""X API v2 recent search through tweepy.

tweepy has neither a base URL nor timeouts and waits out rate limits by sleeping, so its session is replaced
by one that sets both and judges every answer before tweepy sees it. Promises: every page or an exception; a
bounded wait on every read of the socket; the bearer token goes to `base_url` alone (no redirect is followed,
no proxy or .netrc of the environment is used) and never into a log or a message. Never sleeps, never retries,
never gives an empty answer for a failed one.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from outcry.posts.feed import FeedRateLimited, RateLimit, Reading
from outcry.posts.model import Post
from outcry.posts.wire import Malformed, id_of, parse_posts
from outcry.runtime.clock import from_milliseconds
from outcry.runtime.errors import FeedRefused, FeedUnavailable
from outcry.runtime.secrets import Secret

_HOST_OF_TWEEPY = "https://api.twitter.com"
_PAGE_SIZE = 100
_MOST_PAGES = (
    400  # the limit of a whole window is 450 requests: more pages than that can never be read in one go
)
_FIELDS = (
    "author_id", "created_at", "conversation_id", "edit_history_tweet_ids", "entities", "in_reply_to_user_id",
    "lang", "note_tweet", "paid_partnership", "referenced_tweets",
)  # fmt: skip
# What X could not add to posts that are there: the answer is complete without it (docs.x.com, "Partial
# errors").
_HARMLESS_PROBLEMS = ("/resource-not-found", "/not-authorized-for-resource", "/not-authorized-for-field")


class _SinceIdRefused(Exception):
    """X answered 400 because of the since_id: it is older than the search window."""


@dataclass(slots=True)
class _Pages:
    """What was read so far."""

    posts: list[Post] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    newest_id: int | None = None
    rate_limit: RateLimit | None = None
    partial_errors: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    requests: int = 0

    def see(self, post_id: int | None) -> None:
        if post_id is not None and (self.newest_id is None or post_id > self.newest_id):
            self.newest_id = post_id


class XFeed:
    """The `Feed` over X's recent search. One per process is enough, for one thread at a time; close it."""

    def __init__(
        self,
        bearer: Secret,
        *,
        base_url: str = "https://api.x.com",
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 8.0,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        self._bearer = bearer
        self._base_url = base_url.rstrip("/")
        self._timeout_s = (connect_timeout_s, read_timeout_s)
        self._page_size = page_size
        self._client: Any = None

    def read(
        self,
        query: str,
        *,
        since_id: int | None,
        start_time: datetime,
        usernames: Mapping[int, str] | None = None,
    ) -> Reading:
        """See `Feed.read`."""
        if since_id is not None:
            try:
                return self._read_all(query, {"since_id": str(since_id)}, usernames)
            except _SinceIdRefused:
                pass
        try:
            return self._read_all(query, {"start_time": start_time}, usernames)
        except _SinceIdRefused:
            raise FeedRefused("X refuses a since_id that was not sent") from None

    def close(self) -> None:
        """Close the connection; the next reading opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.session.close()

    def _read_all(self, query: str, place: dict[str, Any], usernames: Mapping[int, str] | None) -> Reading:
        pages = _Pages()
        token: str | None = None
        while True:
            token = self._read_page(pages, query, place, token, usernames)
            if token is None:
                break
            if token in pages.tokens or pages.requests >= _MOST_PAGES:
                raise FeedUnavailable(f"X's pages do not end after {pages.requests} requests")
            pages.tokens.add(token)
        return Reading(
            posts=tuple(pages.posts),
            malformed=tuple(pages.malformed),
            newest_id=pages.newest_id,
            rate_limit=pages.rate_limit,
            requests=pages.requests,
            partial_errors=tuple(pages.partial_errors),
        )

    def _read_page(
        self,
        pages: _Pages,
        query: str,
        place: dict[str, Any],
        token: str | None,
        usernames: Mapping[int, str] | None,
    ) -> str | None:
        """Read one page into `pages` and return the token of the next."""
        response = self._tweepy().search_recent_tweets(
            query,
            max_results=self._page_size,
            tweet_fields=list(_FIELDS),
            **place,
            **({"next_token": token} if token else {}),
        )
        pages.requests += 1
        pages.rate_limit = _rate_limit(response.headers) or pages.rate_limit
        body = _body(response)
        objects, meta = body.get("data", []), body.get("meta")
        problems = _partial_errors(body)
        if (
            not isinstance(objects, list)
            or not isinstance(meta, dict)
            or not isinstance(meta.get("result_count"), int)
        ):
            raise FeedUnavailable("X's answer has not the form of a search result")
        if meta["result_count"] != len(objects) and not problems:
            raise FeedUnavailable(f"X announced {meta['result_count']} posts and sent {len(objects)}")
        posts, malformed = parse_posts(objects, usernames)
        pages.posts += posts
        pages.malformed += malformed
        pages.partial_errors += problems
        for raw in objects:
            pages.see(id_of(raw))
        pages.see(id_of({"id": meta.get("newest_id")}))
        next_token = meta.get("next_token")
        if next_token is not None and not (isinstance(next_token, str) and next_token):
            raise FeedUnavailable("X's next_token is not text")
        return next_token

    def _tweepy(self) -> Any:
        if self._client is None:
            import tweepy  # half a second, and only ingestion pays for it

            for name in ("tweepy", "tweepy.client"):
                # at DEBUG it prints the Authorization header
                logging.getLogger(name).setLevel(logging.WARNING)
            client = tweepy.Client(
                self._bearer.reveal(), return_type=_response_type(), wait_on_rate_limit=False
            )
            client.session.close()
            client.session = _session(self._base_url, self._timeout_s)
            self._client = client
        return self._client


def _response_type() -> Any:
    import requests

    return requests.Response


def _session(base_url: str, timeout_s: tuple[float, float]) -> Any:
    """A session that sends tweepy's requests to `base_url`, within timeouts, and raises on all but a 200."""
    import requests

    class XSession(requests.Session):
        def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
            options.update(timeout=timeout_s, allow_redirects=False)
            try:
                response = super().request(method, str(url).replace(_HOST_OF_TWEEPY, base_url, 1), **options)
            except requests.RequestException as error:
                # its message may name the whole address, and its request carries the token
                raise FeedUnavailable(f"X gave no complete answer: {type(error).__name__}") from None
            if response.status_code != requests.codes.ok:
                response.close()
                _refuse(response.status_code, response.headers, response.content)
            return response

    session = XSession()
    session.trust_env = False
    return session


def _refuse(status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Raise what an answer other than 200 means for the caller."""
    body = _object(content)
    title, detail = str(body.get("title") or "no title")[:80], str(body.get("detail") or "no detail")[:200]
    said = f"X answered {status}: {title}, {detail}"
    if status == 429:
        raise FeedRateLimited(said, _reset(headers))
    if status == 400 and _names_since_id(body):
        raise _SinceIdRefused
    if status == 408 or status < 400 or status >= 500:
        raise FeedUnavailable(said)
    raise FeedRefused(said)


def _names_since_id(body: Mapping[str, Any]) -> bool:
    errors = body.get("errors")
    return isinstance(errors, list) and any(
        isinstance(error, dict) and "since_id" in (error.get("parameters") or {}) for error in errors
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _body(response: Any) -> dict[str, Any]:
    body = _object(response.content)
    if not body:
        raise FeedUnavailable("X's answer is not a JSON object")
    return body


def _partial_errors(body: Mapping[str, Any]) -> list[str]:
    """What a 200 says it left out. Raises FeedUnavailable where that may be posts of the answer itself."""
    errors = body.get("errors", [])
    if not isinstance(errors, list):
        raise FeedUnavailable("X's partial errors are not a list")
    for error in errors:
        kind = str(error.get("type") or "") if isinstance(error, dict) else ""
        if not kind.endswith(_HARMLESS_PROBLEMS):
            title = str(error.get("title") or "")[:80] if isinstance(error, dict) else ""
            raise FeedUnavailable(f"X's answer is incomplete: {title or 'an error without a title'}")
    return [
        f"{error.get('title')}: {error.get('resource_type')} {error.get('resource_id')}"[:200]
        for error in errors
    ]


def _rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    resets_at = _reset(headers)
    try:
        limit, remaining = int(headers["x-rate-limit-limit"]), int(headers["x-rate-limit-remaining"])
    except (KeyError, ValueError):
        return None
    return RateLimit(limit, remaining, resets_at) if resets_at else None


def _reset(headers: Mapping[str, str]) -> datetime | None:
    """The end of the rate-limit window: X's header x-rate-limit-reset, Unix time in seconds."""
    text = headers.get("x-rate-limit-reset", "")
    return (
        from_milliseconds(int(text) * 1000) if text.isascii() and text.isdigit() and len(text) <= 11 else None
    )
