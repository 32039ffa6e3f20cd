"""Tells whether what is in .aws-sam/build was made of the sources that are here now, and for which processor.

Promises: any change of the template, a function, a layer, a lock or the recipe makes a build an old one; what a run of Python
leaves behind does not.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

PARTS = (
    "template.yaml",
    "infra/*.yaml",
    "functions/**/*",
    "layers/**/*",
    "tools/build_layer.py",
    "tools/build.txt",
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a build was made of."""

    architecture: str
    sources: str

    def write(self, path: Path) -> None:
        """Keep it beside the build."""
        path.write_text(json.dumps(asdict(self)))


def stamp(root: Path, architecture: str) -> Stamp:
    """What a build of the sources that are here now would be made of."""
    digest = hashlib.sha256()
    for part in PARTS:
        for path in sorted(root.glob(part)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Stamp(architecture, digest.hexdigest())


def read(path: Path) -> Stamp | None:
    """What the build that is here was made of; None if there is none, or nobody knows."""
    try:
        return Stamp(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
