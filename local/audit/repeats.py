"""Whether doing something again changed a fact: a redrive adds no fill, and to reconcile twice is to do it once. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.audit.model import Ledger

Facts = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Dump:
    """The facts of a ledger at one moment, each under the name of its row; what a sweep may move is left out."""

    fills: Facts
    funding: Facts
    positions: Facts
    orders: Facts


def dump(ledger: Ledger) -> Dump:
    """The facts that nothing may change which only does again what was done."""
    return Dump(
        fills={
            f"fill {fill.fill_id} of {fill.place[0]}": (
                fill.place,
                fill.signed_size,
                fill.price,
                fill.fee_usd,
                fill.time_ms,
                fill.position_id,
                fill.order_id,
                fill.is_quarantined,
            )
            for fill in ledger.fills
        },
        funding={
            f"funding of {payment.place} at {payment.paid_ms}": (payment.amount_usd, payment.position_id)
            for payment in ledger.funding
        },
        positions={
            f"position {position.position_id}": (
                position.status,
                position.signed_size,
                position.realised_pnl_usd,
                position.fees_usd,
                position.funding_usd,
                position.closed_ms,
            )
            for position in ledger.positions
        },
        orders={
            f"order {order.order_id}": (order.kind, order.status, order.filled_size, order.finished_ms)
            for order in ledger.orders
        },
    )


def new_fills(before: Dump, after: Dump) -> list[str]:
    """The fills that came in between, were lost, or changed: of a redrive, none may."""
    return list(_differences(before.fills, after.fills))


def differences(before: Dump, after: Dump) -> list[str]:
    """Everything that changed: of a second reconcile of the same venue, nothing may."""
    return [
        what
        for first, second in (
            (before.fills, after.fills),
            (before.funding, after.funding),
            (before.positions, after.positions),
            (before.orders, after.orders),
        )
        for what in _differences(first, second)
    ]


def _differences(before: Facts, after: Facts) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{name} is gone"
        elif name not in before:
            yield f"{name} is new"
        elif before[name] != after[name]:
            yield f"{name} was {_said(before[name])} and is {_said(after[name])}"


def _said(facts: tuple[object, ...]) -> str:
    return "(" + ", ".join(str(fact) for fact in facts) + ")"
