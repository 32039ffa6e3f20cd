"""What `migrate` loads before any other function changes is what every function carries."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from outcry.runtime import packages


def test_every_package_of_the_core_layer_is_loaded(repository: Path) -> None:
    asked = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]

    packages.load()

    assert set(packages.CORE) == {re.split(r"[<>=]", each)[0] for each in asked}
    assert set(packages.CORE.values()) <= set(sys.modules)


def test_a_package_that_is_not_whole_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, packages.CORE["cryptography"], None)

    with pytest.raises(ImportError, match="cryptography"):
        packages.load()
