"""Who may do what and what is kept, rule by rule. Each rule gives what is wrong in words, an empty list where nothing is.

What each function may do in full is `local/permissions`; here is what holds of every policy, whoever it is for.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.expanded import Stack
from tests.infra.rules import Rule, functions

Statement = Mapping[str, Any]

_VPC = (
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
)
# Statements that cannot name what they are for: their Sid with exactly these actions, and why.
WITHOUT_A_NAME = {
    (
        "WritesTraces",
        frozenset(("xray:PutTraceSegments", "xray:PutTelemetryRecords")),
    ): "X-Ray has no resources",
    ("LambdaPutsItIntoTheVpc", frozenset(_VPC)): "a network interface has no ARN before it is made",
    ("ItsCodeDoesNot", frozenset(_VPC)): "it denies, under a condition",
    ("MakesKeysThatNeverLeaveKms", frozenset(("kms:CreateKey",))): (
        "a key has no ARN before it is made; its kind and its tags are conditions"
    ),
    ("SignsWithKeysThatNeverLeaveKms", frozenset(("kms:Sign",))): (
        "keys are made while it runs; their tags are conditions"
    ),
    ("TagsThemAsTheyAreMade", frozenset(("kms:TagResource",))): (
        "keys are made while it runs; the tags are conditions"
    ),
    ("ReadsTheirAddresses", frozenset(("kms:GetPublicKey",))): (
        "keys are made while it runs; their tags are conditions"
    ),
}
# Who may use which key, by the policy of the function's role and by the policy of the key.
USES_KEYS = {
    "ExecuteOrdersRole": {"kms:Decrypt", "kms:Sign"},
    "SignersRole": {"kms:CreateKey", "kms:GenerateDataKey", "kms:GetPublicKey", "kms:TagResource"},
}
_WITH_ITS_CONTEXT = {"StringEquals": {"kms:EncryptionContext:app": "outcry"}}
_OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
# By key and action: who, and under which condition.
LET_IN_BY_KEYS: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "SigningKey": {
        "kms:Decrypt": ("ExecuteOrdersRole", _WITH_ITS_CONTEXT),
        "kms:GenerateDataKey": ("SignersRole", _WITH_ITS_CONTEXT),
    },
    "AlarmsKey": {
        "kms:Decrypt": ("cloudwatch.amazonaws.com", _OF_THIS_ACCOUNT),
        "kms:GenerateDataKey": ("cloudwatch.amazonaws.com", _OF_THIS_ACCOUNT),
    },
}
_THE_ACCOUNT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
ADMINISTERS = {
    *("kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey", "kms:EnableKeyRotation"),
    *("kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies"),
    *("kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:ScheduleKeyDeletion"),
    *("kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription"),
}
USE = {
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:Sign",
    "kms:CreateGrant",
}
TRUSTED = {"lambda.amazonaws.com", "scheduler.amazonaws.com"}
KEPT = (
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::SecretsManager::SecretTargetAttachment",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBSubnetGroup",
    "AWS::RDS::DBClusterParameterGroup",
    "AWS::EC2::VPC",
)
GOES_WITH_THE_STACK = {"AlarmsKey": "nothing that is kept is encrypted with it"}
VARIABLES = re.compile(r"OUTCRY_[A-Z_]+|POWERTOOLS_[A-Z_]+")
LOOKS_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PRIVATE|API_KEY|CREDENTIAL|BEARER")
ROUTES = {"GET /health", "GET /ready"}
NOT_LOGGED = (
    "$context.authorizer",
    "$context.path",
    "querystring",
    "requestOverride",
    "$context.identity",
    "header",
)


def listed(value: Any) -> list[Any]:
    """What may be one thing or a list of them."""
    return value if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Every statement of a policy, those under a condition too."""
    for statement in listed(document["Statement"]):
        branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
        yield from (branch for branch in branches if "Ref" not in branch)


def policies(stack: Stack) -> Iterator[tuple[str, str | None, Statement]]:
    """Every statement of an identity: where it stands, whose role it is (None for all), and the statement."""
    for name, properties in stack.of("AWS::IAM::Role"):
        for policy in properties.get("Policies", []):
            yield from ((name, name, statement) for statement in statements(policy["PolicyDocument"]))
    for name, properties in stack.of("AWS::IAM::Policy"):
        roles = [str(role["Ref"]) for role in properties["Roles"]]
        for statement in statements(properties["PolicyDocument"]):
            yield from ((name, role, statement) for role in roles)
    for name, properties in stack.of("AWS::IAM::ManagedPolicy"):
        yield from ((name, None, statement) for statement in statements(properties["PolicyDocument"]))


