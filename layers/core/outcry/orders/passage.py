"""What one invocation did to an order, as a log line and as counts: from the status it was claimed in to the one it was left in.

Promises: said after the order was given back, so after everything was committed; an order that stayed as it was says nothing.
Never reads or writes the ledger, and never fails on what it is given.
"""

from outcry.orders.model import Order, OrderKind, OrderStatus
from outcry.runtime import metrics
from outcry.runtime.observability import logger
from outcry.runtime.reason_groups import group_of

_EXECUTED = frozenset({OrderStatus.FILLED, OrderStatus.PARTIAL_DONE, OrderStatus.TRIGGERED})
_REFUSED = frozenset({OrderStatus.SKIPPED, OrderStatus.REJECTED})
_NEVER_APPROVED = frozenset({OrderStatus.PLANNED, OrderStatus.SKIPPED, OrderStatus.CANCELLED})


def note(order: Order, left: OrderStatus, reason: str | None) -> None:
    """Tell where the order was left. `order` is as it was when it was claimed."""
    if left is order.status:
        return
    logger.info(
        "An order was advanced",
        extra={
            "order_id": str(order.order_id),
            "kind": order.kind.value,
            "leg": order.leg,
            "was": order.status.value,
            "status": left.value,
            "reason": reason,
            "trace_id": order.trace_id,
        },
    )
    if left is OrderStatus.UNKNOWN:
        metrics.ORDERS_UNKNOWN.record()
    if left in _EXECUTED:
        metrics.ORDERS_FILLED.record()
    if order.kind is OrderKind.ENTER:
        _count_entry(order.status, left, reason)


def _count_entry(was: OrderStatus, left: OrderStatus, reason: str | None) -> None:
    if was is OrderStatus.PLANNED and left not in _NEVER_APPROVED:
        metrics.ORDERS_APPROVED.record()
    if left in _REFUSED:
        metrics.ORDERS_REFUSED.record()
        if (group := group_of(reason)) is not None:
            metrics.REFUSALS.record(1, group)
