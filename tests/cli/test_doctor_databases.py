"""Two secrets that lead to the database: `outcry doctor` says when they lead to two."""

import json
from typing import Any

import boto3
import pytest

from outcry.cli import aws
from outcry.cli.doctor import cloud
from outcry.cli.doctor.finding import Finding, Installation, Verdict
from outcry.cli.stack import DeployedFunction
from outcry.runtime.clock import FixedClock
from tests.cli.installation import PASSWORD

ALL = {"host": "db.example", "port": 5432, "dbname": "desk", "username": "outcry", "password": PASSWORD}
ORDERS = {**ALL, "username": "outcry_orders"}

pytestmark = pytest.mark.usefixtures("kms_key")


def secret(name: str, content: dict[str, Any]) -> str:
    client: Any = boto3.client("secretsmanager")
    return str(client.create_secret(Name=name, SecretString=json.dumps(content))["ARN"])


def function(logical_id: str, arn: str) -> DeployedFunction:
    return DeployedFunction(
        logical_id, logical_id, "Active", "Successful", {"OUTCRY_DATABASE_SECRET_ARN": arn}
    )


def look(clock: FixedClock, all_functions: str, orders: str) -> dict[str, Finding]:
    """What is found where execute_orders has this secret and all other functions that one."""
    aws.client.cache_clear()
    here = Installation(
        "testnet",
        {"OUTCRY_DATABASE_SECRET_ARN": all_functions},
        clock,
        functions=(function("TickFunction", all_functions), function("ExecuteOrdersFunction", orders)),
    )
    return {each.subject: each for each in cloud.secrets(here)}


def test_a_role_of_its_own_in_the_same_database_is_well(clock: FixedClock) -> None:
    found = look(clock, secret("all", ALL), secret("orders", {**ORDERS, "port": "5432"}))

    assert {name: each.verdict for name, each in found.items()} == {
        "DATABASE_SECRET": Verdict.OK,
        "ORDERS_DATABASE_SECRET": Verdict.OK,
        "one database": Verdict.OK,
    }


@pytest.mark.parametrize(
    ("field", "value"), [("host", "restored.example"), ("port", 6432), ("dbname", "desk_2")]
)
def test_a_secret_that_was_not_changed_with_the_other_is_bad_and_nothing_of_it_is_said(
    clock: FixedClock, field: str, value: Any
) -> None:
    found = look(clock, secret("all", {**ALL, field: value}), secret("orders", ORDERS))["one database"]

    assert found.verdict is Verdict.BAD
    assert f"another {field} in its secret" in found.says
    assert "OrdersDatabaseSecretArn" in found.fix
    assert not any(str(each) in f"{found.says} {found.fix}" for each in (*ALL.values(), value))


def test_a_secret_of_execute_orders_that_lacks_a_field_is_bad(clock: FixedClock) -> None:
    lacking = {name: value for name, value in ORDERS.items() if name != "password"}

    found = look(clock, secret("all", ALL), secret("orders", lacking))

    assert found["ORDERS_DATABASE_SECRET"].verdict is Verdict.BAD
    assert "one database" not in found


def test_one_secret_for_all_functions_needs_no_comparison(clock: FixedClock) -> None:
    arn = secret("all", ALL)

    assert list(look(clock, arn, arn)) == ["DATABASE_SECRET"]
