"""A canary, as the ledger sees it: the minimum trade of a person, planned step by step and carried out by the functions.

Promises:
- It goes the way of every order: the same approval with caps and controls, the same ledger, the same signers. Two things differ:
  a pause does not refuse its entry, because a fresh desk is paused, and no earlier canary is asked for.
- Its size is the venue's minimum with a margin, at a leverage of one, in a deployment of its own that no agent decides for.
- What it opens closes by itself after `LASTS`, whatever becomes of whoever began it.
- Each step may be asked for again and is done once; under one key there is one entry, ever.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from outcry.agents import roster
from outcry.agents.model import Account, Deployment, ExitRules, Limits, Sizing, Strategy
from outcry.orders import canary_store, store
from outcry.orders.model import STOP_LEG, Order, OrderStatus
from outcry.orders.plan import plan_exit, plan_person_entry, plan_protection
from outcry.positions import store as positions_store
from outcry.positions.model import GONE, Position
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue, Ring
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits
from outcry.signals.model import EntryPlan
from outcry.venues.port import Market, TriggerKind, Venue

AGENT_ID = "outcry-canary"
LASTS = timedelta(minutes=15)
GOOD_FOR = timedelta(minutes=5)
STOP_FRAC = Decimal("0.03")
NEARER_STOP_FRAC = Decimal("0.02")
SLIPPAGE_FRAC = Decimal("0.01")
# so that a mark that falls before the fill leaves the order above the minimum
_ABOVE_MINIMUM = Decimal("1.15")
_CAP_ROOM = Decimal("1.03")  # so that a mark that rises within the chase does not cost the last lot
_RULES = ExitRules(
    stop_frac=STOP_FRAC,
    take_profits=(),
    trailing=None,
    time_limit=LASTS,
    liquidation_buffer_frac=Decimal("0.005"),
    follow_close_calls=False,
)
_STRATEGY = Strategy(
    min_conviction=Decimal(1),
    min_score=Decimal(1),
    max_call_age=timedelta(minutes=1),
    evidence_window=timedelta(minutes=1),
    sides=frozenset({Side.LONG}),
    venues=("hyperliquid",),
    sizing=Sizing(
        risk_frac=Decimal(1),
        min_stop_frac=STOP_FRAC,
        max_leverage=1,
        max_slippage_frac=SLIPPAGE_FRAC,
        max_chase_frac=SLIPPAGE_FRAC,
    ),
    exits=_RULES,
)


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary as it stands now; `entry`, `position` and `stops` as far as there are any."""

    row: Row
    entry: Order | None
    position: Position | None
    stops: tuple[Row, ...]

    @property
    def is_finished(self) -> bool:
        return self.row["finished_at"] is not None


def running_key(tx: Transaction, account_id: str) -> str | None:
    """The key of the account's canary that was begun and not finished."""
    return canary_store.running_key(tx, account_id)


def begin(
    tx: Transaction,
    account: Account,
    venue: Venue,
    market: Market,
    mark: Decimal,
    *,
    key: str,
    by: str,
    now: datetime,
) -> list[tuple[Queue, Ring]]:
    """Begin the canary of this key and plan its entry, or find it begun; returns what to ring.

    Raises ConfigurationError where the key is another account's or market's, UniqueViolation where another canary of the
    account is under way.
    """
    canary_store.insert(
        tx,
        key=key,
        account_id=account.account_id,
        network=account.network,
        market=market.market,
        started_by=by,
        now=now,
    )
    row = canary_store.of_key(tx, key, lock=True)
    assert row is not None, "it was just inserted, or was there"
    if (row["account_id"], row["market"]) != (account.account_id, market.market):
        raise ConfigurationError(
            "--key", key, f"it is the canary of {row['account_id']} in {row['market']}: use another key"
        )
    if row["finished_at"] is not None or row["entry_order_id"] is not None:
        return []
    deployment = roster.put_own_deployment(
        tx,
        account,
        agent_id=AGENT_ID,
        name="Canary",
        strategy=_STRATEGY,
        limits=_limits(venue, market, mark),
        now=now,
    )
    trace_id = f"canary-{row['canary_id']}"
    order_id = plan_person_entry(
        tx, _plan(deployment, market, mark, now), deployment, key=f"canary:{key}", now=now, trace_id=trace_id
    )
    canary_store.set_entry(tx, row["canary_id"], order_id)
    return [(Queue.ENTRIES, Ring(str(order_id), trace_id))]


def smallest_usd(venue: Venue, market: Market, mark: Decimal) -> Decimal:
    """The notional of the smallest trade that the venue certainly takes: its minimum with a margin, in whole lots."""
    lot = Decimal(1).scaleb(-market.size_decimals)
    lots = (venue.minimum_notional_usd * _ABOVE_MINIMUM / mark).quantize(lot, ROUND_CEILING)
    return max(lots, lot) * mark


def _limits(venue: Venue, market: Market, mark: Decimal) -> Limits:
    most = (smallest_usd(venue, market, mark) * (1 + SLIPPAGE_FRAC) * _CAP_ROOM).quantize(
        Decimal("0.01"), ROUND_CEILING
    )
    return Limits(per_trade_usd=most, per_account_usd=most, max_open_positions=1)


