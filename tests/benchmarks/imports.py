"""Figures: how long each function takes to import, and which SDKs it loads, in a clean interpreter.

Counted is a new interpreter with the function's own folder, its own layers and the runtime's packages on the path, and nothing else: it
imports the handler and every module of ours that the handler can reach. The interpreter's own start is given apart; byte
code is compiled already, as in a deployed layer.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from local.processes import temporary_directory
from tests.architecture.sources import CORE, ROOT, Source, handlers
from tests.benchmarks.figures import MS, Figure, drop_first, figure, timed
from tests.toolchain.test_layers import NEVER, RUNTIME, SDKS, assemble, layers_of, names_in, reached

GROUP = "imports"
PROGRAM = """
import json, sys, time
path, modules = json.loads(sys.argv[1])
sys.path[:0] = path
began = time.perf_counter()
import app
handler = time.perf_counter()
for module in modules:
    __import__(module)
print(json.dumps([handler - began, time.perf_counter() - began, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Every function, in the order of its folder's name."""
    runs = 1 if quick else 5
    bare = [timed(lambda: _run("print()")) for _ in range(runs)]
    yield figure(GROUP, "an interpreter that does nothing", MS, bare, "part of no figure below")
    with temporary_directory("layers") as directory:
        layers = {"runtime": assemble(directory / "runtime", list(RUNTIME))}
        for name in ("core", "social", "venues"):
            layers[name] = assemble(directory / name, names_in(ROOT / "layers" / name / "requirements.txt"))
        for handler in handlers():
            yield from _function(handler, layers, runs)


def _function(handler: Source, layers: dict[str, Path], runs: int) -> Iterator[Figure]:
    name = handler.path.parent.name
    given = [layers[layer.lower()] for layer in layers_of()[name]]
    path = [str(part) for part in (handler.path.parent, CORE, *given, layers["runtime"])]
    modules, _ = reached(handler)
    taken = [
        json.loads(_run(PROGRAM, json.dumps([path, sorted(modules)])))
        for _ in range(runs + (1 if runs > 1 else 0))
    ]
    kept = drop_first(taken)
    loaded = set(kept[-1][2])
    never = NEVER.get(name, set())
    said = f"SDKs loaded: {', '.join(sorted(SDKS & loaded)) or 'none'}"
    if never:
        broken = sorted(never & loaded)
        said += f"; may not load {', '.join(sorted(never))}: {'LOADS ' + ', '.join(broken) if broken else 'holds'}"
    yield figure(
        GROUP,
        name,
        MS,
        [each[1] for each in kept],
        f"handler and the {len(modules)} modules of ours that it reaches; {said}",
    )
    yield figure(
        GROUP, f"{name}, handler alone", MS, [each[0] for each in kept], "what a cold start pays at once"
    )


def _run(program: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program, *arguments],
        env={"PATH": "/usr/bin:/bin", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(f"a clean interpreter failed:\n{ran.stderr[-2000:]}")
    return ran.stdout
