"""A limit of the local AWS covers what it says and no more, and a policy said anew lets nobody do anything else."""

from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import load
from local.permissions.calls import Outcome
from local.permissions.evaluator import Policies
from local.permissions.limits import (
    CONDITIONS,
    LOG_STREAMS,
    NO_XRAY,
    RE_ENCRYPT,
    limit_of,
    restated,
)
from local.permissions.table import CONTEXT, SIGNER_KEY, Row, misuses, rows

ROLE = "arn:aws:iam::000000000000:role/one"
SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:"


def said(statement: dict[str, Any], context: dict[str, str]) -> list[dict[str, Any]]:
    answer = restated({"Version": "2012-10-17", "Statement": [statement]}, context)
    assert answer["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = answer["Statement"]
    return found


def allow(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": ["a key"], **more}


def test_no_limit_excuses_a_call_that_was_allowed() -> None:
    assert all(limit.seen is not Outcome.ALLOWED for limit in (CONDITIONS, LOG_STREAMS, RE_ENCRYPT, NO_XRAY))


def test_queues_secrets_and_other_uses_of_keys_are_under_no_limit() -> None:
    limited = {row.action for row in rows() if limit_of(row) is not None}

    assert limited == {
        *("kms:Decrypt", "kms:GenerateDataKey", "kms:Sign", "kms:CreateKey", "kms:ReEncryptFrom"),
        *("logs:PutLogEvents", "xray:PutTraceSegments"),
    }


def test_a_row_is_excused_by_conditions_only_where_the_template_has_such_a_condition() -> None:
    template = load(Path(__file__).resolve().parents[3] / "template.yaml")
    secrets = {f"{name}SecretArn": f"{SECRET}{name}" for name in ("X", "Llm", "Database", "OrdersDatabase")}
    policies = Policies(template, {"Network": "testnet", "Classifier": "llm", **secrets})

    def is_conditional(row: Row) -> bool:
        if row.resource == SIGNER_KEY:
            return True  # its policy is made with it, and names a role in aws:PrincipalArn
        of_key = policies.key_statements("SigningKey") if row.resource == "SigningKey" else []
        asked = [*policies.statements_of(policies.role_of(row.function)), *of_key]
        keys = {
            key
            for statement in asked
            if row.action in statement["Action"]
            for condition in statement.get("Condition", {}).values()
            for key in condition
        }
        return any(key.startswith("kms:") or key == "aws:PrincipalArn" for key in keys)

    excused = [row for row in [*rows(), *misuses()] if limit_of(row) is CONDITIONS]

    assert excused
    assert [row for row in excused if not is_conditional(row)] == []


# ─── policies said anew ───


def test_a_statement_without_conditions_is_as_it_was() -> None:
    assert said(allow(), {}) == [allow()]


def test_an_allow_whose_condition_the_request_meets_stands_without_it() -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:app": "outcry"}}

    assert said(allow(Condition=condition), CONTEXT) == [allow()]


@pytest.mark.parametrize("context", [{}, {"kms:EncryptionContext:app": "other"}])
def test_an_allow_whose_condition_the_request_does_not_meet_is_gone(context: dict[str, str]) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:app": "outcry"}}

    assert said(allow(Condition=condition), context) == []


def test_a_deny_of_requests_without_their_context_holds_against_them_and_no_others() -> None:
    deny = allow(Effect="Deny", Condition={"StringNotEquals": {"kms:EncryptionContext:app": "outcry"}})

    assert said(deny, {}) == [allow(Effect="Deny")]
    assert said(deny, CONTEXT) == []


def test_conditions_that_the_local_aws_knows_stay_beside_those_that_were_answered() -> None:
    condition = {"StringEquals": {"kms:MessageType": "DIGEST", "aws:ResourceTag/app": "outcry"}}

    assert said(allow(Condition=condition), {"kms:MessageType": "DIGEST"}) == [
        allow(Condition={"StringEquals": {"aws:ResourceTag/app": "outcry"}})
    ]


@pytest.mark.parametrize(("operator", "like"), [("ArnEquals", "ArnLike"), ("ArnNotEquals", "ArnNotLike")])
def test_a_role_is_named_by_its_sessions_alone(operator: str, like: str) -> None:
    (statement,) = said(allow(Condition={operator: {"aws:PrincipalArn": ROLE}}), {})

    assert statement["Condition"] == {
        like: {"aws:PrincipalArn": ["arn:aws:sts::000000000000:assumed-role/one/*"]}
    }


def test_another_operator_on_a_role_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        said(allow(Condition={"StringLike": {"aws:PrincipalArn": ROLE}}), {})


def test_a_log_groups_streams_are_named_by_the_group_and_nothing_else_is_shortened() -> None:
    group = "arn:aws:logs:us-east-1:000000000000:log-group:/outcry/tick"
    (statement,) = said(allow(Resource=[f"{group}:*", "arn:aws:sqs:us-east-1:000000000000:*"]), {})

    assert statement["Resource"] == [group, "arn:aws:sqs:us-east-1:000000000000:*"]
