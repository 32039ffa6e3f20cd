"""The build id: equal exactly where the sources are equal."""

import tomllib
from pathlib import Path

import pytest

from outcry.runtime import version


def sources(folder: Path) -> Path:
    (folder / "room").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "room" / "model.py").write_text("ONE = 1\n")
    (folder / "room" / "0001_first.sql").write_text("select 1;\n")
    return folder


def test_the_same_sources_have_the_same_fingerprint_wherever_they_are(tmp_path: Path) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")

    assert version.fingerprint(here) == version.fingerprint(there)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("room/model.py", "ONE = 2\n"),
        ("room/0001_first.sql", "select 2;\n"),
        ("room/another.py", ""),
    ],
)
def test_a_changed_or_added_source_changes_the_fingerprint(tmp_path: Path, name: str, content: str) -> None:
    before = version.fingerprint(sources(tmp_path))
    (tmp_path / name).write_text(content)

    assert version.fingerprint(tmp_path) != before


def test_a_source_under_another_name_changes_the_fingerprint(tmp_path: Path) -> None:
    before = version.fingerprint(sources(tmp_path))
    (tmp_path / "room" / "model.py").rename(tmp_path / "room" / "moved.py")

    assert version.fingerprint(tmp_path) != before


def test_what_python_compiled_is_no_source(tmp_path: Path) -> None:
    before = version.fingerprint(sources(tmp_path))
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "model.cpython-313.pyc").write_bytes(b"compiled")

    assert version.fingerprint(tmp_path) == before


def test_the_build_id_names_the_release_of_the_project(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]

    release, _, fingerprint = version.build_id().partition("+")

    assert release == version.VERSION == project["version"]
    assert len(fingerprint) == 12
    assert int(fingerprint, 16) >= 0
