"""No entry is prepared after a pause of its scope, and none is sent after a halt. Pure.

By the times of the rows. Whoever prepares an entry reads its clock before it asks for the controls, so that a control counts
from `race_ms` after its own time; what was prepared before a halt may still go out in that same go. A canary goes ahead of a
pause and of nothing else.
"""

from collections.abc import Iterator

from local.audit.invariants.words import when, where
from local.audit.model import LedgerControl, LedgerOrder, LedgerRequest
from local.audit.verdict import Facts, Invariant, Judgement


def pauses(facts: Facts) -> Judgement:
    """Judged on every pair of an entry's request and a control over it, whichever came first."""
    arrived = {
        (str(event.fields["signer"]), int(event.fields["nonce"])): event.time_ms
        for event in facts.events
        if event.kind == "request"
    }
    orders = {order.order_id: order for order in facts.ledger.orders if order.kind == "enter"}
    looked_at = 0
    violations: list[str] = []
    for request in facts.ledger.requests:
        order = orders.get(request.order_id)
        if order is None or not request.is_placement:
            continue
        for control in _over(facts, order):
            looked_at += 1
            violations += _judge(facts, order, request, control, arrived.get((request.signer, request.nonce)))
    return Judgement(Invariant.PAUSES, looked_at, tuple(violations))


def _over(facts: Facts, order: LedgerOrder) -> list[LedgerControl]:
    """The controls whose scope the entry lies in."""
    agent_id, account_id, _ = facts.ledger.desk.deployments[order.deployment_id]
    scopes = {"desk", f"account:{account_id}", f"deployment:{order.deployment_id}", f"agent:{agent_id}"}
    return [control for control in facts.ledger.controls if control.scope in scopes]


def _judge(
    facts: Facts, order: LedgerOrder, request: LedgerRequest, control: LedgerControl, arrived_ms: int | None
) -> Iterator[str]:
    name = f"entry {order.order_id} in {where(order.place)}"
    said = f"{control.mode} of {control.scope} at {when(control.set_ms)}"
    went_out = arrived_ms is not None or request.sent_ms is not None
    if order.is_canary and control.mode == "pause":
        return
    if went_out and _stands(facts, control, request.prepared_ms):
        yield f"{name} was prepared at {when(request.prepared_ms)} and went out, after the {said}"
    elif (
        control.mode == "halt"
        and request.sent_ms is not None
        and request.sent_ms > request.prepared_ms + facts.bounds.sending_ms
        and _stands(facts, control, request.sent_ms)
    ):
        yield f"{name} was sent at {when(request.sent_ms)}, after the {said}"


def _stands(facts: Facts, control: LedgerControl, at_ms: int) -> bool:
    """Whether the control certainly stood at that time."""
    slack_ms = facts.bounds.race_ms + facts.bounds.skew_ms
    ends_ms = control.lifted_ms
    return at_ms > control.set_ms + slack_ms and (ends_ms is None or at_ms < ends_ms - slack_ms)
