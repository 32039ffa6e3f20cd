"""Plans the first protections of a position: the stop over all of it, and its take-profit steps.

Called in the transaction that learns of the fill, with the price that the venue acknowledged, so that nothing can happen between
knowing that something is held and being obliged to protect it.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from outcry.orders.model import STOP_LEG
from outcry.orders.pages import tell_replaced_levels
from outcry.orders.plan import Protection, plan_protections
from outcry.positions import store as positions_store
from outcry.positions.levels import PricedTarget, ladder_sizes, resolve
from outcry.positions.model import Position, PositionStatus
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import Filled, Market, TriggerKind, Venue

PROTECT_DEADLINE = timedelta(seconds=20)


def estimated_liquidation(entry_price: Decimal, side: Side, leverage: Decimal, max_leverage: int) -> Decimal:
    """Where an isolated position is liquidated, before the venue has said it itself.

    liquidation = entry - side x margin / size / (1 - l x side), with margin = entry / leverage less maintenance and
    l = 1 / (2 x the market's highest leverage). Source: Hyperliquid docs, trading/liquidations.
    """
    maintenance = Decimal(1) / (2 * max_leverage)
    available = entry_price / leverage - entry_price * maintenance
    return entry_price - side.sign * available / (1 - maintenance * side.sign)


def protect_opened(
    tx: Transaction, position_id: UUID, *, market: Market, venue: Venue, now: datetime
) -> list[UUID]:
    """Plan the first protections of an open position that has no levels yet; nothing where somebody has planned them."""
    position = positions_store.load(tx, position_id, lock=True)
    if (
        position is None
        or position.stop_price is not None
        or position.entry_price is None
        or position.held <= 0
    ):
        return []
    known = Filled(position.held, position.entry_price, "")
    leverage = positions_store.leverage_of(tx, position_id)
    return plan_first_protections(
        tx,
        position,
        known,
        market=market,
        venue=venue,
        leverage=leverage,
        now=now,
        protect_by=now + PROTECT_DEADLINE,
    )


def plan_first_protections(
    tx: Transaction,
    position: Position,
    filled: Filled,
    *,
    market: Market,
    venue: Venue,
    leverage: Decimal,
    now: datetime,
    protect_by: datetime,
) -> list[UUID]:
    """Open the position with what was acknowledged and plan its stop and its ladder; returns the orders, the stop first."""
    side = position.side
    entry = filled.average_price
    liquidation = estimated_liquidation(entry, side, leverage, market.max_leverage) if leverage > 1 else None
    levels = resolve(position.plan, side=side, entry_price=entry, liquidation_price=liquidation)
    # a stop's trigger is rounded towards the entry: towards less risk
    stop_price = venue.fit_price(market, levels.stop_price, up=side is Side.LONG)
    positions_store.update(
        tx,
        position.position_id,
        now=now,
        status=PositionStatus.OPEN.value,
        acked_size=max(filled.size - position.size, Decimal(0)),
        entry_price=entry,
        stop_price=stop_price,
        liquidation_price=liquidation,
        peak=entry,
        opened_at=position.opened_at or now,
        protect_by=protect_by,
    )
    tell_replaced_levels(tx, str(position.position_id), levels.notes, now=now, trace_id=position.trace_id)
    stop = Protection(STOP_LEG, TriggerKind.STOP, stop_price, filled.size, Reason.STOP_LOSS)
    ladder = _ladder(levels.targets, filled.size, up=side is Side.SHORT, market=market, venue=venue)
    return plan_protections(tx, position, [stop, *ladder], now=now, trace_id=position.trace_id)


def _ladder(
    targets: tuple[PricedTarget, ...], opened_size: Decimal, *, up: bool, market: Market, venue: Venue
) -> list[Protection]:
    """The take-profit steps, nearest first, in sizes that the venue takes."""
    steps = ladder_sizes(
        targets,
        opened_size=opened_size,
        fit=lambda size: venue.fit_size(market, size),
        minimum_notional_usd=venue.minimum_notional_usd,
    )
    return [
        Protection(
            f"tp{number}",
            TriggerKind.TAKE_PROFIT,
            venue.fit_price(market, target.price, up=up),
            size,
            Reason.TAKE_PROFIT,
        )
        for number, (target, size) in enumerate(steps, start=1)
    ]
