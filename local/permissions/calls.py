"""The real call that asks for what a row of the table says, and what an answer to it means.

Promises: a call is well formed, so that whoever is allowed gets past the permission check; an answer is ALLOWED only where it
succeeded or failed on something that is looked at after permissions, DENIED only where its code says so. Any other is OTHER.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local.permissions.probe import OK
from local.permissions.table import FOREIGN_KEY, Row

STREAM = "permissions"
_CONTEXT = "kms:EncryptionContext:"
_REQUEST_TAG = "aws:RequestTag/"
_DIGEST = bytes(32)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
# What is found wrong with a call once its caller has been found to be allowed.
_AFTERWARDS = {
    "sqs:DeleteMessage": frozenset({"ReceiptHandleIsInvalid"}),
    "ec2:CreateNetworkInterface": frozenset({"InvalidSubnetID.NotFound"}),
}


class Outcome(StrEnum):
    """What an answer says of the permission."""

    ALLOWED = "allowed"
    DENIED = "denied"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of boto3."""

    service: str
    operation: str
    arguments: Mapping[str, Any]

    def as_event(self) -> dict[str, Any]:
        """The call as JSON carries it to the probe."""
        arguments = {
            name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
            for name, value in self.arguments.items()
        }
        return {"service": self.service, "operation": self.operation, "arguments": arguments}


@dataclass(frozen=True, slots=True)
class There:
    """What the table's resources are called where the stack runs.

    `names` has queue URLs, ARNs of secrets and keys, and names of log groups. `wrapped` has something that each key encrypted in
    its context, `policies` each key's own policy. `foreign_signer` is somebody else's key that signs, as FOREIGN_KEY decrypts.
    """

    names: Mapping[str, str]
    wrapped: Mapping[str, bytes]
    policies: Mapping[str, str]
    foreign_signer: str


def call_of(row: Row, there: There) -> Call:
    """The call. Raises KeyError for an action that no call is known for."""
    service, verb = row.action.split(":")
    return (
        _CALLS[row.action](service, row, there) if row.action in _CALLS else _plain(service, verb, row, there)
    )


def outcome(action: str, code: str) -> Outcome:
    """What the code of an answer says."""
    if code in _DENIED:
        return Outcome.DENIED
    return Outcome.ALLOWED if code == OK or code in _AFTERWARDS.get(action, ()) else Outcome.OTHER


# ─── calls that are more than a name and a resource ───


def _plain(service: str, verb: str, row: Row, there: There) -> Call:
    operation, element, more = _PLAIN[f"{service}:{verb}"]
    return Call(service, operation, {element: there.names[row.resource], **more})


_PLAIN: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "sqs:SendMessage": ("send_message", "QueueUrl", {"MessageBody": "{}"}),
    "sqs:ReceiveMessage": ("receive_message", "QueueUrl", {"WaitTimeSeconds": 0}),
    "sqs:DeleteMessage": ("delete_message", "QueueUrl", {"ReceiptHandle": "of nothing"}),
    "sqs:GetQueueAttributes": ("get_queue_attributes", "QueueUrl", {"AttributeNames": ["QueueArn"]}),
    "sqs:PurgeQueue": ("purge_queue", "QueueUrl", {}),
    "sqs:SetQueueAttributes": ("set_queue_attributes", "QueueUrl", {"Attributes": {"DelaySeconds": "0"}}),
    "secretsmanager:GetSecretValue": ("get_secret_value", "SecretId", {}),
    "secretsmanager:PutSecretValue": ("put_secret_value", "SecretId", {"SecretString": "{}"}),
    "kms:ScheduleKeyDeletion": ("schedule_key_deletion", "KeyId", {"PendingWindowInDays": 30}),
    "logs:PutLogEvents": (
        "put_log_events",
        "logGroupName",
        {"logStreamName": STREAM, "logEvents": [{"timestamp": 1_800_000_000_000, "message": "asked"}]},
    ),
}


