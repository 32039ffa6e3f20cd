"""Approves an entry: one transaction that takes the place and reserves the worst case, or one reason why not.

Marks, account and open orders are read before the transaction and passed in with their times. A reading that turns out older
than the account's last change is read again, a few times, before the entry is left for a later ring.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.controls.gate import standing_entry
from outcry.orders import approval_store, canary_store, store
from outcry.orders.approval_store import Booked, Scopes
from outcry.orders.carry import Held
from outcry.orders.model import Order, OrderStatus
from outcry.orders.ports import Desk
from outcry.orders.request_reserve import RequestReserve, tell_reserve
from outcry.orders.risk import Facts, Refusal, entry_bound, refuse, room
from outcry.orders.signers import objection
from outcry.positions import store as positions_store
from outcry.runtime.database import Transaction, UniqueViolation
from outcry.runtime.errors import SignerRefused
from outcry.runtime.reasons import Reason
from outcry.runtime.version import build_id
from outcry.signals.model import EntryPlan
from outcry.signals.size import Sized, SizeInputs, size_entry
from outcry.venues.port import AccountMode, AccountSnapshot, Market, Marks, OpenOrder, Venue

PASSING = frozenset({Reason.MARK_STALE, Reason.SNAPSHOT_STALE})
MODE_KEPT_FOR = timedelta(minutes=10)
READINGS = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What the venue showed before the approval."""

    marks: Marks
    snapshot: AccountSnapshot
    open_orders: tuple[OpenOrder, ...]
    mode: AccountMode
    signer: Refusal | None


class Approver:
    """Turns a PLANNED entry into an APPROVED one, or into a SKIPPED one with its reason."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._modes: dict[str, tuple[datetime, AccountMode]] = {}
        self.reserve = RequestReserve(desk.clock)

    def approve(self, held: Held) -> Order | Refusal:
        """The approved order, or why not. A refusal was recorded, unless it is a passing one: then ring again later.

        Raises VenueUnreachable where the venue could not be read.
        """
        plan = EntryPlan.from_json(held.order.plan)
        venue = self._desk.venue_of(held.order)
        market = self._desk.market(venue, plan.market)
        if market is None or market.is_delisted:
            return self._skip(
                held, Refusal(Reason.MARKET_NOT_LISTED, f"{plan.market} does not trade on {venue.name}")
            )
        kept = self.reserve.objection(held.account, venue)
        if kept is not None:
            with self._desk.database.transaction() as tx:
                tell_reserve(tx, held.account, kept, now=self._desk.clock.now())
            return self._skip(held, kept)
        decided = self._read_and_decide(held, plan, venue, market)
        for _ in range(READINGS - 1):
            if isinstance(decided, Order) or decided.reason not in PASSING:
                break
            decided = self._read_and_decide(held, plan, venue, market)
        if isinstance(decided, Order):
            return decided
        is_passing = decided.reason in PASSING and self._desk.clock.now() <= plan.not_after
        return decided if is_passing else self._skip(held, decided)

    def _read_and_decide(self, held: Held, plan: EntryPlan, venue: Venue, market: Market) -> Order | Refusal:
        reading = self._read(held, venue)
        try:
            with self._desk.database.transaction() as tx:
                return self._decide(tx, held, plan, venue, market, reading)
        except UniqueViolation as taken:
            if taken.constraint != "one_owned_position_per_place":
                raise
            return Refusal(Reason.PLACE_TAKEN, "another entry took this place in the same moment")

    def _read(self, held: Held, venue: Venue) -> Reading:
        address = held.account.address
        now = self._desk.clock.now()
        kept = self._modes.get(address)
        if kept is None or now - kept[0] > MODE_KEPT_FOR:
            kept = self._modes[address] = (now, venue.account_mode(address))
        return Reading(
            marks=venue.marks(),
            snapshot=venue.account(address),
            open_orders=tuple(venue.open_orders(address)),
            mode=kept[1],
            signer=self._objection(held),
        )

    def _objection(self, held: Held) -> Refusal | None:
        """What speaks against the signer. KMS's refusal does not: the first request meets it again, pages and gives the place back."""
        try:
            return objection(self._desk.signers.active(held.account), self._desk.clock.now())
        except SignerRefused:
            return None

    def _decide(
        self, tx: Transaction, held: Held, plan: EntryPlan, venue: Venue, market: Market, reading: Reading
    ) -> Order | Refusal:
        order = held.order
        now = self._desk.clock.now()
        scopes = approval_store.lock_scopes(tx, order.account_id, order.deployment_id)
        forbidden = standing(tx, order, plan, now)
        booked = approval_store.booked(
            tx,
            order,
            agent_id=scopes.agent_id,
            author_id=plan.author_id,
            since=reading.snapshot.taken_at,
            now=now,
        )
        mark = reading.marks.prices.get(plan.market)
        facts = Facts(
            now=now,
            not_after=plan.not_after,
            side=plan.side,
            reference_price=plan.reference_price,
            max_chase_frac=plan.max_chase_frac,
            mark=mark,
            mark_at=reading.marks.received_at,
            snapshot_at=reading.snapshot.taken_at,
            changed_at=booked.changed_at,
            standing=forbidden,
            deployment_state=scopes.deployment_state,
            lacks_canary=self._lacks_canary(tx, order, plan),
            mode_is_standard=reading.mode is AccountMode.STANDARD,
            signer=reading.signer,
            owner_side=booked.owner_side,
            place_has_open_order=booked.is_place_at_work,
            venue_size=_size_in(reading.snapshot, plan.market),
            has_foreign_order=_has_foreign_order(tx, reading.open_orders, plan.market),
        )
        refusal = refuse(facts)
        if refusal is not None:
            return refusal
        assert mark is not None, "without a mark it is refused"
        sized = _size(plan, venue, market, reading.snapshot, mark, scopes, booked)
        if isinstance(sized, Refusal):
            return sized
        return self._take(tx, held, plan, venue, market, mark, sized, scopes.agent_id, now)

    def _lacks_canary(self, tx: Transaction, order: Order, plan: EntryPlan) -> str | None:
        """What is missing of the proof that this build trades well on this account; a canary itself notes the build."""
        if plan.is_canary:
            is_under_way = canary_store.note_build(tx, order.order_id, build_id())
            return None if is_under_way else "the canary that this entry belongs to is over"
        if order.network not in self._desk.needs_canary or canary_store.has_passed(
            tx, order.account_id, build_id()
        ):
            return None
        return f"run `outcry canary --network {order.network} --account {order.account_id}` with build {build_id()}"

    def _take(
        self,
        tx: Transaction,
        held: Held,
        plan: EntryPlan,
        venue: Venue,
        market: Market,
        mark: Decimal,
        sized: Sized,
        agent_id: str,
        now: datetime,
    ) -> Order:
        """Take the entry's place and reserve its worst case."""
        order = held.order
        position_id = positions_store.insert_opening(
            tx,
            deployment_id=order.deployment_id,
            place=(order.account_id, order.venue, order.network, order.position_key, order.market),
            side=plan.side,
            plan=plan.exits,
            leverage=Decimal(sized.leverage),
            origin="SIGNAL" if order.signal_id is not None else "PERSON",
            now=now,
            trace_id=order.trace_id,
        )
        bound = entry_bound(mark, plan.side, plan.max_slippage_frac)
        return approval_store.approve(
            tx,
            order,
            held=held.claim,
            agent_id=agent_id,
            author_id=plan.author_id,
            position_id=position_id,
            sized=sized,
            limit_price=venue.fit_price(market, bound, up=plan.side.sign < 0),
            now=now,
        )

    def _skip(self, held: Held, refusal: Refusal) -> Refusal:
        now = self._desk.clock.now()
        with self._desk.database.transaction() as tx:
            store.move(
                tx,
                held.order,
                OrderStatus.SKIPPED,
                held=held.claim,
                now=now,
                reason=refusal.reason.value,
                detail=refusal.detail,
            )
        return refusal


