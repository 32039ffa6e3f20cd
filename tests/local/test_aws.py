"""The local AWS keeps the queues' promises on the served clock, and comes and goes without a trace."""

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from local import aws as local_aws
from local.aws import ACCOUNT, LocalAws, running_aws
from local.clock_file import ClockFile
from local.ministack_server import served_time_ns
from local.processes import NotStarted, free_port
from outcry.runtime.clock import ServedClock

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUES = itertools.count(1)


@pytest.fixture
def sqs(aws: LocalAws) -> Iterator["SQSClient"]:
    with closing(boto3.client("sqs")) as client:
        yield client


def queue(sqs: "SQSClient", attributes: dict[str, str] | None = None) -> str:
    return sqs.create_queue(QueueName=f"queue-{next(QUEUES)}", Attributes=attributes or {})["QueueUrl"]  # type: ignore[arg-type]


def allowing(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def as_role(server: LocalAws, role: str) -> "SQSClient":
    """Queues, with the credentials of a session of the role."""
    given = boto3.client("sts", endpoint_url=server.endpoint_url).assume_role(
        RoleArn=role, RoleSessionName="one"
    )["Credentials"]
    return boto3.client(
        "sqs",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def received(sqs: "SQSClient", url: str) -> list[str]:
    """The bodies of what is visible now, without waiting."""
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_it_listens_on_this_machine_only(aws: LocalAws) -> None:
    listening = [
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{aws.port:04X}") and line.split()[3] == "0A"
    ]

    assert listening == [f"0100007F:{aws.port:04X}"]


def test_a_delayed_message_comes_when_served_time_has_come_and_not_before(
    sqs: "SQSClient", aws_clock: ClockFile
) -> None:
    url = queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=15)

    aws_clock.advance(timedelta(seconds=13))
    before = received(sqs, url)
    aws_clock.advance(timedelta(seconds=2))
    after = received(sqs, url)

    assert before == []
    assert after == ["later"]


def test_a_queues_own_delay_follows_served_time_too(sqs: "SQSClient", aws_clock: ClockFile) -> None:
    url = queue(sqs, {"DelaySeconds": "600"})
    sqs.send_message(QueueUrl=url, MessageBody="later")

    aws_clock.advance(timedelta(seconds=590))
    before = received(sqs, url)
    aws_clock.advance(timedelta(seconds=10))

    assert before == []
    assert received(sqs, url) == ["later"]


def test_a_message_that_is_not_deleted_is_seen_again_after_its_visibility_timeout(
    sqs: "SQSClient", aws_clock: ClockFile
) -> None:
    url = queue(sqs, {"VisibilityTimeout": "180"})
    sqs.send_message(QueueUrl=url, MessageBody="again")
    first = received(sqs, url)

    aws_clock.advance(timedelta(seconds=170))
    hidden = received(sqs, url)
    aws_clock.advance(timedelta(seconds=10))

    assert first == ["again"]
    assert hidden == []
    assert received(sqs, url) == ["again"]


def test_a_deleted_message_never_comes_back(sqs: "SQSClient", aws_clock: ClockFile) -> None:
    url = queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="once")
    message = sqs.receive_message(QueueUrl=url)["Messages"][0]

    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    aws_clock.advance(timedelta(hours=1))

    assert received(sqs, url) == []


def test_a_changed_visibility_counts_from_served_now(sqs: "SQSClient", aws_clock: ClockFile) -> None:
    url = queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="longer")
    message = sqs.receive_message(QueueUrl=url, VisibilityTimeout=10)["Messages"][0]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=120)

    aws_clock.advance(timedelta(seconds=110))
    before = received(sqs, url)
    aws_clock.advance(timedelta(seconds=10))

    assert before == []
    assert received(sqs, url) == ["longer"]


def test_a_message_past_its_last_receive_goes_to_the_dead_letter_queue(
    sqs: "SQSClient", aws_clock: ClockFile
) -> None:
    dead = queue(sqs)
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = queue(sqs, {"VisibilityTimeout": "30", "RedrivePolicy": policy})
    sqs.send_message(QueueUrl=url, MessageBody="poison")

    receives = []
    for _ in range(3):
        receives.append(received(sqs, url))
        aws_clock.advance(timedelta(seconds=30))

    assert receives == [["poison"], ["poison"], []]
    assert received(sqs, dead) == ["poison"]


