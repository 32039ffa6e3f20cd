"""The tables of docs/configure.md name every parameter and every setting that exists, and none that does not."""

import re
from typing import Any, get_args

import pytest

from local.dispatcher.cloudformation import load
from outcry.cli.stack import REGION_VARIABLE, STACK_VARIABLE
from outcry.runtime import emission, settings
from outcry.runtime.settings import PREFIX, Settings
from tests.docs.pages import PAGES, ROOT, code, table
from tests.infra.test_template import MODELS

CONFIGURE = ROOT / "docs" / "configure.md"
DEPLOY = ROOT / "docs" / "deploy.md"
OF_THE_BUILD = {"OUTCRY_ARCHITECTURE", "OUTCRY_BUILD_MUST_BE_HERE"}
NAME = re.compile(r"\bOUTCRY_[A-Z][A-Z_]*[A-Z]\b")
PARAMETER = re.compile(r"\b([A-Z][a-z]+[A-Za-z]*)=")


@pytest.fixture(scope="module")
def parameters() -> dict[str, Any]:
    found: dict[str, Any] = load(ROOT / "template.yaml")["Parameters"]
    return found


def of_the_models() -> dict[str, set[str]]:
    """By setting, the functions that read it."""
    found: dict[str, set[str]] = {}
    for function, model in MODELS.items():
        names = {f"{PREFIX}{field.upper()}" for field in model.model_fields if field != "queues"}
        if issubclass(model, settings._Queues):
            names |= set(model.queue_settings().values())
        for name in names:
            found.setdefault(name, set()).add(function)
    return {**found, emission.STACK_VARIABLE: set(MODELS)}  # metrics of whichever function carry it


def bare(cell: str) -> str:
    return cell.strip("`")


def test_the_table_of_parameters_names_each_in_the_templates_order_with_its_default(
    parameters: dict[str, Any],
) -> None:
    said = {bare(name): bare(row["default"]) for name, row in table(CONFIGURE, "parameter").items()}

    assert list(said) == list(parameters)
    defaults = {name: body.get("Default", "none") for name, body in parameters.items()}
    assert said == {name: "empty" if value == "" else str(value) for name, value in defaults.items()}


def test_every_example_of_a_parameter_is_taken_by_the_template(parameters: dict[str, Any]) -> None:
    for name, row in table(CONFIGURE, "parameter").items():
        body, example = parameters[bare(name)], bare(row["example"])
        allowed = [str(value) for value in body.get("AllowedValues", [example])]
        assert example in allowed, f"{name}: {example}"
        assert re.search(body.get("AllowedPattern", ""), example), f"{name}: {example}"


def test_the_questions_of_a_guided_deployment_are_the_templates_parameters_in_their_order(
    parameters: dict[str, Any],
) -> None:
    asked = [bare(name) for name in table(DEPLOY, "it asks")]

    assert [name for name in asked if re.fullmatch(r"[A-Z][A-Za-z]+", name)] == list(parameters)


def test_every_answer_to_a_question_is_taken_by_the_template(parameters: dict[str, Any]) -> None:
    answers = {bare(name): row["answer"] for name, row in table(DEPLOY, "it asks").items()}

    for name, body in parameters.items():
        given = re.findall(r"`([^`]+)`", answers[name])
        allowed = {str(value) for value in body.get("AllowedValues", given)}
        assert set(given) <= allowed, f"{name}: {given}"


def test_the_table_of_settings_names_each_with_the_functions_that_read_it() -> None:
    every = set(MODELS)
    said = {
        bare(name): every if row["read by"] == "all" else set(row["read by"].split(", "))
        for name, row in table(CONFIGURE, "setting").items()
    }

    assert said == of_the_models()


def test_the_table_of_settings_says_each_default() -> None:
    rows = table(CONFIGURE, "setting")
    assert bare(rows.pop(f"`{emission.STACK_VARIABLE}`")["default"]) == emission.DEFAULT_STACK
    for name, row in rows.items():
        field = bare(name).removeprefix(PREFIX).lower()
        known = {each for model in MODELS.values() for each in [model.model_fields.get(field)] if each}
        for each in known:
            required = each.is_required()
            optional = type(None) in get_args(each.annotation)
            if required:
                assert row["default"] == "none", name
            elif not optional:
                assert bare(row["default"]) == str(each.default), name


def test_every_setting_that_the_code_or_a_page_names_exists() -> None:
    sources = [
        *(ROOT / "layers").rglob("*.py"),
        *(ROOT / "layers").rglob("*.mk"),
        *(ROOT / "functions").rglob("*.py"),
        *(ROOT / "infra").glob("*.yaml"),
        ROOT / "template.yaml",
        ROOT / "Makefile",
        *PAGES,
    ]
    exist = {*of_the_models(), STACK_VARIABLE, REGION_VARIABLE, emission.STACK_VARIABLE, *OF_THE_BUILD}

    named = {name: path.name for path in sources for name in NAME.findall(path.read_text())}

    assert {name: where for name, where in named.items() if name not in exist} == {}
    assert all(name in CONFIGURE.read_text() for name in exist)


def test_every_parameter_that_a_page_sets_exists(parameters: dict[str, Any]) -> None:
    named = {
        (name, page.name)
        for page in PAGES
        for line in code(page)
        if "aws " not in line
        for name in PARAMETER.findall(line)
    }

    assert {each for each in named if each[0] not in parameters} == set()
    assert ("DatabaseMode", "deploy.md") in named


def test_a_model_without_its_function_is_not_forgotten() -> None:
    models = {
        each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, Settings)
    }

    assert {each for each in models if not each.__name__.startswith("_")} - {Settings} == set(MODELS.values())