def _plan(deployment: Deployment, market: Market, mark: Decimal, now: datetime) -> EntryPlan:
    exits, _ = plan_exits(_RULES, side=Side.LONG, reference_price=mark, stated_stop=None, stated_targets=())
    return EntryPlan(
        signal_id=None,
        agent_id=deployment.agent.agent_id,
        author_id=None,
        market=market.market,
        side=Side.LONG,
        score=Decimal(1),
        reference_price=mark,
        stop_frac=STOP_FRAC,
        risk_frac=Decimal(1),
        max_leverage=1,
        max_slippage_frac=SLIPPAGE_FRAC,
        max_chase_frac=SLIPPAGE_FRAC,
        exits=exits,
        not_after=now + GOOD_FOR,
        is_canary=True,
    )


def look(tx: Transaction, key: str) -> Canary:
    """How the canary of this key stands. Raises ConfigurationError where there is none."""
    row = canary_store.of_key(tx, key)
    if row is None:
        raise ConfigurationError("--key", key, "no canary was begun under it")
    entry = store.load(tx, row["entry_order_id"]) if row["entry_order_id"] else None
    position = positions_store.load(tx, entry.position_id) if entry and entry.position_id else None
    stops = canary_store.stops(tx, position.position_id) if position else []
    return Canary(row, entry, position, tuple(stops))


def ratchet(
    tx: Transaction, key: str, venue: Venue, market: Market, *, now: datetime
) -> list[tuple[Queue, Ring]]:
    """Plan the nearer stop, once; returns what to ring."""
    found = look(tx, key)
    position = (
        None if found.position is None else positions_store.load(tx, found.position.position_id, lock=True)
    )
    if position is None or position.status in GONE or position.entry_price is None:
        return []
    if any(stop["sequence"] > 0 for stop in canary_store.stops(tx, position.position_id)):
        return []
    nearer = position.entry_price * (1 - NEARER_STOP_FRAC * position.side.sign)
    order_id = plan_protection(
        tx,
        position,
        leg=STOP_LEG,
        kind=TriggerKind.STOP,
        trigger_price=venue.fit_price(market, nearer, up=position.side is Side.LONG),
        size=position.held,
        now=now,
        trace_id=position.trace_id,
        cause=Reason.STOP_LOSS,
    )
    return [(Queue.EXITS, Ring(str(order_id), position.trace_id))]


def close(tx: Transaction, key: str, *, now: datetime) -> list[tuple[Queue, Ring]]:
    """Oblige the ledger to end it: an entry that nobody works on is cancelled, whatever is or may be held is closed."""
    found = look(tx, key)
    entry = found.entry
    if entry is not None and found.position is None:
        store.finish_unclaimed(
            tx,
            entry.order_id,
            OrderStatus.CANCELLED,
            known=OrderStatus.PLANNED,
            now=now,
            reason=Reason.PERSON.value,
        )
        entry = store.load(tx, entry.order_id)
    position_id = None if entry is None else entry.position_id
    position = None if position_id is None else positions_store.load(tx, position_id, lock=True)
    if position is None or position.status in GONE:
        return []
    order_id = plan_exit(tx, position, Reason.PERSON, now=now, trace_id=position.trace_id)
    return [(Queue.EXITS, Ring(str(order_id), position.trace_id))]


def finish(tx: Transaction, key: str, *, passed: bool, report: dict[str, Any], now: datetime) -> Row:
    """Write the verdict down, once, and switch the canary's deployment off; returns the verdict that stands.

    The deployment is locked before the canary, as by the approval of its entry: the other order would have each wait for the other.
    """
    row = canary_store.of_key(tx, key)
    assert row is not None, "whoever finishes it has begun it"
    roster.switch_off_own_deployment(tx, row["account_id"], agent_id=AGENT_ID, now=now)
    return canary_store.finish(tx, row["canary_id"], passed=passed, report=report, now=now)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a canary came to: every request with its answer, sizes bought and sold, what it cost, and who approved it.

    `cost_usd` is what the round trip took: what was paid less what was received, with the fees.
    """

    requests: tuple[Row, ...]
    bought: Decimal
    sold: Decimal
    cost_usd: Decimal
    build: str | None


def outcome(tx: Transaction, key: str) -> Outcome:
    """What the canary of this key came to, as far as the database knows."""
    found = look(tx, key)
    if found.entry is None or found.position is None:
        return Outcome((), Decimal(0), Decimal(0), Decimal(0), found.row["build_id"])
    result = canary_store.result(tx, found.position.position_id)
    return Outcome(
        requests=tuple(canary_store.requests(tx, found.entry.order_id)),
        bought=result["bought"],
        sold=result["sold"],
        cost_usd=result["fees_usd"] - result["cash_usd"],
        build=found.row["build_id"],
    )


def closed_by_its_exit(tx: Transaction, key: str) -> Decimal:
    """How much of the position was closed by exits that a person ordered, by its fills."""
    found = look(tx, key)
    return Decimal(0) if found.position is None else canary_store.exit_size(tx, found.position.position_id)


def detail_of(tx: Transaction, key: str) -> str:
    """The figures behind what the entry's refusal says; empty where there are none."""
    return canary_store.entry_detail(tx, key) or ""


def has_passed(tx: Transaction, account_id: str, build_id: str) -> bool:
    """Whether a canary has passed on this account with this build."""
    return canary_store.has_passed(tx, account_id, build_id)
