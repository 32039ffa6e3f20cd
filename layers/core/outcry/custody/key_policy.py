"""The policy of a key that signs inside KMS: who may administer it, and who alone may sign.

Promises: `execute_orders` may sign digests and nothing else; everybody else is denied Sign in so many words, whatever their
own policies say; the account may administer the key, look at its public half and delete it, and not use it. Whoever may
change the policy can undo this: it is the account's to guard.
"""

import json
import re

from outcry.runtime.errors import ConfigurationError

_ROLE = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]+", re.ASCII)
_ADMINISTERS = (
    "CancelKeyDeletion",
    "DescribeKey",
    "DisableKey",
    "EnableKey",
    "GetKeyPolicy",
    "GetPublicKey",
    "ListGrants",
    "ListKeyPolicies",
    "ListResourceTags",
    "PutKeyPolicy",
    "RevokeGrant",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
)


def signing_policy(execute_orders_role_arn: str) -> str:
    """The key policy, as compact JSON. Raises ConfigurationError for what is no ARN of a role.

    GetPublicKey is among what the account's own policies may allow: the function that makes signers needs it, and a public
    key is no secret.
    """
    role = _ROLE.fullmatch(execute_orders_role_arn)
    if role is None:
        raise ConfigurationError(
            "OUTCRY_EXECUTE_ORDERS_ROLE_ARN",
            execute_orders_role_arn,
            "name the role of execute_orders: arn:aws:iam::<account>:role/<name>",
        )
    account = f"arn:{role['partition']}:iam::{role['account']}:root"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AccountAdministers",
                    "Effect": "Allow",
                    "Principal": {"AWS": account},
                    "Action": [f"kms:{verb}" for verb in _ADMINISTERS],
                    "Resource": "*",
                },
                {
                    "Sid": "OnlyExecuteOrdersSigns",
                    "Effect": "Allow",
                    "Principal": {"AWS": execute_orders_role_arn},
                    "Action": "kms:Sign",
                    "Resource": "*",
                    "Condition": {
                        "StringEquals": {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"}
                    },
                },
                {
                    "Sid": "NobodyElseSigns",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "kms:Sign",
                    "Resource": "*",
                    "Condition": {"ArnNotEquals": {"aws:PrincipalArn": execute_orders_role_arn}},
                },
            ],
        },
        separators=(",", ":"),
    )
