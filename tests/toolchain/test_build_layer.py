"""How a layer is filled: what goes into it, what never does, and when its packages are installed anew."""

import importlib.util
import marshal
import re
import sys
from pathlib import Path

import pytest

from tools import build_layer

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder as pip leaves it."""
    for name in (
        "bin/tool",
        "one/__init__.py",
        "one/native.c",
        "one/stub.pyi",
        "one/tests/test_one.py",
        "one-stubs/__init__.pyi",
        "one-1.0.dist-info/METADATA",
        "one-1.0.dist-info/RECORD",
        "one-1.0.dist-info/entry_points.txt",
        "one-1.0.dist-info/licenses/LICENSE",
    ):
        (tmp_path / "packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / name).write_text("")
    return tmp_path / "packages"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_layer_is_rid_of_what_no_program_reads_and_keeps_versions_entry_points_and_licences(
    packages: Path,
) -> None:
    build_layer._trim(packages)

    assert files(packages) == {
        "one/__init__.py",
        "one-1.0.dist-info/METADATA",
        "one-1.0.dist-info/entry_points.txt",
        "one-1.0.dist-info/licenses/LICENSE",
    }


def test_byte_code_is_taken_without_its_source_and_names_the_path_on_lambda(packages: Path) -> None:
    (packages / "one" / "__init__.py").write_text("def f(): pass\n")

    build_layer._compile(packages, Path("/opt/python"))

    compiled = Path(importlib.util.cache_from_source(str(packages / "one" / "__init__.py"))).read_bytes()
    assert int.from_bytes(compiled[4:8], "little") == 0b01  # by hash, and not checked
    code = marshal.loads(compiled[16:])  # noqa: S302 - compiled here, a moment ago
    assert code.co_filename == "/opt/python/one/__init__.py"


def test_our_own_code_comes_without_what_a_run_left_behind(tmp_path: Path) -> None:
    source = tmp_path / "outcry"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "old.cpython-313.pyc").write_text("")
    (source / "module.py").write_text("")

    build_layer.add_own_code(source, tmp_path / "into" / "outcry")

    assert files(tmp_path / "into") == {"outcry/module.py", "outcry/__pycache__/module.cpython-313.pyc"}


def test_packages_are_installed_anew_only_when_the_lock_or_the_processor_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []

    def install(lock: Path, architecture: str, into: Path) -> None:
        installed.append(f"{lock.read_text()} {architecture}")
        into.mkdir(parents=True)
        (into / "module.py").write_text("")

    monkeypatch.setattr(build_layer, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(build_layer, "_install", install)
    lock = tmp_path / "requirements.txt"

    made = lock
    for text, architecture in (("a", "x86_64"), ("a", "x86_64"), ("a", "arm64"), ("b", "arm64")):
        lock.write_text(text)
        made = build_layer.packages(lock, architecture)

    assert installed == ["a x86_64", "a arm64", "b arm64"]
    assert (made / "module.py").stat().st_mode & 0o222 == 0


def test_a_failed_installation_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(lock: Path, architecture: str, into: Path) -> None:
        into.mkdir(parents=True)
        raise SystemExit("no")

    monkeypatch.setattr(build_layer, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(build_layer, "_install", install)
    (tmp_path / "requirements.txt").write_text("a")

    with pytest.raises(SystemExit):
        build_layer.packages(tmp_path / "requirements.txt", "x86_64")

    assert list((tmp_path / "kept").iterdir()) == []


def test_wheels_alone_are_installed_by_their_hashes_for_the_functions_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = tmp_path / "python"
    pip.write_text(f'#!/bin/sh\necho "$*" > "{tmp_path}/said"\n')
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))

    build_layer._install(tmp_path / "requirements.txt", "arm64", tmp_path / "into")

    said = (tmp_path / "said").read_text()
    for option in ("--require-hashes", "--only-binary :all:", "--no-deps", "--python-version 3.13"):
        assert option in said
    assert set(re.findall(r"--platform (\S+)", said)) == {"manylinux2014_aarch64", "manylinux_2_28_aarch64"}


def test_certificates_of_databases_go_along(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("")
    (tmp_path / "rds.pem").write_text(CERTIFICATE)

    names = build_layer.add_certificates(tmp_path, tmp_path / "opt" / "certificates")

    assert names == ["rds.pem"]
    assert files(tmp_path / "opt") == {"certificates/rds.pem"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (CERTIFICATE + "-----BEGIN EC PRIVATE KEY-----\n", "ca.pem has a private key in it"),
        ("<html>not found</html>", "ca.pem has no certificate in it"),
    ],
)
def test_f25_a_private_key_or_a_broken_file_among_them_stops_the_build(
    tmp_path: Path, content: str, sentence: str
) -> None:
    (tmp_path / "ca.pem").write_text(content)

    with pytest.raises(SystemExit, match=sentence):
        build_layer.add_certificates(tmp_path, tmp_path / "opt")

    assert not (tmp_path / "opt").exists()


def test_certificates_stay_out_of_the_repository(repository: Path) -> None:
    ignored = (repository / ".gitignore").read_text().splitlines()

    assert {"*.pem", "*.key"} <= set(ignored)


def test_every_layer_is_filled_by_the_one_recipe(repository: Path) -> None:
    makefiles = {path.read_text() for path in (repository / "layers").glob("*/Makefile")}

    assert makefiles == {"include $(dir $(lastword $(MAKEFILE_LIST)))../layer.mk\n"}
