"""CloudFormation hears of a build that does not load at once, instead of waiting until it gives up."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from outcry.runtime import packages

EVENTS = Path(__file__).resolve().parents[1] / "events"


@pytest.fixture
def migrate(repository: Path) -> ModuleType:
    file = repository / "functions" / "migrate" / "app.py"
    spec = importlib.util.spec_from_file_location("migrate_app", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def told(migrate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the stack was told: status and reason."""
    heard: list[tuple[str, str]] = []
    monkeypatch.setattr(migrate, "_tell_stack", lambda _, status, reason: heard.append((status, reason)))
    return heard


def of_the_stack() -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / "migrate.stack.json").read_text())
    return {**event, "RequestType": "Update"}


@pytest.mark.parametrize("missing", ["outcry", packages.CORE["cryptography"]])
def test_a_layer_that_does_not_load_is_told_to_the_stack(
    migrate: ModuleType, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ModuleNotFoundError):
        migrate.handler(of_the_stack(), SimpleNamespace(aws_request_id="1"))

    ((status, reason),) = told
    assert status == "FAILED"
    assert reason.startswith(f"ModuleNotFoundError: import of {missing} halted")


def test_a_person_who_invokes_it_gets_the_error_itself(
    migrate: ModuleType, told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "outcry", None)

    with pytest.raises(ModuleNotFoundError):
        migrate.handler({}, SimpleNamespace(aws_request_id="1"))

    assert told == []
