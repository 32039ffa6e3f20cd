"""The template's policies allow what was decided and nothing else, function by function and action by action."""

from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import load
from local.permissions.evaluator import Policies, UnknownOperator
from local.permissions.table import (
    CONTEXT,
    CREATES,
    FUNCTIONS,
    NEW_KEY,
    NOTHING_NAMED,
    OF_SIGNER_KEY,
    SIGNER_KEY,
    SIGNS,
    Row,
    rows,
)

SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"
PARAMETERS = {
    "Network": "testnet",
    "Classifier": "llm",
    "XSecretArn": f"{SECRET}x",
    "LlmSecretArn": f"{SECRET}llm",
    "DatabaseSecretArn": f"{SECRET}database",
    "OrdersDatabaseSecretArn": f"{SECRET}orders",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load(Path(__file__).resolve().parents[2] / "template.yaml")


@pytest.fixture(scope="module")
def policies(template: dict[str, Any]) -> Policies:
    return Policies(template, PARAMETERS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_its_row_says_and_nothing_else(policies: Policies, function: str) -> None:
    asked = [row for row in rows() if row.function == function]
    wrong = [row for row in asked if policies.allows(row) is not row.is_allowed]

    assert wrong == []
    assert any(row.is_allowed for row in asked)
    assert any(not row.is_allowed for row in asked)


def test_without_a_database_role_of_its_own_execute_orders_reads_the_common_one(
    template: dict[str, Any],
) -> None:
    shared = Policies(template, {**PARAMETERS, "OrdersDatabaseSecretArn": ""})

    assert shared.allows(
        Row("execute_orders", "secretsmanager:GetSecretValue", "DatabaseSecretArn", is_allowed=True)
    )


def test_with_the_grammar_nobody_reads_the_models_secret(template: dict[str, Any]) -> None:
    grammar = Policies(template, {**PARAMETERS, "Classifier": "grammar"})

    assert not grammar.allows(
        Row("classify_posts", "secretsmanager:GetSecretValue", "LlmSecretArn", is_allowed=False)
    )


def test_in_a_vpc_lambda_may_place_a_function_and_the_functions_own_code_may_not(
    template: dict[str, Any],
) -> None:
    aurora = {**PARAMETERS, "DatabaseMode": "aurora", "DatabaseSecretArn": ""}
    policies = Policies(template, aurora)
    its_code = {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:tick"}

    def may(context: dict[str, str]) -> bool:
        return policies.allows(
            Row("tick", "ec2:CreateNetworkInterface", NOTHING_NAMED, is_allowed=True, context=context)
        )

    assert may({})
    assert not may(its_code)


# ─── keys ───


@pytest.mark.parametrize("context", [{}, {"kms:EncryptionContext:app": "other"}])
@pytest.mark.parametrize(
    ("function", "action"), [("execute_orders", "kms:Decrypt"), ("signers", "kms:GenerateDataKey")]
)
def test_f23_a_key_is_not_used_without_its_context(
    policies: Policies, function: str, action: str, context: dict[str, str]
) -> None:
    assert policies.allows(Row(function, action, "SigningKey", is_allowed=True, context=CONTEXT))
    assert not policies.allows(Row(function, action, "SigningKey", is_allowed=False, context=context))


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"])
def test_f25_whoever_may_do_everything_in_the_account_may_still_not_use_the_signing_key(
    policies: Policies, action: str
) -> None:
    assert not policies.lets_administrator(action, "SigningKey", CONTEXT)


@pytest.mark.parametrize(
    "action", ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:EnableKeyRotation", "kms:DescribeKey"]
)
def test_the_account_can_still_administer_the_signing_key(policies: Policies, action: str) -> None:
    assert policies.lets_administrator(action, "SigningKey", {})


def test_the_deny_holds_where_somebody_adds_an_allow(template: dict[str, Any]) -> None:
    wider = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "kms:Decrypt",
        "Resource": "*",
    }
    key = template["Resources"]["SigningKey"]
    document = key["Properties"]["KeyPolicy"]
    changed = {**document, "Statement": [*document["Statement"], wider]}
    resources = {
        **template["Resources"],
        "SigningKey": {**key, "Properties": {**key["Properties"], "KeyPolicy": changed}},
    }
    policies = Policies({**template, "Resources": resources}, PARAMETERS)

    assert not policies.allows(Row("api", "kms:Decrypt", "SigningKey", is_allowed=False, context=CONTEXT))
    assert not policies.lets_administrator("kms:Decrypt", "SigningKey", CONTEXT)
    assert policies.allows(
        Row("execute_orders", "kms:Decrypt", "SigningKey", is_allowed=True, context=CONTEXT)
    )


@pytest.mark.parametrize("missing", [*OF_SIGNER_KEY, *SIGNS])
def test_f26_a_key_in_kms_signs_only_with_this_stacks_tags_and_in_the_one_way(
    policies: Policies, missing: str
) -> None:
    whole = {**OF_SIGNER_KEY, **SIGNS}
    less = {name: value for name, value in whole.items() if name != missing}
    other = {**whole, missing: "other"}

    assert policies.allows(Row("execute_orders", "kms:Sign", SIGNER_KEY, is_allowed=True, context=whole))
    for context in (less, other):
        assert not policies.allows(
            Row("execute_orders", "kms:Sign", SIGNER_KEY, is_allowed=False, context=context)
        )


@pytest.mark.parametrize("missing", CREATES)
def test_a_key_is_made_only_as_a_signers_key_with_its_tags(policies: Policies, missing: str) -> None:
    other = {**CREATES, missing: "other"}

    assert policies.allows(Row("signers", "kms:CreateKey", NEW_KEY, is_allowed=True, context=CREATES))
    assert not policies.allows(Row("signers", "kms:CreateKey", NEW_KEY, is_allowed=False, context=other))


def test_a_condition_that_the_evaluator_does_not_know_is_no_yes(template: dict[str, Any]) -> None:
    odd = {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"DateLessThan": {"a": "b"}},
    }
    role = template["Resources"]["ApiRole"]
    policy = {"PolicyName": "odd", "PolicyDocument": {"Statement": [odd]}}
    changed = {**role, "Properties": {**role["Properties"], "Policies": [policy]}}
    policies = Policies({**template, "Resources": {**template["Resources"], "ApiRole": changed}}, PARAMETERS)

    with pytest.raises(UnknownOperator):
        policies.allows(Row("api", "sqs:SendMessage", "PostsQueue", is_allowed=False))


def test_an_action_counts_in_whatever_case_it_is_written(template: dict[str, Any]) -> None:
    shouted = {"Effect": "Allow", "Action": "SQS:sendmessage", "Resource": "*"}
    role = template["Resources"]["ApiRole"]
    policy = {"PolicyName": "odd", "PolicyDocument": {"Statement": [shouted]}}
    changed = {**role, "Properties": {**role["Properties"], "Policies": [policy]}}
    policies = Policies({**template, "Resources": {**template["Resources"], "ApiRole": changed}}, PARAMETERS)

    assert policies.allows(Row("api", "sqs:SendMessage", "PostsQueue", is_allowed=False))
