"""What `outcry doctor` finds in AWS, at X and at the model."""

from typing import Any

import boto3
import pytest

from local.llm.server import LlmServer
from tests.cli.conftest import Outcry
from tests.cli.installation import SIGNER, Found, change, model_server, well, x_server
from tests.orders.workshop import Workshop

__all__ = ["model_server", "well", "x_server"]


# ─── AWS ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_letters_are_counted_and_bad(well: Workshop, outcry: Outcry) -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="desk-exits-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")

    found = Found(outcry("doctor", "--only", "queues", "--json")).one("queues", "exits dead letters")

    assert found["verdict"] == "bad"
    assert found["says"] == "1 messages failed on their last delivery"


def test_a_queue_that_gives_up_earlier_than_the_functions_think_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_LAST_RECEIVE", "5")

    found = Found(outcry("doctor", "--only", "queues", "--json"))

    assert ("entries dead letters", "bad") in found.of("queues")


def test_f22_a_queue_that_is_not_there_is_bad_and_the_other_queues_are_still_read(
    well: Workshop, outcry: Outcry
) -> None:
    sqs: Any = boto3.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="desk-entries")["QueueUrl"])

    found = Found(outcry("doctor", "--only", "queues", "--json"))

    assert ("entries", "bad") in found.of("queues")
    assert ("exits", "ok") in found.of("queues")


def test_a_disabled_signing_key_is_bad(well: Workshop, outcry: Outcry, kms_key: str) -> None:
    boto3.client("kms").disable_key(KeyId=kms_key.rsplit("/", 1)[1])

    found = Found(outcry("doctor", "--only", "signing key", "--json")).one("signing key", "signing key")

    assert found["verdict"] == "bad"
    assert "exits included" in found["says"]


def test_f23_a_signer_that_is_sealed_with_another_key_is_bad(well: Workshop, outcry: Outcry) -> None:
    change(well, "update signers set key_arn = 'arn:aws:kms:another'")

    found = Found(outcry("doctor", "--only", "signing key", "--json")).one("signing key", SIGNER)

    assert found["verdict"] == "bad"
    assert "which is not this stack's key" in found["says"]


def test_a_signer_whose_own_key_in_kms_is_disabled_is_bad(
    well: Workshop, outcry: Outcry, kms_key: str
) -> None:
    kms: Any = boto3.client("kms")
    own = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_SECG_P256K1")["KeyMetadata"]
    change(
        well,
        """
        update signers set custody = 'kms', key_arn = :arn, wrapped_key = null, seal_nonce = null, sealed_key = null
        """,
        arn=own["Arn"],
    )
    kms.disable_key(KeyId=own["KeyId"])

    found = Found(outcry("doctor", "--only", "signing key", "--json"))

    assert found.one("signing key", SIGNER)["verdict"] == "bad"
    assert found.one("signing key", "signing key")["verdict"] == "ok"


# ─── others ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bearer_that_x_refuses_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    secrets: Any = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="old", SecretString='{"bearer_token": "old"}')["ARN"]
    environment.setenv("OUTCRY_X_SECRET_ARN", arn)

    found = Found(outcry("doctor", "--only", "X", "--json")).one("X", "X")

    assert found["verdict"] == "bad"
    assert "401" in found["says"]


def test_a_model_that_its_server_does_not_know_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch, model_server: LlmServer
) -> None:
    environment.setenv("OUTCRY_LLM_MODEL", "another")

    found = Found(outcry("doctor", "--only", "model", "--json")).one("model", "model")

    assert found["says"] == "the server does not give the model another: HTTP 404"
    assert model_server.requests == []