# ─── roles and policies ───


def every_function_has_a_role_of_its_own(stack: Stack) -> list[str]:
    """Without a name of ours, trusted by its service alone."""
    wrong, taken = [], set[str]()
    for name, properties in functions(stack).items():
        role = (
            properties["Role"].get("Fn::GetAtt", [None])[0] if isinstance(properties["Role"], dict) else None
        )
        if role != name.removesuffix("Function") + "Role" or role in taken:
            wrong.append(f"{name} has no role of its own")
        taken.add(str(role))
    for name, properties in stack.of("AWS::IAM::Role"):
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
            services = set(listed(statement["Principal"].get("Service", [])))
            if not services or services - TRUSTED or set(statement["Principal"]) != {"Service"}:
                wrong.append(f"{name} is trusted by {statement['Principal']}")
    return wrong


def no_permission_is_wider_than_a_verb(stack: Stack) -> list[str]:
    """No wildcard in an action; no Allow by exclusion."""
    return [
        f"{where} allows {statement.get('Action', 'everything but something')}"
        for where, _, statement in policies(stack)
        if "NotAction" in statement
        or "NotResource" in statement
        or any("*" in action for action in listed(statement["Action"]))
    ]


def no_permission_is_for_anything_at_all(stack: Stack) -> list[str]:
    """A resource with a wildcard has its reason, and its conditions where the reason says so."""
    wrong = []
    for where, _, statement in policies(stack):
        wide = [each for each in listed(statement["Resource"]) if "*" in str(each)]
        reason = WITHOUT_A_NAME.get((statement.get("Sid", ""), frozenset(listed(statement["Action"]))))
        if wide and reason is None:
            wrong.append(f"{where} allows {statement['Action']} on {wide}")
        elif wide and "condition" in str(reason) and not statement.get("Condition"):
            wrong.append(f"{where} allows {statement['Action']} on {wide} without a condition")
    return wrong


def managed_policies_of_aws_are_not_used(stack: Stack) -> list[str]:
    """They are wider than what is needed, and change by themselves."""
    return [
        f"{name} has {arn}"
        for name, properties in stack.of("AWS::IAM::Role")
        for arn in properties.get("ManagedPolicyArns", [])
        if "Ref" not in arn
    ]


# ─── keys ───


def only_these_roles_use_keys(stack: Stack) -> list[str]:
    """As it is said by the policies of the roles."""
    found: dict[str, set[str]] = {}
    for where, role, statement in policies(stack):
        used = {action for action in listed(statement["Action"]) if action.lower().startswith("kms:")}
        if used:
            found.setdefault(role or where, set()).update(used)
    if not functions(stack):
        return [f"{role} uses keys" for role in found]
    return [
        f"{role} may {sorted(found.get(role, set()))} instead of {sorted(USES_KEYS.get(role, set()))}"
        for role in sorted({*found, *USES_KEYS})
        if found.get(role) != USES_KEYS.get(role)
    ]


def only_these_are_let_in_by_keys(stack: Stack) -> list[str]:
    """As it is said by the policies of the keys, condition and all; the account administers and does not use."""
    wrong = []
    for name, properties in stack.of("AWS::KMS::Key"):
        allowed = [s for s in statements(properties["KeyPolicy"]) if s["Effect"] == "Allow"]
        found = []
        for statement in allowed:
            actions = set(listed(statement.get("Action", "everything but something")))
            if statement.get("Principal") == _THE_ACCOUNT:
                wrong += [f"{name} lets the account {each}" for each in sorted(actions - ADMINISTERS)]
            else:
                who = _who(statement.get("Principal", {"all": "but somebody"}))
                found += [(action, who, str(statement.get("Condition"))) for action in actions]
        expected = [(what, who, str(under)) for what, (who, under) in LET_IN_BY_KEYS.get(name, {}).items()]
        if sorted(found) != sorted(expected):
            wrong.append(f"{name} lets in {sorted(found)}")
    return wrong


def _who(principal: Any) -> str:
    if not isinstance(principal, dict) or len(principal) != 1:
        return str(principal)
    [(_, named)] = principal.items()
    return str(named["Fn::GetAtt"][0]) if isinstance(named, dict) and "Fn::GetAtt" in named else str(named)


