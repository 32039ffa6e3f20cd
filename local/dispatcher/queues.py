"""The template's queues in a real queue service, and what Lambda's poller does with them.

Promises: queues are made as the template says (visibility, retention, delay, redrive); a message that
succeeded is deleted, one that failed is left for its visibility timeout; nothing is received that no
consumer has room for.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config

from local.dispatcher.blueprint import QueueSpec
from local.dispatcher.events import Received

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LARGEST_BATCH = 10  # of one ReceiveMessage


class Queues:
    """All queues of the template, by logical id."""

    def __init__(self, client: "SQSClient", specs: Iterable[QueueSpec]) -> None:
        self._client = client
        self.specs = {spec.logical_id: spec for spec in specs}
        self.urls: dict[str, str] = {}
        self.arns: dict[str, str] = {}
        for spec in self.specs.values():
            self._make(spec)

    @property
    def attributes(self) -> dict[str, dict[str, str]]:
        """What the template's Ref and GetAtt of each queue are here."""
        return {name: {"Ref": url, "Arn": self.arns[name]} for name, url in self.urls.items()}

    def receive(self, queue: str, count: int) -> list[Received]:
        """Up to `count` visible messages, each invisible to others from now on."""
        answer = self._client.receive_message(
            QueueUrl=self.urls[queue],
            MaxNumberOfMessages=min(count, LARGEST_BATCH),
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["All"],
        )
        return [Received.from_sqs(message) for message in answer.get("Messages", [])]

    def delete(self, queue: str, messages: Sequence[Received]) -> None:
        """The messages are done with."""
        if messages:
            entries: list[Any] = [
                {"Id": str(index), "ReceiptHandle": message.receipt_handle}
                for index, message in enumerate(messages)
            ]
            self._client.delete_message_batch(QueueUrl=self.urls[queue], Entries=entries)

    def send(self, queue: str, body: str) -> None:
        """Put a message of our own into a queue."""
        self._client.send_message(QueueUrl=self.urls[queue], MessageBody=body)

    def depth(self, queue: str) -> dict[str, int]:
        """How many messages are visible, in flight and delayed."""
        names: list[Any] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        answer = self._client.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=names)[
            "Attributes"
        ]
        return dict(
            zip(("visible", "in_flight", "delayed"), (int(answer[name]) for name in names), strict=True)
        )

    def dead_letters(self) -> dict[str, int]:
        """How many messages lie in each dead-letter queue that has any."""
        dead = {spec.dead_letters for spec in self.specs.values() if spec.dead_letters}
        counts = {self.specs[name].name: self.depth(name)["visible"] for name in sorted(dead)}
        return {name: count for name, count in counts.items() if count}

    def _make(self, spec: QueueSpec) -> None:
        attributes = dict(spec.attributes)
        if spec.dead_letters is not None:
            arn = self.arns[spec.dead_letters]
            attributes["RedrivePolicy"] = (
                f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "{spec.max_receives}"}}'
            )
        typed: Any = attributes
        url = self._client.create_queue(QueueName=spec.name, Attributes=typed)["QueueUrl"]
        answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.urls[spec.logical_id] = url
        self.arns[spec.logical_id] = answer["Attributes"]["QueueArn"]


def sqs_client(endpoint_url: str, region: str) -> "SQSClient":
    """A client of the local queue service. Unsigned, since nobody looks at the signature and each takes
    time.
    """
    import boto3

    config = Config(signature_version=UNSIGNED, parameter_validation=False, retries={"total_max_attempts": 2})
    return boto3.client("sqs", endpoint_url=endpoint_url, region_name=region, config=config)
