"""The trees of a rehearsal: what differs in each, and that the checkout never does."""

import subprocess
import sys
from pathlib import Path

from local.servers import ROOT
from local.stack.source import CANNOT_START, copy_source, dead_build, latest_migration, next_build

MIGRATIONS = Path("layers/core/outcry/migrations")


def test_a_copy_holds_everything_that_is_deployed_and_what_builds_it(tmp_path: Path) -> None:
    tree = copy_source(tmp_path / "n")

    for name in ("template.yaml", "functions/tick/app.py", "layers/core/outcry/wiring.py", "infra"):
        assert (tree / name).exists(), name
    assert (tree / "tools" / "build_layer.py").exists()
    assert not list(tree.rglob("__pycache__"))


def test_the_next_build_has_one_more_migration_and_its_template_asks_for_it(tmp_path: Path) -> None:
    first = copy_source(tmp_path / "n")

    second = next_build(first, tmp_path / "n1")

    newest = latest_migration(first) + 1
    assert latest_migration(second) == newest
    assert f'Version: "{newest:04d}"' in (second / "template.yaml").read_text()
    assert "create table rehearsal" in (second / MIGRATIONS / f"{newest:04d}_rehearsal.sql").read_text()


def test_the_failing_build_does_half_of_its_work_before_it_fails(tmp_path: Path) -> None:
    first = copy_source(tmp_path / "n")

    failing = next_build(first, tmp_path / "n1", fails=True)

    sql = (failing / MIGRATIONS / f"{latest_migration(failing):04d}_rehearsal.sql").read_text()
    assert sql.index("create table") < sql.index("1 / 0")


def test_the_dead_build_cannot_be_imported_and_asks_for_no_new_schema(tmp_path: Path) -> None:
    first = copy_source(tmp_path / "n")

    dead = dead_build(first, tmp_path / "n3")

    command = [sys.executable, "-c", "import outcry.runtime.clock"]
    core = {"PYTHONPATH": str(dead / "layers" / "core")}
    done = subprocess.run(command, env=core, capture_output=True, text=True, check=False)
    assert f"RuntimeError: {CANNOT_START}" in done.stderr
    assert (dead / "template.yaml").read_text() == (first / "template.yaml").read_text()


def test_the_checkout_is_never_changed(tmp_path: Path) -> None:
    def state() -> str:
        command = ["git", "status", "--porcelain", "template.yaml", "layers"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    before = state()

    next_build(copy_source(tmp_path / "n"), tmp_path / "n1")

    assert state() == before
