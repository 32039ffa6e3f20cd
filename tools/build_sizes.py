"""How large what was built is: each layer, and each function with its layers, held against what Lambda takes.

Promises: sizes are those of the files themselves, unzipped as Lambda counts them and zipped as SAM uploads them, in MB of
1,048,576 bytes. A function above MOST_MB is named. Changes nothing but a note of what was measured before, so that what did not
change is not zipped again.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

from local.built import built

MB = 1024 * 1024
LAMBDA_MB = 250  # of a function and its layers, unzipped; Lambda's limit
MOST_MB = 200  # what we hold a function to


@dataclass(frozen=True, slots=True)
class Size:
    """One folder, or several together."""

    files: int = 0
    unzipped_bytes: int = 0
    zipped_bytes: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.files + other.files,
            self.unzipped_bytes + other.unzipped_bytes,
            self.zipped_bytes + other.zipped_bytes,
        )


class _Counter(RawIOBase):
    """Counts what is written and keeps nothing."""

    def __init__(self) -> None:
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.count += len(data)
        return len(data)


def measure(folder: Path, known: dict[str, dict[str, int]]) -> Size:
    """The size of a folder; `known` are earlier answers by content, and is added to."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
        digest.update(content)
    key = digest.hexdigest()
    if key not in known:
        counter = _Counter()
        with zipfile.ZipFile(counter, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
        known[key] = asdict(Size(len(files), sum(path.stat().st_size for path in files), counter.count))
    return Size(**known[key])


@dataclass(frozen=True, slots=True)
class Sizes:
    """All sizes of a build: of each layer, and of each function with its layers."""

    layers: Mapping[str, Size]
    functions: Mapping[str, Size]

    def too_large(self) -> list[str]:
        """A sentence for each function that is above what we hold it to."""
        return [
            f"{name} is {size.unzipped_bytes / MB:.1f} MB unzipped with its layers, more than {MOST_MB} MB (Lambda takes {LAMBDA_MB} MB):"
            " take a package out of its layers, or give it fewer"
            for name, size in self.functions.items()
            if size.unzipped_bytes > MOST_MB * MB
        ]

    def table(self) -> Iterable[str]:
        """The lines that a person reads."""
        yield f"{'MB':<40}{'unzipped':>10}{'zipped':>10}{'files':>8}"
        for name, size in self.layers.items():
            yield _line(name, size)
        for name, size in self.functions.items():
            yield _line(f"{name} with its layers", size)


def _line(name: str, size: Size) -> str:
    return f"{name:<40}{size.unzipped_bytes / MB:>10.1f}{size.zipped_bytes / MB:>10.1f}{size.files:>8}"


def sizes(build: Path, notes: Path) -> Sizes:
    """Measure a build; `notes` is the file that keeps what was measured."""
    try:
        known = json.loads(notes.read_text())
    except (OSError, ValueError):
        known = {}
    before = dict(known)
    functions = built(build)
    folders = {name: path for function in functions for name, path in function.layers.items()}
    layers = {name: measure(path, known) for name, path in sorted(folders.items())}
    whole = {
        function.name: sum((layers[name] for name in function.layers), measure(function.folder, known))
        for function in functions
    }
    if known != before:
        notes.write_text(json.dumps(known))
    return Sizes(layers, whole)
