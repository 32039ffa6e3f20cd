"""Applies the numbered SQL files of `outcry/migrations`, forward only, one transaction a file, under an advisory lock.

A second run does nothing, and so does an older build that comes back in a rollback. A file that changed after it was applied is
an error, never a silent difference. A build runs on the schemas from `SCHEMA_MIN` to its own newest and on newer ones: a new
column or table harms no older build. Where a newer one does (the contracting half of a change, at least a release after the
expanding one), its file says so in a line of its own, `-- breaks builds before 0007`, and builds that know fewer than seven
migrations refuse it.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import BugError, SchemaMismatch

SCHEMA_MIN = 14
_BREAKS = re.compile(r"^-- breaks builds before (\d{4})$", re.MULTILINE)
_LOCK = 0x0C7C_1A11  # the advisory lock's key: any constant that nothing else in the database uses


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file: its number, its name and its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def breaks_before(self) -> int | None:
        """Builds that know fewer migrations than this cannot run once it is applied; None where all of them can."""
        found = _BREAKS.search(self.sql)
        return int(found[1]) if found else None


def bundled() -> list[Migration]:
    """The migrations of this build, in order. Raises ValueError where a number is missing or doubled."""
    folder = resources.files("outcry").joinpath("migrations")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    found = [Migration(int(file.name.split("_")[0]), file.name, file.read_text()) for file in files]
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations must be numbered 0001, 0002, … without gaps")
    return found


def migrate(
    database: Database,
    *,
    now: datetime,
    first: Callable[[Transaction], None] = lambda tx: None,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Bring the database to this build's schema and return the names of the files that were applied.

    `first` is called under the lock, before anything is changed: what it raises leaves the database as it was.
    Raises SchemaMismatch where an applied file is not the one of this build, BugError where a file fails: then none was applied.
    """
    applied: list[str] = []
    with database.transaction() as tx:
        tx.execute("select pg_advisory_xact_lock(:key)", key=_LOCK)
        first(tx)
        tx.script(
            """
            create table if not exists schema_migrations (
                version integer primary key, name text not null, checksum text not null,
                breaks_before integer, applied_at timestamptz not null)
            """
        )
        known = {
            row["version"]: row["checksum"]
            for row in tx.all("select version, checksum from schema_migrations")
        }
        for migration in bundled() if migrations is None else migrations:
            checksum = known.get(migration.version)
            if checksum is None:
                _apply(tx, migration, now)
                applied.append(migration.name)
            elif checksum != migration.checksum:
                raise SchemaMismatch(
                    f"{migration.name} was changed after it was applied: write a new migration instead"
                )
    return applied


def _apply(tx: Transaction, migration: Migration, now: datetime) -> None:
    try:
        tx.script(migration.sql)
    except BugError as error:
        raise BugError(
            f"{migration.name} failed: {error}. Nothing was applied, the schema is as it was."
        ) from error
    tx.execute(
        """
        insert into schema_migrations (version, name, checksum, breaks_before, applied_at)
        values (:version, :name, :checksum, :breaks_before, :now)
        """,
        version=migration.version,
        name=migration.name,
        checksum=migration.checksum,
        breaks_before=migration.breaks_before,
        now=now,
    )


def require_schema(database: Database) -> None:
    """Raise SchemaMismatch where the database is older than this build needs, or breaking for it."""
    with database.transaction() as tx:
        exists = tx.one("select to_regclass('schema_migrations') is not null as found")
        if not exists or not exists["found"]:
            raise SchemaMismatch("the database has no schema yet: run the migrate function first")
        row = tx.one(
            "select coalesce(max(version), 0) as version, coalesce(max(breaks_before), 0) as breaks from schema_migrations"
        )
    version, breaks = (int(row["version"]), int(row["breaks"])) if row else (0, 0)
    if breaks > len(bundled()):
        raise SchemaMismatch(
            f"the schema is at {version} and breaks builds before {breaks}, this one knows {len(bundled())}: deploy a newer build"
        )
    if version < SCHEMA_MIN:
        raise SchemaMismatch(
            f"the schema is at {version}, this build needs {SCHEMA_MIN}: run the migrate function first"
        )
