"""Which code this is: the release that people name, and a fingerprint of what was built with it.

Promises: `build_id()` is the same in two places exactly where these are the same there, name by name and byte by byte: the
package's Python and SQL files, the functions' Python files, and the layers' locks, which hold the hash of every package. A built
layer carries the digest of the latter two in `BUILT_WITH`, where the functions read it; a checkout computes it anew, and a digest in
it would not count. Where neither is, the id says `unknown` and equals no function's. Computed once per process, at first use.

It says nothing of what AWS brings: Python itself, boto3, and the runtime's own code. Imports only the standard library: the program
that fills the layers loads this file by its path.
"""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

VERSION = "0.1.0"  # the release; pyproject.toml says the same, and a test holds the two together
BUILT_WITH = "built_with.txt"  # in the package's folder
UNKNOWN = "unknown"
_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = frozenset({".py", ".sql"})
_DIGITS = 12


@cache
def build_id() -> str:
    """The release and the first 12 hex digits of a SHA-256, such as `0.1.0+5c0ffee5c0ff`; `0.1.0+unknown` where it cannot be known."""
    return f"{VERSION}+{identify(_PACKAGE)}"


def is_known() -> bool:
    """Whether this process can say which build it is."""
    return not build_id().endswith(UNKNOWN)


def identify(package: Path) -> str:
    """The fingerprint of this package with what it is built with, or UNKNOWN."""
    root = package.parent.parent.parent
    if (root / "layers" / "core" / package.name) == package and (root / "functions").is_dir():
        others = surroundings(root)
    elif (package / BUILT_WITH).is_file():
        others = (package / BUILT_WITH).read_text().strip()
    else:
        return UNKNOWN
    return hashlib.sha256(f"{fingerprint(package)}\n{others}".encode()).hexdigest()[:_DIGITS]


def surroundings(root: Path) -> str:
    """The digest of what a build takes from this checkout beside the package: the functions and the locks of all layers."""
    return _digest(root, [*root.glob("layers/*/requirements.txt"), *root.glob("functions/**/*.py")])


def fingerprint(folder: Path) -> str:
    """The digest of the folder's .py and .sql files: each name, each length, each content."""
    return _digest(folder, (path for path in folder.rglob("*") if path.suffix in _SUFFIXES))


def _digest(folder: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    for name in sorted(files):
        content = files[name].read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
