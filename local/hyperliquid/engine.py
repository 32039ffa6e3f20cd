"""The venue without its wire: one lock, one clock, requests in and answers out.

Promises: before anything else a request plays every event up to the clock's present; one request at a time
changes the venue; signatures are recovered outside the lock. Usable without HTTP.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from local.hyperliquid import controls
from local.hyperliquid.answers import BadRequest, Json, Refused, err
from local.hyperliquid.arrivals import note_arrival
from local.hyperliquid.clockwork import Clockwork, PriceEvent, to_ms
from local.hyperliquid.config import VenueConfig, build_config
from local.hyperliquid.events import Events
from local.hyperliquid.exchange import execute, parse
from local.hyperliquid.faults import Fault, FaultScript
from local.hyperliquid.info import answer
from local.hyperliquid.journal import Journal
from local.hyperliquid.limits import IpLimiter, exchange_weight, info_weight
from local.hyperliquid.resting import end_signed_by
from local.hyperliquid.state import Venue
from local.hyperliquid.windows import Windows

LOCAL_IP = "127.0.0.1"


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC."""
        ...


class Engine:
    """A whole venue. `prices` are played as the clock passes them; they must be in time order."""

    def __init__(
        self,
        clock: Clock,
        *,
        config: VenueConfig | None = None,
        journal: Journal | None = None,
        prices: Iterable[PriceEvent] = (),
    ) -> None:
        self._clock = clock
        self._prices = list(prices)
        self.config = config or build_config()
        self.journal = journal or Journal(keep=True)
        self.faults = FaultScript()
        self._lock = threading.RLock()
        self._start()

    def _start(self) -> None:
        self._windows = Windows(self.config.switches)
        start_ms = self._present_ms()
        if self._prices:
            start_ms = min(start_ms, self._prices[0].at_ms)
        self.venue = Venue.create(self.config, self.journal, start_ms)
        self._clockwork = Clockwork(self._prices, start_ms)
        self._ips = IpLimiter(self.config.switches)
        self.venue.agents.cancel_orders_of = partial(end_signed_by, self.venue)
        self._events = Events(self.venue, self.faults.counts, self._at, self._open_window)

    def _present_ms(self) -> int:
        """The clock's present as the venue's clock shows it."""
        return to_ms(self._clock.now()) + self.config.switches.clock_skew_ms

    def end_prices(self) -> None:
        """Marks stand still from now on, unless somebody sets one."""
        with self._lock:
            self.advance()
            self._clockwork.end_prices()

    def advance(self) -> int:
        """Play everything up to the clock's present; returns block time in ms."""
        with self._lock:
            self._clockwork.advance(self.venue, self._present_ms)
            return self.venue.now_ms

    def exchange(self, body: Any, ip: str = LOCAL_IP) -> Json:
        """One signed request. Raises `BadRequest` for what the venue answers with an HTTP error."""
        with self._lock:
            self._ips.charge(ip, _exchange_weight(body), self.advance())
        try:
            request = parse(body, self.config.switches.network)
        except Refused as refusal:
            with self._lock:
                self.venue.note("refused", signer=None, action_type=body["action"]["type"], text=refusal.text)
            return err(refusal.text)
        with self._lock:
            self.advance()
            note_arrival(self.venue, request, body)
            return execute(self.venue, request)

    def exchange_later(self, body: Any, after_ms: int) -> None:
        """Carry out a signed request when block time has moved on by `after_ms`: everything about it is
        judged then, and nobody reads the answer. One that cannot be read is lost."""
        with self._lock, suppress(BadRequest, Refused):
            due_ms = self.advance() + after_ms
            request = parse(body, self.config.switches.network)
            note_arrival(self.venue, request, body)
            self._at(due_ms, lambda: execute(self.venue, request))

    def info(self, body: Any, ip: str = LOCAL_IP, *, as_of_ms_ago: int = 0) -> Any:
        """One query, answered as of `as_of_ms_ago` where that can be. Raises `BadRequest` for what the
        venue answers with an HTTP error."""
        kind = str(body.get("type")) if isinstance(body, dict) else ""
        with self._lock:
            now_ms = self.advance()
            weight = info_weight(kind)
            self._ips.charge(ip, weight, now_ms)
            result = answer(self.venue, body, as_of_ms_ago=as_of_ms_ago)
            rows = len(result) if isinstance(result, list) else 0
            self._ips.surcharge(ip, info_weight(kind, rows) - weight, now_ms)
            return result

    def control(self, name: str, body: Any) -> Json:
        """One /_sim control. Raises `BadRequest` with a sentence that names the field."""
        with self._lock:
            now_ms = self.advance()
            if name == "advance":
                return {"time_ms": now_ms}
            if name == "fault":
                return self._fault(body)
            if name == "faults":
                return dict(self.faults.counts)
            if name == "switch":
                self._windows.set_base(body)
                return self._follow_windows()
            if name == "reset":
                self.config = self.config.model_copy(update={"switches": self._windows.base})
                self.faults = FaultScript()
                self._start()
                self.advance()
                self.venue.note("reset")
                return {}
            return controls.control(self.venue, name, body)

    def take_fault(self, endpoint: str, body: Any) -> Fault | None:
        with self._lock:
            return self.faults.take(endpoint, body)

    def _fault(self, body: Any) -> Json:
        """A fault of the wire waits for its request; an event of the venue happens, now or when it is due."""
        if isinstance(body, dict) and body.get("on") == "venue":
            return self._events.begin(body)
        self.faults.add(body)
        return {}

    def _at(self, moment_ms: int, act: Callable[[], object]) -> None:
        self._clockwork.at(moment_ms, act)

    def _open_window(self, for_ms: int, changes: Json) -> None:
        """Hold switches otherwise for a while of block time."""
        self._windows.open(self.venue.now_ms + for_ms, changes)
        self._at(self.venue.now_ms + for_ms, self._follow_windows)
        self._follow_windows()

    def _follow_windows(self) -> Json:
        switches = self._windows.at(self.venue.now_ms)
        self.config = self.config.model_copy(update={"switches": switches})
        self.venue.config = self.config
        self.venue.agents.switches = switches
        self._ips.switches = switches
        return switches.model_dump()


def _exchange_weight(body: Any) -> int:
    return exchange_weight(body.get("action") if isinstance(body, dict) else None)
