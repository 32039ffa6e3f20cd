"""The venue without its wire: one lock, one clock, requests in and answers out.

Promises: before anything else a request plays every event up to the clock's present; one request at a time
changes the venue; signatures are recovered outside the lock. Usable without HTTP.
"""

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from local.hyperliquid import controls
from local.hyperliquid.answers import BadRequest, Json, Refused, err
from local.hyperliquid.arrivals import note_arrival
from local.hyperliquid.clockwork import Clockwork, PriceEvent, to_ms
from local.hyperliquid.config import Switches, VenueConfig, build_config
from local.hyperliquid.exchange import execute, parse
from local.hyperliquid.faults import Fault, FaultScript
from local.hyperliquid.info import answer
from local.hyperliquid.info_user import clearinghouse_state
from local.hyperliquid.journal import Journal
from local.hyperliquid.limits import IpLimiter, exchange_weight, info_weight
from local.hyperliquid.state import Venue

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
        start_ms = to_ms(self._clock.now())
        if self._prices:
            start_ms = min(start_ms, self._prices[0].at_ms)
        self.venue = Venue.create(self.config, self.journal, start_ms)
        self._clockwork = Clockwork(self._prices, start_ms)
        self._ips = IpLimiter(self.config.switches)

    def advance(self) -> int:
        """Play everything up to the clock's present; returns block time in ms."""
        with self._lock:
            self._clockwork.advance(self.venue, to_ms(self._clock.now()))
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
            self._keep_stale_states()
            note_arrival(self.venue, request, body)
            return execute(self.venue, request)

    def info(self, body: Any, ip: str = LOCAL_IP) -> Any:
        """One query. Raises `BadRequest` for what the venue answers with an HTTP error."""
        kind = str(body.get("type")) if isinstance(body, dict) else ""
        with self._lock:
            now_ms = self.advance()
            weight = info_weight(kind)
            self._ips.charge(ip, weight, now_ms)
            result = answer(self.venue, body)
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
                self.faults.add(body)
                return {}
            if name == "switch":
                return self._switch(body)
            if name == "reset":
                self.faults = FaultScript()
                self._start()
                self.advance()
                self.venue.note("reset")
                return {}
            return controls.control(self.venue, name, body)

    def take_fault(self, endpoint: str, body: Any) -> Fault | None:
        with self._lock:
            return self.faults.take(endpoint, body)

    def _switch(self, body: Any) -> Json:
        try:
            switches = Switches.model_validate({**self.config.switches.model_dump(), **body})
        except ValidationError as fault:
            first = fault.errors()[0]
            raise BadRequest(422, f"{first['loc'][0]}: {first['msg']}") from fault
        self.config = self.config.model_copy(update={"switches": switches})
        self.venue.config = self.config
        self.venue.agents.switches = switches
        self._ips = IpLimiter(switches)
        return switches.model_dump()

    def _keep_stale_states(self) -> None:
        lag_ms = self.config.switches.state_lag_ms
        if not lag_ms:
            return
        now_ms = self.venue.now_ms
        for account in self.venue.accounts.values():
            if account.stale_state is None or account.stale_state[0] <= now_ms:
                account.stale_state = (now_ms + lag_ms, clearinghouse_state(self.venue, account))


def _exchange_weight(body: Any) -> int:
    return exchange_weight(body.get("action") if isinstance(body, dict) else None)
