"""Moves the venue through time: price events, hourly funding, scheduled cancels, and what a fault put off,
each at its own moment.

Promises: events happen in time order with their own block time, however late the request that reveals them;
after each mark the market's triggers, resting limits and liquidations are evaluated at that moment. Block
time never falls. Never reads a clock: it is told how far to go.
Source for funding: Hyperliquid docs, funding (size x oracle x rate, longs pay a positive rate).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from local.hyperliquid.accounts import Account
from local.hyperliquid.decimals import micro, wire
from local.hyperliquid.liquidation import liquidate_all
from local.hyperliquid.margin import is_isolated
from local.hyperliquid.market import Market
from local.hyperliquid.matching import fill_resting, fire_triggers
from local.hyperliquid.past import remember
from local.hyperliquid.resting import end_all
from local.hyperliquid.state import Venue

HOUR_MS = 3_600_000
_DAY_MS = 86_400_000
_FUNDING_STAMP_MS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Unix milliseconds of an aware time, floored."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


@dataclass(frozen=True, slots=True)
class PriceEvent:
    """A new mark of one market; `oracle` None means that it follows the mark."""

    at_ms: int
    market: str
    mark: Decimal
    oracle: Decimal | None = None


class _PriceLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime
    market: str
    mark: Decimal = Field(gt=0)
    oracle: Decimal | None = Field(default=None, gt=0)


class PriceFileError(ValueError):
    """A line of the price file cannot be used; the message names file and line."""


def read_prices(path: Path, markets: Iterable[str]) -> Iterator[PriceEvent]:
    """Price events of a JSONL file, in file order. Raises `PriceFileError` on the first bad line."""
    known, last_ms = set(markets), 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = _PriceLine.model_validate_json(line)
            except ValidationError as fault:
                first = fault.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise PriceFileError(f"{path}:{number}: {where}: {first['msg']}") from fault
            at_ms = to_ms(row.at)
            if row.market not in known:
                raise PriceFileError(f"{path}:{number}: unknown market {row.market!r}")
            if at_ms < last_ms:
                raise PriceFileError(f"{path}:{number}: times must not fall; sort the file by `at`")
            last_ms = at_ms
            yield PriceEvent(at_ms, row.market, row.mark, row.oracle)


def apply_mark(venue: Venue, market: Market, mark: Decimal, oracle: Decimal | None = None) -> None:
    """A new mark, and everything that it sets off, at the venue's present block time."""
    market.set_mark(venue.now_ms, mark, oracle)
    steps = [fire_triggers, fill_resting]
    if venue.config.switches.liquidation_before_triggers:
        liquidate_all(venue)
    for step in steps:
        step(venue, market)
    liquidate_all(venue)


def pay_funding(venue: Venue) -> None:
    """One hour's funding for every open position."""
    for market in venue.markets:
        market.funding_history.append((venue.now_ms, market.funding_rate))
    for account in venue.accounts.values():
        for coin in list(account.positions):
            _pay_one(venue, account, venue.by_name[coin])


def _pay_one(venue: Venue, account: Account, market: Market) -> None:
    position = account.positions[market.name]
    paid = micro(position.szi * market.oracle * market.funding_rate)
    if is_isolated(venue, account, market):
        position.isolated_usd -= paid
    else:
        account.usdc -= paid
    position.funding_all += paid
    position.funding_open += paid
    position.funding_change += paid
    delta = {
        "type": "funding",
        "coin": market.name,
        "usdc": wire(-paid),
        "szi": wire(position.szi),
        "fundingRate": wire(market.funding_rate),
        "nSamples": None,
    }
    account.fundings.append({"time": venue.now_ms, "hash": "0x" + "0" * 64, "delta": delta})
    venue.note(
        "funding",
        user=account.address,
        coin=market.name,
        usdc=delta["usdc"],
        szi=delta["szi"],
        rate=delta["fundingRate"],
    )


def run_scheduled_cancels(venue: Venue) -> None:
    """Cancel everything of the accounts whose dead man's switch has come."""
    for account in venue.accounts.values():
        if account.cancel_at_ms is None or account.cancel_at_ms > venue.now_ms:
            continue
        remember(venue, account)
        account.cancel_at_ms = None
        day, count = account.cancels_on
        today = venue.now_ms // _DAY_MS
        account.cancels_on = (today, count + 1 if day == today else 1)
        end_all(venue, account, account.open_orders.values(), "scheduledCancel")


class Clockwork:
    """Holds what is still to come and plays it up to a given moment."""

    def __init__(self, prices: Iterable[PriceEvent], start_ms: int) -> None:
        self._prices = iter(prices)
        self._next = next(self._prices, None)
        self._next_funding_ms = (start_ms // HOUR_MS + 1) * HOUR_MS + _FUNDING_STAMP_MS
        self._later: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, moment_ms: int, act: Callable[[], object]) -> None:
        """Do `act` once block time reaches `moment_ms`; what is due at one moment keeps its order."""
        self._count += 1
        heapq.heappush(self._later, (moment_ms, self._count, act))

    def end_prices(self) -> None:
        """Play no further price."""
        self._prices, self._next = iter(()), None

    def advance(self, venue: Venue, present_ms: Callable[[], int]) -> None:
        """Play every event up to and including the present, then set block time to it. The present is asked
        for anew after each event: one may have set the venue's clock."""
        while True:
            until_ms = present_ms()
            cancel_ms = min((a.cancel_at_ms for a in venue.accounts.values() if a.cancel_at_ms), default=None)
            price_ms = self._next.at_ms if self._next is not None else None
            later_ms = self._later[0][0] if self._later else None
            moments = [
                m
                for m in (price_ms, self._next_funding_ms, cancel_ms, later_ms)
                if m is not None and m <= until_ms
            ]
            if not moments:
                break
            moment = min(moments)
            venue.now_ms = max(venue.now_ms, moment)
            if price_ms == moment:
                self._play_price(venue)
            elif self._next_funding_ms == moment:
                pay_funding(venue)
                self._next_funding_ms += HOUR_MS
                liquidate_all(venue)
            elif later_ms == moment:
                heapq.heappop(self._later)[2]()
            else:
                run_scheduled_cancels(venue)
        venue.now_ms = max(venue.now_ms, until_ms)

    def _play_price(self, venue: Venue) -> None:
        event, self._next = self._next, next(self._prices, None)
        if event is not None:
            apply_mark(venue, venue.by_name[event.market], event.mark, event.oracle)
