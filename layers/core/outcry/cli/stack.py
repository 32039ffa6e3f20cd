"""`outcry --stack NAME …`: the configuration that the deployed functions really have, so that a command sees what they see.

Promises: every setting comes from the functions of the stack, and two functions that disagree about one are an error with
both their names; the stack's settings take the place of this machine's, but for what is a matter of this machine (where a
certificate lies). Secrets are named in what is read, never held. Reads only.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outcry.cli import aws
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.settings import PREFIX

STACK_VARIABLE = f"{PREFIX}STACK"
REGION_VARIABLE = f"{PREFIX}REGION"
_COMMAND = re.compile(r"`outcry (?!--)")
_OF_THIS_MACHINE = frozenset({f"{PREFIX}DATABASE_CA_FILE"})
# execute_orders may log into the same database by a role of its own, which is not for people
_DATABASE_SECRET = f"{PREFIX}DATABASE_SECRET_ARN"
_OF_ITS_OWN = frozenset({("ExecuteOrdersFunction", _DATABASE_SECRET)})


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """One Lambda function of the stack: its place in the template, its name, and how Lambda says it is."""

    logical_id: str
    name: str
    state: str
    last_update: str
    settings: Mapping[str, str]


def functions_of(stack: str) -> list[DeployedFunction]:
    """Every function of the stack, by logical id. Raises ConfigurationError for a stack that is not there."""
    try:
        rows = aws.pages("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack)
    except aws.AwsRefused as refused:
        if refused.code == "ValidationError":
            raise ConfigurationError("--stack", stack, "no such stack in this account and region") from None
        raise
    found = [
        _function(row["LogicalResourceId"], row["PhysicalResourceId"])
        for row in rows
        if row["ResourceType"] == "AWS::Lambda::Function" and row.get("PhysicalResourceId")
    ]
    if not found:
        raise ConfigurationError("--stack", stack, "it has no functions: is it Outcry's, and deployed?")
    return sorted(found, key=lambda function: function.logical_id)


def name_of(stack: str, logical_id: str) -> str:
    """The name of one function of the stack, by its place in the template. Raises ConfigurationError where there is none."""
    for function in functions_of(stack):
        if function.logical_id == logical_id:
            return function.name
    raise ConfigurationError("--stack", stack, f"it has no {logical_id}: deploy this build")


def _function(logical_id: str, name: str) -> DeployedFunction:
    said: dict[str, Any] = aws.ask("lambda", "get_function_configuration", FunctionName=name)
    return DeployedFunction(
        logical_id,
        name,
        state=str(said.get("State", "")),
        last_update=str(said.get("LastUpdateStatus", "")),
        settings=dict(said.get("Environment", {}).get("Variables", {})),
    )


def settings_of(functions: list[DeployedFunction]) -> dict[str, str]:
    """What the functions are configured with, together. Raises ConfigurationError where two of them disagree."""
    found: dict[str, tuple[str, str]] = {}
    for function in functions:
        for name, value in function.settings.items():
            if (
                not name.startswith(PREFIX)
                or name in _OF_THIS_MACHINE
                or (function.logical_id, name) in _OF_ITS_OWN
            ):
                continue
            first, known = found.setdefault(name, (function.logical_id, value))
            if known != value:
                raise ConfigurationError(
                    name,
                    value,
                    f"{function.logical_id} has it and {first} has {known!r}: deploy the stack again",
                )
    if f"{PREFIX}NETWORK" not in found:
        raise ConfigurationError(f"{PREFIX}NETWORK", None, "the functions have none: is it Outcry's stack?")
    return {name: value for name, (_, value) in found.items()}


def orders_database_secret(functions: Iterable[DeployedFunction]) -> str | None:
    """The secret with which execute_orders reaches the database, or None where it is none of its own."""
    own: str | None = None
    others: set[str] = set()
    for function in functions:
        arn = function.settings.get(_DATABASE_SECRET)
        if (function.logical_id, _DATABASE_SECRET) in _OF_ITS_OWN:
            own = arn
        elif arn:
            others.add(arn)
    return own if own and own not in others else None


def use(stack: str, region: str) -> None:
    """Configure this process as the stack's functions are. Before anything else reads a setting."""
    use_region(region)
    settings = settings_of(functions_of(stack))
    for name in [name for name in os.environ if name.startswith(PREFIX) and name not in _OF_THIS_MACHINE]:
        del os.environ[name]
    os.environ.update(settings)
    os.environ[STACK_VARIABLE] = stack
    if region:
        os.environ[REGION_VARIABLE] = region


def use_region(region: str) -> None:
    """Ask AWS in this region; where none is given, in AWS_REGION's, which the AWS tools know and boto3 does not."""
    if region := region or os.environ.get("AWS_REGION", ""):
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = region


def addressed(sentence: str) -> str:
    """The sentence, its commands of ours (in backquotes) with the stack that this command was given, so that they can be typed."""
    stack = os.environ.get(STACK_VARIABLE)
    if not stack:
        return sentence
    region = os.environ.get(REGION_VARIABLE)
    options = f"--stack {stack} --region {region}" if region else f"--stack {stack}"
    return _COMMAND.sub(lambda _: f"`outcry {options} ", sentence)
