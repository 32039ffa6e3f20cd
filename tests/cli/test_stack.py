"""`outcry --stack NAME …`: a command works with the configuration that the deployed functions have, and with no other."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.aws import LocalAws
from outcry.cli import aws as asking
from outcry.cli.stack import DeployedFunction, settings_of
from tests.cli.conftest import Outcry
from tests.cli.installation import Found

STACK = "desk"


def template(**functions: dict[str, str]) -> str:
    """A stack with a queue and these functions, by logical id, each with its environment."""
    resources: dict[str, Any] = {
        "Entries": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{STACK}-entries"}},
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
    }
    for logical_id, variables in functions.items():
        resources[logical_id] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": "def handler(event, context): return {}"},
                "Environment": {"Variables": variables},
            },
        }
    return json.dumps({"Resources": resources})


@pytest.fixture
def deploy(environment: pytest.MonkeyPatch, aws: LocalAws) -> Any:
    """Deploys a stack onto the local AWS; nothing of the environment configures the command itself."""
    environment.delenv("OUTCRY_NETWORK")
    environment.delenv("OUTCRY_DATABASE_URL")
    asking.client.cache_clear()

    def create(**functions: dict[str, str]) -> None:
        client: Any = boto3.client("cloudformation")
        client.create_stack(StackName=STACK, TemplateBody=template(**functions))
        client.get_waiter("stack_create_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
        )

    return create


@pytest.fixture
def deployed(deploy: Any, database_url: str) -> None:
    """A stack whose functions use this test's database."""
    common = {"OUTCRY_NETWORK": "local", "OUTCRY_DATABASE_URL": database_url, "OUTCRY_LAST_RECEIVE": "4"}
    deploy(
        TickFunction=common, ExecuteOrdersFunction={**common, "OUTCRY_HYPERLIQUID_URL": "http://127.0.0.1:9"}
    )


@pytest.mark.usefixtures("deployed")
def test_every_command_works_on_a_deployed_stack(outcry: Outcry, desk_file: Path) -> None:
    applied = outcry("--stack", STACK, "desk", "apply", desk_file)
    paused = outcry("--stack", STACK, "pause", "--reason", "a look")
    status = outcry("--stack", STACK, "status", "--json")

    assert (applied.code, paused.code, status.code) == (0, 0, 0)
    assert status.json["network"] == "local"
    assert [each["reason"] for each in status.json["controls"]] == ["a look"]


@pytest.mark.usefixtures("deployed")
def test_the_stacks_settings_take_the_place_of_this_machines(
    outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_NETWORK", "mainnet")
    environment.setenv("OUTCRY_DATABASE_SECRET_ARN", "arn:aws:secretsmanager:another")

    status = outcry("--stack", STACK, "status", "--json")

    assert status.json["network"] == "local"


@pytest.mark.usefixtures("deployed")
def test_the_doctor_looks_at_the_functions_of_the_stack(outcry: Outcry) -> None:
    found = Found(outcry("--stack", STACK, "doctor", "--only", "functions", "--only", "limits", "--json"))

    assert found.of("functions") == [("ExecuteOrdersFunction", "ok"), ("TickFunction", "ok")]
    assert found.one("limits", "concurrency")["verdict"] in {"ok", "skipped"}


def test_f22_a_function_whose_queue_is_switched_off_is_bad(
    deploy: Any, outcry: Outcry, database_url: str
) -> None:
    deploy(ExecuteOrdersFunction={"OUTCRY_NETWORK": "local", "OUTCRY_DATABASE_URL": database_url})
    name = boto3.client("lambda").list_functions()["Functions"][0]["FunctionName"]
    arn = f"arn:aws:sqs:us-east-1:000000000000:{STACK}-entries"
    boto3.client("lambda").create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, Enabled=False, ScalingConfig={"MaximumConcurrency": 6}
    )

    found = Found(outcry("--stack", STACK, "doctor", "--only", "functions", "--json"))

    assert found.of("functions") == [("ExecuteOrdersFunction", "bad")]
    assert f"its queue {STACK}-entries is Disabled" in found.answer.out