def signing_keys_refuse_all_others(stack: Stack) -> list[str]:
    """By Deny, so that no other policy and no grant opens them: whoever is not the one, and whatever lacks its context."""
    wrong = []
    for name, uses in LET_IN_BY_KEYS.items():
        if name not in stack.resources or name in GOES_WITH_THE_STACK:
            continue
        denied = [
            s for s in statements(stack.resources[name]["Properties"]["KeyPolicy"]) if s["Effect"] == "Deny"
        ]
        for action, (role, _) in uses.items():
            conditions = [s.get("Condition") for s in denied if action in listed(s["Action"])]
            if {"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": [role, "Arn"]}}} not in conditions:
                wrong.append(f"{name} does not deny {action} to all but {role}")
            if {"StringNotEquals": {"kms:EncryptionContext:app": "outcry"}} not in conditions:
                wrong.append(f"{name} does not deny {action} without its context")
        always = {a for s in denied if "Condition" not in s for a in listed(s["Action"])}
        wrong += [
            f"{name} does not deny {action}" for action in sorted(USE - {"kms:Sign"} - set(uses) - always)
        ]
    return wrong


def keys_rotate(stack: Stack) -> list[str]:
    """Symmetric ones, which are all that a template makes."""
    return [
        f"{name} does not rotate"
        for name, p in stack.of("AWS::KMS::Key")
        if p.get("EnableKeyRotation") is not True
    ]


# ─── what is kept, and what is said ───


def state_outlives_the_stack(stack: Stack) -> list[str]:
    """Keys, secrets, the database and what it stands in."""
    return [
        f"{name} is not kept"
        for name, body in stack.resources.items()
        if body["Type"] in KEPT
        and name not in GOES_WITH_THE_STACK
        and (body.get("DeletionPolicy"), body.get("UpdateReplacePolicy")) != ("Retain", "Retain")
    ]


def no_variable_holds_a_secret(stack: Stack) -> list[str]:
    """Secrets are named by their ARN and read while it runs."""
    wrong = []
    for name, properties in functions(stack).items():
        for variable, value in properties.get("Environment", {}).get("Variables", {}).items():
            if not VARIABLES.fullmatch(variable):
                wrong.append(f"{name} has {variable}, which is none of ours")
            if LOOKS_SECRET.search(variable) and not variable.endswith("_ARN"):
                wrong.append(f"{name} has {variable}")
            if "resolve:" in str(value) or (isinstance(value, str) and len(value) > 20):
                wrong.append(f"{name} has a value of its own in {variable}")
    return wrong


def http_offers_health_and_nothing_else(stack: Stack) -> list[str]:
    """F-57: what nobody has to log in for says nothing; throttled, logged without what a caller may hide in it."""
    wrong = [
        f"{name} offers {properties['RouteKey']}"
        for name, properties in stack.of("AWS::ApiGatewayV2::Route")
        if properties["RouteKey"] not in ROUTES
    ]
    for name, properties in stack.of("AWS::ApiGatewayV2::Stage"):
        settings = properties.get("DefaultRouteSettings", {})
        if not {"ThrottlingBurstLimit", "ThrottlingRateLimit"} <= set(settings):
            wrong.append(f"{name} is not throttled")
        if "RouteSettings" in properties:
            wrong.append(f"{name} throttles a route in a way of its own")
        written = str(properties.get("AccessLogSettings", {}).get("Format", ""))
        if not written or any(each in written for each in NOT_LOGGED):
            wrong.append(f"{name} logs nothing, or too much: {written}")
    kinds = ("AWS::Lambda::Url", "AWS::ApiGateway::RestApi", "AWS::Serverless::HttpApi")
    return wrong + [f"{name} is another way in" for name, _ in stack.of(*kinds)]


RULES_OF_ACCESS: tuple[Rule, ...] = (
    every_function_has_a_role_of_its_own,
    no_permission_is_wider_than_a_verb,
    no_permission_is_for_anything_at_all,
    managed_policies_of_aws_are_not_used,
    only_these_roles_use_keys,
    only_these_are_let_in_by_keys,
    signing_keys_refuse_all_others,
    keys_rotate,
    state_outlives_the_stack,
    no_variable_holds_a_secret,
    http_offers_health_and_nothing_else,
)
