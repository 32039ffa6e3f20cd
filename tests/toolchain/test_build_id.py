"""The build's name is the same in the built layer and in the checkout that it was built from, and changes with all that is deployed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from outcry.runtime import version
from tools import build_layer

_SAY = "import outcry.runtime.version as version; print(version.build_id(), version.is_known())"


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Path:
    """A copy of what a build is made of."""
    for part in ("functions", "layers"):
        shutil.copytree(
            repository / part, tmp_path / "checkout" / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path / "checkout"


def built(checkout: Path, into: Path) -> Path:
    """The core layer's own code, as the recipe makes it of this checkout; returns what is on the functions' path."""
    build_layer.add_own_code(checkout / "layers" / "core" / "outcry", into / "outcry")
    build_layer.say_what_it_was_built_with(into / "outcry", checkout)
    return into


def said(path: Path) -> str:
    """What a fresh process says of the package that lies there."""
    command = [sys.executable, "-S", "-P", "-c", _SAY]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(path)}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_the_built_layer_and_its_checkout_say_the_same(tmp_path: Path, checkout: Path) -> None:
    functions = said(built(checkout, tmp_path / "opt"))
    command_line = said(checkout / "layers" / "core")

    assert functions == command_line == f"{version.build_id()} True"


@pytest.mark.parametrize(
    "changed",
    [
        "functions/tick/app.py",
        "layers/core/requirements.txt",
        "layers/social/requirements.txt",
        "layers/venues/requirements.txt",
        "layers/core/outcry/orders/canary.py",
        "layers/core/outcry/migrations/0001_desk_and_pipeline.sql",
    ],
)
def test_whatever_of_it_is_deployed_changes_it_on_both_sides(
    tmp_path: Path, checkout: Path, changed: str
) -> None:
    before = said(checkout / "layers" / "core")
    with (checkout / changed).open("a") as file:
        file.write("\n")

    assert said(checkout / "layers" / "core") != before
    assert said(built(checkout, tmp_path / "opt")) == said(checkout / "layers" / "core")


def test_a_package_without_its_checkout_and_without_a_build_does_not_pretend_to_know(
    tmp_path: Path, checkout: Path
) -> None:
    shutil.copytree(checkout / "layers" / "core" / "outcry", tmp_path / "site" / "outcry")

    assert said(tmp_path / "site") == f"{version.VERSION}+unknown False"


def test_the_recipe_of_the_core_layer_says_it(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages").mkdir()
    monkeypatch.setattr(build_layer, "packages", lambda lock, architecture: tmp_path / "packages")
    monkeypatch.chdir(repository / "layers" / "core")

    build_layer.main(["--architecture", "x86_64", "--into", str(tmp_path / "layer")])

    assert said(tmp_path / "layer" / "python") == f"{version.build_id()} True"
