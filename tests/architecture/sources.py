"""What the tests of the architecture read: our source files, their syntax trees and what they import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "layers" / "core"

# The modules that decide and compute, and touch nothing. They are known by their names, in whatever room.
PURE = frozenset(
    {
        *("model", "lifecycle", "risk", "exits", "exit_rules", "levels", "score", "indicators"),
        *("size", "route", "grammar", "tickers", "protections", "reconcile", "pnl"),
    }
)


@dataclass(frozen=True)
class Source:
    """One Python file of ours."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the root of the checkout, for a message."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        """Its name for `import`; of the core only."""
        parts = self.path.relative_to(CORE).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def imported(self) -> Iterator[str]:
        """Every module it imports, wherever in the file; `from a import b` gives both a and a.b."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def docstrings(self) -> set[int]:
        """The identities of the constants that are documentation."""
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        return {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
        }


@cache
def core() -> tuple[Source, ...]:
    """Every module that is deployed."""
    return tuple(Source(path) for path in sorted((CORE / "outcry").rglob("*.py")))


@cache
def handlers() -> tuple[Source, ...]:
    """The entry points of the deployed functions."""
    return tuple(Source(path) for path in sorted((ROOT / "functions").glob("*/app.py")))


@cache
def everything() -> tuple[Source, ...]:
    """Every Python file of the project but its tests."""
    local = (Source(path) for folder in ("local", "tools") for path in sorted((ROOT / folder).rglob("*.py")))
    return (*core(), *handlers(), *local)


def pure() -> list[Source]:
    """The pure modules and every module of ours that they import, at any distance: those must be as pure."""
    by_module = {source.module: source for source in core()}
    waiting = [source for source in core() if source.path.stem in PURE]
    found: dict[str, Source] = {}
    while waiting:
        source = waiting.pop()
        if source.module not in found:
            found[source.module] = source
            waiting.extend(by_module[name] for name in source.imported() if name in by_module)
    return [found[name] for name in sorted(found)]
