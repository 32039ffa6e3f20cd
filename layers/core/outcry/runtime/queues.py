"""Doorbells: SQS messages that say which row to look at, and nothing else.

A message means "advance this row from whatever state it is in". Losing one loses nothing, because sweeps ring again;
a second one does nothing, because rows are claimed. `answer_batch` answers SQS message by message, so that one bad row
never makes its neighbours come again. Each doorbell says in X-Ray's header whether its run is traced: what trades and what is
told always, ticks in one of twenty, chosen by their trace id and by nothing else.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from typing import Any, Protocol

from outcry.runtime import edges
from outcry.runtime.edges import Edge
from outcry.runtime.errors import InfrastructureError

_BATCH = 10  # SQS SendMessageBatch takes at most ten entries


class Queue(StrEnum):
    """The queues of the pipeline, by what their messages are about."""

    POSTS = "posts"
    CALLS = "calls"
    ENTRIES = "entries"
    EXITS = "exits"
    TICKS_HYPERLIQUID = "ticks-hyperliquid"
    NOTICES = "notices"


_TRACED_SHARE = {Queue.TICKS_HYPERLIQUID: 0.05}  # of every other queue's doorbells: all
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def trace_header(queue: Queue, trace_id: str) -> str | None:
    """X-Ray's header for a doorbell: our trace id in its form, and whether the run is traced. None for an id of another kind.

    X-Ray's ids are 8 and 24 hex digits, the first eight once a time; it takes ids of W3C's kind, which are all chance.
    """
    if _TRACE_ID.fullmatch(trace_id) is None:
        return None
    chance = int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:4]) / 2**32
    is_traced = chance < _TRACED_SHARE.get(queue, 1)
    return f"Root=1-{trace_id[:8]}-{trace_id[8:]};Sampled={int(is_traced)}"


@dataclass(frozen=True, slots=True)
class Ring:
    """One doorbell: the row's id, how often it was rung by sweeps, and the trace that it belongs to."""

    id: str
    trace_id: str
    ring: int = 0
    extra: Mapping[str, Any] | None = None

    def body(self) -> str:
        return json.dumps({"id": self.id, "ring": self.ring, "trace_id": self.trace_id, **(self.extra or {})})


class Doorbell(Protocol):
    """Rings a queue. Called after commit, never inside a transaction."""

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        """Send one message per ring. Raises InfrastructureError; the rows are then found by the next sweep."""
        ...


class SqsDoorbell:
    """Rings real SQS queues, in batches of ten."""

    def __init__(self, urls: Mapping[Queue, str], client: Any | None = None) -> None:
        self._urls = dict(urls)
        self._client = client

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        if self._client is None:
            self._client = boto3.client("sqs")
        for chunk in batched(rings, _BATCH, strict=False):
            entries: list[Any] = [
                {
                    "Id": str(index),
                    "MessageBody": ring.body(),
                    "DelaySeconds": delay_s,
                    **_traced(queue, ring.trace_id),
                }
                for index, ring in enumerate(chunk)
            ]
            edges.reached(Edge.BEFORE_SEND, f"queue {queue}")
            try:
                answer = self._client.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise InfrastructureError(f"queue {queue} cannot be rung") from error
            edges.reached(Edge.AFTER_REPLY, f"queue {queue}")
            if answer.get("Failed"):
                raise InfrastructureError(
                    f"queue {queue} refused {len(answer['Failed'])} of {len(entries)} messages"
                )


def _traced(queue: Queue, trace_id: str) -> dict[str, Any]:
    header = trace_header(queue, trace_id)
    if header is None:
        return {}
    return {"MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}}


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS record as it arrives: the doorbell's content and how often it was received."""

    message_id: str
    id: str
    trace_id: str
    ring: int
    receives: int
    body: Mapping[str, Any]


def messages(event: Mapping[str, Any]) -> list[Message]:
    """The doorbells in an SQS event. A body that is no doorbell gets an empty id, for the handler to drop."""
    return [_message(record) for record in event.get("Records", [])]


def _message(record: Mapping[str, Any]) -> Message:
    try:
        body = json.loads(record.get("body") or "{}")
    except (ValueError, RecursionError):
        body = {}
    if not isinstance(body, dict):
        body = {}
    attributes = record.get("attributes") or {}
    return Message(
        message_id=str(record["messageId"]),
        id=_word(body.get("id")),
        trace_id=_word(body.get("trace_id")),
        ring=body["ring"] if type(body.get("ring")) is int else 0,
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
        body=body,
    )


def _word(value: object) -> str:
    return str(value) if isinstance(value, str) or type(value) is int else ""


def answer_batch(
    arrived: Sequence[Message],
    work: Callable[[Message], None],
    *,
    last_receive: int,
    give_up: Callable[[Message, Exception], None],
) -> dict[str, list[dict[str, str]]]:
    """Work on each message and answer SQS with those that must come again (ReportBatchItemFailures).

    On the last receive before the dead-letter queue, `give_up` sets the row aside in the same step.
    """
    failures: list[dict[str, str]] = []
    for message in arrived:
        try:
            work(message)
        except Exception as error:  # noqa: BLE001 - the edge: one bad message must not fail its neighbours
            failures.append({"itemIdentifier": message.message_id})
            if message.receives >= last_receive:
                give_up(message, error)
    return {"batchItemFailures": failures}