def _encryption_context(row: Row) -> dict[str, str]:
    return {
        key.removeprefix(_CONTEXT): value for key, value in row.context.items() if key.startswith(_CONTEXT)
    }


def _on_key(operation: str, more: Mapping[str, Any]) -> Callable[[str, Row, There], Call]:
    return lambda service, row, there: Call(service, operation, {"KeyId": there.names[row.resource], **more})


def _decrypt(service: str, row: Row, there: There) -> Call:
    key = there.names[row.resource]
    given = {"CiphertextBlob": there.wrapped[row.resource], "EncryptionContext": _encryption_context(row)}
    return Call(service, "decrypt", {"KeyId": key, **given})


def _in_context(operation: str, more: Mapping[str, Any]) -> Callable[[str, Row, There], Call]:
    def made(service: str, row: Row, there: There) -> Call:
        given = {"KeyId": there.names[row.resource], "EncryptionContext": _encryption_context(row)}
        return Call(service, operation, {**given, **more})

    return made


def _re_encrypt(service: str, row: Row, there: There) -> Call:
    return Call(
        service,
        "re_encrypt",
        {
            "CiphertextBlob": there.wrapped[row.resource],
            "SourceEncryptionContext": _encryption_context(row),
            "DestinationKeyId": there.names[FOREIGN_KEY],
        },
    )


def _put_key_policy(service: str, row: Row, there: There) -> Call:
    key, policy = there.names[row.resource], there.policies[row.resource]
    return Call(service, "put_key_policy", {"KeyId": key, "PolicyName": "default", "Policy": policy})


def _with_signing_key(operation: str, row: Row, there: There, more: Mapping[str, Any]) -> Call:
    key = there.foreign_signer if row.resource == FOREIGN_KEY else there.names[row.resource]
    return Call("kms", operation, {"KeyId": key, **more})


def _sign(_: str, row: Row, there: There) -> Call:
    given = {
        "Message": _DIGEST,
        "MessageType": row.context["kms:MessageType"],
        "SigningAlgorithm": row.context["kms:SigningAlgorithm"],
    }
    return _with_signing_key("sign", row, there, given)


def _create_key(service: str, row: Row, there: There) -> Call:
    tags = {
        key.removeprefix(_REQUEST_TAG): value
        for key, value in row.context.items()
        if key.startswith(_REQUEST_TAG)
    }
    return Call(
        service,
        "create_key",
        {
            "KeySpec": row.context["kms:KeySpec"],
            "KeyUsage": row.context["kms:KeyUsage"],
            "Tags": [{"TagKey": name, "TagValue": value} for name, value in tags.items()],
        },
    )


_CALLS: Mapping[str, Callable[[str, Row, There], Call]] = {
    "kms:Decrypt": _decrypt,
    "kms:GenerateDataKey": _in_context("generate_data_key", {"KeySpec": "AES_256"}),
    "kms:Encrypt": _in_context("encrypt", {"Plaintext": b"nothing"}),
    "kms:ReEncryptFrom": _re_encrypt,
    "kms:CreateGrant": _on_key(
        "create_grant", {"GranteePrincipal": "arn:aws:iam::000000000000:root", "Operations": ["Decrypt"]}
    ),
    "kms:PutKeyPolicy": _put_key_policy,
    "kms:Sign": _sign,
    "kms:GetPublicKey": lambda _, row, there: _with_signing_key("get_public_key", row, there, {}),
    "kms:CreateKey": _create_key,
    "xray:PutTraceSegments": lambda service, _, __: Call(
        service, "put_trace_segments", {"TraceSegmentDocuments": [json.dumps({"id": "0" * 16})]}
    ),
    "ec2:CreateNetworkInterface": lambda service, _, __: Call(
        service, "create_network_interface", {"SubnetId": "subnet-00000000000000000"}
    ),
}
