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


def signing_policy(execute_orders_role_arn: str, signers_role_arn: str) -> str:
    """The key policy, as compact JSON. Raises ConfigurationError for what is no ARN of a role.

    Both roles are named in it, so that nothing depends on how soon IAM sees the tags of a new key.
    """
    role = _role("OUTCRY_EXECUTE_ORDERS_ROLE_ARN", execute_orders_role_arn)
    _role("OUTCRY_SIGNERS_ROLE_ARN", signers_role_arn)
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
                    "Sid": "SignersReadsTheAddress",
                    "Effect": "Allow",
                    "Principal": {"AWS": signers_role_arn},
                    "Action": "kms:GetPublicKey",
                    "Resource": "*",
                },
                {
                    "Sid": "NobodyElseSigns",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "kms:Sign",
                    "Resource": "*",
                    "Condition": {"ArnNotEquals": {"aws:PrincipalArn": execute_orders_role_arn}},
                },
                {
                    "Sid": "NobodyLetsOthersUseIt",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "kms:CreateGrant",
                    "Resource": "*",
                },
            ],
        },
        separators=(",", ":"),
    )


def _role(setting: str, arn: str) -> re.Match[str]:
    role = _ROLE.fullmatch(arn)
    if role is None:
        raise ConfigurationError(setting, arn, "name a role: arn:aws:iam::<account>:role/<name>")
    return role
