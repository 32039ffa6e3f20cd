"""Each function finds all that it may import in its own layers and in the Lambda runtime, and nothing heavier than it needs.

The layers are put together out of the installed packages, by the names in their locks, and nothing else is on the path.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.architecture.sources import CORE, ROOT, Source, core, handlers

# What AWS puts beside a Python function: its own SDK.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")
SDKS = {"tweepy", "openai", "web3", "hyperliquid"}
NEVER = {
    "ingest_posts": {"openai", "web3", "hyperliquid"},
    "classify_posts": {"web3", "hyperliquid"},
    "generate_signals": SDKS,
    "notify": SDKS,
    "api": SDKS,
    "tick": SDKS,
}

# Imports the handler and what it builds with, then says what was loaded and what could not be found.
PROGRAM = """
import importlib, importlib.util, json, sys
path, modules, packages = json.loads(sys.argv[1])
sys.path[:0] = path
for module in modules:
    importlib.import_module(module)
loaded = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps([loaded, [name for name in packages if importlib.util.find_spec(name) is None]]))
"""


def names_in(lock: Path) -> list[str]:
    """The packages of a lock that are for this platform."""
    lines = [line for line in lock.read_text().splitlines() if re.match(r"[a-zA-Z0-9]", line)]
    return [line.split("==")[0] for line in lines if ";" not in line]


def assemble(directory: Path, packages: list[str]) -> Path:
    """A directory that has these installed packages and no others."""
    directory.mkdir()
    for package in packages:
        files = distribution(package).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(str(distribution(package).locate_file(top)))
            if not (directory / top).exists():
                (directory / top).symlink_to(source)
    return directory


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each layer's packages are, and those of the runtime."""
    root = tmp_path_factory.mktemp("layers")
    made = {"runtime": assemble(root / "runtime", list(RUNTIME))}
    for name in ("core", "social", "venues"):
        made[name] = assemble(root / name, names_in(ROOT / "layers" / name / "requirements.txt"))
    return made


@cache
def layers_of() -> dict[str, list[str]]:
    """The layers that template.yaml gives to each function, by the function's folder."""
    text = (ROOT / "template.yaml").read_text()
    found = re.findall(r"CodeUri: functions/(\w+)\s+Layers: \[([^\]]*)\]", text)
    return {name: re.findall(r"(\w+)Layer", given.replace("!Ref ", "")) for name, given in found}


def imports(node: ast.AST) -> Iterator[str]:
    """What is imported anywhere below, but for type checkers."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def built_by(handler: Source, wiring: Source) -> set[str]:
    """What the builders import that a handler calls in the wiring, and those that these call."""
    builders = {
        node.name: node for node in wiring.tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    waiting = [
        node.attr
        for node in ast.walk(handler.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wiring"
    ]
    seen: set[str] = set()
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in builders:
            continue
        seen.add(name)
        found |= set(imports(builders[name]))
        waiting += [node.id for node in ast.walk(builders[name]) if isinstance(node, ast.Name)]
    return found


def reached(handler: Source) -> tuple[set[str], set[str]]:
    """Every module of ours and every foreign package that a function may import, at once or while it works."""
    ours = {source.module: source for source in core()}
    wiring = ours["outcry.wiring"]
    waiting = [*handler.imported(), *built_by(handler, wiring)]
    waiting += [
        name
        for node in wiring.tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in imports(node)
    ]
    modules: set[str] = set()
    packages: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in ours and name not in modules:
            modules.add(name)
            if name != "outcry.wiring":
                waiting += imports(ours[name].tree)
        elif name.split(".")[0] not in {*sys.stdlib_module_names, "outcry"}:
            packages.add(name.split(".")[0])
    return modules, packages


def test_every_function_has_its_layers() -> None:
    assert {source.path.parent.name for source in handlers()} == set(layers_of())
    assert all(given[0] == "Core" for given in layers_of().values())


@pytest.mark.parametrize("handler", handlers(), ids=lambda source: source.path.parent.name)
def test_a_function_finds_what_it_imports_in_its_own_layers(handler: Source, layers: dict[str, Path]) -> None:
    name = handler.path.parent.name
    modules, packages = reached(handler)
    path = [
        handler.path.parent,
        CORE,
        *(layers[layer.lower()] for layer in layers_of()[name]),
        layers["runtime"],
    ]
    given = json.dumps([[str(part) for part in path], ["app", *sorted(modules)], sorted(packages)])

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, given],
        env={"PATH": "/usr/bin:/bin", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    loaded, missing = json.loads(ran.stdout)
    assert missing == []
    assert set(loaded) & NEVER.get(name, set()) == set()
