"""SQL of actions: the signed requests of orders. Private to this room.

Promises: nonce, expiry and payload are stored before anything is signed; each change of a status says which status it came
from, and whose claim it is made under, so that a worker that lost its claim writes nothing.
"""

import json
from dataclasses import fields as fields_of
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from outcry.orders.lifecycle import action_may_become
from outcry.orders.model import Action, ActionKind, ActionStatus, Order, OrderStatus
from outcry.orders.store import LostClaim, from_where
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Row, Transaction
from outcry.runtime.leases import Claim

ACTION_COLUMNS = """
    action_id, order_id, attempt, kind, status, signer_id, signer_address, nonce, expires_at, payload, cloid, signed, answer,
    refusal, venue_order_id, acked_size, acked_price, sends, prepared_at
"""

# The order's row stays locked with its claim as it is, so that nobody takes the order over between this check and the commit.
UNDER_CLAIM = """
    with mine as (select order_id as held_order from orders where order_id = :order_id and claim_token = :token for no key update)
"""
_WORKING_UNDER_CLAIM = """
    with mine as (update orders set status = :working, updated_at = :now
                   where order_id = :order_id and claim_token = :token and status = any(cast(:allowed as text[]))
                  returning order_id as held_order)
"""
_FIELDS = frozenset(each.name for each in fields_of(Action))
_WORKING = OrderStatus.WORKING.value
_UNSENT: dict[str, Any] = {
    "signed": None,
    "answer": None,
    "refusal": None,
    "venue_order_id": None,
    "acked_size": None,
    "acked_price": None,
    "sends": 0,
}


def action_from(row: Row) -> Action:
    """An action from its row."""
    return Action(**{**row, "kind": ActionKind(row["kind"]), "status": ActionStatus(row["status"])})


def actions(tx: Transaction, order_id: UUID) -> list[Action]:
    """The order's requests, oldest first."""
    rows = tx.all(
        f"select {ACTION_COLUMNS} from actions where order_id = :order_id order by prepared_at, attempt",
        order_id=order_id,
    )
    return [action_from(row) for row in rows]


def action(tx: Transaction, order_id: UUID, attempt: int, kind: ActionKind) -> Action | None:
    """The request of one attempt, or None."""
    row = tx.one(
        f"select {ACTION_COLUMNS} from actions where order_id = :order_id and attempt = :attempt and kind = :kind",
        order_id=order_id,
        attempt=attempt,
        kind=kind.value,
    )
    return None if row is None else action_from(row)


def prepare(
    tx: Transaction,
    order: Order,
    *,
    held: Claim,
    attempt: int,
    kind: ActionKind,
    signer_id: str | None,
    signer_address: str,
    nonce: int,
    expires_at: datetime | None,
    payload: str,
    cloid: str | None,
    now: datetime,
    is_at_work: bool = False,
) -> Action:
    """Commit nonce, expiry and payload, before anything is signed; `is_at_work`: and that the order is WORKING from now on.

    Raises LostClaim where the claim is gone.
    """
    fields: dict[str, Any] = {
        "order_id": order.order_id,
        "attempt": attempt,
        "kind": kind,
        "signer_id": signer_id,
        "signer_address": signer_address,
        "nonce": nonce,
        "expires_at": expires_at,
        "payload": payload,
        "cloid": cloid,
    }
    row = tx.one(
        f"""
        {_WORKING_UNDER_CLAIM if is_at_work else UNDER_CLAIM}
        insert into actions (order_id, attempt, kind, status, signer_id, signer_address, nonce, expires_at, payload, cloid, prepared_at)
        select held_order, :attempt, :kind, 'PREPARED', :signer_id, :signer_address, :nonce, :expires_at, :payload, :cloid, :now
          from mine
        returning action_id
        """,
        **fields | {"kind": kind.value},
        **({"working": _WORKING, "allowed": from_where(OrderStatus.WORKING)} if is_at_work else {}),
        now=now,
        token=held.token,
    )
    if row is None:
        raise LostClaim(f"order {order.order_id} was continued by somebody else")
    return Action(
        action_id=row["action_id"], status=ActionStatus.PREPARED, prepared_at=now, **fields, **_UNSENT
    )


def next_paper_nonce(tx: Transaction, address: str, *, now: datetime) -> int:
    """A nonce that this paper account never used; the account's row stays locked until the transaction ends."""
    tx.all(
        "select 1 as locked from accounts where venue = 'paper' and address = :address for no key update",
        address=address,
    )
    row = tx.one(
        "select greatest(coalesce(max(nonce), 0) + 1, :now_ms) as nonce from actions where signer_address = :address",
        address=address,
        now_ms=to_milliseconds(now),
    )
    assert row is not None
    return int(row["nonce"])


def move_action(tx: Transaction, known: Action, to: ActionStatus, *, held: Claim, **fields: Any) -> Action:
    """Move an action from the status we know it in, and return it as it stands then, without reading it again.

    Raises LostClaim where it, or the order's claim, is no longer ours.
    """
    if not action_may_become(known.status, to):
        raise AssertionError(f"an action cannot go from {known.status} to {to}")
    columns = "".join(
        f", {name} = cast(:{name} as jsonb)" if name == "answer" else f", {name} = :{name}" for name in fields
    )
    touched = tx.execute(
        f"""
        {UNDER_CLAIM}
        update actions set status = :to{columns}
          from mine where action_id = :action_id and status = :known and actions.order_id = mine.held_order
        """,
        to=to.value,
        order_id=known.order_id,
        action_id=known.action_id,
        known=known.status.value,
        token=held.token,
        **fields,
    )
    if touched != 1:
        raise LostClaim(f"action {known.action_id} was continued by somebody else")
    kept = {name: value for name, value in fields.items() if name in _FIELDS}
    if "answer" in kept:
        kept["answer"] = json.loads(kept["answer"])
    return replace(known, status=to, **kept)


def count_send(tx: Transaction, known: Action, *, now: datetime) -> None:
    """Note that the stored bytes are sent once more."""
    tx.execute(
        "update actions set sends = sends + 1, sent_at = :now where action_id = :id",
        id=known.action_id,
        now=now,
    )


def may_have_run(tx: Transaction, order: Order) -> bool:
    """Whether a request of the order was sent, or rests, or may have been: then only the venue can tell how it ended."""
    row = tx.one(
        """
        select exists (select 1 from actions where order_id = :order_id and kind = 'place'
                          and status in ('SENT', 'UNKNOWN', 'ACKED')) as found
        """,
        order_id=order.order_id,
    )
    return bool(row and row["found"])
