"""One paper account's book, and how orders and marks change it. Pure: no clock, no I/O, no float.

Keeps, whatever the order of events:
- cash only changes by closed PnL less fees, both rounded to a millionth of a dollar before they are booked;
- a reduce-only order never opens and never flips; a resting one never exceeds or outlives its position;
- nothing fills beyond its order's limit price; a fill is at the mark plus slippage, on a tick, against us;
- a liquidation never costs more than the margin of its own position, for margin is isolated;
- settling twice on the same marks changes nothing the second time.

The rules mirror Hyperliquid's (docs: order types, take-profit and stop-loss, margining, liquidations).
Known differences: an order fills whole or not at all, because there is no depth; no funding is paid; the
leverage of an open position cannot be changed; a market whose leverage was never set trades at 1x.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal

from outcry.runtime.reasons import Reason
from outcry.venues.port import Market, Place, RefusalKind, Refused, Trigger, TriggerKind
from outcry.venues.rounding import fit_price, fit_size

ZERO = Decimal(0)
_MICRO = Decimal("0.000001")
_UNSET_LEVERAGE = Decimal(1)

OPEN = "open"
FILLED = "filled"
REJECTED = "rejected"
CANCELED = "canceled"
REDUCE_ONLY_CANCELED = "reduceOnlyCanceled"


@dataclass(frozen=True, slots=True)
class Terms:
    """What trading costs here: slippage and fee as fractions of the price, and the smallest order in USD."""

    slippage_frac: Decimal
    taker_fee_frac: Decimal
    minimum_notional_usd: Decimal


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """What is held in one market: `signed_size` above zero is LONG."""

    signed_size: Decimal
    entry_price: Decimal
    leverage: Decimal

    @property
    def sign(self) -> int:
        return 1 if self.signed_size > 0 else -1

    @property
    def margin_usd(self) -> Decimal:
        """The isolated margin that was set aside when it was opened."""
        return abs(self.signed_size) * self.entry_price / self.leverage

    def pnl_usd(self, price: Decimal) -> Decimal:
        """What closing all of it at `price` would earn, fees apart."""
        return self.signed_size * (price - self.entry_price)


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """A reduce-only trigger order that waits for the mark. `limit_price` is the worst price it accepts."""

    order_id: int
    market: str
    is_buy: bool
    size: Decimal
    limit_price: Decimal
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Book:
    """An account: its cash (free of unrealised PnL), positions, set leverages, and resting orders by id."""

    cash_usd: Decimal
    positions: Mapping[str, PaperPosition] = field(default_factory=dict)
    leverages: Mapping[str, Decimal] = field(default_factory=dict)
    resting: Mapping[int, RestingOrder] = field(default_factory=dict)

    @property
    def free_usd(self) -> Decimal:
        """Cash that no position has as its margin."""
        return self.cash_usd - sum((position.margin_usd for position in self.positions.values()), ZERO)

    def equity_usd(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Cash plus unrealised PnL at the marks. Raises KeyError for a held market without a mark."""
        return self.cash_usd + sum(
            (held.pnl_usd(marks[market]) for market, held in self.positions.items()), ZERO
        )


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. `order_id` is the resting order it came from; None: the one just placed, or a liquidation."""

    market: str
    is_buy: bool
    price: Decimal
    size: Decimal
    fee_usd: Decimal
    closed_pnl_usd: Decimal
    size_before: Decimal
    order_id: int | None = None
    is_liquidation: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A book after something happened: what was executed, and how resting orders ended (id to status)."""

    book: Book
    executions: tuple[Execution, ...] = ()
    ended: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rests:
    """A trigger order was accepted for this size, which never exceeds the position."""

    size: Decimal


# ─── orders ─────────────────────────────────────────────────────────────────────────────────────────────────


def place(book: Book, order: Place, market: Market, mark: Decimal, terms: Terms) -> Change | Rests | Refused:
    """Carry out an immediate-or-cancel order, accept a trigger order to rest, or refuse as a venue would."""
    refusal = _malformed(order, market)
    if refusal is not None:
        return refusal
    held = book.positions.get(order.market)
    size = order.size
    if order.reduce_only:
        if held is None or order.is_buy == (held.signed_size > 0):
            return _refused(
                RefusalKind.ALREADY_FLAT,
                Reason.VENUE_ALREADY_FLAT,
                "Reduce only order would increase position.",
            )
        size = min(size, abs(held.signed_size))
    signed = size if order.is_buy else -size
    closes_whole = held is not None and held.signed_size + signed == 0
    price = order.trigger.price if order.trigger else mark
    if size * price < terms.minimum_notional_usd and not closes_whole:
        text = f"Order must have minimum value of ${terms.minimum_notional_usd}."
        return _refused(RefusalKind.FINAL, Reason.VENUE_MINIMUM, text)
    if order.trigger is not None:
        if is_crossed(order.trigger, order.is_buy, mark):
            return _refused(RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED, "Invalid TP/SL price.")
        return Rests(size)
    return _take(book, order, size, market, mark, terms)


