"""No entry is sent or carried out after the time up to which it was good. Pure.

`not_after` bounds when it is sent; the request's own expiry, which is never later, bounds when the venue carries it out. What
arrives too late may arrive: it must not fill.
"""

from collections.abc import Iterator

from local.audit.invariants.words import when, where
from local.audit.model import LedgerOrder, LedgerRequest
from local.audit.verdict import Facts, Invariant, Judgement


def lateness(facts: Facts) -> Judgement:
    """Judged on every request of an entry that was sent."""
    orders = {order.order_id: order for order in facts.ledger.orders if order.kind == "enter"}
    filled: dict[str, list[int]] = {}
    for event in facts.events:
        if event.kind == "fill" and event.fields.get("cloid"):
            filled.setdefault(str(event.fields["cloid"]).lower(), []).append(event.time_ms)
    looked_at = 0
    violations: list[str] = []
    for request in facts.ledger.requests:
        order = orders.get(request.order_id)
        if order is not None and request.is_placement and request.sent_ms is not None:
            looked_at += 1
            violations += _judge(facts, order, request, filled.get(request.cloid or "", []))
    return Judgement(Invariant.LATENESS, looked_at, tuple(violations))


def _judge(facts: Facts, order: LedgerOrder, request: LedgerRequest, filled: list[int]) -> Iterator[str]:
    name = f"entry {order.order_id} in {where(order.place)} (attempt's action {request.action_id})"
    skew_ms, good_ms, expires_ms = facts.bounds.skew_ms, order.not_after_ms, request.expires_ms
    if good_ms is not None:
        if request.sent_ms is not None and request.sent_ms > good_ms + skew_ms:
            yield f"{name} was sent at {when(request.sent_ms)}, it was good until {when(good_ms)}"
        if expires_ms is None or expires_ms > good_ms:
            until = "never" if expires_ms is None else f"at {when(expires_ms)}"
            yield f"{name} expires {until}, it was good until {when(good_ms)}"
    bound_ms = expires_ms if expires_ms is not None else good_ms
    for at_ms in filled:
        if bound_ms is not None and at_ms > bound_ms + skew_ms:
            yield f"{name} was filled at {when(at_ms)}, it had expired at {when(bound_ms)}"
