"""One market: its mark and oracle, the path they took, and the synthetic book around the mid.

Promises: the book is a pure function of mid and spec less what was taken since the last refresh; levels are
on tick and lot; bids below asks. Users' orders are not in it: the synthetic book is everyone's counterparty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from local.hyperliquid.config import MarketSpec
from local.hyperliquid.decimals import ZERO, to_lot, to_tick

_BPS = Decimal(10_000)
Level = tuple[Decimal, Decimal]


@dataclass(slots=True)
class Market:
    """State of one perpetual. `path` holds (time_ms, mark) of every change, oldest first;
    until `priced` it holds the configured starting mark alone. While it is set, `level_usd` is what rests on a
    level instead of the configured value; a side in `empty` (True: bids) shows nothing."""

    index: int
    spec: MarketSpec
    mark: Decimal
    oracle: Decimal
    path: list[tuple[int, Decimal]] = field(default_factory=list)
    priced: bool = False
    funding_history: list[tuple[int, Decimal]] = field(default_factory=list)
    funding_rate: Decimal = ZERO
    taken_at_ms: int = 0
    taken: dict[bool, Decimal] = field(default_factory=lambda: {True: ZERO, False: ZERO})
    overrides: dict[bool, list[Level]] = field(default_factory=dict)
    ladder: dict[bool, list[Level]] = field(default_factory=dict)
    tops: dict[bool, Decimal | None] = field(default_factory=dict)
    level_usd: Decimal | None = None
    empty: set[bool] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.spec.name

    def set_mark(self, time_ms: int, mark: Decimal, oracle: Decimal | None = None) -> None:
        """A new mark refreshes the book; the oracle follows unless given."""
        self.mark = mark
        self.oracle = mark if oracle is None else oracle
        if not self.priced:
            self.path.clear()
            self.priced = True
        self.path.append((time_ms, mark))
        self.refresh()

    def refresh(self) -> None:
        self.taken = {True: ZERO, False: ZERO}
        self.ladder.clear()
        self.tops.clear()

    def refill(self, now_ms: int, after_ms: int) -> None:
        """Give back what was taken once `after_ms` have passed."""
        if now_ms - self.taken_at_ms >= after_ms:
            self.taken = {True: ZERO, False: ZERO}

    def _level_size(self) -> Decimal:
        worth = self.spec.level_usd if self.level_usd is None else self.level_usd
        return to_lot(worth / self.mark, self.spec.sz_decimals, ROUND_DOWN)

    def _level_price(self, is_bid: bool, step: int) -> Decimal:
        spec, sign = self.spec, (-1 if is_bid else 1)
        bps = spec.spread_bps / 2 + spec.level_step_bps * step
        raw = self.mark * (1 + sign * bps / _BPS)
        return to_tick(raw, spec.sz_decimals, ROUND_FLOOR if is_bid else ROUND_CEILING)

    def _build(self, is_bid: bool) -> list[Level]:
        size = self._level_size()
        rows: list[Level] = []
        for step in range(self.spec.levels if size > 0 else 0):
            price = self._level_price(is_bid, step)
            if price > 0 and (not rows or price != rows[-1][0]):
                rows.append((price, size))
            elif rows:
                rows[-1] = (price, rows[-1][1] + size)
        return rows

    def levels(self, is_bid: bool) -> Sequence[Level]:
        """Best first, what was taken already removed."""
        if is_bid in self.empty:
            return []
        if is_bid in self.overrides:
            rows = self.overrides[is_bid]
        elif is_bid in self.ladder:
            rows = self.ladder[is_bid]
        else:
            rows = self.ladder[is_bid] = self._build(is_bid)
        gone = self.taken[is_bid]
        if not gone:
            return rows
        left = []
        for price, size in rows:
            eaten = min(gone, size)
            gone -= eaten
            if size > eaten:
                left.append((price, size - eaten))
        return left

    def best(self, is_bid: bool) -> Decimal | None:
        """The first price of a side. Of a book that nobody took from, it alone is worked out."""
        if self.taken[is_bid] or is_bid in self.overrides or is_bid in self.empty:
            rows = self.levels(is_bid)
            return rows[0][0] if rows else None
        if is_bid not in self.tops:
            has_levels = self.spec.levels > 0 and self._level_size() > 0
            price = self._level_price(is_bid, 0) if has_levels else ZERO
            self.tops[is_bid] = price if price > 0 else None
        return self.tops[is_bid]

    @property
    def mid(self) -> Decimal:
        return self.mid_of(self.best(True), self.best(False))

    def mid_of(self, bid: Decimal | None, ask: Decimal | None) -> Decimal:
        """The mid of the best prices, or the mark where a side is empty."""
        if bid is None or ask is None:
            return self.mark
        return to_tick((bid + ask) / 2, self.spec.sz_decimals, ROUND_DOWN)

    def walk(self, is_buy: bool, size: Decimal, limit: Decimal | None) -> list[Level]:
        """What a taker of `size` would get within `limit` (None: any price), best first."""
        got: list[Level] = []
        for price, available in self.levels(not is_buy):
            beyond = limit is not None and (price > limit if is_buy else price < limit)
            if size <= 0 or beyond:
                break
            part = min(size, available)
            got.append((price, part))
            size -= part
        return got

    def take(self, is_buy: bool, size: Decimal, now_ms: int) -> None:
        self.taken[not is_buy] += size
        self.taken_at_ms = now_ms
