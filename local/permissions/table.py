"""Every function and every action that matters, and whether it is allowed: what the policies are held against.

Promises: the table is complete. What is not written down as allowed is a row that says denied, so that one permission too many
shows as surely as one too few. It knows nothing of the template: it says what was decided, not what was written there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

QUEUES = ("PostsQueue", "CallsQueue", "EntriesQueue", "ExitsQueue", "TicksHyperliquidQueue", "NoticesQueue")
DEAD_QUEUES = ("PostsDeadQueue", "CallsDeadQueue", "EntriesDeadQueue", "ExitsDeadQueue", "NoticesDeadQueue")
SECRETS = ("DatabaseSecretArn", "OrdersDatabaseSecretArn", "XSecretArn", "LlmSecretArn")
FUNCTIONS = (
    "migrate",
    "ingest_posts",
    "classify_posts",
    "generate_signals",
    "execute_orders",
    "monitor_hyperliquid",
    "tick",
    "signers",
    "notify",
    "api",
)
SIGNER_KEY = "a signer's key in KMS"
FOREIGN_KEY = "a key of somebody else"
NEW_KEY = "a new key"
NOTHING_NAMED = "nothing that has a name"  # what is asked of the service as a whole

# What is asked of each kind of thing.
_QUEUE_ACTIONS = (
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:PurgeQueue",
    "sqs:SetQueueAttributes",
)
_CONSUMES = frozenset(("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"))
_SECRET_ACTIONS = ("secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue")
_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:Encrypt",
    "kms:ReEncryptFrom",
    "kms:CreateGrant",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
)
_SIGNER_KEY_ACTIONS = ("kms:Sign", "kms:GetPublicKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")

# The context of a request that is as it should be.
CONTEXT = {"kms:EncryptionContext:app": "outcry"}
SIGNS = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
TAGS = {"app": "outcry", "purpose": "signer", "stack": "outcry"}
OF_SIGNER_KEY = {f"aws:ResourceTag/{name}": value for name, value in TAGS.items()}
CREATES = {
    "kms:KeySpec": "ECC_SECG_P256K1",
    "kms:KeyUsage": "SIGN_VERIFY",
    **{f"aws:RequestTag/{name}": value for name, value in TAGS.items()},
}


@dataclass(frozen=True, slots=True)
class Row:
    """May this function do this to that? `resource` is a logical id of the template, a parameter that names a secret, or one of
    the keys above. `context` holds the condition keys that the request brings along.
    """

    function: str
    action: str
    resource: str
    is_allowed: bool
    context: Mapping[str, str] = field(default_factory=dict)


def _consumes(*queues: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(queues, _CONSUMES)


def _rings(*queues: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(queues, frozenset(("sqs:SendMessage",)))


def _reads(*secrets: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(secrets, frozenset(("secretsmanager:GetSecretValue",)))


def _both(
    first: Mapping[str, frozenset[str]], second: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    return {name: first.get(name, frozenset()) | second.get(name, frozenset()) for name in {*first, *second}}


# By function and thing, what it may do. DESIGN's table of functions, column "may", and the doorbells that each one rings.
ALLOWED: Mapping[str, Mapping[str, frozenset[str]]] = {
    "migrate": _reads("DatabaseSecretArn"),
    "ingest_posts": {
        **_reads("DatabaseSecretArn", "XSecretArn"),
        **_rings("PostsQueue", "NoticesQueue"),
    },
    "classify_posts": {
        **_reads("DatabaseSecretArn", "LlmSecretArn"),
        **_consumes("PostsQueue"),
        **_rings("CallsQueue", "NoticesQueue"),
    },
    "generate_signals": {
        **_reads("DatabaseSecretArn"),
        **_consumes("CallsQueue"),
        **_rings("EntriesQueue", "ExitsQueue", "NoticesQueue"),
    },
    "execute_orders": {
        **_reads("OrdersDatabaseSecretArn"),
        **_both(
            _consumes("EntriesQueue", "ExitsQueue"),
            _rings("EntriesQueue", "ExitsQueue", "NoticesQueue"),
        ),
        "SigningKey": frozenset(("kms:Decrypt",)),
        SIGNER_KEY: frozenset(("kms:Sign",)),
    },
    "monitor_hyperliquid": {
        **_reads("DatabaseSecretArn"),
        **_consumes("TicksHyperliquidQueue"),
        **_rings("EntriesQueue", "ExitsQueue", "NoticesQueue"),
    },
    "tick": {**_reads("DatabaseSecretArn"), **_rings(*QUEUES)},
    "signers": {
        **_reads("DatabaseSecretArn"),
        "SigningKey": frozenset(("kms:GenerateDataKey",)),
        SIGNER_KEY: frozenset(("kms:GetPublicKey",)),
        NEW_KEY: frozenset(("kms:CreateKey",)),
    },
    "notify": {**_reads("DatabaseSecretArn"), **_consumes("NoticesQueue")},
    "api": _reads("DatabaseSecretArn"),
}


# Beside the table, what a call needs that is written down as one: a key that is made with tags is tagged by its maker.
_COMES_WITH = {"signers": {SIGNER_KEY: frozenset(("kms:TagResource",))}}
# What every function may beside its own role. The second is Lambda's own, and only where there is a VPC.
TRACES = frozenset(("xray:PutTraceSegments", "xray:PutTelemetryRecords"))
PLACES = frozenset(
    (
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    )
)


def everything(function: str) -> dict[str, frozenset[str]]:
    """By thing, every action that the function's own role allows: there is no other."""
    own = {logs_of(function): frozenset(("logs:CreateLogStream", "logs:PutLogEvents"))}
    return _both({**ALLOWED[function], **own}, _COMES_WITH.get(function, {}))