def test_a_message_past_its_retention_is_gone(sqs: "SQSClient", aws_clock: ClockFile) -> None:
    url = queue(sqs, {"MessageRetentionPeriod": "60"})
    sqs.send_message(QueueUrl=url, MessageBody="stale")

    aws_clock.advance(timedelta(seconds=61))

    assert received(sqs, url) == []


def test_a_data_key_opens_under_its_own_context_only(aws: LocalAws) -> None:
    with closing(boto3.client("kms")) as kms:
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext={"account": "a"})

        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"account": "a"})

        assert opened["Plaintext"] == made["Plaintext"]
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"account": "b"})


def test_a_secret_is_kept_and_reset_forgets_it(aws: LocalAws) -> None:
    with closing(boto3.client("secretsmanager")) as secrets:
        secrets.create_secret(Name="outcry/x", SecretString="value")
        kept = secrets.get_secret_value(SecretId="outcry/x")["SecretString"]

        aws.reset()

        assert kept == "value"
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            secrets.get_secret_value(SecretId="outcry/x")


def test_it_leaves_nothing_behind_and_runs_on_real_time_without_a_clock_file() -> None:
    with running_aws() as server:
        directory, pid = server.process.log.parent, server.process.pid

    assert not directory.exists()
    assert not Path(f"/proc/{pid}").exists()


def test_its_environment_holds_none_of_our_credentials(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTCRY_X_TOKEN", "private")

    with running_aws() as server:
        environment = Path(f"/proc/{server.process.pid}/environ").read_bytes()

    assert b"private" not in environment
    assert b"AWS_SECRET_ACCESS_KEY" not in environment


def test_where_permissions_are_enforced_the_account_may_everything_and_a_role_what_its_policy_says(
    aws: LocalAws,
) -> None:
    trust = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    sends = {"Action": "sqs:SendMessage", "Resource": "*"}

    with running_aws(enforce_permissions=True) as server:
        iam = boto3.client("iam", endpoint_url=server.endpoint_url)
        url = boto3.client("sqs", endpoint_url=server.endpoint_url).create_queue(QueueName="one")["QueueUrl"]
        role = iam.create_role(RoleName="one", AssumeRolePolicyDocument=allowing(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName="one", PolicyName="one", PolicyDocument=allowing(sends))
        sqs = as_role(server, role)

        sqs.send_message(QueueUrl=url, MessageBody="may")
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.receive_message(QueueUrl=url)


def test_a_port_that_was_taken_in_between_is_given_up_for_another(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [aws.port, free_port()]
    monkeypatch.setattr(local_aws, "free_port", partial(next, iter(ports)))

    with running_aws() as server:
        assert server.port == ports[1]
        assert server.process.exit_code() is None


def test_a_missing_environment_is_named_with_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_aws, "_PYTHON", tmp_path / "python")

    with pytest.raises(NotStarted, match=r"tools/setup\.sh ministack"), running_aws():
        pass


def test_one_that_does_not_come_up_is_stopped_and_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(local_aws, "_PYTHON", python)

    with pytest.raises(NotStarted, match=r"(?s)exit code 3.*out of order"), running_aws():
        pass


def test_the_clock_file_moves_every_reader_at_once_and_never_back(tmp_path: Path) -> None:
    file = ClockFile(tmp_path / "offset", offset=timedelta(days=-1))
    reader = ServedClock(file.path)
    theirs = served_time_ns(file.path, lambda: 5_000_000_000)
    before = reader.now()

    file.advance(timedelta(days=2))
    after = reader.now()

    assert timedelta(days=2) <= after - before < timedelta(days=2, minutes=1)
    assert theirs() == 5_000_000_000 + 86_400 * 1_000_000_000
    assert file.offset == timedelta(days=1)
    with pytest.raises(ValueError, match="backwards"):
        file.advance(timedelta(seconds=-1))
    file.close()
