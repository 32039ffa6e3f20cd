"""What the local AWS cannot hold of our policies, row by row, and our policies said so that it can.

Promises: every row that a limit does not cover is enforced there as it was deployed. A limit is small, says why, and says what is
seen in its place; `restated` changes nothing of who may do what for the requests it is given, so that what it leads to still
shows whether the rest of the policy (action, resource, principal, Deny before Allow) is as designed.

Seen in ministack 1.5.33: `iam_evaluator.enforce` gets no condition key of KMS; aws:PrincipalArn is the ARN of the session, where
AWS gives the role's ("aws:PrincipalArn" in the IAM User Guide, global condition context keys); a log event is asked for with the
ARN of its group; an action is named after its operation; there is no X-Ray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.permissions.calls import Outcome
from local.permissions.evaluator import holds, listed
from local.permissions.table import FOREIGN_KEY, NEW_KEY, SIGNER_KEY, Row

_PRINCIPAL = "aws:PrincipalArn"
_OF_KMS = "kms:"
_LIKE = {"ArnEquals": "ArnLike", "ArnNotEquals": "ArnNotLike"}
# A Deny of the key's own policy has such a condition, so that it meets everybody; or the Allow of this one function has it.
_EVERYBODY = frozenset(
    {("kms:Decrypt", "SigningKey"), ("kms:GenerateDataKey", "SigningKey"), ("kms:Sign", SIGNER_KEY)}
)
_ALLOWED_ONE = frozenset({("execute_orders", "kms:Sign", FOREIGN_KEY), ("signers", "kms:CreateKey", NEW_KEY)})


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that the local AWS cannot do. `seen` is what every row under it comes to there, as deployed."""

    why: str
    seen: Outcome
    is_restated: bool


CONDITIONS = Limit(
    "a request comes without KMS's condition keys, and a session without its role's ARN", Outcome.DENIED, True
)
LOG_STREAMS = Limit("a log event is asked for without its stream", Outcome.DENIED, True)
RE_ENCRYPT = Limit("kms:ReEncryptFrom goes by another name", Outcome.DENIED, False)
NO_XRAY = Limit("there is no X-Ray", Outcome.OTHER, False)


def limit_of(row: Row) -> Limit | None:
    """Why a row is not enforced there; None for nearly all of them."""
    asked = (row.action, row.resource)
    if asked in _EVERYBODY or (row.function, *asked) in _ALLOWED_ONE:
        return CONDITIONS
    return {
        "logs:PutLogEvents": LOG_STREAMS,
        "kms:ReEncryptFrom": RE_ENCRYPT,
        "xray:PutTraceSegments": NO_XRAY,
    }.get(row.action)


def restated(document: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any]:
    """A policy, said for requests that have exactly these of KMS's condition keys.

    Their conditions are answered: a statement that does not hold is gone, one that does stands without them. A role in
    aws:PrincipalArn is named by its sessions, and the streams of a log group by the group.
    """
    statements = [_restated(statement, context) for statement in document["Statement"]]
    return {**document, "Statement": [statement for statement in statements if statement is not None]}


def _restated(statement: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any] | None:
    said: dict[str, Any] = {name: value for name, value in statement.items() if name != "Condition"}
    if "Resource" in said:
        said["Resource"] = [_group(resource) for resource in listed(said["Resource"])]
    conditions: dict[str, dict[str, Any]] = {}
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            if key.startswith(_OF_KMS):
                if not holds(operator, listed(values), context.get(key)):
                    return None
            elif key == _PRINCIPAL:
                conditions.setdefault(_LIKE[operator], {})[key] = [_sessions(role) for role in listed(values)]
            else:
                conditions.setdefault(operator, {})[key] = values
    return {**said, "Condition": conditions} if conditions else said


def _sessions(role: str) -> str:
    """Every session of a role, by their ARNs."""
    return role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/*"


def _group(resource: str) -> str:
    return resource.removesuffix(":*") if ":log-group:" in resource else resource


def contexts_of(rows: Sequence[Row]) -> list[Mapping[str, str]]:
    """Each context among these rows, once."""
    found: list[Mapping[str, str]] = []
    for row in rows:
        if row.context not in found:
            found.append(row.context)
    return found
