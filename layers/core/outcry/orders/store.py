"""SQL of orders and actions. Private to this room.

Promises: each change of a status says which status it came from, and each write of a worker says `claim_token = mine`, so a
worker that lost its claim writes nothing (`LostClaim` is raised and its transaction rolls back).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from outcry.orders.lifecycle import TERMINAL, may_become
from outcry.orders.model import ActionKind, Intent, Order, OrderKind, OrderStatus, Requests
from outcry.runtime import leases
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.leases import ORDERS, Claim
from outcry.runtime.side import Side

FIRST_RING_S = 20  # a planned order whose doorbell was lost is found this much later
# Whoever places a stop and dies must not keep others from it for long: their request is dead by then, and a takeover repeats no
# other bytes. A worker that is only slow finds its claim gone and stops.
_PROTECTS = ("kind = 'protect'", timedelta(seconds=10))

_ORDER = """
    order_id, deployment_id, kind, subject, leg, sequence, account_id, venue, network, position_key, market, cast(side as text) as side,
    position_id, signal_id, status, reason, plan, size, limit_price, trigger_price, leverage, attempt, filled_size, not_after,
    created_at, trace_id
"""
_REQUESTS = """
    array(select array[cast(a.attempt as text), a.kind] from actions a where a.order_id = orders.order_id) as requests
"""
_STAYS_DUE = """
    next_ring_at = case when next_ring_at is distinct from cast(:seen as timestamptz) then next_ring_at end
