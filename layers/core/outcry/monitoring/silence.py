"""How long a stage that runs by itself may be silent before something is wrong. The others run only when there is work.

The monitor is as silent as the account that was not watched for the longest time: its passes are of many accounts each, and one
that goes on must not hide another that never comes to its end.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from outcry.monitoring import sweep_store
from outcry.runtime.database import Transaction

MONITOR = "monitor_hyperliquid"
LATE_AFTER = {
    "tick": timedelta(minutes=3),
    "ingest_posts": timedelta(minutes=3),
    MONITOR: timedelta(minutes=1),
}
FIRST_WATCHED_WITHIN = timedelta(minutes=1)  # of being added: the next tick rings for an account


def all_watched_at(tx: Transaction) -> datetime | None:
    """When the account was watched that was not watched for the longest time; None where there is none to watch.

    One that was never watched counts from when its first pass was due, which may lie ahead.
    """
    return sweep_store.all_watched_at(tx, first_within=FIRST_WATCHED_WITHIN)


def last_runs(beats: Mapping[str, datetime], watched_at: datetime | None) -> dict[str, datetime]:
    """When each stage last ran for all that it is there for: the beats, but of the monitor its neglected account's where older."""
    if watched_at is None or MONITOR not in beats:
        return dict(beats)
    return {**beats, MONITOR: min(beats[MONITOR], watched_at)}
