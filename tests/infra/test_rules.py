"""Every rule holds of everything that is deployed, and refuses a mistake that is made on purpose."""

import copy

import pytest

from tests.infra import rules, rules_of_access, rules_of_permissions
from tests.infra.expanded import Stack, expand, nested, source, stacks
from tests.infra.mistakes import MISTAKES, MISTAKES_OF_NESTED

ALL = (*rules.RULES, *rules_of_access.RULES_OF_ACCESS, *rules_of_permissions.RULES_OF_PERMISSIONS)


@pytest.fixture(scope="module")
def deployed() -> list[Stack]:
    return stacks()


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.__name__)
def test_what_is_deployed_keeps_the_rule(deployed: list[Stack], rule: rules.Rule) -> None:
    assert {stack.name: found for stack in deployed if (found := rule(stack))} == {}


# ─── mistakes, made on purpose ───


@pytest.fixture(scope="module")
def seeded() -> list[Stack]:
    """The template once for each mistake, all expanded at once."""
    templates = []
    for _, mistake in MISTAKES:
        template = source()
        mistake(template["Resources"])
        templates.append(template)
    return [Stack("seeded", template) for template in expand(templates)]


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=lambda n: f"{MISTAKES[n][0].__name__}-{n}")
def test_a_mistake_is_refused(seeded: list[Stack], number: int) -> None:
    rule, _ = MISTAKES[number]

    assert rule(seeded[number]) != []


@pytest.mark.parametrize("number", range(len(MISTAKES_OF_NESTED)))
def test_a_mistake_in_a_nested_stack_is_refused(number: int) -> None:
    name, rule, mistake = MISTAKES_OF_NESTED[number]
    (stack,) = (each for each in nested() if each.name == name)
    resources = copy.deepcopy(dict(stack.resources))
    assert rule(stack) == []

    mistake(resources)

    assert rule(Stack(name, {**stack.template, "Resources": resources})) != []


def test_every_rule_was_shown_a_mistake() -> None:
    elsewhere = {rules.network_is_never_guessed}

    assert {rule for rule, _ in MISTAKES} | elsewhere == set(ALL)


def test_f56_a_network_by_default_is_refused(deployed: list[Stack]) -> None:
    template = source()
    template["Parameters"]["Network"]["Default"] = "mainnet"

    assert rules.network_is_never_guessed(Stack("seeded", template)) == ["Network has a default"]


@pytest.mark.parametrize(
    "text", [{"Description": ""}, {"ConstraintDescription": ""}], ids=["undescribed", "unexplained"]
)
def test_a_parameter_that_refuses_without_a_word_is_refused(text: dict[str, str]) -> None:
    template = source()
    template["Parameters"]["XSecretArn"].update(text)

    assert rules.everything_that_a_person_reads_is_explained(Stack("seeded", template)) != []


@pytest.mark.parametrize("name", ["Cluster", "Secret", "Instance"])
def test_a_database_that_would_go_with_the_stack_is_refused(name: str) -> None:
    (database,) = (stack for stack in nested() if stack.name == "database")
    changed = {**database.resources, name: {**database.resources[name], "DeletionPolicy": "Delete"}}

    assert rules_of_access.state_outlives_the_stack(Stack("seeded", {"Resources": changed})) == [
        f"{name} is not kept"
    ]
