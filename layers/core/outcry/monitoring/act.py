"""Carries decisions to the book and the ledger: what moved is written in one statement, exits and nearer stops are planned.

Promises: a decision is planned only against the row as it is now, locked; positions whose version changed since they were read
are left for the next pass.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from outcry.agents import roster
from outcry.monitoring import store
from outcry.monitoring.book import HELD, Book
from outcry.monitoring.exits import Decision
from outcry.monitoring.terms import terms_of
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders.canary import AGENT_ID as CANARY
from outcry.orders.model import STOP_LEG
from outcry.orders.plan import is_halted, plan_exit, plan_protection
from outcry.orders.ports import Desk
from outcry.orders.request_reserve import RequestReserve, tell_reserve
from outcry.positions import store as positions_store
from outcry.positions import watch_store
from outcry.positions.standing import Standing
from outcry.positions.watch_store import Moved as Written
from outcry.runtime.database import Transaction
from outcry.runtime.queues import Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import Market, TriggerKind, Venue
from outcry.venues.weights import LIST_WEIGHT

PROTECTIVE = frozenset({Reason.STOP_LOSS, Reason.TRAILING_STOP, Reason.LIQUIDATION_BUFFER})
Moved = Sequence[tuple[Standing, Decision]]


class Actor:
    """Writes and plans what the pass decided."""

    def __init__(self, desk: Desk, book: Book) -> None:
        self._desk = desk
        self._book = book
        self._reserve = RequestReserve(desk.clock)

    def follow(self, moved: Moved, now: datetime) -> list[Ring]:
        """Write what moved and plan what follows; returns the orders to ring."""
        if not moved:
            return []
        nearer = [(p, d) for p, d in moved if d.exit is None and d.ratchet_to is not None]
        ratchets = [
            (p, d, *terms)
            for p, d in nearer
            if self._has_requests(p, now) and (terms := terms_of(self._desk, p)) is not None
        ]
        staying = [(p, d) for p, d in moved if d.exit is None]
        with self._desk.database.transaction() as tx:
            count = watch_store.write_watches(
                tx,
                [Written(p.key, p.version, d.peak, d.trail_price, d.crossed_since) for p, d in staying],
                now=now,
            )
            rings = [
                ring for p, d in moved if d.exit is not None and (ring := self._plan_exit(tx, p, d, now))
            ]
            placing = store.working_protections(tx, [p.position_id for p, *_ in ratchets]) if ratchets else {}
            for position, decision, venue, market in ratchets:
                if position.position_id not in placing:
                    rings += self._plan_ratchet(tx, position, decision, venue, market, now)
        if count == len(staying):  # otherwise somebody changed a row in between: it is read again
            self._book.keep(staying)
        return rings

    def tell_frozen(self, venue: str, now: datetime) -> list[Ring]:
        """Not one mark of the venue moved over several passes: nothing is decided on them."""
        with self._desk.database.transaction() as tx:
            tell(
                tx,
                level=Level.PAGE,
                topic="marks",
                subject=f"The marks of {venue} stand still",
                text="Not one mark moved over three passes. No exit rule decides until they move; stops at the venue stay.",
                dedupe_key=f"frozen:{venue}:{now:%Y-%m-%dT%H}",
                now=now,
            )
        return []

    def tell_no_mark(self, position: Standing, now: datetime) -> None:
        """A position is held and has no fresh mark to decide on."""
        with self._desk.database.transaction() as tx:
            tell(
                tx,
                level=Level.PAGE,
                topic="marks",
                subject=f"No fresh mark for {position.market}",
                text="A position is held without a mark to decide on. Its stop at the venue stays.",
                dedupe_key=f"no-mark:{position.position_id}:{now:%Y-%m-%dT%H}",
                now=now,
                trace_id=position.trace_id,
            )

    def _has_requests(self, position: Standing, now: datetime) -> bool:
        """Whether the account may spend requests on a nearer stop; the one that rests stays where it is otherwise."""
        account = self._desk.account(position.account_id)
        venue = self._desk.venue(position.venue, position.network)
        kept = self._reserve.objection(account, venue, may_ask=self._desk.affords(LIST_WEIGHT))
        if kept is not None:
            with self._desk.database.transaction() as tx:
                tell_reserve(tx, account, kept, now=now)
        return kept is None

    def _plan_exit(
        self, tx: Transaction, position: Standing, decision: Decision, now: datetime
    ) -> Ring | None:
        fresh = positions_store.load(tx, position.position_id, lock=True)
        if fresh is None or fresh.status not in HELD:
            return None
        assert decision.exit is not None
        owner = roster.deployment(tx, fresh.deployment_id) if fresh.deployment_id else None
        agent_id = owner.agent.agent_id if owner else None
        # nobody watches a canary that is left over
        is_protective = decision.exit in PROTECTIVE or agent_id == CANARY
        if not is_protective and is_halted(tx, fresh, agent_id):
            return None
        order_id = plan_exit(
            tx, fresh, decision.exit, now=now, trace_id=position.trace_id, detail=decision.detail
        )
        return Ring(str(order_id), position.trace_id)

    def _plan_ratchet(
        self,
        tx: Transaction,
        position: Standing,
        decision: Decision,
        venue: Venue,
        market: Market,
        now: datetime,
    ) -> list[Ring]:
        """A nearer stop: placed and read back before the old one goes (see `orders.protect`)."""
        assert decision.ratchet_to is not None
        fresh = positions_store.load(tx, position.position_id, lock=True)
        if fresh is None or fresh.status not in HELD or fresh.version != position.version + 1:
            return []  # somebody changed it since it was read: the next pass looks again
        order_id: UUID = plan_protection(
            tx,
            fresh,
            leg=STOP_LEG,
            kind=TriggerKind.STOP,
            trigger_price=venue.fit_price(market, decision.ratchet_to, up=position.side is Side.LONG),
            size=fresh.held,
            now=now,
            trace_id=position.trace_id,
            cause=Reason.TRAILING_STOP,
        )
        return [Ring(str(order_id), position.trace_id)]