def standing(tx: Transaction, order: Order, plan: EntryPlan, now: datetime) -> Refusal | None:
    """What controls and locks say about an entry now, read so that a pause which committed before is always seen.

    A canary goes ahead despite a pause that a person or a first start has set: a fresh desk is paused until it has passed.
    """
    forbidden = standing_entry(
        tx,
        account_id=order.account_id,
        deployment_id=order.deployment_id,
        agent_id=plan.agent_id,
        author_id=plan.author_id,
        market=plan.market,
        now=now,
        despite_pause=plan.is_canary,
    )
    return None if forbidden is None else Refusal(forbidden.reason, forbidden.detail)


def _size(
    plan: EntryPlan,
    venue: Venue,
    market: Market,
    snapshot: AccountSnapshot,
    mark: Decimal,
    scopes: Scopes,
    booked: Booked,
) -> Sized | Refusal:
    """How much may be entered under every cap, or which of them leaves too little."""
    left = room(
        [(scopes.deployment_limits, booked.by_deployment), (scopes.account_limits, booked.by_account)]
    )
    if left.notional_usd <= 0:
        return Refusal(left.binding, "nothing is left under this limit")
    sized = size_entry(
        SizeInputs(
            equity_usd=snapshot.equity_usd,
            free_usd=max(snapshot.free_usd - booked.margin_usd, Decimal(0)),
            risk_frac=plan.risk_frac,
            score=plan.score,
            stop_frac=plan.stop_frac,
            fee_frac=venue.taker_fee_frac,
            slippage_frac=plan.max_slippage_frac,
            mark=mark,
            exit_stop_frac=plan.exits.own_stop_frac,
            liquidation_buffer_frac=plan.exits.liquidation_buffer_frac,
            cap_usd=left.notional_usd,
            max_leverage=plan.max_leverage,
            market_max_leverage=market.max_leverage,
            size_decimals=market.size_decimals,
            minimum_usd=venue.minimum_notional_usd,
        )
    )
    if isinstance(sized, Sized):
        return sized
    tight = left.notional_usd < venue.minimum_notional_usd * (1 + plan.max_slippage_frac)
    is_cap = tight and sized.reason is Reason.SIZE_BELOW_MINIMUM
    return Refusal(left.binding if is_cap else sized.reason, sized.detail)


def _size_in(snapshot: AccountSnapshot, market: str) -> Decimal:
    holding = snapshot.holdings.get(market)
    return Decimal(0) if holding is None else holding.size


def _has_foreign_order(tx: Transaction, open_orders: tuple[OpenOrder, ...], market: str) -> bool:
    here = [order for order in open_orders if order.market == market]
    if not here:
        return False
    ours = approval_store.is_our_cloid(tx, [order.cloid for order in here if order.cloid])
    return any(order.cloid not in ours for order in here)
