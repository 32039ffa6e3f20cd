"""Which functions of the rooms that handle money begin transactions, as their source says. Pure, but for reading the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("orders", "positions", "monitoring", "custody")
_PACKAGE = Path(__file__).resolve().parents[2] / "layers" / "core" / "outcry"


def beginners() -> set[str]:
    """Every function with a transaction in it, as an edge names who passes it: `orders.carry.Carrier.carry`."""
    return {
        f"{room}.{path.stem}.{name}"
        for room in ROOMS
        for path in sorted((_PACKAGE / room).glob("*.py"))
        for name in _within(ast.parse(path.read_text(encoding="utf-8")), "")
    }


def _within(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _within(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef) and any(_begins(inner) for inner in ast.walk(child)):
            yield f"{prefix}{child.name}"


def _begins(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "transaction"
    )
