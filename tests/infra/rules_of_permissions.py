"""The closed lists: what a role may in full, whom a resource lets in, and what there is at all. One thing more is a fault.

What was decided is `local/permissions/table.py`, which knows nothing of the template; actions are compared in lower case, as IAM
takes them. Each rule gives what is wrong in words, an empty list where nothing is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from local.permissions.evaluator import ACCOUNT, REGION, Policies, Statement, arn_of, listed
from local.permissions.table import (
    FUNCTIONS,
    NEW_KEY,
    PLACES,
    SIGNER_KEY,
    TRACES,
    everything,
)
from tests.infra.expanded import Stack
from tests.infra.rules import Rule, functions

_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
_GIVEN = {
    "Network": "testnet",
    "Classifier": "llm",
    "XSecretArn": f"{_SECRET}x",
    "LlmSecretArn": f"{_SECRET}llm",
    "OrdersDatabaseSecretArn": f"{_SECRET}orders",
}
# The two kinds of stack: what they are given, and what the common secret of the database is there.
WAYS: tuple[tuple[Mapping[str, str], str], ...] = (
    ({**_GIVEN, "DatabaseSecretArn": f"{_SECRET}database"}, f"{_SECRET}database"),
    ({**_GIVEN, "DatabaseMode": "aurora"}, "DatabaseStack.Outputs.SecretArn"),
)
RUN_BY_THE_CLOCK = ("IngestPostsFunction", "TickFunction")
_OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
# Whom a resource other than a key lets in, word for word.
LETS_IN: Mapping[str, Mapping[str, Any]] = {
    "HttpPermission": {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": "ApiFunction"},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {
            "Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*/GET/*"
        },
    },
    "AlarmsTopicPolicy": {
        "Topics": [{"Ref": "AlarmsTopic"}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "CloudWatchTells",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": {"Ref": "AlarmsTopic"},
                    "Condition": _OF_THIS_ACCOUNT,
                }
            ],
        },
    },
}
_LETTING_IN = ("AWS::Lambda::Permission", "AWS::SNS::TopicPolicy")
# The one way to the database.
FROM_FUNCTIONS = {
    "GroupId": {"Ref": "DatabaseSecurityGroup"},
    "SourceSecurityGroupId": {"Ref": "FunctionsSecurityGroup"},
    "IpProtocol": "tcp",
    "FromPort": 5432,
    "ToPort": 5432,
}
# Every kind of resource that is deployed. A new one is a decision: it may be a way in, or cost something.
KINDS = {
    *("Custom::Schema", "AWS::CloudFormation::Stack", "AWS::Logs::LogGroup"),
    *("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"),
    *("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route"),
    *("AWS::ApiGatewayV2::Stage", "AWS::Scheduler::Schedule", "AWS::SQS::Queue", "AWS::KMS::Key"),
    *("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role"),
    *("AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Function"),
    *("AWS::Lambda::LayerVersion", "AWS::Lambda::Permission"),
    *("AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy"),
    *("AWS::SecretsManager::Secret", "AWS::SecretsManager::SecretTargetAttachment"),
    *("AWS::RDS::DBCluster", "AWS::RDS::DBClusterParameterGroup", "AWS::RDS::DBInstance"),
    *("AWS::RDS::DBSubnetGroup", "AWS::EC2::VPC", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::Subnet"),
    *("AWS::EC2::EIP", "AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"),
    *("AWS::EC2::RouteTable", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::SecurityGroup"),
    *("AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"),
}


def nothing_is_deployed_but_what_was_decided(stack: Stack) -> list[str]:
    """By kind, so that no policy, permission or endpoint of another kind lets anybody in."""
    return [
        f"{name} is of a new kind, {body['Type']}"
        for name, body in stack.resources.items()
        if body["Type"] not in KINDS
    ]


# ─── roles ───


def roles_may_what_was_decided_and_nothing_else(stack: Stack) -> list[str]:
    """Each role's whole set of actions and things, with a database of one's own and with one that the stack makes."""
    roles = {name for name, _ in stack.of("AWS::IAM::Role")}
    if not functions(stack):
        return [f"{name} is a role of a nested stack" for name in roles]
    wrong = []
    for parameters, database in WAYS:
        policies = Policies(stack.template, parameters)
        decided = _decided(parameters, database)
        wrong += [f"{name} is the role of nobody" for name in sorted(roles - set(decided))]
        for role, expected in decided.items():
            found = _allowed(policies.statements_of(role)) if role in roles else Counter[tuple[str, str]]()
            wrong += [f"{role} may {action} on {arn}" for action, arn in sorted(found - expected)]
            wrong += [f"{role} may not {action} on {arn}" for action, arn in sorted(expected - found)]
    return wrong


def _decided(parameters: Mapping[str, str], database: str) -> dict[str, Counter[tuple[str, str]]]:
    things = {
        **parameters,
        "DatabaseSecretArn": database,
        SIGNER_KEY: f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*",
        NEW_KEY: "*",
    }
    common = TRACES | (PLACES if parameters.get("DatabaseMode") == "aurora" else frozenset())
    found = {}
    for function in FUNCTIONS:
        own = [
            (action.lower(), things.get(thing) or _arn(thing))
            for thing, actions in everything(function).items()
            for action in actions
        ]
        name = "".join(part.title() for part in function.split("_"))
        found[f"{name}Role"] = Counter([*own, *((action.lower(), "*") for action in common)])
    for function in RUN_BY_THE_CLOCK:
        runs = ("lambda:invokefunction", arn_of(function, "AWS::Lambda::Function"))
        found[f"{function}EveryMinuteRole"] = Counter([runs])
    return found


def _arn(thing: str) -> str:
    kinds = {"Queue": "AWS::SQS::Queue", "Key": "AWS::KMS::Key", "Logs": "AWS::Logs::LogGroup"}
    return next(arn_of(thing, kind) for end, kind in kinds.items() if thing.endswith(end))


def _allowed(statements: list[Statement]) -> Counter[tuple[str, str]]:
    return Counter(
        (action.lower(), resource)
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in listed(statement.get("Action", "everything but something"))
        for resource in listed(statement.get("Resource", "everything but something"))
    )


def policies_do_not_attach_themselves(stack: Stack) -> list[str]:
    """What a role may stands at the role, or in the one policy beside it that names it."""
    wrong = []
    for name, properties in stack.of("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        attached = {"Users", "Groups"} & set(properties)
        if name == "CommonPolicy":
            attached |= {"Roles"} & set(properties)
        elif properties.get("Roles") != [{"Ref": f"{name.removesuffix('Policy')}Role"}]:
            attached |= {"Roles"}
        wrong += [f"{name} attaches itself by {each}" for each in sorted(attached)]
    return wrong


# ─── whom resources let in ───


def resources_let_in_whom_was_decided_and_nobody_else(stack: Stack) -> list[str]:
    """Functions and the topic; keys have a rule of their own, and nothing else has a policy."""
    found = dict(stack.of(*_LETTING_IN))
    expected = LETS_IN if functions(stack) else {}
    return [
        f"{name} lets in {found.get(name, 'nobody')}"
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]


def only_functions_reach_the_database(stack: Stack) -> list[str]:
    """From their security group, never from an address, and nothing reaches the functions."""
    return [*_reached(stack)]


def _reached(stack: Stack) -> Iterator[str]:
    for name, properties in stack.of("AWS::EC2::SecurityGroup"):
        if "SecurityGroupIngress" in properties:
            yield f"{name} lets in by itself"
    for name, properties in stack.of("AWS::EC2::SecurityGroupIngress"):
        if {key: value for key, value in properties.items() if key != "Description"} != FROM_FUNCTIONS:
            yield f"{name} lets in {properties}"


RULES_OF_PERMISSIONS: tuple[Rule, ...] = (
    nothing_is_deployed_but_what_was_decided,
    roles_may_what_was_decided_and_nothing_else,
    policies_do_not_attach_themselves,
    resources_let_in_whom_was_decided_and_nobody_else,
    only_functions_reach_the_database,
)
