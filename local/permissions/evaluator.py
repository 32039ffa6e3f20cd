"""What the policies of a template let its functions do, worked out as IAM does.

Promises: an explicit Deny wins over everything; what nothing allows is denied; a key is used only if its own policy says so, or
leaves it to the account and the role's policy says so; a condition key that a request lacks fails a positive condition and meets a
negated one. An operator that is not known here is an UnknownOperator, never taken as met.

Sources: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators"; KMS Developer Guide, "Key
policies" (the account's root as principal leaves the decision to IAM policies).
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from local.dispatcher.cloudformation import Resolver
from local.permissions.table import FOREIGN_KEY, NEW_KEY, NOTHING_NAMED, SIGNER_KEY, Row

ACCOUNT = "000000000000"
REGION = "us-east-1"
STACK = "outcry"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/administrator"
_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_PSEUDO = {
    "AWS::StackName": STACK,
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
}
_SERVICES = {
    "AWS::IAM::Role": "iam",
    "AWS::SQS::Queue": "sqs",
    "AWS::KMS::Key": "kms",
    "AWS::Logs::LogGroup": "logs",
}

type Statement = Mapping[str, Any]


class UnknownOperator(Exception):
    """A condition uses an operator that the evaluator does not know."""


class _Attributes(dict[str, str]):
    """A resource's Ref is its logical id, its ARN one of its own kind; whatever else it has is a made-up value."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__({"Ref": name, "Arn": arn_of(name, kind)})
        self._name = name

    def __missing__(self, attribute: str) -> str:
        return f"{self._name}.{attribute}"


def arn_of(name: str, kind: str) -> str:
    """A made-up ARN of a resource of the template."""
    match kind:
        case "AWS::IAM::Role":
            return f"arn:aws:iam::{ACCOUNT}:role/{name}"
        case "AWS::KMS::Key":
            return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}"
        case "AWS::Logs::LogGroup":
            return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
    service = _SERVICES.get(kind, kind.split("::")[1].lower())
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


class Policies:
    """The policies of one template for one set of parameters."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._resources: Mapping[str, Any] = template["Resources"]
        self._parameters = parameters
        attributes = {name: _Attributes(name, str(body["Type"])) for name, body in self._resources.items()}
        self._resolver = Resolver(template, parameters, attributes, _PSEUDO)

    def allows(self, row: Row) -> bool:
        """Whether the row's function may do it, whatever the row itself says."""
        role = self.role_of(row.function)
        principal = arn_of(role, "AWS::IAM::Role")
        return self._decide(self.statements_of(role), principal, row.action, row.resource, row.context)

    def lets_administrator(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Whether a person may do it whom the account's own policies allow everything."""
        return self._decide([_ANYTHING], ADMINISTRATOR, action, resource, context)

    def role_of(self, function: str) -> str:
        """The logical id of a function's role, by the name of its folder."""
        for body in self._resources.values():
            if body["Type"] == "AWS::Serverless::Function" and body["Properties"]["CodeUri"].endswith(
                f"/{function}"
            ):
                return str(body["Properties"]["Role"]["Fn::GetAtt"][0])
        raise KeyError(function)

    def statements_of(self, role: str) -> list[Statement]:
        """Everything that a role's own policies say: inline, attached by name, and managed."""
        properties = self._resources[role]["Properties"]
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        managed = [arn["Ref"] for arn in properties.get("ManagedPolicyArns", [])]
        for name, body in self._resources.items():
            attached = body["Type"] == "AWS::IAM::Policy" and {"Ref": role} in body["Properties"]["Roles"]
            if attached or name in managed:
                documents.append(body["Properties"]["PolicyDocument"])
        return [
            statement for document in documents for statement in self._resolver.value(document)["Statement"]
        ]

    def key_statements(self, key: str) -> list[Statement]:
        """What a key's own policy says."""
        found: list[Statement] = self._resolver.value(self._resources[key]["Properties"]["KeyPolicy"])[
            "Statement"
        ]
        return found

    def _decide(
        self, own: Sequence[Statement], principal: str, action: str, resource: str, context: Mapping[str, str]
    ) -> bool:
        asked = {**context, "aws:PrincipalArn": principal}
        arn = self.arn(resource)
        of_role = [s for s in own if _acts(s, action) and _names(s, "Resource", arn) and _is_met(s, asked)]
        if resource not in self._resources or self._resources[resource]["Type"] != "AWS::KMS::Key":
            return _effects(of_role) == {"Allow"}
        of_key = [s for s in self.key_statements(resource) if _acts(s, action) and _is_met(s, asked)]
        direct = _effects(s for s in of_key if _is_for(s, principal))
        delegated = _effects(s for s in of_key if _is_for(s, ROOT)) == {"Allow"} and "Allow" in _effects(
            of_role
        )
        return "Deny" not in direct | _effects(of_role) and ("Allow" in direct or delegated)

    def arn(self, resource: str) -> str:
        """The made-up ARN of what a row is about."""
        if resource in self._resources:
            arn = arn_of(resource, self._resources[resource]["Type"])
            return arn.removesuffix("*") + "log-stream:one" if ":log-group:" in arn else arn
        if resource in {SIGNER_KEY, FOREIGN_KEY}:
            return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{resource}"
        return "*" if resource in {NEW_KEY, NOTHING_NAMED} else self._parameters[resource]


def _effects(statements: Iterable[Statement]) -> set[str]:
    return {str(statement["Effect"]) for statement in statements}


def listed(found: Any) -> list[str]:
    return [found] if isinstance(found, str) else list(found)


def _acts(statement: Statement, wanted: str) -> bool:
    """Whether it is about this action, whose letters IAM takes in either case."""
    return any(fnmatchcase(wanted.lower(), pattern.lower()) for pattern in listed(statement["Action"]))


def _names(statement: Statement, element: str, wanted: str) -> bool:
    return any(fnmatchcase(wanted, pattern) for pattern in listed(statement[element]))


def _is_for(statement: Statement, principal: str) -> bool:
    named = statement.get("Principal", {})
    known = listed(named.get("AWS", [])) if isinstance(named, Mapping) else [named]
    return "*" in known or principal in known


def _is_met(statement: Statement, context: Mapping[str, str]) -> bool:
    return all(
        holds(operator, listed(values), context.get(key))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def holds(operator: str, values: Sequence[str], given: str | None) -> bool:
    match operator:
        case "StringEquals" | "ArnEquals":
            return given in values
        case "StringNotEquals" | "ArnNotEquals":
            return given not in values
        case "StringLike" | "ArnLike":
            return given is not None and any(fnmatchcase(given, value) for value in values)
        case "Null":
            return (given is None) == (values == ["true"])
    raise UnknownOperator(operator)
