"""What the template must hold whatever is changed in it: bounds, queues, permissions, names."""

import re
from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.blueprint import Blueprint, FunctionSpec, QueueSpec
from local.dispatcher.cloudformation import Resolver, load
from local.permissions.table import ALLOWED
from outcry.runtime import migrations, settings
from outcry.runtime.queues import Queue

EXITS = "ExitsQueue"
TICKS = "TicksHyperliquidQueue"

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
    "LocalXUrl": "http://127.0.0.1:3002",
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


# ─── queues ───


def test_every_queue_of_the_pipeline_is_there(queues: dict[str, QueueSpec]) -> None:
    names = {queue.name.removeprefix("outcry-") for queue in queues.values()}

    assert {queue.value for queue in Queue} <= names


def test_the_functions_know_which_delivery_is_the_last(
    queues: dict[str, QueueSpec], functions: dict[str, FunctionSpec]
) -> None:
    counts = {queue.max_receives for queue in queues.values() if queue.max_receives is not None}

    assert {str(count) for count in counts} == {
        f.variables["OUTCRY_LAST_RECEIVE"] for f in functions.values()
    }
    assert counts <= {3, 4, 5}


# ─── configuration ───


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


def test_every_build_is_tried_by_migrate_before_any_other_function_changes(template: dict[str, Any]) -> None:
    common = template["Globals"]["Function"]["Environment"]["Variables"]
    tried = resource(template, "Schema")

    assert tried["Code"] == {"Ref": "CoreLayer"}
    assert tried["Database"] == common["OUTCRY_DATABASE_SECRET_ARN"]
    assert tried["CaFile"] == {"Ref": "DatabaseCaFile"}


def test_layers_are_attached_as_the_import_budgets_need(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    found = {
        name: {layer["Ref"] for layer in resource(template, logical(name))["Layers"]} for name in functions
    }

    assert found == LAYERS


def test_a_function_is_told_of_exactly_the_queues_that_it_may_ring(
    template: dict[str, Any], functions: dict[str, FunctionSpec]
) -> None:
    for name in functions:
        given = resource(template, logical(name)).get("Environment", {}).get("Variables", {})
        told = {value["Ref"] for variable, value in given.items() if variable.startswith("OUTCRY_QUEUE_")}
        rings = {thing for thing, actions in ALLOWED[name].items() if "sqs:SendMessage" in actions}

        assert told == rings, name


def test_reserving_is_off_by_default(template: dict[str, Any]) -> None:
    assert template["Parameters"]["ReserveConcurrency"]["Default"] == "no"


# ─── what a person is asked ───


def test_every_parameter_is_asked_for_in_a_group(template: dict[str, Any]) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    asked = [name for group in groups for name in group["Parameters"]]

    assert sorted(asked) == sorted(template["Parameters"])


GOOD = {"Network": "testnet", "Classifier": "grammar", "DatabaseSecretArn": "arn:aws:secretsmanager:x"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, set()),
        ({"Network": "local", "LocalXUrl": "http://127.0.0.1:1"}, {"LocalHyperliquidUrl"}),
        ({"Network": "local", "LocalHyperliquidUrl": "http://127.0.0.1:1"}, {"LocalXUrl"}),
        ({"LocalHyperliquidUrl": "http://127.0.0.1:1"}, {"LocalHyperliquidUrl"}),
        ({"LocalXUrl": "http://127.0.0.1:1"}, {"LocalXUrl"}),
        ({"Classifier": "llm", "LlmModel": "m"}, {"LlmSecretArn"}),
        ({"DatabaseSecretArn": ""}, {"DatabaseSecretArn"}),
        ({"DatabaseMode": "aurora"}, {"DatabaseSecretArn", "DatabaseCaFile"}),
        ({"DatabaseMode": "aurora", "DatabaseSecretArn": "", "DatabaseCaFile": "/opt/ca.pem"}, set()),
    ],
)
def test_f56_parameters_that_do_not_fit_together_stop_the_deployment_with_a_sentence(
    template: dict[str, Any], changed: dict[str, str], said: set[str]
) -> None:
    resolver = Resolver(template, {**GOOD, **changed}, {}, {})
    broken = [
        each["AssertDescription"]
        for rule in template["Rules"].values()
        if resolver.value(rule.get("RuleCondition", True))
        for each in rule["Assertions"]
        if not resolver.value(each["Assert"])
    ]

    assert len(broken) == len(said)
    assert all(any(name in sentence for sentence in broken) for name in said)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("XSecretArn", "my-token"),
        ("XSecretArn", "arn:aws:s3:::bucket"),
        ("DatabaseSecretArn", "postgresql://user:word@host/name"),
        ("DatabaseCaFile", "/etc/ssl/ca.pem"),
        ("LlmBaseUrl", "http://model.example"),
        ("LocalHyperliquidUrl", "https://api.hyperliquid.xyz"),
        ("AlarmEmail", "nobody"),
    ],
)
def test_a_parameter_refuses_what_it_cannot_be(template: dict[str, Any], parameter: str, value: str) -> None:
    assert not re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value)