def logs_of(function: str) -> str:
    """The logical id of a function's log group."""
    return "".join(part.title() for part in function.split("_")) + "Logs"


def rows() -> Iterator[Row]:
    """The whole table, every function against every action on every thing."""
    asked: list[tuple[str, tuple[str, ...], Mapping[str, str]]] = [
        *((queue, _QUEUE_ACTIONS, {}) for queue in (*QUEUES, *DEAD_QUEUES)),
        *((secret, _SECRET_ACTIONS, {}) for secret in SECRETS),
        ("SigningKey", _KEY_ACTIONS, CONTEXT),
        (SIGNER_KEY, _SIGNER_KEY_ACTIONS, {**OF_SIGNER_KEY, **SIGNS}),
        (FOREIGN_KEY, (*_SIGNER_KEY_ACTIONS, "kms:Decrypt"), {**SIGNS, **CONTEXT}),
        (NEW_KEY, ("kms:CreateKey",), CREATES),
    ]
    for function in FUNCTIONS:
        may = ALLOWED[function]
        for resource, actions, context in asked:
            for action in actions:
                yield Row(function, action, resource, action in may.get(resource, ()), context)
        for other in FUNCTIONS:
            yield Row(function, "logs:PutLogEvents", logs_of(other), other == function)
        yield Row(function, "xray:PutTraceSegments", NOTHING_NAMED, is_allowed=True)
        yield Row(function, "ec2:CreateNetworkInterface", NOTHING_NAMED, is_allowed=False)


def misuses() -> Iterator[Row]:
    """The right function with the right key, and a request that is not as it should be: each is denied."""
    for context in ({}, {"kms:EncryptionContext:app": "other"}):
        yield Row("execute_orders", "kms:Decrypt", "SigningKey", is_allowed=False, context=context)
        yield Row("signers", "kms:GenerateDataKey", "SigningKey", is_allowed=False, context=context)
    raw = {**OF_SIGNER_KEY, **SIGNS, "kms:MessageType": "RAW"}
    yield Row("execute_orders", "kms:Sign", SIGNER_KEY, is_allowed=False, context=raw)
    for other in ({"kms:KeySpec": "ECC_NIST_P256"}, {"aws:RequestTag/stack": "other"}):
        yield Row("signers", "kms:CreateKey", NEW_KEY, is_allowed=False, context={**CREATES, **other})
