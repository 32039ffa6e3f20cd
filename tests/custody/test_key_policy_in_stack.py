"""A key inside KMS under its own policy and the roles of the template, worked out as IAM does: who signs, and who does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import load
from local.permissions.evaluator import Policies, arn_of
from local.permissions.table import FUNCTIONS, OF_SIGNER_KEY, SIGNER_KEY, SIGNS, Row
from outcry.custody.key_policy import signing_policy

SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"
PARAMETERS = {
    "Network": "testnet",
    "Classifier": "grammar",
    "XSecretArn": f"{SECRET}x",
    "DatabaseSecretArn": f"{SECRET}database",
}
USES = ("kms:Sign", "kms:GetPublicKey", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")
MAY = {"execute_orders": {"kms:Sign"}, "signers": {"kms:GetPublicKey"}}


@pytest.fixture(scope="module")
def policies() -> Policies:
    """The template's, with a key that the function for signers has made."""
    template: dict[str, Any] = load(Path(__file__).resolve().parents[2] / "template.yaml")
    policy = signing_policy(
        arn_of("ExecuteOrdersRole", "AWS::IAM::Role"), arn_of("SignersRole", "AWS::IAM::Role")
    )
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": json.loads(policy)}}
    return Policies({**template, "Resources": {**template["Resources"], SIGNER_KEY: key}}, PARAMETERS)


def allowed(policies: Policies, function: str, context: dict[str, str]) -> set[str]:
    return {use for use in USES if policies.allows(Row(function, use, SIGNER_KEY, True, context))}


@pytest.mark.parametrize("tags", [{}, OF_SIGNER_KEY], ids=["tags not seen yet", "tags seen"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_may_do_with_it_what_it_must_from_its_first_moment_on(
    policies: Policies, function: str, tags: dict[str, str]
) -> None:
    assert allowed(policies, function, {**tags, **SIGNS}) == MAY.get(function, set())


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"kms:SigningAlgorithm": "ECDSA_SHA_256"},
        {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "RAW"},
    ],
    ids=["nothing said", "no type", "a whole message"],
)
def test_not_even_execute_orders_signs_anything_but_a_digest(
    policies: Policies, context: dict[str, str]
) -> None:
    assert "kms:Sign" not in allowed(policies, "execute_orders", {**OF_SIGNER_KEY, **context})


def test_an_administrator_of_the_account_looks_after_it_and_does_not_sign(policies: Policies) -> None:
    may = {use for use in USES if policies.lets_administrator(use, SIGNER_KEY, {**OF_SIGNER_KEY, **SIGNS})}

    assert may == {"kms:GetPublicKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"}
