"""One mistake in the template for each thing that a rule looks at. What is not refused here was never a rule."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.infra import rules, rules_of_access, rules_of_permissions
from tests.infra.rules import Rule

Resources = dict[str, Any]
Mistake = Callable[[Resources], object]

_A_KEY = {"Fn::GetAtt": ["SigningKey", "Arn"]}
_SOMEBODY = {"AWS": {"Fn::GetAtt": ["ApiRole", "Arn"]}}
_ADMINISTRATOR = {"Fn::Sub": "arn:aws:iam::aws:policy/AdministratorAccess"}
_NOTIFY = "NotifyFunction/Events/Notices/Properties"
_EVERY_MINUTE = "TickFunction/Events/EveryMinute/Properties"
_VARIABLES = "SignersFunction/Environment/Variables"


def _reach(resources: Resources, path: str) -> Any:
    """What stands at `Resource/Property/…`; a number counts in a list, and a Sid names a statement."""
    name, *steps = path.split("/")
    node: Any = resources[name].setdefault("Properties", {})
    for step in steps:
        if isinstance(node, list):
            node = (
                node[int(step)] if step.isdigit() else next(each for each in node if each.get("Sid") == step)
            )
        else:
            node = node[step]
    return node


def _set(path: str, /, **values: Any) -> Mistake:
    return lambda resources: _reach(resources, path).update(values)


def _remove(path: str, what: str) -> Mistake:
    return lambda resources: _reach(resources, path).pop(what)


def _remove_of_resource(name: str, what: str) -> Mistake:
    return lambda resources: resources[name].pop(what)


def _add(path: str, value: Any) -> Mistake:
    return lambda resources: _reach(resources, path).append(value)


def _allow(role: str, /, **statement: Any) -> Mistake:
    return _add(f"{role}/Policies/0/PolicyDocument/Statement", {"Effect": "Allow", **statement})


def _drop_statement(sid: str, resources: Resources) -> None:
    document = _reach(resources, "SigningKey/KeyPolicy")
    document["Statement"] = [each for each in document["Statement"] if each["Sid"] != sid]


def _share_dead_letters(resources: Resources) -> None:
    _reach(resources, "CallsQueue")["RedrivePolicy"] = _reach(resources, "PostsQueue/RedrivePolicy")


def _name_the_key_in_the_role(resources: Resources) -> None:
    document = {"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": _A_KEY}]}
    _reach(resources, "ExecuteOrdersRole")["Policies"] = [
        {"PolicyName": "inline", "PolicyDocument": document}
    ]


def _forget_conditions(resources: Resources) -> None:
    for statement in _reach(resources, "SignersPolicy/PolicyDocument/Statement"):
        statement.pop("Condition", None)


def _add_resource(kind: str, **properties: Any) -> Mistake:
    return lambda resources: resources.update({"Added": {"Type": kind, "Properties": properties}})


_OPEN = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
_WIDE = {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Ref": "XSecretArn"}}]}
_SIGNERS = {"Fn::GetAtt": ["SignersFunction", "Arn"]}
_EXITS = {"Fn::GetAtt": ["ExitsQueue", "Arn"]}
_READS_DATABASE = "ApiRole/Policies/0/PolicyDocument/Statement/1"

MISTAKES: list[tuple[Rule, Mistake]] = [
    (rules.messages_stay_hidden_while_they_are_worked_on, _set("ExitsQueue", VisibilityTimeout=30)),
    (rules.messages_stay_hidden_while_they_are_worked_on, _set("NotifyFunction", Timeout=60)),
    (rules.queues_keep_what_cannot_be_done, _remove("EntriesQueue", "RedrivePolicy")),
    (rules.queues_keep_what_cannot_be_done, _share_dead_letters),
    (rules.queues_keep_what_cannot_be_done, _remove("ExitsDeadQueue", "MessageRetentionPeriod")),
    (rules.queues_do_what_was_decided_and_nothing_else, _set("ExitsQueue", DelaySeconds=900)),
    (rules.queues_do_what_was_decided_and_nothing_else, _set("ExitsDeadQueue", DelaySeconds=900)),
    (rules.queues_do_what_was_decided_and_nothing_else, _set("ExitsQueue/RedrivePolicy", maxReceiveCount=1)),
    (
        rules.queues_do_what_was_decided_and_nothing_else,
        _remove("TicksHyperliquidQueue", "MessageRetentionPeriod"),
    ),
    (rules.queues_are_encrypted, _remove("NoticesQueue", "SqsManagedSseEnabled")),
    (rules.sources_report_each_failure_and_are_bounded, _remove(_NOTIFY, "FunctionResponseTypes")),
    (rules.sources_report_each_failure_and_are_bounded, _remove(_NOTIFY, "ScalingConfig")),
    (rules.sources_report_each_failure_and_are_bounded, _set(_NOTIFY, MaximumBatchingWindowInSeconds=300)),
    (
        rules.sources_report_each_failure_and_are_bounded,
        _set(_NOTIFY, FilterCriteria={"Filters": [{"Pattern": "{}"}]}),
    ),
    (rules.connections_fit_the_database, _set("HttpStage/DefaultRouteSettings", ThrottlingRateLimit=4)),
    (rules.connections_fit_the_database, _set("HttpIntegration", TimeoutInMillis=60_000)),
    (rules.connections_fit_the_database, _set(f"{_NOTIFY}/ScalingConfig", MaximumConcurrency=18)),
    (rules.connections_fit_the_database, _remove("HttpStage", "DefaultRouteSettings")),
    (rules.reserved_concurrency_is_what_runs_at_most, _set("NotifyFunction", ReservedConcurrentExecutions=2)),
    (rules.what_runs_by_the_clock_is_not_repeated, _remove(_EVERY_MINUTE, "RetryPolicy")),
    (
        rules.what_runs_by_the_clock_is_not_repeated,
        _set("TickFunction", EventInvokeConfig={"MaximumRetryAttempts": 2}),
    ),
    (rules.nothing_is_switched_off, _set(_NOTIFY, Enabled=False)),
    (rules.nothing_is_switched_off, _set(_EVERY_MINUTE, State="DISABLED")),
    (rules.nothing_is_switched_off, _set("ExecuteOrdersFunction", ReservedConcurrentExecutions=0)),
    (rules.names_leave_room_for_a_second_stack, _remove(_EVERY_MINUTE, "Name")),
    (rules.names_leave_room_for_a_second_stack, _set("TickRole", RoleName="tick")),
    (rules.schema_comes_before_what_uses_it, _remove_of_resource("ApiFunction", "DependsOn")),
    (rules.every_build_is_tried_before_functions_change, _remove("Schema", "Code")),
    (rules.every_build_is_tried_before_functions_change, _set("Schema", Code={"Ref": "SocialLayer"})),
    (rules.every_build_is_tried_before_functions_change, _remove("Schema", "Database")),
    (rules.every_build_is_tried_before_functions_change, _remove("Schema", "CaFile")),
    (rules.every_build_is_tried_before_functions_change, _remove("Schema", "Version")),
    (rules.every_build_is_tried_before_functions_change, _remove("Schema", "ServiceTimeout")),
    (rules.every_build_is_tried_before_functions_change, _remove_of_resource("Schema", "DeletionPolicy")),
    (rules.only_orders_ring_themselves, _remove("ExecuteOrdersFunction", "RecursiveLoop")),
    (rules.only_orders_ring_themselves, _set("TickFunction", RecursiveLoop="Allow")),
    (rules.nothing_goes_round_in_a_circle, _name_the_key_in_the_role),
    (rules.logs_are_structured_and_have_an_end, _remove("TickLogs", "RetentionInDays")),
    (rules.logs_are_structured_and_have_an_end, _remove("TickFunction", "LoggingConfig")),
    (rules.logs_are_structured_and_have_an_end, _set("TickFunction/LoggingConfig", LogFormat="Text")),
    (rules.what_is_traced_was_decided, _remove("TickFunction", "Tracing")),
    (rules.everything_that_a_person_reads_is_explained, _remove("SigningKey", "Description")),
    (rules_of_access.every_function_has_a_role_of_its_own, _remove("ApiFunction", "Role")),
    (
        rules_of_access.every_function_has_a_role_of_its_own,
        _set("ApiFunction", Role={"Fn::GetAtt": ["TickRole", "Arn"]}),
    ),
    (
        rules_of_access.every_function_has_a_role_of_its_own,
        _set("ApiRole/AssumeRolePolicyDocument/Statement/0", Principal={"AWS": "*"}),
    ),
    (rules_of_access.no_permission_is_wider_than_a_verb, _allow("ApiRole", Action="sqs:*", Resource="arn:x")),
    (
        rules_of_access.no_permission_is_wider_than_a_verb,
        _allow("ApiRole", NotAction="sqs:SendMessage", Action=[], Resource="arn:x"),
    ),
    (
        rules_of_access.no_permission_is_for_anything_at_all,
        _allow("ApiRole", Action="sqs:SendMessage", Resource="*"),
    ),
    (rules_of_access.no_permission_is_for_anything_at_all, _forget_conditions),
    (
        rules_of_access.no_permission_is_for_anything_at_all,
        _allow("ApiRole", Sid="WritesTraces", Action="s3:GetObject", Resource="*"),
    ),
    (rules_of_access.managed_policies_of_aws_are_not_used, _add("ApiRole/ManagedPolicyArns", _ADMINISTRATOR)),
    (
        rules_of_access.only_these_roles_use_keys,
        _allow("MonitorHyperliquidRole", Action="kms:Sign", Resource="arn:x"),
    ),
    (rules_of_access.only_these_roles_use_keys, _allow("ApiRole", Action="kms:Decrypt", Resource="arn:x")),
    (rules_of_access.only_these_roles_use_keys, _allow("ApiRole", Action="KMS:Decrypt", Resource="arn:x")),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _add("SigningKey/KeyPolicy/Statement/AccountAdministers/Action", "kms:Decrypt"),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _set("SigningKey/KeyPolicy/Statement/AccountAdministers", Action="kms:*"),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _set("SigningKey/KeyPolicy/Statement/ExecuteOrdersOpensKeys", Principal=_SOMEBODY),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _add("SigningKey/KeyPolicy/Statement/AccountAdministers/Action", "KMS:Decrypt"),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _set("SigningKey/KeyPolicy/Statement/AccountAdministers", Principal="*"),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _remove("SigningKey/KeyPolicy/Statement/ExecuteOrdersOpensKeys", "Condition"),
    ),
    (
        rules_of_access.only_these_are_let_in_by_keys,
        _remove("AlarmsKey/KeyPolicy/Statement/CloudWatchTells", "Condition"),
    ),
    (rules_of_access.signing_keys_refuse_all_others, partial(_drop_statement, "NobodyElseOpensKeys")),
    (rules_of_access.signing_keys_refuse_all_others, partial(_drop_statement, "NobodyElseMakesKeys")),
    (rules_of_access.signing_keys_refuse_all_others, partial(_drop_statement, "NothingWithoutItsContext")),
    (rules_of_access.signing_keys_refuse_all_others, partial(_drop_statement, "NobodyUsesItOtherwise")),
    (rules_of_access.keys_rotate, _remove("SigningKey", "EnableKeyRotation")),
    (rules_of_access.state_outlives_the_stack, _remove_of_resource("SigningKey", "DeletionPolicy")),
    (rules_of_access.state_outlives_the_stack, _remove_of_resource("SigningKey", "UpdateReplacePolicy")),
    (rules_of_access.no_variable_holds_a_secret, _set(_VARIABLES, OUTCRY_SIGNER_PRIVATE_KEY="x")),
    (
        rules_of_access.no_variable_holds_a_secret,
        _set(_VARIABLES, OUTCRY_MODE="0123456789abcdef0123456789abcdef"),
    ),
    (rules_of_access.no_variable_holds_a_secret, _set(_VARIABLES, OPENAI_KEY="x")),
    (rules_of_access.http_offers_health_and_nothing_else, _set("ReadyRoute", RouteKey="DELETE /data")),
    (rules_of_access.http_offers_health_and_nothing_else, _remove("HttpStage", "AccessLogSettings")),
    (
        rules_of_access.http_offers_health_and_nothing_else,
        _set("HttpStage/AccessLogSettings", Format="$context.path"),
    ),
    (
        rules_of_access.http_offers_health_and_nothing_else,
        _set("ApiFunction", FunctionUrlConfig={"AuthType": "NONE"}),
    ),
    (
        rules_of_access.http_offers_health_and_nothing_else,
        _set("HttpStage", RouteSettings={"GET /ready": {"ThrottlingBurstLimit": 1000}}),
    ),
    (
        rules_of_permissions.nothing_is_deployed_but_what_was_decided,
        _add_resource("AWS::SQS::QueuePolicy", Queues=[{"Ref": "ExitsQueue"}], PolicyDocument=_OPEN),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _allow("ApiRole", Action="lambda:InvokeFunction", Resource=_SIGNERS),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _allow("ApiRole", Action="sqs:AddPermission", Resource=_EXITS),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _allow("ApiRole", Action="KMS:Decrypt", Resource=_A_KEY),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _allow("ApiRole", Sid="WritesTraces", Action="s3:GetObject", Resource="*"),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _allow("TickRole", Action="sqs:SendMessage", Resource=_EXITS),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _set(_READS_DATABASE, Resource={"Ref": "XSecretArn"}),
    ),
    (
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _add_resource("AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": []}),
    ),
    (
        rules_of_permissions.policies_do_not_attach_themselves,
        _add_resource("AWS::IAM::ManagedPolicy", Roles=[{"Ref": "ApiRole"}], PolicyDocument=_WIDE),
    ),
    (
        rules_of_permissions.policies_do_not_attach_themselves,
        _set("ExecuteOrdersPolicy", Roles=[{"Ref": "ExecuteOrdersRole"}, {"Ref": "ApiRole"}]),
    ),
    (
        rules_of_permissions.resources_let_in_whom_was_decided_and_nobody_else,
        _add_resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Ref": "SignersFunction"},
            Principal="*",
        ),
    ),
    (
        rules_of_permissions.resources_let_in_whom_was_decided_and_nobody_else,
        _remove("HttpPermission", "SourceArn"),
    ),
    (
        rules_of_permissions.resources_let_in_whom_was_decided_and_nobody_else,
        _set("AlarmsTopicPolicy/PolicyDocument/Statement/CloudWatchTells", Principal="*", Condition={}),
    ),
    (
        rules_of_permissions.only_functions_reach_the_database,
        _add_resource("AWS::EC2::SecurityGroupIngress", IpProtocol="-1", CidrIp="0.0.0.0/0"),
    ),
]

# The same of what is nested, by the stack's name.
MISTAKES_OF_NESTED: list[tuple[str, Rule, Mistake]] = [
    (
        "network",
        rules_of_permissions.only_functions_reach_the_database,
        _set("DatabaseFromFunctions", CidrIp="0.0.0.0/0"),
    ),
    (
        "network",
        rules_of_permissions.only_functions_reach_the_database,
        _set("DatabaseFromFunctions", FromPort=0),
    ),
    (
        "network",
        rules_of_permissions.only_functions_reach_the_database,
        _set("DatabaseSecurityGroup", SecurityGroupIngress=[{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]),
    ),
    (
        "database",
        rules_of_permissions.nothing_is_deployed_but_what_was_decided,
        _add_resource("AWS::SecretsManager::ResourcePolicy", SecretId={"Ref": "Secret"}),
    ),
    (
        "database",
        rules_of_permissions.roles_may_what_was_decided_and_nothing_else,
        _add_resource("AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": []}),
    ),
    (
        "network",
        rules_of_permissions.resources_let_in_whom_was_decided_and_nobody_else,
        _add_resource("AWS::Lambda::Permission", Principal="*"),
    ),
]
