"""Sees that every position has its stop at the venue: reads the open orders where one may be missing, and places what is.

Promises:
- Open orders are read where a stop may be missing and once a minute besides, whichever process read them last; whatever the
  accounts, the ledger is asked in a fixed number of statements.
- A position of ours without a resting stop for five seconds is given a new one, whoever had it in hand. What is planned is planned
  against the row as it is then, locked.
- A stop or a step that rests at the venue twice, or though the ledger has ended it, is taken off.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from outcry.monitoring import store
from outcry.monitoring.book import HELD, Page
from outcry.monitoring.inspect import Inspector, Seen
from outcry.monitoring.terms import terms_of
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import plan_cancel, plan_exit, plan_protection
from outcry.orders.ports import Desk
from outcry.positions import store as positions_store
from outcry.positions.model import Position
from outcry.positions.standing import Standing
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, VenueUnreachable
from outcry.runtime.observability import logger
from outcry.runtime.queues import Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import Market, OpenOrder, TriggerKind, Venue
from outcry.venues.weights import LIST_WEIGHT

UNPROTECTED_FOR = timedelta(seconds=5)
PROTECT_WITHIN = timedelta(seconds=20)
LOOK_AT_ORDERS_EVERY = timedelta(seconds=60)
LOOK_AT_THE_LATEST = timedelta(minutes=5)  # where the address is short of request weight
ZERO = Decimal(0)


class Cover:
    """Looks after the stops of the accounts of a pass."""

    def __init__(self, desk: Desk, inspector: Inspector) -> None:
        self._desk = desk
        self._inspector = inspector

    def check(self, seen: Iterable[Seen], pages: Mapping[str, Page], now: datetime) -> list[Ring]:
        """See that every stop rests that should; returns the orders to ring."""
        resting: dict[str, Sequence[OpenOrder]] = {}
        for one in seen:
            page = pages[one.account.account_id]
            if page.shelf.held and self._is_to_look(page, now):
                self._look(one, resting)
                one.orders_were_read = one.account.account_id in resting
        return self._cover(resting, pages, now) if resting else []

    def _is_to_look(self, page: Page, now: datetime) -> bool:
        last = page.known.orders_read_at
        if page.shelf.is_doubtful or last is None:
            return True
        every = LOOK_AT_ORDERS_EVERY if self._desk.affords(LIST_WEIGHT) else LOOK_AT_THE_LATEST
        return now - last >= every

    def _look(self, one: Seen, resting: dict[str, Sequence[OpenOrder]]) -> None:
        try:
            resting[one.account.account_id] = one.venue.open_orders(one.account.address)
        except (VenueUnreachable, BugError) as error:
            one.is_unread = True
            self._inspector.page_unreadable(one.account, error)
            logger.warning(
                "Open orders could not be read in this pass", extra={"account_id": one.account.account_id}
            )

    def _cover(
        self, resting: Mapping[str, Sequence[OpenOrder]], pages: Mapping[str, Page], now: datetime
    ) -> list[Ring]:
        """Ring or plan the stops that do not rest; `resting` is what does, by account."""
        held = [position for name in resting for position in pages[name].shelf.held]
        bare = [
            position
            for name, orders in resting.items()
            for position in _bare(pages[name].shelf.held, orders, now)
        ]
        terms = {
            position.key: found for position in bare if (found := terms_of(self._desk, position)) is not None
        }
        bare = [position for position in bare if position.key in terms]
        cloids = [order.cloid for orders in resting.values() for order in orders if order.cloid]
        names = list(resting)
        with self._desk.database.transaction() as tx:
            missing = store.missing_protections(tx, names, cloids, before=now - UNPROTECTED_FOR)
            rings = [Ring(str(row["order_id"]), row["trace_id"]) for row in missing]
            rings += self._plan_cancels(tx, cloids, now)
            rings += self._plan_lost_targets(tx, names, {position.key for position in held}, now)
            placing = store.working_protections(tx, [p.position_id for p in bare]) if bare else {}
            for position in bare:
                if position.position_id in placing:
                    rings.append(Ring(str(placing[position.position_id]), position.trace_id))
                else:
                    rings += self._protect_again(tx, position, *terms[position.key], now)
        return rings

    def _plan_cancels(self, tx: Transaction, resting: Collection[str], now: datetime) -> list[Ring]:
        """A stop or a step of ours that rests though it had ended, or was placed twice, is taken off: one of each is enough."""
        rings: list[Ring] = []
        for row in store.surplus_protections(tx, resting, before=now - UNPROTECTED_FOR) if resting else []:
            position = positions_store.load(tx, row["position_id"], lock=True)
            if position is None or position.deployment_id is None:
                continue
            cancel_id = plan_cancel(
                tx,
                position,
                row["order_id"],
                cloid=row["cloid"],
                now=now,
                trace_id=position.trace_id,
                reason=Reason.NO_LONGER_NEEDED,
            )
            if cancel_id is not None:
                rings.append(Ring(str(cancel_id), position.trace_id))
        return rings

    def _plan_lost_targets(
        self, tx: Transaction, names: Sequence[str], held: Collection[str], now: datetime
    ) -> list[Ring]:
        """A take-profit step that was taken off at the venue is planned again; one that is crossed by now is taken at once."""
        rings: list[Ring] = []
        for row in store.lost_targets(tx, names):
            position = _load_held(tx, row["position_id"]) if str(row["position_id"]) in held else None
            if position is None:
                continue
            order_id = plan_protection(
                tx,
                position,
                leg=row["leg"],
                kind=TriggerKind.TAKE_PROFIT,
                trigger_price=row["trigger_price"],
                size=min(row["size"], position.held),
                now=now,
                trace_id=position.trace_id,
                cause=Reason.TAKE_PROFIT,
            )
            rings.append(Ring(str(order_id), position.trace_id))
        return rings

    def _protect_again(
        self, tx: Transaction, seen: Standing, venue: Venue, market: Market, now: datetime
    ) -> list[Ring]:
        position = _load_held(tx, seen.position_id)
        if position is None:
            return []
        if position.stop_price is None:
            return [self._close_bare(tx, position, now)]
        order_id = plan_protection(
            tx,
            position,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=venue.fit_price(market, position.stop_price, up=position.side is Side.LONG),
            size=position.held,
            now=now,
            trace_id=position.trace_id,
            cause=Reason.TRAILING_STOP if position.trail_price is not None else Reason.STOP_LOSS,
        )
        # one that had no stop before keeps its deadline: planning another stop protects nothing yet
        protect_by = position.protect_by or now + PROTECT_WITHIN
        positions_store.update(tx, position.position_id, now=now, protect_by=protect_by)
        return [Ring(str(order_id), position.trace_id)]

    def _close_bare(self, tx: Transaction, position: Position, now: datetime) -> Ring:
        """The levels of this position were never worked out: there is nothing to rest, so it is closed."""
        order_id = plan_exit(tx, position, Reason.UNPROTECTED, now=now, trace_id=position.trace_id)
        return Ring(str(order_id), position.trace_id)


def _load_held(tx: Transaction, position_id: UUID) -> Position | None:
    """The whole row, locked, if it is still held."""
    position = positions_store.load(tx, position_id, lock=True)
    return position if position is not None and position.status in HELD and position.held > 0 else None


def _bare(held: Iterable[Standing], open_orders: Iterable[OpenOrder], now: datetime) -> list[Standing]:
    """Positions that no stop covers: none rests for a while already, or they grew and the stops that rest cover a part."""
    covered: dict[tuple[str, bool], Decimal] = {}
    for order in open_orders:
        if order.trigger is not None and order.trigger.kind is TriggerKind.STOP:
            place = order.market, order.is_buy
            covered[place] = covered.get(place, ZERO) + order.size
    return [
        position
        for position in held
        if (
            _is_unprotected(position, now)
            if position.protected_at is None
            else ZERO < covered.get((position.market, position.side is Side.SHORT), ZERO) < position.held
        )
    ]


def _is_unprotected(position: Standing, now: datetime) -> bool:
    return position.opened_at is not None and now - position.opened_at > UNPROTECTED_FOR
