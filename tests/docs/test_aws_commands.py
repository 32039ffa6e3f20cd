"""Whatever command of the AWS CLI a page tells people to type exists, with its options, as AWS's own service models have it."""

from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import ServiceModel

from tests.docs.pages import PAGES, commands

OF_THE_CLI = {"--query", "--output", "--region", "--profile"}


@cache
def service(name: str) -> ServiceModel | None:
    session = botocore.session.get_session()
    return session.get_service_model(name) if name in session.get_available_services() else None


def unknown(words: list[str]) -> str | None:
    """What of a command line does not exist; None where all of it does."""
    model = service(words[0])
    if model is None:
        return words[0]
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    if words[1] not in operations:
        return words[1]
    shape = model.operation_model(operations[words[1]]).input_shape
    options = {f"--{xform_name(each, '-')}" for each in (shape.members if shape else {})} | OF_THE_CLI
    given = [word.replace("--no-", "--") for word in words if word.startswith("--")]
    return next((option for option in given if option not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_aws_that_a_page_names_exists(page: Path) -> None:
    wrong = {" ".join(words): unknown(words) for words in commands(page, "aws") if words}

    assert {line: fault for line, fault in wrong.items() if fault is not None} == {}


def test_a_command_of_aws_that_does_not_exist_is_found() -> None:
    assert unknown(["kms", "delete-key", "--key-id", "x"]) == "delete-key"
    assert unknown(["secretsmanager", "create-secret", "--name", "x", "--secret", "y"]) == "--secret"
    assert unknown(["keys", "list"]) == "keys"
    assert unknown(["rds", "modify-db-cluster", "--no-deletion-protection"]) is None