def test_f22_functions_that_disagree_about_a_setting_are_an_error_that_names_both(
    deploy: Any, outcry: Outcry
) -> None:
    deploy(TickFunction={"OUTCRY_NETWORK": "local"}, NotifyFunction={"OUTCRY_NETWORK": "testnet"})

    answer = outcry("--stack", STACK, "status")

    assert answer.code == 2
    assert (
        "OUTCRY_NETWORK = 'local' cannot be used: TickFunction has it and NotifyFunction has 'testnet'"
        in (answer.sentence)
    )


def test_the_database_role_of_execute_orders_is_its_own_and_no_disagreement() -> None:
    def function(name: str, role: str) -> DeployedFunction:
        settings = {
            "OUTCRY_NETWORK": "testnet",
            "OUTCRY_DATABASE_SECRET_ARN": f"arn:aws:secretsmanager:{role}",
        }
        return DeployedFunction(name, name, "Active", "Successful", settings)

    found = settings_of([function("ExecuteOrdersFunction", "orders"), function("TickFunction", "common")])

    assert found["OUTCRY_DATABASE_SECRET_ARN"] == "arn:aws:secretsmanager:common"


@pytest.mark.usefixtures("deploy")
def test_a_stack_that_is_not_there_is_said_to_be_missing(outcry: Outcry) -> None:
    answer = outcry("--stack", "another", "status")

    assert answer.code == 2
    assert answer.sentence.endswith("no such stack in this account and region")


def test_a_region_without_a_stack_is_refused(outcry: Outcry) -> None:
    answer = outcry("--region", "eu-west-1", "status")

    assert (answer.code, "give it together with --stack" in answer.sentence) == (2, True)


@pytest.mark.usefixtures("deployed")
def test_the_stack_may_stand_after_the_command(outcry: Outcry) -> None:
    last = outcry("status", "--json", "--stack", STACK)
    joined = outcry("status", f"--stack={STACK}", "--json")

    assert (last.json["network"], joined.json["network"]) == ("local", "local")


def test_f22_a_stack_without_a_name_is_refused(outcry: Outcry) -> None:
    answer = outcry("status", "--stack")

    assert answer.code == 2
    assert "--stack" in answer.err


@pytest.mark.usefixtures("deployed")
def test_the_environment_may_name_the_stack(outcry: Outcry, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OUTCRY_STACK", STACK)

    assert outcry("status", "--json").json["network"] == "local"


def test_a_stack_of_the_environment_is_not_asked_for_help_or_to_read_a_desk_file(
    outcry: Outcry, environment: pytest.MonkeyPatch, desk_file: Path
) -> None:
    environment.setenv("OUTCRY_STACK", "another")
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert outcry("status", "--help").code == 0
    assert outcry("desk", "check", desk_file).code == 0


@pytest.mark.usefixtures("deployed")
def test_commands_that_are_named_can_be_typed_as_they_stand(outcry: Outcry) -> None:
    paused = outcry("--stack", STACK, "--region", "us-east-1", "pause", "--reason", "a look", "--json")
    refused = outcry("--stack", STACK, "signer", "revoke", "nobody", "--yes")

    assert f"`outcry --stack {STACK} --region us-east-1 resume desk`" in paused.json["next"]
    assert f"`outcry --stack {STACK} --region us-east-1 signer show`" in refused.sentence


def test_f22_without_settings_the_stack_is_offered(outcry: Outcry, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("OUTCRY_NETWORK")

    answer = outcry("status")

    assert answer.code == 2
    assert answer.sentence.endswith(
        "set it to mainnet, testnet or local, or give --stack NAME for a deployed stack"
    )


@pytest.mark.parametrize(("network", "offers_url"), [("local", True), ("testnet", False)])
def test_f22_a_plain_url_is_offered_on_local_alone(
    outcry: Outcry, environment: pytest.MonkeyPatch, network: str, offers_url: bool
) -> None:
    environment.setenv("OUTCRY_NETWORK", network)
    environment.delenv("OUTCRY_DATABASE_URL")

    answer = outcry("status")

    assert answer.sentence.startswith("outcry: OUTCRY_DATABASE_SECRET_ARN is not set: ")
    assert ("OUTCRY_DATABASE_URL" in answer.sentence) is offers_url