def _take(
    book: Book, order: Place, size: Decimal, market: Market, mark: Decimal, terms: Terms
) -> Change | Refused:
    price = fill_price(market, mark, order.is_buy, terms)
    if _beyond(price, order.price, order.is_buy):
        text = "Order could not immediately match against any resting orders."
        return _refused(RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY, text)
    after, execution = _traded(book, market, order.is_buy, price, size, terms)
    if not _only_reduces(execution.size_before, _signed_size(after, order.market)) and after.free_usd < 0:
        return _refused(RefusalKind.FINAL, Reason.VENUE_MARGIN, "Insufficient margin to place order.")
    after, ended = _kept_in_step(after, order.market)
    return Change(after, (execution,), ended)


def set_leverage(book: Book, market: Market, leverage: int) -> Book | Refused:
    """The book with another leverage for a flat market; the margin is isolated."""
    if not 1 <= leverage <= market.max_leverage:
        return _refused(RefusalKind.FINAL, Reason.VENUE_LEVERAGE, "Invalid leverage value")
    held = book.positions.get(market.market)
    if held is not None and held.leverage != leverage:
        return _refused(
            RefusalKind.FINAL, Reason.VENUE_LEVERAGE, "Cannot change leverage with open position."
        )
    return replace(book, leverages={**book.leverages, market.market: Decimal(leverage)})


def is_crossed(trigger: Trigger, is_buy: bool, mark: Decimal) -> bool:
    """Whether the mark reached the trigger: a sell's stop lies below, its profit above; a buy's mirrored."""
    wakes_above = is_buy == (trigger.kind is TriggerKind.STOP)
    return mark >= trigger.price if wakes_above else mark <= trigger.price


def fill_price(market: Market, mark: Decimal, is_buy: bool, terms: Terms) -> Decimal:
    """The mark moved against us by the slippage, rounded to a tick against us. Zero: no price is that low."""
    moved = mark * (1 + terms.slippage_frac if is_buy else 1 - terms.slippage_frac)
    return fit_price(market.size_decimals, moved, is_buy)


# ─── marks ──────────────────────────────────────────────────────────────────────────────────────────────────


def settle(book: Book, marks: Mapping[str, Decimal], markets: Mapping[str, Market], terms: Terms) -> Change:
    """Let the marks act: liquidate what lost its margin, then wake the triggers reached, oldest first.

    A market without a mark is left as it is.
    """
    change = Change(book)
    for name in sorted(book.positions):
        if name in marks and name in markets:
            change = _settled_market(change, markets[name], marks[name], terms)
    return change


def _settled_market(change: Change, market: Market, mark: Decimal, terms: Terms) -> Change:
    held = change.book.positions[market.market]
    limit = liquidation_price(held, market)
    if limit is not None and (limit - mark) * held.sign >= 0:
        return _liquidated(change, held, market, mark, terms)
    for order_id in sorted(change.book.resting):
        order = change.book.resting.get(order_id)
        if (
            order is not None
            and order.market == market.market
            and is_crossed(order.trigger, order.is_buy, mark)
        ):
            change = _woken(change, order, market, mark, terms)
    return change


def _woken(change: Change, order: RestingOrder, market: Market, mark: Decimal, terms: Terms) -> Change:
    remaining = {key: other for key, other in change.book.resting.items() if key != order.order_id}
    book = replace(change.book, resting=remaining)
    price = fill_price(market, mark, order.is_buy, terms)
    if _beyond(price, order.limit_price, order.is_buy):
        return Change(book, change.executions, {**change.ended, order.order_id: CANCELED})
    book, execution = _traded(book, market, order.is_buy, price, order.size, terms)
    book, ended = _kept_in_step(book, order.market)
    executions = (*change.executions, replace(execution, order_id=order.order_id))
    return Change(book, executions, {**change.ended, **ended, order.order_id: FILLED})


def liquidation_price(held: PaperPosition, market: Market) -> Decimal | None:
    """The mark at which the position's equity is down to its maintenance margin.

    On a tick, rounded toward the entry. None: it cannot be reached (an unlevered LONG).
    Source: Hyperliquid docs, liquidations: half the initial margin at the market's highest leverage.
    """
    maintenance = 1 / Decimal(2 * market.max_leverage)
    price = _bankruptcy_price(held) / (1 - maintenance * held.sign)
    return fit_price(market.size_decimals, price, held.sign > 0) if price > 0 else None


