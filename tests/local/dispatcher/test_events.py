"""Events have AWS's own shape, and a partial-batch answer is read as Lambda reads it."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from local.dispatcher.events import Received, failed_ids, schedule_event, sqs_event
from outcry.runtime.queues import messages

BODY = '{"id": "7", "ring": 0, "trace_id": "t"}'


def received(message_id: str = "m1", receives: int = 1) -> Received:
    return Received.from_sqs(
        {
            "MessageId": message_id,
            "ReceiptHandle": "handle",
            "Body": BODY,
            "Attributes": {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1772460000000"},
        }
    )


def test_a_batch_has_the_fields_of_lambdas_sqs_event() -> None:
    event = sqs_event([received()], arn="arn:aws:sqs:us-east-1:0:q", region="us-east-1")

    (record,) = event["Records"]
    assert record["messageId"] == "m1"
    assert record["receiptHandle"] == "handle"
    assert record["body"] == BODY
    assert record["attributes"] == {"ApproximateReceiveCount": "1", "SentTimestamp": "1772460000000"}
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == "arn:aws:sqs:us-east-1:0:q"
    assert record["awsRegion"] == "us-east-1"
    assert len(record["md5OfBody"]) == 32


def test_our_own_reader_understands_the_batch() -> None:
    event = sqs_event([received(receives=3)], arn="arn", region="us-east-1")

    (message,) = messages(event)

    assert (message.id, message.trace_id, message.receives) == ("7", "t", 3)


def test_a_schedule_has_the_fields_of_the_schedulers_event() -> None:
    event = schedule_event(
        event_id=UUID(int=5),
        at=datetime(2026, 3, 2, 14, 0, tzinfo=UTC),
        schedule="tick",
        region="us-east-1",
        account="0",
    )

    assert event["source"] == "aws.scheduler"
    assert event["detail-type"] == "Scheduled Event"
    assert event["time"] == "2026-03-02T14:00:00Z"
    assert event["resources"] == ["arn:aws:scheduler:us-east-1:0:schedule/default/tick"]
    assert json.loads(event["detail"]) == {}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ("", set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "m2"}]}, {"m2"}),
        ({"batchItemFailures": [{"itemIdentifier": "unheard"}]}, {"m1", "m2"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"m1", "m2"}),
        ({"batchItemFailures": [{}]}, {"m1", "m2"}),
        ({"batchItemFailures": ["m1"]}, {"m1", "m2"}),
        ({"batchItemFailures": "m1"}, {"m1", "m2"}),
        ([], {"m1", "m2"}),
        ("done", {"m1", "m2"}),
    ],
)
def test_a_partial_batch_answer_names_what_comes_again(answer: Any, failed: set[str]) -> None:
    assert failed_ids(answer, [received("m1"), received("m2")]) == failed
