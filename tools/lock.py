"""Writes every lock of the project: `make lock`, or `make lock ARGS=--upgrade` to take newer versions.

Promises: one resolution for every platform, and each lock a part of it, so that no package has two versions
anywhere; the core layer shares no package with another layer; every package has its hashes; no lock names an
index. Versions that are locked already stay, unless --upgrade is given. The locks of the stand-alone tools
(tools/*.in) are resolved on their own, among the versions that have a wheel: set-up builds nothing.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVERYTHING = "requirements-dev.txt"
HEAD = "# Made from {source} by `make lock`; do not edit.\n"

type Blocks = dict[str, str]


def compile_lock(uv: str, source: str, output: str, options: Sequence[str]) -> str:
    """Resolves one source into one file and gives the file's text."""
    command = [
        uv,
        "pip",
        "compile",
        source,
        "--output-file",
        output,
        "--universal",
        "--python-version",
        "3.13",
    ]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet", *options]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.exit(f"lock: {source} could not be resolved into {output}")
    return (ROOT / output).read_text()


def blocks(text: str) -> Blocks:
    """A lock's packages by name, each with its hashes and the notes on who asked for it."""
    parts = re.split(r"(?m)^(?=[A-Za-z0-9])", re.sub(r"\A(#.*\n)+", "", text))
    return {re.split(r"[=\[ ]", part, maxsplit=1)[0].lower(): part for part in parts if part.strip()}


def write(path: str, source: str, packages: Blocks) -> None:
    (ROOT / path).write_text(
        HEAD.format(source=source) + "".join(packages[name] for name in sorted(packages))
    )
    print(f"lock: {path}: {len(packages)} packages")


def main(arguments: list[str]) -> int:
    upgrade = ["--upgrade"] if "--upgrade" in arguments else []
    uv = str(ROOT / ".tools" / "uv" / "bin" / "uv")

    everything = compile_lock(uv, "pyproject.toml", EVERYTHING, ["--all-extras", "--group", "dev", *upgrade])
    write(EVERYTHING, "pyproject.toml", blocks(everything))

    def part(*extras: str) -> Blocks:
        """The packages of our dependencies with these extras, at the versions of the whole."""
        chosen = [option for extra in extras for option in ("--extra", extra)]
        output = ".tools/part.txt"
        text = compile_lock(uv, "pyproject.toml", output, ["--constraint", EVERYTHING, *chosen])
        (ROOT / output).unlink()
        return blocks(re.sub(r"(?m)^ +#.*-c requirements-dev\.txt\n", "", text))

    core = part()
    write("layers/core/requirements.txt", "pyproject.toml", core)
    for layer in ("social", "venues"):
        alone = {name: block for name, block in part(layer).items() if name not in core}
        write(f"layers/{layer}/requirements.txt", f"pyproject.toml, extra {layer}, minus core", alone)
    write("requirements-cli.txt", "pyproject.toml, extra cli", part("cli"))

    for source in sorted((ROOT / "tools").glob("*.in")):
        lock = f"tools/{source.stem}.txt"
        text = compile_lock(uv, f"tools/{source.name}", lock, ["--no-build", *upgrade])
        write(lock, f"tools/{source.name}", blocks(text))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
