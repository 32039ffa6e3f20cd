"""The events as AWS shapes them: an SQS batch, a run of EventBridge Scheduler. Pure.

Sources: AWS Lambda developer guide, "Using Lambda with Amazon SQS" (the record's fields, camel case);
EventBridge Scheduler user guide, the default input of a universal or Lambda target.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Received:
    """One message as ReceiveMessage returned it."""

    message_id: str
    receipt_handle: str
    body: str
    attributes: Mapping[str, str]

    @classmethod
    def from_sqs(cls, message: Mapping[str, Any]) -> "Received":
        return cls(
            str(message["MessageId"]),
            str(message["ReceiptHandle"]),
            str(message["Body"]),
            {str(name): str(value) for name, value in message.get("Attributes", {}).items()},
        )

    @property
    def receives(self) -> int:
        return int(self.attributes.get("ApproximateReceiveCount", "1"))


def sqs_event(messages: Sequence[Received], *, arn: str, region: str) -> dict[str, Any]:
    """What Lambda hands to a function for a batch of messages."""
    return {
        "Records": [
            {
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": dict(message.attributes),
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": region,
            }
            for message in messages
        ]
    }


def schedule_event(
    *, event_id: UUID, at: datetime, schedule: str, region: str, account: str
) -> dict[str, Any]:
    """What EventBridge Scheduler hands to a function; its detail is a string that holds an empty object."""
    return {
        "version": "0",
        "id": str(event_id),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:scheduler:{region}:{account}:schedule/default/{schedule}"],
        "detail": "{}",
    }


def failed_ids(answer: Any, messages: Sequence[Received]) -> set[str]:
    """The messages that must come again, by a partial-batch answer.

    As Lambda reads it: null or an empty list is success; an answer of another shape, or one that names a
    message that was not in the batch, fails the whole batch.
    """
    everything = {message.message_id for message in messages}
    if answer is None or answer == "":
        return set()
    if not isinstance(answer, dict):
        return everything
    items = answer.get("batchItemFailures")
    if items is None:
        return set()
    if not isinstance(items, list):
        return everything
    named = {str(item.get("itemIdentifier") or "") if isinstance(item, dict) else "" for item in items}
    if not named <= everything:
        return everything
    return named
