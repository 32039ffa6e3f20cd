"""What other rooms may ask of the ledger: plan an entry, an exit, a protection or a cancellation.

Planning inserts an intent under its unique key and nothing else; whoever is rung carries it out. Planning the same thing twice
gives one order. An exit is an obligation: there is at most one open exit of a position, and asking again returns that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from outcry.agents.model import Deployment
from outcry.controls.gate import standing_controls
from outcry.controls.model import ControlMode, mode_of
from outcry.orders import plan_store, store
from outcry.orders.model import Intent, OrderKind, OrderStatus
from outcry.positions.model import Position
from outcry.runtime.database import Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.model import EntryPlan
from outcry.signals.planner import Planned
from outcry.venues.port import TriggerKind

Place = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Protection:
    """A reduce-only trigger that is wanted over a position: the stop (leg `stop`) or a take-profit step (`tp1` … `tp5`)."""

    leg: str
    kind: TriggerKind
    trigger_price: Decimal
    size: Decimal
    cause: Reason


def place_of(position: Position) -> Place:
    """Account, venue, network, position key and market of a position."""
    return (position.account_id, position.venue, position.network, position.position_key, position.market)


class LedgerPlanner:
    """The `signals.planner.Planner` of the order ledger."""

    def plan_entry(
        self, tx: Transaction, plan: EntryPlan, deployment: Deployment, *, now: datetime, trace_id: str
    ) -> Planned | None:
        order_id = _insert_entry(
            tx,
            plan,
            deployment,
            subject=f"signal:{plan.signal_id}",
            signal_id=plan.signal_id,
            now=now,
            trace_id=trace_id,
        )
        return None if order_id is None else Planned(order_id, is_exit=False)

    def plan_exit_on_call(
        self,
        tx: Transaction,
        *,
        agent_id: str,
        author_id: int,
        market: str,
        side: Side,
        now: datetime,
        trace_id: str,
    ) -> tuple[list[Planned], Reason | None]:
        for entry in plan_store.planned_on_calls_of(
            tx, agent_id=agent_id, author_id=author_id, market=market, side=side
        ):
            if not store.finish_unclaimed(
                tx,
                entry,
                OrderStatus.CANCELLED,
                known=OrderStatus.PLANNED,
                now=now,
                reason=Reason.CLOSE_CALL.value,
            ):
                raise InfrastructureError(
                    "an entry on this author's call is being approved: close it once it is"
                )
        held = plan_store.entered_on_calls_of(
            tx, agent_id=agent_id, author_id=author_id, market=market, side=side
        )
        if not held:
            return [], Reason.NOTHING_TO_CLOSE
        followed = [position for position in held if position.plan.follow_close_calls]
        if not followed:
            return [], Reason.CLOSE_CALLS_IGNORED
        followed = [position for position in followed if not is_halted(tx, position, agent_id)]
        if not followed:
            return [], Reason.HALTED
        planned = [
            plan_exit(
                tx, position, Reason.CLOSE_CALL, now=now, trace_id=trace_id, subject=str(position.position_id)
            )
            for position in followed
        ]
        return [Planned(order_id, is_exit=True) for order_id in planned], None


def plan_person_entry(
    tx: Transaction, plan: EntryPlan, deployment: Deployment, *, key: str, now: datetime, trace_id: str
) -> UUID:
    """Plan an entry that a person ordered under an idempotency key; returns its order, made now or before."""
    order_id = _insert_entry(tx, plan, deployment, subject=key, signal_id=None, now=now, trace_id=trace_id)
    return order_id or plan_store.entry_of_subject(tx, deployment.deployment_id, key)


def _insert_entry(
    tx: Transaction,
    plan: EntryPlan,
    deployment: Deployment,
    *,
    subject: str,
    signal_id: int | None,
    now: datetime,
    trace_id: str,
) -> UUID | None:
    account = deployment.account
    entry = Intent(
        deployment_id=deployment.deployment_id,
        kind=OrderKind.ENTER,
        subject=subject,
        leg="entry",
        sequence=0,
        place=(account.account_id, account.venue, account.network, plan.market, plan.market),
        side=plan.side,
        plan=plan.to_json(),
        signal_id=signal_id,
        not_after=plan.not_after,
    )
    return store.insert(tx, [entry], now=now, trace_id=trace_id)[0]


def is_halted(tx: Transaction, position: Position, agent_id: str | None) -> bool:
    """Whether only exits that protect may be made here: a halt stands over the desk, the account, the deployment or the agent."""
    mode = mode_of(
        standing_controls(tx),
        account_id=position.account_id,
        deployment_id=position.deployment_id,
        agent_id=agent_id,
    )
    return mode is ControlMode.HALT


def has_open_exit(tx: Transaction, position_id: UUID) -> bool:
    """Whether an exit of this position is at work already."""
    return plan_store.open_exit(tx, position_id) is not None


def plan_exit(
    tx: Transaction,
    position: Position,
    reason: Reason,
    *,
    now: datetime,
    trace_id: str,
    detail: str | None = None,
    subject: str | None = None,
) -> UUID:
    """Oblige the ledger to close a position; returns the open exit, made now or before."""
    assert position.deployment_id is not None, "only an owned position can be closed"
    known = plan_store.open_exit(tx, position.position_id)
    if known is not None:
        return known
    plan = {"reason": reason.value, "detail": detail}
    intent = _intent(position, OrderKind.EXIT, leg="exit", plan=plan)
    order_id = store.insert(
        tx, [replace(intent, subject=subject or intent.subject)], now=now, trace_id=trace_id
    )[0]
    if order_id is None:  # somebody planned it in the same moment: the unique index kept one
        order_id = plan_store.open_exit(tx, position.position_id)
        assert order_id is not None
    return order_id


def plan_protection(
    tx: Transaction,
    position: Position,
    *,
    leg: str,
    kind: TriggerKind,
    trigger_price: Decimal,
    size: Decimal,
    now: datetime,
    trace_id: str,
    cause: Reason,
) -> UUID:
    """Plan one more reduce-only trigger over a position."""
    wanted = Protection(leg, kind, trigger_price, size, cause)
    return plan_protections(tx, position, [wanted], now=now, trace_id=trace_id)[0]


def plan_protections(
    tx: Transaction, position: Position, wanted: Sequence[Protection], *, now: datetime, trace_id: str
) -> list[UUID]:
    """Plan these triggers over a position, in one statement; returns their orders, in the same order."""
    intents = [
        replace(
            _intent(
                position,
                OrderKind.PROTECT,
                leg=each.leg,
                plan={"trigger": each.kind.value, "reason": each.cause.value},
            ),
            size=each.size,
            trigger_price=each.trigger_price,
        )
        for each in wanted
    ]
    planned = [
        order_id for order_id in store.insert(tx, intents, now=now, trace_id=trace_id) if order_id is not None
    ]
    assert len(planned) == len(wanted), "the sequence is read in this transaction, under the position's lock"
    return planned


def _intent(position: Position, kind: OrderKind, *, leg: str, plan: dict[str, Any]) -> Intent:
    """What serves a position that is held: nothing has to approve it any more."""
    assert position.deployment_id is not None, "only an owned position is served"
    return Intent(
        deployment_id=position.deployment_id,
        kind=kind,
        subject=str(position.position_id),
        leg=leg,
        place=place_of(position),
        side=position.side,
        plan=plan,
        status=OrderStatus.APPROVED,
        position_id=position.position_id,
    )


def plan_cancel(
    tx: Transaction,
    position: Position,
    target: UUID,
    *,
    cloid: str,
    now: datetime,
    trace_id: str,
    reason: Reason,
) -> UUID | None:
    """Plan to take a resting order of a position off the venue; None where a cancel of it is under way."""
    leg = str(target)
    if plan_store.has_open_cancel(tx, str(position.position_id), leg):
        return None
    plan = {"target": leg, "cloid": cloid, "reason": reason.value}
    intent = _intent(position, OrderKind.CANCEL, leg=leg, plan=plan)
    return store.insert(tx, [intent], now=now, trace_id=trace_id)[0]
