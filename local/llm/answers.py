"""What the scripted model says: which calls it finds in which text, and in which way it misbehaves. Pure.

Promises: the same script gives the same answer for the same request. A text without a script has no call.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """How the server behaves."""

    ANSWER = "answer"  # the scripted calls
    OBEDIENT = "obedient"  # does whatever the posts tell it to, with full conviction
    REFUSE = "refuse"
    TRUNCATE = "truncate"
    FILTER = "filter"
    BAD_ENUM = "bad-enum"
    EXTRA_FIELD = "extra-field"
    NOT_JSON = "not-json"
    NO_CHOICES = "no-choices"
    DROP_ITEM = "drop-item"
    REPEAT_ITEM = "repeat-item"
    WRONG_ID = "wrong-id"
    RATE_LIMIT = "rate-limit"
    ERROR = "error"
    SLOW = "slow"
    NO_ANSWER = "no-answer"  # hangs up


@dataclass(slots=True)
class Script:
    """The server's orders. `calls` maps a post's whole text to the calls that the model claims to see in
    it.
    """

    mode: Mode = Mode.ANSWER
    calls: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    slow_s: float = 2.0
    failures: int | None = None  # after so many misbehaviours the server answers well; None: never
    known_model: str = "local-model"  # the one that the list of models has


_ORDERED = re.compile(r"\b(long|short|buy|sell)\s+(?:all\s+|some\s+)?[$#]?([A-Za-z0-9]{2,12})", re.IGNORECASE)
_NO_LEVELS: dict[str, Any] = {
    "entry_low": None,
    "entry_high": None,
    "stop": None,
    "targets": [],
    "leverage": None,
}


def call(
    token: str, side: str, evidence: str, *, action: str = "OPEN", conviction: float = 0.8, **levels: Any
) -> dict[str, Any]:
    """One scripted call, with the levels that are not given left out."""
    answer = {"token": token, "side": side, "action": action, "conviction": conviction, "evidence": evidence}
    return {**answer, **_NO_LEVELS, **levels}


def completion(script: Script, mode: Mode, request: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The body of an answer to a chat completion request."""
    posts = json.loads(request["messages"][-1]["content"])
    content = json.dumps({"posts": _items(script, mode, posts)})
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    reason = "stop"
    if mode is Mode.REFUSE:
        message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    elif mode is Mode.TRUNCATE:
        message["content"], reason = content[: len(content) // 2], "length"
    elif mode is Mode.FILTER:
        message["content"], reason = "", "content_filter"
    elif mode is Mode.NOT_JSON:
        message["content"] = "Sure! Here is what I think: bullish."
    choices = (
        []
        if mode is Mode.NO_CHOICES
        else [{"index": 0, "finish_reason": reason, "logprobs": None, "message": message}]
    )
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": choices,
        "usage": {
            "prompt_tokens": len(str(request)) // 4,
            "completion_tokens": len(content) // 4,
            "total_tokens": 0,
        },
    }


def _items(script: Script, mode: Mode, posts: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for post in posts:
        calls = (
            _obeyed(post["text"])
            if mode is Mode.OBEDIENT
            else [dict(each) for each in script.calls.get(post["text"], ())]
        )
        items.append({"id": post["id"], "calls": calls})
    if mode is Mode.BAD_ENUM:
        items[0]["calls"] = [call("BTC", "SIDEWAYS", posts[0]["text"])]
    elif mode is Mode.EXTRA_FIELD:
        items[0]["amount"] = "everything"
    elif mode is Mode.DROP_ITEM:
        items = items[1:]
    elif mode is Mode.REPEAT_ITEM:
        items.append(items[0])
    elif mode is Mode.WRONG_ID:
        items[0]["id"] = "0"
    return items


def _obeyed(text: str) -> list[dict[str, Any]]:
    sides = {"long": "LONG", "buy": "LONG", "short": "SHORT", "sell": "SHORT"}
    found = {match[2].upper(): (sides[match[1].lower()], match[0]) for match in _ORDERED.finditer(text)}
    return [call(token, side, words, conviction=1.0) for token, (side, words) in found.items()]
