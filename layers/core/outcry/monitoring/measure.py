"""The minute's measurement: how the desk stands, read from the database, recorded as gauges.

Promises: run by `tick` after everything was rung, in one transaction that reads only; every gauge is recorded each time, zero where
there is nothing, so that a missing figure means that nobody measured. A latency is measured once, by the process that is
warm; a new process begins with the last minute.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from outcry.monitoring import measure_store
from outcry.monitoring.silence import all_watched_at
from outcry.orders.model import STOP_LEG
from outcry.runtime import metrics
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Row, Transaction
from outcry.runtime.metrics import Nature, Stage, Work

COMMIT_LAG = timedelta(seconds=5)  # what ended this recently may not be committed yet
FIRST_LOOK = timedelta(minutes=1)
LONGEST_LOOK = timedelta(minutes=15)


class Measure:
    """Measures the desk. One per process: it remembers up to when latencies were recorded."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._measured_to: datetime | None = None

    def run(self) -> None:
        """Record every gauge. Raises InfrastructureError where the database does not answer."""
        now = self._clock.now()
        until = now - COMMIT_LAG
        since = max(self._measured_to or until - FIRST_LOOK, until - LONGEST_LOOK)
        with self._database.transaction() as tx:
            _measure_book(tx, now)
            _measure_worries(tx, now)
            _measure_machine(tx, now)
            for took_ms in measure_store.post_to_fill_ms(tx, since, until):
                metrics.POST_TO_FILL_MS.record(took_ms)
            for took_ms in measure_store.fill_to_stop_ms(tx, since, until, stop_leg=STOP_LEG):
                metrics.FILL_TO_STOP_MS.record(took_ms)
        self._measured_to = until


def _measure_book(tx: Transaction, now: datetime) -> None:
    held = _by_nature(measure_store.book(tx))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    earned = _by_nature(measure_store.realised_since(tx, midnight))
    for nature in Nature:
        metrics.OPEN_POSITIONS.record(held[nature]["positions"] if nature in held else 0, nature)
        metrics.EXPOSURE_USD.record(held[nature]["exposure_usd"] if nature in held else 0, nature)
        metrics.REALISED_PNL_USD.record(earned[nature]["realised_usd"] if nature in earned else 0, nature)


def _by_nature(rows: Iterable[Row]) -> dict[Nature, Row]:
    return {Nature.PAPER if row["is_paper"] else Nature.LIVE: row for row in rows}


def _measure_worries(tx: Transaction, now: datetime) -> None:
    bare = measure_store.unprotected(tx, now=now)
    metrics.UNPROTECTED_POSITIONS.record(bare["positions"])
    metrics.UNPROTECTED_OVERDUE_S.record(bare["overdue_s"])
    unknown = measure_store.unknown(tx, now=now)
    metrics.UNKNOWN_ORDERS.record(unknown["orders"])
    metrics.UNKNOWN_AGE_S.record(unknown["age_s"])
    metrics.QUARANTINED_ROWS.record(measure_store.quarantined(tx))
    untold = measure_store.untold(tx, now=now)
    metrics.NOTICES_UNTOLD.record(untold["notices"])
    metrics.PAGE_UNTOLD_AGE_S.record(untold["page_age_s"])


def _measure_machine(tx: Transaction, now: datetime) -> None:
    for row in measure_store.waiting(tx, now=now):
        metrics.WAITING_AGE_S.record(row["age_s"], Work(row["work"]))
    ages = measure_store.heartbeats(tx, now=now)
    watched_at = all_watched_at(tx) or now  # with nothing to watch nothing is rung, and nothing is late
    ages[Stage.MONITOR_HYPERLIQUID.value] = max(0.0, (now - watched_at).total_seconds())
    for stage in Stage:
        if stage.value in ages:
            metrics.HEARTBEAT_AGE_S.record(ages[stage.value], stage)
    metrics.DATABASE_CONNECTIONS.record(measure_store.connections_percent(tx)["percent"])
