"""Drives a crew: rounds of entry and exit over many places until so many orders were made, and an entry flood while exits run.

Promises: bounded by orders and by time; whatever was entered is left again, so that at the end everything can be compared.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from local.load import store
from local.load.crew import Crew
from local.load.desks import Place
from local.load.stage import Stage
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Queue

_LOOK_EVERY_S = 0.3
_TO_LEAVE_S = 90.0  # of a run's time, kept for leaving what was entered


class TooSlow(Exception):
    """The ledger did not come to rest in time. The message says what was left."""


@dataclass(slots=True)
class Driver:
    """Plans on places as they come free or are held. `until` is a moment of time.monotonic."""

    stage: Stage
    crew: Crew
    until: float
    _looked_at: float = 0.0
    _busy: dict[tuple[str, str], bool] | None = None

    def rounds(self, places: Sequence[Place], *, orders: int, at_once: int) -> None:
        """Enter and leave places, `at_once` at a time, until so many orders were made; then leave them all and wait for the end."""
        first = self._total()
        under_way: dict[tuple[str, str], Place] = {}
        free = list(reversed(places))
        while self._total() - first < orders and time.monotonic() < self.until - _TO_LEAVE_S:
            if not self.crew.is_whole:
                raise TooSlow("a worker died")
            busy = self._look()
            for key, place in list(under_way.items()):
                if key not in busy:
                    del under_way[key]
                    free.insert(0, place)
                elif busy[key]:
                    self.leave(place)
            wanted = [free.pop() for _ in range(min(len(free), at_once - len(under_way)))]
            self.enter(wanted)
            under_way |= {_key(place): place for place in wanted}
            self.crew.turn()
        self.leave_all(places)

    def enter(self, wanted: Sequence[Place]) -> None:
        """Plan and ring entries."""
        if wanted:
            for order_id in self.stage.plan_entries(wanted):
                self.crew.ring(Queue.ENTRIES, order_id)
        if self._busy is not None:
            self._busy |= {_key(place): False for place in wanted}

    def leave(self, place: Place) -> None:
        """Plan and ring the exit of a place that is held."""
        try:
            planned = self.stage.plan_exit(place)
        except (
            InfrastructureError
        ):  # a lock was not had in time: it is planned at the next look, as the queue would have it
            self.crew.counts["plans made again"] += 1
            return
        for order_id in planned:
            self.crew.ring(Queue.EXITS, order_id)
        if self._busy is not None:
            self._busy[_key(place)] = False

    def leave_all(self, places: Collection[Place]) -> None:
        """Leave every place that is held, and turn until nothing is under way. Raises TooSlow."""
        by_key = {_key(place): place for place in places}
        self._looked_at = 0.0
        while busy := {key: held for key, held in self._look().items() if key in by_key}:
            for key, held in busy.items():
                if held:
                    self.leave(by_key[key])
            self._turn_or_stop(f"{len(busy)} places are not free, such as {next(iter(busy))}")

    def until_held(self, places: Collection[Place]) -> None:
        """Turn until every place is held. Raises TooSlow."""
        keys = {_key(place) for place in places}
        while not all(self._look().get(key, False) for key in keys):
            self._turn_or_stop("positions were not opened")

    def exits_at(self, places: Sequence[Place], *, every_s: float) -> tuple[datetime, datetime]:
        """Plan the exit of one place after another at this pace, turn until all are free; returns when it began and ended."""
        began = self.stage.clock.now()
        for place in places:
            next_at = time.monotonic() + every_s
            self.leave(place)
            while (left := next_at - time.monotonic()) > 0:
                self.crew.turn(longest_s=min(left, 0.02))
        keys = {_key(place) for place in places}
        self._looked_at = 0.0
        while keys & self._look().keys():
            self._turn_or_stop("exits did not end")
        return began, self.stage.clock.now()

    def waiting_entries(self) -> int:
        """How many entries nobody has begun."""
        with self.stage.database.transaction() as tx:
            return sum(
                row["n"]
                for row in store.count_orders(tx)
                if (row["kind"], row["status"]) == ("enter", "PLANNED")
            )

    def _total(self) -> int:
        with self.stage.database.transaction() as tx:
            return store.total_orders(tx)

    def _look(self) -> dict[tuple[str, str], bool]:
        now = time.monotonic()
        if self._busy is None or now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            with self.stage.database.transaction() as tx:
                self._busy = store.busy_places(tx)
        return self._busy

    def _turn_or_stop(self, what: str) -> None:
        if time.monotonic() >= self.until:
            raise TooSlow(what)
        if not self.crew.is_whole:
            raise TooSlow(f"a worker died; {what}")
        self.crew.turn()


def _key(place: Place) -> tuple[str, str]:
    return (place.account, place.market)
