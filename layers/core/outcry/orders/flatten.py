"""Flattening a scope: entries are cancelled where they were not sent, and every position that is held is obliged to close.

A flatten stands until it is lifted, and every sweep repeats it: an entry that was in flight when it was ordered is found
and closed by a later one.
"""

from datetime import datetime

from outcry.controls.gate import flatten_scopes
from outcry.orders import flatten_store, store
from outcry.orders.model import OrderStatus
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.positions.model import GONE
from outcry.runtime.database import Transaction
from outcry.runtime.queues import Ring
from outcry.runtime.reasons import Reason


def flatten_standing(tx: Transaction, *, now: datetime) -> list[Ring]:
    """Carry out the flattens that stand: returns the exits to ring."""
    scopes = flatten_scopes(tx)
    if not scopes:
        return []
    rings: list[Ring] = []
    for order_id in flatten_store.unsent_entries(tx, scopes):
        store.finish_unclaimed(
            tx,
            order_id,
            OrderStatus.CANCELLED,
            known=OrderStatus.PLANNED,
            now=now,
            reason=Reason.FLATTEN.value,
        )
    for position_id in flatten_store.held_positions(tx, scopes):
        position = positions_store.load(tx, position_id, lock=True)
        if position is None or position.status in GONE:
            continue
        order_id = plan_exit(tx, position, Reason.FLATTEN, now=now, trace_id=position.trace_id)
        rings.append(Ring(str(order_id), position.trace_id))
    return rings
