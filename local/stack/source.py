"""The source trees of a rehearsal: this build, the next one, one whose migration fails, and one that cannot start.

Promises: a tree is a copy of what is deployed, and the checkout is never changed; the next build differs by one migration (and
so by its build id), the failing one by a second migration that does half of its work and then stops, the dead one by a line that
cannot be imported.
"""

import re
import shutil
from pathlib import Path

from local.servers import ROOT

_DEPLOYED = (
    "template.yaml",
    "functions",
    "layers",
    "infra",
    "tools",
)  # tools: what the layers are built with
_MIGRATIONS = Path("layers/core/outcry/migrations")
_CLOCK = Path("layers/core/outcry/runtime/clock.py")  # every function imports it
CANNOT_START = "this build of the rehearsal cannot start"
_VERSION = re.compile(r'(Version: ")(\d{4})(")')
_GOOD = "create table rehearsal (noted_at timestamptz primary key);\n"
_FAILING = "create table rehearsal_half (noted_at timestamptz primary key);\nselect 1 / 0;\n"


def copy_source(to: Path) -> Path:
    """A copy of what is deployed, and of what builds it."""
    to.mkdir(parents=True)
    for name in _DEPLOYED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, to / name)
    return to


def next_build(of: Path, to: Path, *, fails: bool = False) -> Path:
    """A copy of another tree with one more migration, which the template asks for."""
    shutil.copytree(of, to)
    version = latest_migration(to) + 1
    name = f"{version:04d}_rehearsal.sql"
    (to / _MIGRATIONS / name).write_text(_FAILING if fails else _GOOD)
    template = to / "template.yaml"
    text, found = _VERSION.subn(rf"\g<1>{version:04d}\g<3>", template.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{template} states the schema's version {found} times, and it should be once")
    template.write_text(text, encoding="utf-8")
    return to


def dead_build(of: Path, to: Path) -> Path:
    """A copy of another tree whose code cannot be imported, and which has no new migration."""
    shutil.copytree(of, to)
    with (to / _CLOCK).open("a", encoding="utf-8") as file:
        file.write(f'\nraise RuntimeError("{CANNOT_START}")\n')
    return to


def latest_migration(source: Path) -> int:
    """The number of the tree's newest migration."""
    return max(int(path.name.split("_")[0]) for path in (source / _MIGRATIONS).glob("*.sql"))
