"""The probe makes the calls that it is given, in order, and tells what each came to and who made them."""

import boto3

from local.aws import ACCOUNT, LocalAws
from local.permissions.calls import Call
from local.permissions.probe import handler


def test_each_call_is_made_once_and_answered_with_its_code_in_order(aws: LocalAws) -> None:
    url = boto3.client("sqs").create_queue(QueueName="probed")["QueueUrl"]
    calls = [
        Call("sqs", "send_message", {"QueueUrl": url, "MessageBody": "asked"}),
        Call("sqs", "send_message", {"QueueUrl": f"{url}-absent", "MessageBody": "asked"}),
        Call("kms", "decrypt", {"CiphertextBlob": b"\x00" * 80}),
    ]

    answer = handler({"calls": [call.as_event() for call in calls]}, None)

    first, second, third = answer["answers"]
    assert first == "OK"
    assert "NonExistentQueue" in second
    assert third not in {"OK", "unknown"}
    assert ACCOUNT in answer["caller"]
    received = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert [message["Body"] for message in received["Messages"]] == ["asked"]