"""
_FIELDS = frozenset(each.name for each in fields_of(Order))


class LostClaim(InfrastructureError):
    """The claim lapsed and somebody else continues the order: stop at once, nothing was written."""


def order_from(row: Row) -> Order:
    """An order from its row."""
    return Order(
        **{
            **row,
            "kind": OrderKind(row["kind"]),
            "status": OrderStatus(row["status"]),
            "side": Side(row["side"]),
        }
    )


def load(tx: Transaction, order_id: UUID, *, lock: bool = False) -> Order | None:
    """One order, or None; `lock` holds it until the transaction ends."""
    row = tx.one(
        f"select {_ORDER} from orders where order_id = :order_id {'for no key update' if lock else ''}",
        order_id=order_id,
    )
    return None if row is None else order_from(row)


def claim(
    tx: Transaction, order_id: UUID, *, token: UUID, now: datetime, lasting: timedelta
) -> tuple[Claim, Order, Requests] | None:
    """Claim an order, and read it and which requests it has; None where somebody else holds it, it is set aside, or there is none."""
    claims = leases.claim(
        tx,
        ORDERS,
        [order_id],
        token=token,
        now=now,
        lasting=lasting,
        columns=f"{_ORDER}, {_REQUESTS}",
        brief=_PROTECTS,
    )
    if not claims:
        return None
    row = dict(claims[0].row)
    requests = frozenset((int(attempt), ActionKind(kind)) for attempt, kind in row.pop("requests"))
    return claims[0], order_from(row), requests


def insert(tx: Transaction, intents: Sequence[Intent], *, now: datetime, trace_id: str) -> list[UUID | None]:
    """Insert intents of one subject, each with a leg of its own, and return their orders; None for one that exists already."""
    rows = tx.all(
        f"""
        insert into orders (deployment_id, kind, subject, leg, sequence, account_id, venue, network, position_key, market, side,
                            position_id, signal_id, status, plan, size, trigger_price, reduce_only, not_after,
                            created_at, updated_at, next_ring_at, trace_id)
        select i.deployment_id, i.kind, i.subject, i.leg,
               coalesce(i.sequence, (select max(o.sequence) + 1 from orders o
                                      where o.deployment_id = i.deployment_id and o.kind = i.kind and o.subject = i.subject
                                        and o.leg = i.leg), 0),
               i.place ->> 0, i.place ->> 1, i.place ->> 2, i.place ->> 3, i.place ->> 4, i.side,
               i.position_id, i.signal_id, i.status, i.plan, i.size, i.trigger_price, i.kind <> 'enter', i.not_after,
               :now, :now, cast(:now as timestamptz) + interval '{FIRST_RING_S} seconds', :trace_id
          from jsonb_to_recordset(cast(:intents as jsonb)) as i (
               deployment_id text, kind text, subject text, leg text, sequence integer, place jsonb, side side, position_id uuid,
               signal_id bigint, status text, plan jsonb, size numeric, trigger_price numeric, not_after timestamptz)
        on conflict do nothing
        returning order_id, leg
        """,
        intents=json.dumps([asdict(intent) for intent in intents], default=str),
        now=now,
        trace_id=trace_id,
    )
    made = {row["leg"]: row["order_id"] for row in rows}
    return [made.get(intent.leg) for intent in intents]


def from_where(to: OrderStatus) -> list[str]:
    """The statuses from which an order may be moved there; it may stay where it is, unless that is an end."""
    return [status.value for status in OrderStatus if may_become(status, to)]


def move(
    tx: Transaction, order: Order, to: OrderStatus, *, held: Claim, now: datetime, **fields: Any
) -> Order:
    """Move a claimed order to another status and set further columns. Raises LostClaim where the claim is gone.

    A terminal status clears `next_ring_at`, because nothing waits any more. Returns the order as the claim's holder left it, without
    reading it again: nobody else changes these columns meanwhile.
    """
    columns = "".join(
        f", {name} = cast(:{name} as jsonb)" if name == "plan" else f", {name} = :{name}" for name in fields
    )
    ending = ", finished_at = :now, next_ring_at = null" if to in TERMINAL else ""
    touched = tx.execute(
        f"""
        update orders set status = :to, updated_at = :now{columns}{ending}
         where order_id = :order_id and claim_token = :token and status = any(cast(:allowed as text[]))
        """,
        to=to.value,
        now=now,
        order_id=order.order_id,
        token=held.token,
        allowed=from_where(to),
        **{name: json.dumps(value) if name == "plan" else value for name, value in fields.items()},
    )
    if touched != 1:
        raise LostClaim(f"order {order.order_id} was continued by somebody else")
    return replace(order, status=to, **{name: fields[name] for name in fields if name in _FIELDS})


def leave(
    tx: Transaction, order: Order, to: OrderStatus, *, held: Claim, now: datetime, **fields: Any
) -> Order:
    """Move a claimed order to where nobody has to work on it, and give it back in the same write. Raises LostClaim.

    One that has not ended stays due where somebody made it due while the claim was held: a wake-up is never overwritten.
    """
    columns = "".join(f", {name} = :{name}" for name in fields)
    ending = "finished_at = :now, next_ring_at = null" if to in TERMINAL else _STAYS_DUE
    touched = tx.execute(
        f"""
        update orders set status = :to, updated_at = :now, claim_token = null, claimed_until = null, last_error = null, attempts = 0,
               {ending}{columns}
         where order_id = :order_id and claim_token = :token and status = any(cast(:allowed as text[]))
        """,
        to=to.value,
        now=now,
        order_id=order.order_id,
        token=held.token,
        allowed=from_where(to),
        **({} if to in TERMINAL else {"seen": held.due_at}),
        **fields,
    )
    if touched != 1:
        raise LostClaim(f"order {order.order_id} was continued by somebody else")
    return replace(order, status=to, **{name: fields[name] for name in fields if name in _FIELDS})


def finish(
    tx: Transaction,
    order_id: UUID,
    to: OrderStatus,
    *,
    now: datetime,
    reason: str | None = None,
    **fields: Any,
) -> bool:
    """Bring an order that nobody needs to hold to its end, by what the venue showed. False where it had ended already."""
    columns = "".join(f", {name} = :{name}" for name in fields)
    touched = tx.execute(
        f"""
        update orders set status = :to, updated_at = :now, finished_at = :now, next_ring_at = null,
               reason = coalesce(cast(:reason as text), reason){columns}
         where order_id = :order_id and finished_at is null and status = any(cast(:allowed as text[]))
        """,
        to=to.value,
        now=now,
        reason=reason,
        order_id=order_id,
        allowed=from_where(to),
        **fields,
    )
    return touched == 1


def of_position(
    tx: Transaction, position_id: UUID, kinds: Sequence[OrderKind], *, unfinished: bool = False
) -> list[Order]:
    """The orders of one position, oldest first."""
    rows = tx.all(
        f"""
        select {_ORDER} from orders
         where position_id = :position_id and kind = any(cast(:kinds as text[])) and (not :unfinished or finished_at is null)
         order by created_at, leg, sequence
        """,
        position_id=position_id,
        kinds=[kind.value for kind in kinds],
        unfinished=unfinished,
    )
    return [order_from(row) for row in rows]


def give_back(
    tx: Transaction, held: Claim, *, next_ring_at: datetime | None, error: str | None
) -> tuple[OrderStatus, str | None] | None:
    """Give an order back, due again at `next_ring_at` unless it has ended. Its status and reason; None: the claim was not ours.

    Where somebody made it due while the claim was held, it stays due then: a wake-up is never overwritten.
    """
    row = tx.one(
        """
        update orders set claim_token = null, claimed_until = null, last_error = cast(:error as text),
               next_ring_at = case
                   when finished_at is not null then null
                   when next_ring_at is distinct from cast(:seen as timestamptz)
                        then least(next_ring_at, cast(:next_ring_at as timestamptz))
                   else cast(:next_ring_at as timestamptz) end,
               attempts = case when cast(:error as text) is null then 0 else attempts end
         where order_id = :order_id and claim_token = :token
        returning status, reason
        """,
        error=error,
        next_ring_at=next_ring_at,
        seen=held.due_at,
        order_id=held.key,
        token=held.token,
    )
    return None if row is None else (OrderStatus(row["status"]), row["reason"])


def forget_protection(tx: Transaction, order: Order) -> None:
    """A stop is gone: unless another one rests, its position is unprotected from now on."""
    tx.execute(
        """
        update positions set protected_at = null, version = version + 1
         where position_id = :position_id and status not in ('CLOSED', 'ABANDONED')
           and not exists (select 1 from orders where position_id = :position_id and kind = 'protect' and leg = :leg
                              and status = 'RESTING' and order_id <> :order_id)
        """,
        position_id=order.position_id,
        leg=order.leg,
        order_id=order.order_id,
    )


def finish_unclaimed(
    tx: Transaction, order_id: UUID, to: OrderStatus, *, known: OrderStatus, now: datetime, reason: str
) -> bool:
    """End an order that nobody is working on, that stands as it was `known`, and of which nothing was sent that may have run.

    False otherwise: what was read of it is stale, or only the venue can tell. A worker whose claim lapsed loses it for good.
    """
    touched = tx.execute(
        """
        update orders o set status = :to, reason = :reason, updated_at = :now, finished_at = :now, next_ring_at = null,
               claim_token = null, claimed_until = null
         where order_id = :order_id and status = :known and finished_at is null and (claimed_until is null or claimed_until <= :now)
           and not exists (select 1 from actions a where a.order_id = o.order_id and a.kind = 'place'
                              and a.status in ('SENT', 'UNKNOWN', 'ACKED'))
        """,
        to=to.value,
        known=known.value,
        reason=reason,
        now=now,
        order_id=order_id,
    )
    return touched == 1


def release_reservation(tx: Transaction, order_id: UUID, *, now: datetime) -> None:
    """Give back what an entry had reserved."""
    tx.execute(
        "update reservations set released_at = :now where order_id = :id and released_at is null",
        now=now,
        id=order_id,
    )
