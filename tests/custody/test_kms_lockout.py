"""A key whose makers may never use it: KMS would refuse to make one, unless its check for that is passed over."""

import json
from typing import Any

import boto3
import pytest

from local.aws import ACCOUNT, LocalAws
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner, create

OWNER = KeyOwner(
    f"arn:aws:iam::{ACCOUNT}:role/desk-ExecuteOrdersRole",
    f"arn:aws:iam::{ACCOUNT}:role/desk-SignersRole",
    "desk",
)


@pytest.fixture
def made(aws: LocalAws) -> dict[str, Any]:
    """What KMS is asked for when a signer's key is made."""
    client: Any = boto3.client("kms", endpoint_url=aws.endpoint_url)
    asked: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.kms.CreateKey", lambda params, **_: asked.append(dict(params))
    )
    create(Kms(client), "alice-signer-1", OWNER, pause=lambda _: None)
    (request,) = asked
    return request


def test_a_key_is_made_though_whoever_makes_it_can_never_change_its_policy(made: dict[str, Any]) -> None:
    granted = {
        str(action)
        for statement in json.loads(made["Policy"])["Statement"]
        if statement["Effect"] == "Allow" and statement["Principal"] == {"AWS": OWNER.signers_role_arn}
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }

    assert granted == {"kms:GetPublicKey"}
    assert made["BypassPolicyLockoutSafetyCheck"] is True
