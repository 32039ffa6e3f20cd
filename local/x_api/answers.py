"""The bodies that X answers with: post and user objects cut to the fields that were asked for, and its
errors.

Error bodies follow docs.x.com, "Response codes and errors" and "Partial errors". Those of 402 and 403 are
marked by X as problems of an app's access; their exact words differ between plans and nothing may depend on
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from local.x_api.timeline import LONGEST_SHORT_TEXT, TimelinePost

Body = dict[str, Any]
DEFAULT_FIELDS = ("id", "text", "edit_history_tweet_ids")
_PROBLEM = "https://api.twitter.com/2/problems/"
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))


def post_object(post: TimelinePost, fields: AbstractSet[str]) -> Body:
    """A post with X's default fields and those asked for. A long text is cut; `note_tweet` has all of it."""
    whole = dict(post.fields)
    whole["id"] = str(post.post_id)
    whole["author_id"] = str(post.author_id)
    whole["created_at"] = moment(post.created_at)
    whole["edit_history_tweet_ids"] = [str(version) for version in post.edit_history]
    text = str(whole["text"])
    if "note_tweet" in whole:
        whole["note_tweet"] = {**whole["note_tweet"], "text": as_delivered(whole["note_tweet"]["text"])}
    elif len(text) > LONGEST_SHORT_TEXT:
        whole["note_tweet"] = {"text": as_delivered(text)}
        text = text[: LONGEST_SHORT_TEXT - 1] + "…"
    whole["text"] = as_delivered(text)
    return {name: value for name, value in whole.items() if name in DEFAULT_FIELDS or name in fields}


def as_delivered(text: str) -> str:
    """X writes &, < and > as HTML entities in a post's text."""
    for character, entity in _ENTITIES:
        text = text.replace(character, entity)
    return text


def user_object(author_id: int, username: str) -> Body:
    """A user with X's default fields."""
    return {"id": str(author_id), "name": username, "username": username}


def moment(time: datetime) -> str:
    """A time as X writes it, to the millisecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def page(
    posts: Sequence[TimelinePost],
    fields: AbstractSet[str],
    *,
    includes: Body,
    errors: Sequence[Body],
    next_token: str | None,
) -> Body:
    """A page of posts. `data`, `includes` and `errors` are absent where there is nothing in them."""
    meta: Body = {"result_count": len(posts)}
    if posts:
        ids = [post.post_id for post in posts]
        meta = {"newest_id": str(max(ids)), "oldest_id": str(min(ids)), **meta}
    if next_token is not None:
        meta["next_token"] = next_token
    body: Body = {"meta": meta}
    if posts:
        body = {"data": [post_object(post, fields) for post in posts], **body}
    if includes:
        body["includes"] = includes
    if errors:
        body["errors"] = list(errors)
    return body


def includes(
    posts: Iterable[TimelinePost],
    known: Iterable[TimelinePost],
    *,
    expansions: AbstractSet[str],
    fields: AbstractSet[str],
) -> tuple[Body, list[Body]]:
    """What the expansions add to a page, and an error for each referenced post that is not there."""
    found: Body = {}
    errors: list[Body] = []
    if "author_id" in expansions:
        names = {post.author_id: post.username for post in posts}
        found["users"] = [user_object(author_id, name) for author_id, name in names.items()]
    if "referenced_tweets.id" in expansions:
        by_id = {post.post_id: post for post in known}
        wanted = {int(item["id"]) for post in posts for item in post.fields.get("referenced_tweets", ())}
        there = [post_object(by_id[post_id], fields) for post_id in sorted(wanted & by_id.keys())]
        if there:
            found["tweets"] = there
        errors = [
            missing("tweet", "referenced_tweets.id", str(post_id))
            for post_id in sorted(wanted - by_id.keys())
        ]
    return found, errors


def missing(resource: str, parameter: str, value: str) -> Body:
    """The partial error for something that was asked for and does not exist."""
    return {
        "value": value,
        "detail": f"Could not find {resource} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": resource,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{_PROBLEM}resource-not-found",
    }


def invalid(parameter: str, value: str, message: str) -> Body:
    """The body of a 400: which parameter, with which value, and why."""
    return {
        "errors": [{"parameters": {parameter: [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{_PROBLEM}invalid-request",
    }


_PLAIN: Mapping[int, Body] = {
    401: {"title": "Unauthorized", "type": "about:blank", "detail": "Unauthorized"},
    402: {
        "title": "CreditsDepleted",
        "type": f"{_PROBLEM}credits",
        "detail": "Your enrolled account does not have any credits to fulfill this request.",
    },
    403: {
        "title": "Client Forbidden",
        "type": f"{_PROBLEM}client-forbidden",
        "reason": "client-not-enrolled",
        "detail": "This app may not use this endpoint at its current access level.",
    },
    404: {"title": "Not Found", "type": "about:blank", "detail": "Not Found"},
    429: {"title": "Too Many Requests", "type": "about:blank", "detail": "Too Many Requests"},
    500: {"title": "Internal Server Error", "type": "about:blank", "detail": "Internal Server Error"},
    503: {"title": "Service Unavailable", "type": "about:blank", "detail": "Service Unavailable"},
}


def plain_error(status: int) -> Body:
    """The body of an error that no parameter caused."""
    return {
        **_PLAIN.get(status, {"title": "Error", "type": "about:blank", "detail": "Error"}),
        "status": status,
    }
