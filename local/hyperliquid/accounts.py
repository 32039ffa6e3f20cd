"""What an account is made of: cash, positions, leverage, orders, and its records.

Promises: plain mutable records, no rule lives here; money is Decimal, times are ms of block time. `usdc` is
the cash outside isolated positions: deposits, realised PnL, fees, funding. Never formats an answer.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from local.hyperliquid.decimals import ZERO

Mode = Literal["cross", "isolated"]
KEPT_ORDERS = 2000
KEPT_PAST = 64


@dataclass(frozen=True, slots=True)
class Leverage:
    mode: Mode
    value: int


@dataclass(slots=True)
class Position:
    """`szi` is signed; `entry_px` exact (unrounded); `isolated_usd` the cash put aside for it."""

    coin: str
    szi: Decimal = ZERO
    entry_px: Decimal = ZERO
    isolated_usd: Decimal = ZERO
    funding_all: Decimal = ZERO
    funding_open: Decimal = ZERO
    funding_change: Decimal = ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        return self.szi * (mark - self.entry_px)


@dataclass(frozen=True, slots=True)
class Trigger:
    px: Decimal
    is_market: bool
    tpsl: Literal["tp", "sl"]


@dataclass(slots=True)
class Order:
    """One order from placement to its end. `sz` is what remains; `live` is False for a child that waits;
    `signer` signed it, None for an order by hand."""

    oid: int
    user: str
    coin: str
    asset: int
    is_buy: bool
    limit_px: Decimal
    sz: Decimal
    orig_sz: Decimal
    reduce_only: bool
    tif: str | None
    trigger: Trigger | None
    cloid: str | None
    time_ms: int
    is_position_tpsl: bool = False
    status: str = "open"
    status_ms: int = 0
    live: bool = True
    announced: bool = False
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    builder: str | None = None
    builder_tenths_bp: int = 0
    signer: str | None = None

    @property
    def side(self) -> str:
        return "B" if self.is_buy else "A"


@dataclass(slots=True)
class Account:
    """One trading account (a master or a sub-account), keyed by its lower-case address."""

    address: str
    usdc: Decimal = ZERO
    spot_usdc: Decimal = ZERO
    master: str | None = None
    sub_names: dict[str, str] = field(default_factory=dict)
    abstraction: str = "default"
    leverage: dict[str, Leverage] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    open_orders: dict[int, Order] = field(default_factory=dict)
    orders: OrderedDict[int, Order] = field(default_factory=OrderedDict)
    cloids: dict[str, int] = field(default_factory=dict)
    fills: list[dict[str, Any]] = field(default_factory=list)
    fundings: list[dict[str, Any]] = field(default_factory=list)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    volume_usd: Decimal = ZERO
    maker_volume_usd: Decimal = ZERO
    requests_used: int = 0
    over_budget_ms: int = 0
    builders: dict[str, str] = field(default_factory=dict)
    cancel_at_ms: int | None = None
    cancels_on: tuple[int, int] = (0, 0)
    past: deque[Any] = field(default_factory=lambda: deque(maxlen=KEPT_PAST))

    def szi(self, coin: str) -> Decimal:
        position = self.positions.get(coin)
        return position.szi if position is not None else ZERO

    def open_by_cloid(self, cloid: str | None) -> Order | None:
        """The newest open order with this client order id."""
        if cloid is None:
            return None
        return next((o for o in reversed(self.open_orders.values()) if o.cloid == cloid), None)

    def remember(self, order: Order) -> None:
        """Index an order for lookups; the venue keeps about the last 2000."""
        self.orders[order.oid] = order
        if order.cloid is not None:
            self.cloids[order.cloid] = order.oid
        while len(self.orders) > KEPT_ORDERS:
            oid, oldest = next(iter(self.orders.items()))
            if oid in self.open_orders:
                self.orders.move_to_end(oid)
                continue
            del self.orders[oid]
            if oldest.cloid is not None and self.cloids.get(oldest.cloid) == oid:
                del self.cloids[oldest.cloid]
