"""Doorbells: what a message holds, what is made of an odd one, and how a batch is answered."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from local.aws import LocalAws
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Message, Queue, Ring, SqsDoorbell, answer_batch, messages, trace_header


def record(body: str | None, *, receives: int | None = 1, number: int = 1) -> dict[str, Any]:
    """One SQS record as Lambda gets it."""
    attributes = {} if receives is None else {"ApproximateReceiveCount": str(receives)}
    return {"messageId": f"m{number}", "body": body, "attributes": attributes}


def arrived(*receives: int) -> list[Message]:
    return messages(
        {
            "Records": [
                record(Ring(f"row-{number}", "t").body(), receives=count, number=number)
                for number, count in enumerate(receives, start=1)
            ]
        }
    )


# ─── what a message holds ───────────────────────────────────────────────────────────────────────────────────


def test_a_ring_holds_an_id_a_ring_number_and_a_trace_and_nothing_else() -> None:
    assert json.loads(Ring("7", "trace").body()) == {"id": "7", "ring": 0, "trace_id": "trace"}


def test_a_tick_carries_more_beside_them() -> None:
    body = Ring("7", "trace", ring=2, extra={"accounts": ["a"]}).body()

    assert json.loads(body) == {"id": "7", "ring": 2, "trace_id": "trace", "accounts": ["a"]}


def test_what_was_rung_arrives() -> None:
    event = {"Records": [record(Ring("7", "trace", ring=2, extra={"due_at": "x"}).body(), receives=3)]}

    (message,) = messages(event)

    assert (message.message_id, message.id, message.trace_id) == ("m1", "7", "trace")
    assert (message.ring, message.receives) == (2, 3)
    assert message.body["due_at"] == "x"


@pytest.mark.parametrize(
    "body",
    [
        *(None, "", "not json", "[]", '"7"', "null", "7", "{}", '{"id": null}', '{"id": ["7"]}'),
        *('{"id": {"a": 1}}', '{"id": true}', '{"trace_id": 5.5}', "[" * 100_000, "1" * 5000),
    ],
)
def test_a_body_that_is_no_doorbell_has_no_id(body: str | None) -> None:
    (message,) = messages({"Records": [record(body)]})

    assert (message.message_id, message.id, message.trace_id) == ("m1", "", "")


@pytest.mark.parametrize("ring", ['"x"', "[1]", "1e999", "NaN", "null", "true", '"2"'])
def test_an_odd_ring_number_is_none_and_the_row_is_still_found(ring: str) -> None:
    (message,) = messages({"Records": [record(f'{{"id": "7", "ring": {ring}}}')]})

    assert (message.id, message.ring) == ("7", 0)


@given(
    st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_no_body_ever_keeps_its_neighbour_from_being_read(body: str) -> None:
    good = record(Ring("7", "t").body(), number=2)

    found = messages({"Records": [record(body), good]})

    assert [message.message_id for message in found] == ["m1", "m2"]
    assert found[1].id == "7"


def test_a_number_for_an_id_is_taken_as_it_is_written() -> None:
    (message,) = messages({"Records": [record('{"id": 7}', receives=None)]})

    assert (message.id, message.receives) == ("7", 1)


def test_an_event_without_records_holds_no_message() -> None:
    assert messages({}) == []


# ─── how a batch is answered ────────────────────────────────────────────────────────────────────────────────


def never(message: Message, error: Exception) -> None:
    raise AssertionError(f"{message.id} was given up: {error}")


def test_a_batch_that_went_well_comes_not_again() -> None:
    done: list[str] = []

    answer = answer_batch(
        arrived(1, 1), lambda message: done.append(message.id), last_receive=3, give_up=never
    )

    assert answer == {"batchItemFailures": []}
    assert done == ["row-1", "row-2"]


def test_f21_only_the_messages_that_failed_come_again() -> None:
    done: list[str] = []

    def work(message: Message) -> None:
        if message.id == "row-2":
            raise InfrastructureError("the database is away")
        done.append(message.id)

    answer = answer_batch(arrived(1, 2, 1), work, last_receive=3, give_up=never)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}]}
    assert done == ["row-1", "row-3"]


def test_f21_at_its_last_receive_a_row_is_given_up_in_the_same_step() -> None:
    given_up: list[tuple[str, str]] = []

    def work(message: Message) -> None:
        raise ValueError(f"no {message.id}")

    answer = answer_batch(
        arrived(2, 3, 4), work, last_receive=3, give_up=lambda m, e: given_up.append((m.id, str(e)))
    )

    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m1", "m2", "m3"]
    assert given_up == [("row-2", "no row-2"), ("row-3", "no row-3")]


def test_an_environment_that_is_told_to_stop_stops() -> None:
    def work(message: Message) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_batch(arrived(1), work, last_receive=1, give_up=never)


# ─── what is traced ─────────────────────────────────────────────────────────────────────────────────────────

TRACE = "0123456789abcdef0123456789abcdef"
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(trace_id=HEX, queue=st.sampled_from(Queue))
def test_the_header_is_our_trace_id_in_xrays_form(trace_id: str, queue: Queue) -> None:
    header = trace_header(queue, trace_id)

    assert header is not None
    root, sampled = header.split(";")
    assert root.removeprefix("Root=1-").replace("-", "") == trace_id
    assert [len(part) for part in root.split("-")] == [6, 8, 24]
    assert sampled in {"Sampled=0", "Sampled=1"}


@given(trace_id=HEX, queue=st.sampled_from(sorted(set(Queue) - {Queue.TICKS_HYPERLIQUID})))
def test_all_that_trades_and_all_that_is_told_is_traced(trace_id: str, queue: Queue) -> None:
    assert str(trace_header(queue, trace_id)).endswith("Sampled=1")


def test_one_tick_in_twenty_is_traced_and_always_the_same_ones() -> None:
    ids = [uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex for number in range(20_000)]

    headers = [str(trace_header(Queue.TICKS_HYPERLIQUID, trace_id)) for trace_id in ids]
    again = [str(trace_header(Queue.TICKS_HYPERLIQUID, trace_id)) for trace_id in ids]

    assert headers == again
    assert 0.04 < sum(header.endswith("Sampled=1") for header in headers) / len(ids) < 0.06


@pytest.mark.parametrize(
    "trace_id",
    ["", "test", TRACE[1:], TRACE + "0", TRACE.upper(), "discovered-live-1-BTC", TRACE[:-1] + "\n"],
)
def test_an_id_of_another_kind_gets_no_header(trace_id: str) -> None:
    assert trace_header(Queue.EXITS, trace_id) is None


# ─── the queues themselves ──────────────────────────────────────────────────────────────────────────────────


def rung(url: str) -> list[str]:
    """The ids of every message that a queue holds."""
    client = boto3.client("sqs")
    found: list[str] = []
    while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"])["id"] for message in batch]
    return found


@pytest.fixture
def url(aws: LocalAws) -> str:
    return boto3.client("sqs").create_queue(QueueName="exits")["QueueUrl"]


def test_more_rings_than_a_batch_takes_are_all_sent(url: str) -> None:
    SqsDoorbell({Queue.EXITS: url}).ring(Queue.EXITS, (Ring(str(number), "t") for number in range(23)))

    assert sorted(rung(url), key=int) == [str(number) for number in range(23)]


def test_ringing_for_nothing_sends_nothing(url: str) -> None:
    SqsDoorbell({Queue.EXITS: url}, boto3.client("sqs")).ring(Queue.EXITS, [])

    assert rung(url) == []


def test_a_doorbell_with_a_trace_header_is_taken_as_any_other(url: str) -> None:
    SqsDoorbell({Queue.EXITS: url}).ring(Queue.EXITS, [Ring("1", TRACE)])

    assert rung(url) == ["1"]


def test_the_trace_header_travels_beside_the_body() -> None:
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    rings = [Ring("1", TRACE), Ring("2", "discovered-live-1-BTC")]
    bodies = [
        {"Id": str(number), "MessageBody": ring.body(), "DelaySeconds": 0}
        for number, ring in enumerate(rings)
    ]
    header = {"DataType": "String", "StringValue": f"Root=1-01234567-{TRACE[8:]};Sampled=1"}
    entries = [{**bodies[0], "MessageSystemAttributes": {"AWSTraceHeader": header}}, bodies[1]]

    with Stubber(client) as stub:  # the local servers forget a batch's system attributes; boto3 knows them
        stub.add_response(
            "send_message_batch", {"Successful": [], "Failed": []}, {"QueueUrl": "u", "Entries": entries}
        )
        SqsDoorbell({Queue.EXITS: "u"}, client).ring(Queue.EXITS, rings)
        stub.assert_no_pending_responses()


def test_a_delayed_ring_is_not_heard_yet(url: str) -> None:
    SqsDoorbell({Queue.EXITS: url}).ring(Queue.EXITS, [Ring("1", "t")], delay_s=60)

    assert rung(url) == []


def test_f22_a_queue_that_is_not_there_is_a_fault_and_never_a_silence(url: str) -> None:
    doorbell = SqsDoorbell({Queue.EXITS: url + "-gone"})

    with pytest.raises(InfrastructureError, match="queue exits cannot be rung"):
        doorbell.ring(Queue.EXITS, [Ring("1", "t")])


class HalfDeaf:
    """An SQS client whose service takes the first batch whole and refuses one message of the second."""

    def __init__(self) -> None:
        self.batches: list[list[Mapping[str, Any]]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.batches.append(Entries)
        return {} if len(self.batches) == 1 else {"Failed": [{"Id": "0"}]}


def test_a_message_that_the_queue_refuses_is_a_fault_and_never_a_silence() -> None:
    client = HalfDeaf()
    doorbell = SqsDoorbell({Queue.EXITS: "http://127.0.0.1/exits"}, client)

    with pytest.raises(InfrastructureError, match="refused 1 of 2 messages"):
        doorbell.ring(Queue.EXITS, [Ring(str(number), "t") for number in range(12)])

    assert [len(batch) for batch in client.batches] == [10, 2]
    assert all(len({entry["Id"] for entry in batch}) == len(batch) for batch in client.batches)
