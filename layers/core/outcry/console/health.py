"""Whether the desk can do its work, in words that anybody may read.

Promises: an empty list means that the database is reached and has a schema that fits, that what runs by itself ran lately, and
that nothing waits for a person. A reason says what kind of thing is missing and never anything of money, accounts, positions or
posts, nor an error's own words, which may name a host. Only what our own code did not foresee is raised.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from outcry.console import store
from outcry.monitoring.silence import LATE_AFTER, MONITOR, all_watched_at, last_runs
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.errors import ConfigurationError, InfrastructureError, SchemaMismatch
from outcry.runtime.observability import logger

NOT_CONFIGURED = "the configuration is incomplete or wrong"
NO_DATABASE = "the database cannot be reached"
NO_SCHEMA = "the database's schema does not fit this version"
SET_ASIDE = "work was set aside and waits for a person"


def missing_for_work(open_database: Callable[[], Database], clock: Callable[[], Clock]) -> list[str]:
    """Why the desk is not ready; an empty list where it is."""
    try:
        with open_database().transaction() as tx:
            beats = store.last_beats(tx)
            is_set_aside = store.is_anything_set_aside(tx)
            watched_at = all_watched_at(tx)
        now = clock().now()
    except (ConfigurationError, InfrastructureError) as error:
        logger.exception("Readiness could not be read")
        return [_reason(error)]
    due = ("tick",) if watched_at is None else ("tick", MONITOR)  # with nothing to watch no monitor runs
    return [
        *silences(last_runs(beats, watched_at), {name: LATE_AFTER[name] for name in due}, now),
        *([SET_ASIDE] if is_set_aside else []),
    ]


def _reason(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return NOT_CONFIGURED
    return NO_SCHEMA if isinstance(error, SchemaMismatch) else NO_DATABASE


def silences(beats: Mapping[str, datetime], late_after: Mapping[str, timedelta], now: datetime) -> list[str]:
    """What to say of each stage that has been silent for longer than it may."""
    return [
        f"{stage} has never run" if stage not in beats else f"{stage} has not run lately"
        for stage, longest in sorted(late_after.items())
        if stage not in beats or now - beats[stage] > longest
    ]
