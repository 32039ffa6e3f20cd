"""What the template must hold whatever is changed in it: bounds, queues, permissions, names."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.blueprint import Blueprint, FunctionSpec, QueueSpec
from local.dispatcher.cloudformation import Resolver, load
from outcry.runtime import migrations, settings
from outcry.runtime.queues import Queue

MOST_CONNECTIONS = 100  # of the smallest database that is supported
EXITS = "ExitsQueue"
TICKS = "TicksHyperliquidQueue"
FOURTEEN_DAYS_S = 1_209_600

# By function: trigger, batch size and largest concurrency; and which managed thing it may use.
TRIGGERS: dict[str, dict[str, tuple[int, int]]] = {
    "ingest_posts": {},
    "classify_posts": {"PostsQueue": (10, 4)},
    "generate_signals": {"CallsQueue": (5, 4)},
    "execute_orders": {"EntriesQueue": (1, 6), EXITS: (1, 8)},
    "monitor_hyperliquid": {TICKS: (1, 2)},
    "tick": {},
    "signers": {},
    "notify": {"NoticesQueue": (10, 2)},
    "api": {},
    "migrate": {},
}
LAYERS = {
    "ingest_posts": {"CoreLayer", "SocialLayer"},
    "classify_posts": {"CoreLayer", "SocialLayer"},
    "generate_signals": {"CoreLayer"},
    "execute_orders": {"CoreLayer", "VenuesLayer"},
    "monitor_hyperliquid": {"CoreLayer", "VenuesLayer"},
    "tick": {"CoreLayer"},
    "signers": {"CoreLayer", "VenuesLayer"},
    "notify": {"CoreLayer"},
    "api": {"CoreLayer"},
    "migrate": {"CoreLayer"},
}
MODELS: dict[str, type[settings.Settings]] = {
    "ingest_posts": settings.IngestPosts,
    "classify_posts": settings.ClassifyPosts,
    "generate_signals": settings.GenerateSignals,
    "execute_orders": settings.ExecuteOrders,
    "monitor_hyperliquid": settings.MonitorHyperliquid,
    "tick": settings.Tick,
    "signers": settings.Signers,
    "notify": settings.Notify,
    "api": settings.Api,
    "migrate": settings.Migrate,
}
PARAMETERS = {
    "Network": "local",
    "LocalHyperliquidUrl": "http://127.0.0.1:3001",
    "Classifier": "grammar",
    "XSecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:x",
    "DatabaseSecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:db",
}


def attributes(queues: list[QueueSpec]) -> dict[str, dict[str, str]]:
    made = {
        q.logical_id: {"Ref": f"http://127.0.0.1/{q.name}", "Arn": f"arn:aws:sqs:::{q.name}"} for q in queues
    }
    return {**made, "SigningKey": {"Arn": "arn:aws:kms:us-east-1:000000000000:key/1"}}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load(Path(__file__).resolve().parents[2] / "template.yaml")


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    path = Path(__file__).resolve().parents[2] / "template.yaml"
    return Blueprint(path, PARAMETERS, region="us-east-1", account="000000000000")


@pytest.fixture(scope="module")
def queues(blueprint: Blueprint) -> dict[str, QueueSpec]:
    return {queue.logical_id: queue for queue in blueprint.queues()}


@pytest.fixture(scope="module")
def functions(blueprint: Blueprint) -> dict[str, FunctionSpec]:
    return {f.name: f for f in blueprint.functions(attributes(blueprint.queues()))}


def resource(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def logical(name: str) -> str:
    return "".join(part.title() for part in name.split("_")) + "Function"


def most_at_once(function: FunctionSpec) -> int:
    """Of the sources where there are any; HTTP is throttled to 4 a second, and the others run one at a time."""
    return sum(source.max_concurrency for source in function.sources) or (4 if function.name == "api" else 1)


# ─── triggers and bounds ───


def test_every_function_has_its_triggers_and_bounds(functions: dict[str, FunctionSpec]) -> None:
    found = {
        name: {source.queue: (source.batch_size, source.max_concurrency) for source in function.sources}
        for name, function in functions.items()
    }

    assert found == TRIGGERS
    assert all(source.reports_failures for function in functions.values() for source in function.sources)


def test_what_runs_by_the_clock_runs_every_minute_and_is_never_retried(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    scheduled = {name for name, function in functions.items() if function.schedules}
    retries = template["Globals"]["Function"]["EventInvokeConfig"]["MaximumRetryAttempts"]

    assert scheduled == {"ingest_posts", "tick"}
    assert retries == 0
    for name in scheduled:
        (event,) = resource(template, logical(name))["Events"].values()
        assert event["Properties"]["ScheduleExpression"] == "rate(1 minute)"
        assert event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] == 0


def test_connections_fit_the_database_even_while_one_version_replaces_another(
    functions: dict[str, FunctionSpec],
) -> None:
    most = sum(most_at_once(function) for function in functions.values())

    assert 2 * most <= 0.8 * MOST_CONNECTIONS


def test_reserved_concurrency_is_off_by_default_and_fits_the_sources(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    assert template["Parameters"]["ReserveConcurrency"]["Default"] == "no"
    for name, function in functions.items():
        reserved = resource(template, logical(name)).get("ReservedConcurrentExecutions")
        if reserved is not None:
            condition, most, otherwise = reserved["Fn::If"]
            assert condition == "ReservesConcurrency"
            assert most == most_at_once(function)
            assert otherwise == {"Ref": "AWS::NoValue"}


# ─── queues ───


def test_every_queue_of_the_pipeline_is_there(queues: dict[str, QueueSpec]) -> None:
    names = {queue.name.removeprefix("outcry-") for queue in queues.values()}

    assert {queue.value for queue in Queue} <= names


def test_visibility_is_six_times_the_limit_and_for_exits_fifteen_seconds_more(
    queues: dict[str, QueueSpec], functions: dict[str, FunctionSpec]
) -> None:
    for function in functions.values():
        for source in function.sources:
            expected = function.timeout_s + 15 if source.queue == EXITS else 6 * function.timeout_s
            assert queues[source.queue].visibility_s == expected, source.queue


def test_every_queue_but_the_ticks_has_a_dead_letter_queue_of_its_own(
    queues: dict[str, QueueSpec], functions: dict[str, FunctionSpec]
) -> None:
    fed = {source.queue for function in functions.values() for source in function.sources}
    dead = [queues[name].dead_letters for name in fed if name != TICKS]

    assert None not in dead
    assert len(set(dead)) == len(dead)
    assert {queues[str(name)].attributes["MessageRetentionPeriod"] for name in dead} == {str(FOURTEEN_DAYS_S)}
    assert queues[TICKS].dead_letters is None
    assert queues[TICKS].attributes["MessageRetentionPeriod"] == "60"


def test_the_functions_know_which_delivery_is_the_last(
    queues: dict[str, QueueSpec], functions: dict[str, FunctionSpec]
) -> None:
    counts = {queue.max_receives for queue in queues.values() if queue.max_receives is not None}

    assert {str(count) for count in counts} == {
        f.variables["OUTCRY_LAST_RECEIVE"] for f in functions.values()
    }
    assert counts <= {3, 4, 5}


# ─── configuration ───


def test_f56_the_network_has_no_default(template: dict[str, Any]) -> None:
    network = template["Parameters"]["Network"]

    assert "Default" not in network
    assert network["AllowedValues"] == ["mainnet", "testnet", "local"]


@pytest.mark.parametrize("name", MODELS)
def test_the_template_gives_each_function_all_settings_that_it_reads(
    functions: dict[str, FunctionSpec], name: str
) -> None:
    read = settings.read(MODELS[name], functions[name].variables)

    assert read.network is settings.Network.LOCAL
    assert read.last_receive == 4


@pytest.mark.parametrize(
    ("network", "url"),
    [("mainnet", "https://api.hyperliquid.xyz"), ("testnet", "https://api.hyperliquid-testnet.xyz")],
)
def test_f50_the_venues_address_follows_the_network(template: dict[str, Any], network: str, url: str) -> None:
    parameters = {**PARAMETERS, "Network": network, "LocalHyperliquidUrl": ""}
    resolver = Resolver(template, parameters, {"SigningKey": {"Arn": "arn"}}, {"AWS::StackName": "outcry"})

    for name in ("ExecuteOrdersFunction", "MonitorHyperliquidFunction"):
        variables = resource(template, name)["Environment"]["Variables"]
        assert resolver.value(variables["OUTCRY_HYPERLIQUID_URL"]) == url


def test_the_llm_is_configured_only_where_it_is_the_classifier(template: dict[str, Any]) -> None:
    variables = resource(template, "ClassifyPostsFunction")["Environment"]["Variables"]
    asked = {name: variables[name] for name in variables if "LLM" in name}
    chosen = {"LlmSecretArn": "arn:x", "LlmBaseUrl": "https://llm", "LlmModel": "m"}

    grammar = Resolver(template, PARAMETERS, {}, {})
    llm = Resolver(template, {**PARAMETERS, "Classifier": "llm", **chosen}, {}, {})

    assert grammar.value(asked) == {}
    assert set(llm.value(asked).values()) == set(chosen.values())


def test_the_schema_resource_names_the_newest_migration(template: dict[str, Any]) -> None:
    newest = migrations.bundled()[-1]

    assert resource(template, "Schema")["Version"] == f"{newest.version:04d}"


def test_every_other_function_waits_for_the_schema(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    for name in set(functions) - {"migrate"}:
        waits = template["Resources"][logical(name)]["DependsOn"]
        assert "Schema" in ([waits] if isinstance(waits, str) else waits)


def test_layers_are_attached_as_the_import_budgets_need(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    found = {
        name: {layer["Ref"] for layer in resource(template, logical(name))["Layers"]} for name in functions
    }

    assert found == LAYERS


# ─── permissions ───


def statements(template: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Every statement that a function's role has."""
    properties = resource(template, logical(name))
    role_name = properties["Role"]["Fn::GetAtt"][0]
    policies = [each["PolicyDocument"] for each in resource(template, role_name).get("Policies", [])]
    policies += [
        body["Properties"]["PolicyDocument"]
        for body in template["Resources"].values()
        if body["Type"] == "AWS::IAM::Policy" and body["Properties"]["Roles"] == [{"Ref": role_name}]
    ]
    return [statement for policy in policies for statement in policy["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else list(found)


def test_only_execute_orders_may_open_a_key_and_only_signers_may_make_one(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    kms = {
        name: {a for s in statements(template, name) for a in actions(s) if a.startswith("kms:")}
        for name in functions
    }

    assert {name: found for name, found in kms.items() if found} == {
        "execute_orders": {"kms:Decrypt", "kms:Sign"},
        "signers": {"kms:CreateKey", "kms:GenerateDataKey", "kms:GetPublicKey", "kms:TagResource"},
    }


def test_the_key_lets_nobody_else_use_it(template: dict[str, Any]) -> None:
    key = template["Resources"]["SigningKey"]
    by_use: dict[str, Any] = {}
    allowed = [s for s in key["Properties"]["KeyPolicy"]["Statement"] if s["Effect"] == "Allow"]
    for statement in allowed:
        for action in actions(statement):
            assert "*" not in action
            by_use.setdefault(action, []).append(statement["Principal"])
        if {"kms:Decrypt", "kms:GenerateDataKey"} & set(actions(statement)):
            assert statement["Condition"] == {"StringEquals": {"kms:EncryptionContext:app": "outcry"}}

    assert by_use["kms:Decrypt"] == [{"AWS": {"Fn::GetAtt": ["ExecuteOrdersRole", "Arn"]}}]
    assert by_use["kms:GenerateDataKey"] == [{"AWS": {"Fn::GetAtt": ["SignersRole", "Arn"]}}]
    assert "kms:Encrypt" not in by_use
    assert "kms:CreateGrant" not in by_use
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_no_permission_is_wider_than_a_verb_on_a_named_thing(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    for name in functions:
        for statement in statements(template, name):
            assert not any("*" in action for action in actions(statement)), name
            if "Sid" not in statement:
                assert "*" not in json.dumps(statement["Resource"]), name


def test_a_function_may_ring_exactly_the_queues_that_it_is_given(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    for name in functions:
        given = resource(template, logical(name)).get("Environment", {}).get("Variables", {})
        told = {value["Ref"] for variable, value in given.items() if variable.startswith("OUTCRY_QUEUE_")}
        allowed = {
            each["Fn::GetAtt"][0]
            for statement in statements(template, name)
            if "sqs:SendMessage" in actions(statement)
            for each in (
                statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            )
        }
        assert told == allowed, name


def test_every_functions_log_has_an_end(template: dict[str, Any], functions: dict[str, FunctionSpec]) -> None:
    for name in functions:
        group = resource(template, logical(name))["LoggingConfig"]["LogGroup"]["Ref"]
        assert template["Resources"][group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
