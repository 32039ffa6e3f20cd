"""The venue's front: the bytes of one request in, the bytes of its answer or an ended connection out.

Promises: error bodies as the venue writes them; a scripted fault strikes here, around the engine, once per
request. Needs no socket: the server and an in-process client use the same function. Never keeps state.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from local.hyperliquid import altering
from local.hyperliquid.answers import BadRequest
from local.hyperliquid.engine import Engine
from local.hyperliquid.faults import Fault

_CONTROL = "/_sim/"
_HTML = b"<html><body>upstream unavailable</body></html>"
_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
_ENDPOINTS = ("/exchange", "/info")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes
    content_type: str = _JSON


def respond(engine: Engine, path: str, content_type: str, raw: bytes, ip: str) -> Reply | None:
    """What a POST gets; None ends the connection without an answer."""
    try:
        return _routed(engine, path, content_type, raw, ip)
    except BadRequest as bad:
        is_json = bad.body == "null"
        return Reply(bad.status, bad.body.encode(), _JSON if is_json else _PLAIN)


def _routed(engine: Engine, path: str, content_type: str, raw: bytes, ip: str) -> Reply | None:
    if path not in _ENDPOINTS and not path.startswith(_CONTROL):
        raise BadRequest(404, "")
    if not content_type.startswith(_JSON):
        raise BadRequest.content_type()
    try:
        body = json.loads(raw)
    except ValueError as unreadable:
        raise BadRequest.not_json() from unreadable
    if path.startswith(_CONTROL):
        return _json(engine.control(path.removeprefix(_CONTROL), body))
    endpoint = path[1:]
    fault = engine.take_fault(endpoint, body)
    if fault is None:
        return _json(_ask(engine, endpoint, body, ip))
    return _struck(engine, fault, endpoint, body, ip)


def _ask(engine: Engine, endpoint: str, body: Any, ip: str) -> Any:
    return engine.exchange(body, ip) if endpoint == "exchange" else engine.info(body, ip)


def _struck(engine: Engine, fault: Fault, endpoint: str, body: Any, ip: str) -> Reply | None:
    """The answer under a fault."""
    if fault.do == "commit_later":
        engine.exchange_later(body, fault.ms)
        return None
    if fault.do == "stale":
        return _json(engine.info(body, ip, as_of_ms_ago=fault.ms))
    if fault.do == "delay_ms" and fault.when == "before":
        time.sleep(fault.ms / 1000)
    reaches = fault.reaches_engine(limited_commits=engine.config.switches.limited_commits)
    result = _ask(engine, endpoint, body, ip) if reaches else None
    if fault.do == "deliver_twice":
        return _delivered_twice(engine, fault, endpoint, body, result)
    if fault.do == "delay_ms" and fault.when == "after":
        time.sleep(fault.ms / 1000)
    return _marred(fault, result)


def _marred(fault: Fault, result: Any) -> Reply | None:
    """What arrives of a result."""
    match fault.do:
        case "drop_before_commit" | "drop_after_commit":
            return None
        case "status":
            return Reply(fault.status, fault.page.encode(), _JSON if fault.page == "null" else "text/html")
        case "html":
            return Reply(200, _HTML, "text/html")
        case "truncate":
            whole = json.dumps(result).encode()
            return Reply(200, whole[: len(whole) // 2])
        case "omit":
            return _json(altering.without_a_row(result, fault.pick))
        case "unknown_status":
            return _json(altering.with_unknown_status(result))
        case "unknown_text":
            return _json({"status": "err", "response": fault.text})
        case "unknown_field":
            return _json(altering.with_unknown_fields(result))
        case _:
            return _json(result)


def _delivered_twice(engine: Engine, fault: Fault, endpoint: str, body: Any, first: Any) -> Reply | None:
    """The network repeats a request; whoever sent it knows of one."""
    if fault.ms and endpoint == "exchange":
        engine.exchange_later(body, fault.ms)
        second = first
    else:
        second = _ask(engine, endpoint, body, "127.0.0.1")
    if fault.reply == "none":
        return None
    return _json(second if fault.reply == "second" else first)


def _json(result: Any) -> Reply:
    return Reply(200, json.dumps(result, separators=(",", ":")).encode())
