"""The policy of a key inside KMS, as KMS would read it: who may sign, who may administer, and who may not."""

import json
from typing import Any

import pytest

from outcry.custody.key_policy import signing_policy
from outcry.runtime.errors import ConfigurationError

EXECUTE_ORDERS = "arn:aws:iam::123456789012:role/desk-ExecuteOrdersRole-1ABC"
SIGNERS = "arn:aws:iam::123456789012:role/desk-SignersRole-2DEF"
ACCOUNT = "arn:aws:iam::123456789012:root"
SIGN = {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"}


def statements() -> dict[str, dict[str, Any]]:
    document = json.loads(signing_policy(EXECUTE_ORDERS, SIGNERS))
    return {each["Sid"]: each for each in document["Statement"]}


def allowed(action: str) -> list[dict[str, Any]]:
    return [each for each in statements().values() if each["Effect"] == "Allow" and action in each["Action"]]


def test_execute_orders_alone_may_sign_and_digests_alone() -> None:
    (statement,) = allowed("kms:Sign")

    assert statement["Principal"] == {"AWS": EXECUTE_ORDERS}
    assert statement["Action"] == "kms:Sign"
    assert statement["Condition"] == {"StringEquals": SIGN}


def test_everybody_else_is_denied_whatever_they_are_allowed_elsewhere() -> None:
    denial = statements()["NobodyElseSigns"]

    assert denial["Effect"] == "Deny"
    assert denial["Principal"] == {"AWS": "*"}
    assert denial["Action"] == "kms:Sign"
    assert denial["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": EXECUTE_ORDERS}}


def test_nobody_hands_the_use_of_the_key_on() -> None:
    denial = statements()["NobodyLetsOthersUseIt"]

    assert (denial["Effect"], denial["Principal"]) == ("Deny", {"AWS": "*"})
    assert denial["Action"] == "kms:CreateGrant"
    assert "Condition" not in denial


def test_the_function_that_makes_a_key_may_read_its_address_and_do_nothing_else() -> None:
    named = [each for each in statements().values() if each["Principal"] == {"AWS": SIGNERS}]

    assert [(each["Effect"], each["Action"]) for each in named] == [("Allow", "kms:GetPublicKey")]


def test_the_account_can_never_be_locked_out_and_never_uses_the_key() -> None:
    statement = statements()["AccountAdministers"]

    verbs = set(statement["Action"])
    assert statement["Principal"] == {"AWS": ACCOUNT}
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:GetPublicKey"} <= verbs
    assert not {"kms:Sign", "kms:Verify", "kms:CreateGrant", "kms:ReplicateKey"} & verbs
    assert not [verb for verb in verbs if "*" in verb]


def test_the_account_administers_it_as_it_does_the_key_of_the_template(repository: Any) -> None:
    template = (repository / "template.yaml").read_text()

    only_here, not_here = {"kms:GetPublicKey"}, {"kms:EnableKeyRotation", "kms:GetKeyRotationStatus"}
    verbs = set(statements()["AccountAdministers"]["Action"]) - only_here
    assert not [verb for verb in verbs if verb not in template]
    assert not not_here & verbs  # a key that signs cannot be rotated


def test_the_partition_of_the_role_is_the_account_s() -> None:
    elsewhere = "arn:aws-us-gov:iam::123456789012:role/path/of/role"

    document = json.loads(signing_policy(elsewhere, elsewhere))

    assert document["Statement"][0]["Principal"] == {"AWS": "arn:aws-us-gov:iam::123456789012:root"}


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "*",
        "arn:aws:iam::123456789012:root",
        "arn:aws:iam::123456789012:user/somebody",
        "arn:aws:iam::123456789012:role/*",
        "arn:aws:iam::12345:role/short",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:sts::123456789012:assumed-role/role/session",
        EXECUTE_ORDERS + "\n",
    ],
)
def test_what_is_no_role_makes_no_policy(arn: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTCRY_EXECUTE_ORDERS_ROLE_ARN"):
        signing_policy(arn, SIGNERS)
    with pytest.raises(ConfigurationError, match="OUTCRY_SIGNERS_ROLE_ARN"):
        signing_policy(EXECUTE_ORDERS, arn)