def _bankruptcy_price(held: PaperPosition) -> Decimal:
    return held.entry_price * (1 - held.sign / held.leverage)


def _liquidated(change: Change, held: PaperPosition, market: Market, mark: Decimal, terms: Terms) -> Change:
    is_buy = held.sign < 0
    gone = fit_price(market.size_decimals, _bankruptcy_price(held), not is_buy)
    slipped = fill_price(market, mark, is_buy, terms)
    price = min(slipped, gone) if is_buy else max(slipped, gone)
    book, execution = _traded(change.book, market, is_buy, price, abs(held.signed_size), terms)
    left = max(ZERO, (held.margin_usd + execution.closed_pnl_usd).quantize(_MICRO, rounding=ROUND_DOWN))
    waived = execution.fee_usd - min(execution.fee_usd, left)
    book = replace(book, cash_usd=book.cash_usd + waived)
    book, ended = _kept_in_step(book, market.market)
    execution = replace(execution, fee_usd=execution.fee_usd - waived, is_liquidation=True)
    return Change(book, (*change.executions, execution), {**change.ended, **ended})


# ─── what all of them share ─────────────────────────────────────────────────────────────────────────────────


def _traded(
    book: Book, market: Market, is_buy: bool, price: Decimal, size: Decimal, terms: Terms
) -> tuple[Book, Execution]:
    held = book.positions.get(market.market)
    before = held.signed_size if held else ZERO
    signed = size if is_buy else -size
    after = before + signed
    pnl = ZERO
    leverage = held.leverage if held else book.leverages.get(market.market, _UNSET_LEVERAGE)
    entry = price
    if held is not None and before * signed > 0:
        entry = (before * held.entry_price + signed * price) / after
    elif held is not None:
        closed = min(abs(before), size) * held.sign
        pnl = (closed * (price - held.entry_price)).quantize(_MICRO, rounding=ROUND_HALF_EVEN)
        entry = held.entry_price if before * after > 0 else price
    fee = (size * price * terms.taker_fee_frac).quantize(_MICRO, rounding=ROUND_UP)
    positions = {name: position for name, position in book.positions.items() if name != market.market}
    if after != 0:
        positions[market.market] = PaperPosition(after, entry, leverage)
    execution = Execution(market.market, is_buy, price, size, fee, pnl, before)
    return replace(book, cash_usd=book.cash_usd + pnl - fee, positions=positions), execution


def _kept_in_step(book: Book, market: str) -> tuple[Book, dict[int, str]]:
    """Resting orders of the market shrink with its position and go with it."""
    signed = _signed_size(book, market)
    resting: dict[int, RestingOrder] = {}
    ended: dict[int, str] = {}
    for order_id, order in book.resting.items():
        if order.market != market:
            resting[order_id] = order
        elif signed == 0 or order.is_buy == (signed > 0):
            ended[order_id] = REDUCE_ONLY_CANCELED
        else:
            resting[order_id] = replace(order, size=min(order.size, abs(signed)))
    return replace(book, resting=resting), ended


def _signed_size(book: Book, market: str) -> Decimal:
    held = book.positions.get(market)
    return held.signed_size if held else ZERO


def _only_reduces(before: Decimal, after: Decimal) -> bool:
    return before * after >= 0 and abs(after) < abs(before)


def _beyond(price: Decimal, limit: Decimal, is_buy: bool) -> bool:
    return price > limit if is_buy else price < limit


def _malformed(order: Place, market: Market) -> Refused | None:
    decimals = market.size_decimals
    if order.size <= 0 or fit_size(decimals, order.size) != order.size:
        return _refused(RefusalKind.BUG, Reason.VENUE_REFUSED, "Order has invalid size.")
    for price in (order.price, order.trigger.price if order.trigger else order.price):
        if price <= 0 or fit_price(decimals, price, True) != price:
            return _refused(RefusalKind.BUG, Reason.VENUE_REFUSED, "Price must be divisible by tick size.")
    if order.trigger is not None and not order.reduce_only:
        return _refused(
            RefusalKind.BUG, Reason.VENUE_REFUSED, "A trigger order over a position must be reduce-only."
        )
    if market.is_delisted and not order.reduce_only:
        return _refused(RefusalKind.FINAL, Reason.VENUE_MARKET_STATE, "The market is delisted.")
    return None


def _refused(kind: RefusalKind, reason: Reason, text: str) -> Refused:
    return Refused(kind, reason, text)
