"""The shape of the house: small modules with honest names, thin handlers, SQL in the stores."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, Source, core, everything, handlers

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
LONGEST_HANDLER = 60
SAYS_NOTHING = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"})
SQL = re.compile(
    r"^\s*(select\s[\s\S]*\sfrom\s|insert\s+into\s|update\s+\w+[\s\S]*\sset\s|delete\s+from\s|with\s+\w+\s+as\s*\()",
    re.IGNORECASE,
)
SEEN_BY_HANDLERS = frozenset(
    {
        "outcry",
        "aws_lambda_powertools",
        "base64",
        "collections",
        "dataclasses",
        "datetime",
        "json",
        "typing",
        "urllib",
        "uuid",
    }
)
# The runtime's own statements: transactions, the schema's history, claims on rows.
SQL_OF_THE_RUNTIME = frozenset({"database", "migrations", "leases"})


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {source.name: len(source.text.splitlines()) for source in everything()}

    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_function_fits_a_screen() -> None:
    lengths = {
        f"{source.name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for source in everything()
        for node in ast.walk(source.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }

    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def words(source: Source) -> set[str]:
    """The words in the names of a module, of its folder and of its classes."""
    classes = [node.name for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    in_classes = {word.lower() for name in classes for word in re.findall(r"[A-Z][a-z]+", name)}
    return {*in_classes, *source.path.stem.lower().split("_"), source.path.parent.name}


def test_a_name_says_what_the_thing_is_for() -> None:
    assert [source.name for source in everything() if SAYS_NOTHING & words(source)] == []


def test_nothing_is_left_to_be_written() -> None:
    unwritten = [
        f"{source.name}:{node.lineno}"
        for source in everything()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]

    assert unwritten == []


def may_hold_sql(source: Source) -> bool:
    stem = source.path.stem
    in_runtime = source.path.parent.name == "runtime" and stem in SQL_OF_THE_RUNTIME
    return stem == "store" or stem.endswith("_store") or in_runtime


def test_sql_is_written_in_stores_only() -> None:
    statements = [
        f"{source.name}:{node.lineno}"
        for source in core()
        if not may_hold_sql(source)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
        if id(node) not in source.docstrings()
    ]

    assert statements == []


def test_the_search_for_sql_knows_it_when_it_sees_it() -> None:
    assert SQL.match("\n  select a\n from b")
    assert SQL.match("UPDATE t set a = 1")
    assert SQL.match("with x as (select 1) select 1")
    assert not SQL.match("select a market, then ask again")
    assert not SQL.match("with a long nose")


def test_every_store_has_a_contract_that_keeps_it_private() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    protected = {name for contract in contracts for name in contract.get("protected_modules", [])}

    stores = {source.module for source in core() if source.path.stem == "store"}

    assert {name for name in stores if name.count(".") == 2} <= protected


def test_there_are_handlers_to_be_looked_at() -> None:
    assert len(handlers()) >= 5


def test_a_handler_only_parses_calls_and_answers() -> None:
    lengths = {source.name: len(source.text.splitlines()) for source in handlers()}
    shapes = {source.name: [type(node) for node in ast.walk(source.tree)] for source in handlers()}

    assert {name: length for name, length in lengths.items() if length > LONGEST_HANDLER} == {}
    assert [name for name, nodes in shapes.items() if {ast.ClassDef, ast.While} & set(nodes)] == []


def test_a_handler_imports_the_wiring_and_one_use_case() -> None:
    wrong = []
    for source in handlers():
        names = set(source.imported())
        foreign = {name.split(".")[0] for name in names} - SEEN_BY_HANDLERS
        rooms = {name.split(".")[1] for name in names if name.startswith("outcry.")} - {"wiring", "runtime"}
        if foreign or len(rooms) > 1:
            wrong.append(f"{source.name}: {sorted(foreign | rooms)}")

    assert wrong == []


def test_folders_whose_modules_are_all_named_alike_are_no_packages() -> None:
    assert list((ROOT / "functions").rglob("__init__.py")) == []
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def committed() -> list[Path]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    hosts = ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org")
    paths = re.compile(
        r"(?<![\w.~-])/(?:"
        + "|".join(("ro" + "ot", "ho" + "me/[a-z]", "wo" + "rk", "Us" + "ers/[a-z]"))
        + r")\b(?=/)"
    )
    found = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {host}" for host in hosts if host in text]
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in paths.finditer(text)]

    assert found == []


def test_no_file_is_a_key_or_a_lock_that_has_no_place_here() -> None:
    names = {path.name for path in committed()}

    assert not names & {"uv.lock", ".env", ".npmrc", "credentials"}
    assert not [name for name in names if name.endswith((".pem", ".key", ".p12"))]