# ─── the database that the stack makes ───

AURORA = {
    "Network": "testnet",
    "Classifier": "grammar",
    "XSecretArn": "arn:x",
    "DatabaseMode": "aurora",
    "DatabaseCaFile": "/opt/ca.pem",
}
MADE = {
    "DatabaseStack": {"Outputs.SecretArn": "arn:aws:secretsmanager:made"},
    "NetworkStack": {
        "Outputs.FunctionsSecurityGroupId": "sg-1",
        "Outputs.PrivateSubnetA": "subnet-a",
        "Outputs.PrivateSubnetB": "subnet-b",
    },
    "SigningKey": {"Arn": "arn:aws:kms:key"},
}


@pytest.mark.parametrize("name", MODELS)
def test_with_a_database_of_the_stack_every_function_stands_in_its_network_and_trusts_its_authorities(
    template: dict[str, Any], blueprint: Blueprint, name: str
) -> None:
    pseudo = {"AWS::StackName": "outcry"}
    made = {**attributes(blueprint.queues()), **MADE}
    roles = {each: {"Arn": f"arn:aws:iam::{each}"} for each in ("ExecuteOrdersRole", "SignersRole")}
    resolver = Resolver(template, AURORA, {**made, **roles}, pseudo)
    common = template["Globals"]["Function"]
    own = resource(template, logical(name)).get("Environment", {}).get("Variables", {})

    read = settings.read(MODELS[name], resolver.value({**common["Environment"]["Variables"], **own}))
    place = resolver.value(common["VpcConfig"])

    assert (read.database_secret_arn, read.database_ca_file) == ("arn:aws:secretsmanager:made", "/opt/ca.pem")
    assert place == {"SecurityGroupIds": ["sg-1"], "SubnetIds": ["subnet-a", "subnet-b"]}


def test_with_a_database_of_ones_own_functions_stand_in_no_network(template: dict[str, Any]) -> None:
    resolver = Resolver(template, {**GOOD, "XSecretArn": "arn:x"}, {}, {})

    assert resolver.value({"VpcConfig": template["Globals"]["Function"]["VpcConfig"]}) == {}


def test_the_made_database_refuses_plain_connections_and_is_backed_up_and_encrypted() -> None:
    database = load(Path(__file__).resolve().parents[2] / "infra" / "database.yaml")
    cluster = resource(database, "Cluster")

    assert resource(database, "ClusterParameters")["Parameters"]["rds.force_ssl"] == "1"
    assert (cluster["StorageEncrypted"], cluster["DeletionProtection"]) == (True, True)
    assert database["Parameters"]["BackupRetentionDays"]["MinValue"] >= 7
    assert resource(database, "Instance")["PubliclyAccessible"] is False


@pytest.mark.parametrize(
    ("file", "stack", "passed"),
    [
        (
            "database",
            "DatabaseStack",
            {
                "DatabaseMinCapacity": "MinCapacity",
                "DatabaseMaxCapacity": "MaxCapacity",
                "DatabaseBackupDays": "BackupRetentionDays",
            },
        ),
        ("observability", "ObservabilityStack", {"QuietFeedHours": "QuietFeedHours"}),
    ],
)
def test_figures_of_a_nested_stack_are_asked_for_with_its_own_bounds(
    template: dict[str, Any], file: str, stack: str, passed: dict[str, str]
) -> None:
    nested = load(Path(__file__).resolve().parents[2] / "infra" / f"{file}.yaml")["Parameters"]
    given = resource(template, stack)["Parameters"]

    for ours, theirs in passed.items():
        assert given[theirs] == {"Ref": ours}
        for what in ("Type", "Default", "MinValue", "MaxValue"):
            assert template["Parameters"][ours][what] == nested[theirs][what], (ours, what)
