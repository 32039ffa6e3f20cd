"""An installation in which everything is as it should be, for the doctor to look at, and ways to spoil it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest

from local.llm.answers import Script
from local.llm.server import LlmServer
from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.runtime.queues import Queue
from outcry.runtime.version import build_id
from tests.cli.conftest import Answer
from tests.orders.workshop import LIVE, Workshop

PASSWORD, MODEL_KEY = "the-database-password", "the-model-key"
SIGNER = f"{LIVE}-signer-1"


@dataclass
class Found:
    """What one run found, by check."""

    answer: Answer

    def of(self, check: str) -> list[tuple[str, str]]:
        """Subject and verdict of each finding of a check."""
        return [
            (each["subject"], each["verdict"])
            for each in self.answer.json["findings"]
            if each["check"] == check
        ]

    def one(self, check: str, subject: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = [
            each
            for each in self.answer.json["findings"]
            if (each["check"], each["subject"]) == (check, subject)
        ]
        assert len(found) == 1, found
        return found[0]

    @property
    def bad(self) -> set[str]:
        return {each["check"] for each in self.answer.json["findings"] if each["verdict"] == "bad"}


def change(workshop: Workshop, sql: str, **parameters: Any) -> None:
    with workshop.database.transaction() as tx:
        tx.execute(sql, **parameters)


def beat(workshop: Workshop, stage: str, build: str | None = None, *, ago_s: int = 20) -> None:
    change(
        workshop,
        """
        insert into heartbeats (stage, beat_at, detail) values (:stage, :at, cast(:detail as jsonb))
        on conflict (stage) do update set beat_at = excluded.beat_at, detail = excluded.detail
        """,
        stage=stage,
        at=workshop.clock.now() - timedelta(seconds=ago_s),
        detail=json.dumps({"build": build} if build else {}),
    )


def add_signer(
    workshop: Workshop, *, address: str, key_arn: str, status: str = "ACTIVE", days: int | None = 90
) -> None:
    change(
        workshop,
        """
        insert into signers (signer_id, account_id, slot, version, custody, address, status, key_arn, wrapped_key, seal_nonce,
                             sealed_key, valid_until, created_at, updated_at)
        values (:signer, :account, 1, 1, 'envelope', :address, :status, :key_arn, '\\x01', '\\x010203040506070809101112',
                '\\x01', :until, :now, :now)
        """,
        signer=SIGNER,
        account=LIVE,
        address=address,
        key_arn=key_arn,
        status=status,
        until=None if days is None else workshop.clock.now() + timedelta(days=days),
        now=workshop.clock.now(),
    )


@pytest.fixture
def x_server(workshop: Workshop) -> Iterator[XServer]:
    with XServer(workshop.clock) as running:
        yield running


@pytest.fixture
def model_server() -> Iterator[LlmServer]:
    with LlmServer(Script()) as running:
        yield running


@pytest.fixture
def well(
    workshop: Workshop,
    environment: pytest.MonkeyPatch,
    kms_key: str,
    x_server: XServer,
    model_server: LlmServer,
) -> Workshop:
    """An installation in which everything is as it should be."""
    sqs: Any = boto3.client("sqs")
    for queue in Queue:
        attributes = {}
        if queue is not Queue.TICKS_HYPERLIQUID:
            dead = sqs.create_queue(QueueName=f"desk-{queue.value}-dead")["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 4}
            attributes["RedrivePolicy"] = json.dumps(policy)
        url = sqs.create_queue(QueueName=f"desk-{queue.value}", Attributes=attributes)["QueueUrl"]
        environment.setenv(f"OUTCRY_QUEUE_{queue.value.upper().replace('-', '_')}", url)
    secrets: Any = boto3.client("secretsmanager")
    for name, content in (
        ("X", {"bearer_token": DEFAULT_BEARER}),
        ("LLM", {"api_key": MODEL_KEY}),
    ):
        arn = secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"]
        environment.setenv(f"OUTCRY_{name}_SECRET_ARN", arn)
    boto3.client("kms").enable_key_rotation(KeyId=kms_key)
    for name, value in {
        "LAST_RECEIVE": "4",
        "X_URL": x_server.url,
        "CLASSIFIER": "llm",
        "LLM_BASE_URL": model_server.base_url,
        "LLM_MODEL": model_server.script.known_model,
        "HYPERLIQUID_URL": workshop.server.url,
    }.items():
        environment.setenv(f"OUTCRY_{name}", value)
    for stage in ("tick", "ingest_posts", "monitor_hyperliquid"):
        beat(workshop, stage, build_id())
    add_signer(workshop, address=workshop.signers.key.address, key_arn=kms_key)
    return workshop
