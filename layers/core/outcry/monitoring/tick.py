"""The minute's tick: rings the monitors four times a minute, finds work whose doorbell was lost, carries out flattens, and
pauses a desk whose database was restored.

Promises: exits are swept before entries; at most 500 rings a table; rows are pushed back as they are rung, so that a row that
fails is rung ever more rarely and never starves the others.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID

from outcry.controls.restored import recognise
from outcry.monitoring import store, sweep_store
from outcry.orders.flatten import flatten_standing
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.leases import CALLS, LONGEST_BACKOFF_S, NOTICES, ORDERS, POSTS, due, try_lease
from outcry.runtime.queues import Doorbell, Queue, Ring
from outcry.runtime.version import build_id

BEATS_S = (0, 15, 30, 45)
LEASE = "tick"
# a ring for the same minute; the next minute's comes later, whatever its jitter
NOT_AGAIN_WITHIN = timedelta(seconds=40)
ACCOUNTS_PER_MESSAGE = 25
URGENT_BACKOFF_S = 30  # what may be held or sent is looked at by every sweep, however often it failed


class Tick:
    """Runs once a minute."""

    def __init__(
        self, database: Database, clock: Clock, doorbell: Doorbell, new_id: Callable[[], UUID]
    ) -> None:
        self._database = database
        self._clock = clock
        self._doorbell = doorbell
        self._new_id = new_id

    def run(self) -> dict[str, int]:
        """Ring what is due and return how much of each. Two ticks within forty seconds ring the monitors once."""
        now = self._clock.now()
        with self._database.transaction() as tx:
            recognise(tx, address=None, now=now)
        rung = self._sweep(now)
        rung["ticks"] = self._ring_monitors(now)
        with self._database.transaction() as tx:
            store.beat(tx, "tick", now=now, detail={**rung, "build": build_id()})
        return rung

    def _ring_monitors(self, now: datetime) -> int:
        with self._database.transaction() as tx:
            if not try_lease(tx, LEASE, holder=self._new_id(), now=now, lasting=NOT_AGAIN_WITHIN):
                return 0
            accounts = sweep_store.accounts_to_watch(tx)
        count = 0
        for chunk in batched(accounts, ACCOUNTS_PER_MESSAGE, strict=False):
            for delay_s in BEATS_S:
                due_at = now + timedelta(seconds=delay_s)
                ring = Ring(
                    f"{due_at:%H%M%S}",
                    self._new_id().hex,
                    extra={"accounts": list(chunk), "due_at": due_at.isoformat()},
                )
                self._doorbell.ring(Queue.TICKS_HYPERLIQUID, [ring], delay_s=delay_s)
                count += 1
        return count

    def _sweep(self, now: datetime) -> dict[str, int]:
        rung: dict[str, int] = {}
        rings: list[tuple[Queue, list[Ring]]] = []
        with self._database.transaction() as tx:
            rings.append((Queue.EXITS, flatten_standing(tx, now=now)))
        with self._database.transaction() as tx:
            sweep_store.wake_forgotten(tx, now=now)
            for queue, what, where, longest_s in (
                (Queue.EXITS, ORDERS, "kind <> 'enter'", URGENT_BACKOFF_S),
                (Queue.ENTRIES, ORDERS, "kind = 'enter' and status <> 'PLANNED'", URGENT_BACKOFF_S),
                (Queue.ENTRIES, ORDERS, "kind = 'enter' and status = 'PLANNED'", LONGEST_BACKOFF_S),
                (Queue.CALLS, CALLS, "true", LONGEST_BACKOFF_S),
                (Queue.POSTS, POSTS, "true", LONGEST_BACKOFF_S),
                (Queue.NOTICES, NOTICES, "true", LONGEST_BACKOFF_S),
            ):
                keys = due(tx, what, now=now, where=where, longest_s=longest_s)
                traces = sweep_store.traces(tx, what, keys)
                rings.append((queue, [Ring(str(key), traces.get(str(key), ""), ring=1) for key in keys]))
        for queue, batch in rings:
            if batch:
                self._doorbell.ring(queue, batch)
            rung[queue.value] = rung.get(queue.value, 0) + len(batch)
        return rung
