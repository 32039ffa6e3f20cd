"""The modules that decide about money hold no float, and nothing in them can see a clock or the world."""

import ast

from tests.architecture.sources import PURE, ROOT, Source, pure

# The parts of the standard library that compute and describe, without a clock, input, output or chance. `math` is
# not among them: what it gives is a float.
ALLOWED_LIBRARIES = frozenset(
    {
        *(
            "abc",
            "base64",
            "bisect",
            "collections",
            "contextlib",
            "copy",
            "dataclasses",
            "datetime",
            "decimal",
        ),
        *("enum", "functools", "hashlib", "heapq", "itertools", "json", "operator", "re", "string", "types"),
        *("typing", "unicodedata", "uuid", "outcry"),
    }
)
CLOCKS_AND_CHANCE = frozenset(
    {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "open", "print", "input"}
)


def floats(source: Source) -> list[str]:
    """Where a float is written, named or asked for."""
    found = []
    for node in ast.walk(source.tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, (float, complex))
        name = isinstance(node, ast.Name) and node.id == "float"
        if literal or name:
            found.append(f"{source.name}:{node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return found


def impurities(source: Source) -> list[str]:
    """Where something is imported or called that the outside world has a part in."""
    foreign = {name.split(".")[0] for name in source.imported()} - ALLOWED_LIBRARIES
    found = [f"{source.name}: imports {name}" for name in sorted(foreign)]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in CLOCKS_AND_CHANCE:
                found.append(f"{source.name}:{node.lineno}: calls {called}")
    return found


def test_the_pure_modules_are_there_to_be_looked_at() -> None:
    names = {source.path.stem for source in pure()}

    assert len(pure()) > len(PURE)
    assert {"model", "lifecycle", "risk", "exits", "levels", "score", "size", "grammar", "pnl"} <= names


def test_no_money_in_a_pure_module_is_a_float() -> None:
    assert [place for source in pure() for place in floats(source)] == []


def test_a_pure_module_sees_no_clock_no_chance_and_no_outside() -> None:
    assert [place for source in pure() for place in impurities(source)] == []


def test_the_search_finds_what_it_looks_for() -> None:
    text = (
        "import time\nfrom datetime import datetime\ndef f(x: float): return datetime.now(), 0.5, float(x)\n"
    )
    sample = Source(ROOT / "sample.py")
    sample.__dict__["text"] = text

    assert len(floats(sample)) == 3
    assert impurities(sample) == ["sample.py: imports time", "sample.py:3: calls now"]
