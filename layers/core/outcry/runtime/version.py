"""Which code this is: the release that people name, and a fingerprint of the sources that run.

Promises: `build_id()` is the same in two places exactly where the package's Python and SQL files are the same there, name by
name and byte by byte; it is computed once per process, at first use. Never reads anything but this package.
"""

import hashlib
from functools import cache
from pathlib import Path

VERSION = "0.1.0"  # the release; pyproject.toml says the same, and a test holds the two together
_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = frozenset({".py", ".sql"})
_DIGITS = 12


@cache
def build_id() -> str:
    """The release and the first 12 hex digits of the sources' SHA-256, such as `0.1.0+5c0ffee5c0ff`."""
    return f"{VERSION}+{fingerprint(_PACKAGE)}"


def fingerprint(folder: Path) -> str:
    """The first 12 hex digits of SHA-256 over the folder's .py and .sql files: each name, each length, each content."""
    digest = hashlib.sha256()
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in _SUFFIXES
    }
    for name in sorted(files):
        content = files[name].read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_DIGITS]
