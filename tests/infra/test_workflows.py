"""The workflows on GitHub take nothing that can change under them, may do nothing but read, and run the Makefile's targets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGET = re.compile(r"make ([a-z]+)")


def faults(text: str, targets: set[str]) -> list[str]:
    """What is wrong with a workflow, in words."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    wrong = [f"{use} is not pinned" for use in uses(text) if not PINNED.fullmatch(use)]
    if workflow.get("permissions") != {"contents": "read"}:
        wrong.append(f"it may {workflow.get('permissions')}")
    if "concurrency" not in workflow:
        wrong.append("it may run twice at once")
    if "pull_request_target" in workflow[True]:  # YAML 1.1 reads the key `on` so
        wrong.append("it runs foreign code with our rights")
    for name, job in workflow["jobs"].items():
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            wrong.append(f"{name} has no end")
        if "permissions" in job:
            wrong.append(f"{name} takes more than it was given")
        for step in job["steps"]:
            wrong += step_faults(name, step, targets)
    return wrong


def step_faults(job: str, step: dict[str, Any], targets: set[str]) -> Iterator[str]:
    if "run" in step:
        target = TARGET.fullmatch(step["run"])
        if target is None or target[1] not in targets:
            yield f"{job} runs {step['run']!r}, which is no target"
    if (
        step.get("uses", "").startswith("actions/checkout@")
        and step.get("with", {}).get("persist-credentials") is not False
    ):
        yield f"{job} leaves its token in the checkout"


def uses(text: str) -> list[str]:
    """Every action that is used, with the comment behind it."""
    return [line.split("uses:", 1)[1].strip() for line in text.splitlines() if "uses:" in line]


@pytest.fixture(scope="module")
def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.fixture(params=sorted(FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text()


def test_a_workflow_is_pinned_bounded_and_may_only_read(workflow: str, targets: set[str]) -> None:
    assert faults(workflow, targets) == []


def test_together_they_check_test_deploy_and_audit() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.yml"))

    assert set(TARGET.findall(text)) == {"check", "test", "stack", "audit"}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (" # v5.0.0", ""),
        ("08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "v5"),
        ("contents: read", "contents: write"),
        ("permissions:\n  contents: read\n", ""),
        ("timeout-minutes: 15", "continue-on-error: false"),
        ("concurrency:", "env:"),
        ("persist-credentials: false", "persist-credentials: true"),
        ("run: make audit", "run: pip install something"),
        ("run: make audit", "run: make nothing"),
        ("workflow_dispatch:", "pull_request_target:"),
    ],
)
def test_a_workflow_with_a_mistake_is_refused(targets: set[str], good: str, bad: str) -> None:
    text = (FOLDER / "weekly-audit.yml").read_text()
    assert good in text

    assert faults(text.replace(good, bad), targets) != []
