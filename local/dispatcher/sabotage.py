"""Breaks our own code on purpose, inside an execution environment, to show that the audit notices.

Promises: never part of the product. It replaces functions in a running process of a local run and touches no
file, and what it breaks stays broken for the whole run:
- `stop`: stops over positions are planned and never placed.
- `dedupe`: each entry is sent twice, the second time signed anew, as if nothing remembered the first.
- `fill`: one fill of a live account is booked twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

KINDS = ("stop", "dedupe", "fill")
_FUNCTIONS = ("execute_orders", "monitor_hyperliquid")
_AGAIN = "-again"


def apply(kind: str, function: str) -> None:
    """Break `kind` in this process, if `function` has that part."""
    if function in _FUNCTIONS:
        {"stop": _leave_out_stops, "dedupe": _send_entries_twice, "fill": _book_a_fill_twice}[kind]()


def _leave_out_stops() -> None:
    from outcry.orders import protect
    from outcry.orders.model import STOP_LEG
    from outcry.orders.progress import Next, done

    proper: Callable[[Any, Any], Next] = protect.ProtectStep.__call__

    def broken(step: Any, held: Any) -> Next:
        return done() if held.order.leg == STOP_LEG else proper(step, held)

    _put(protect.ProtectStep, "__call__", broken)


def _send_entries_twice() -> None:
    from outcry.orders import carry
    from outcry.orders.model import ActionKind, OrderKind

    proper: Callable[..., Any] = carry.Carrier._send

    def broken(carrier: Any, held: Any, venue: Any, signer: Any, action: Any, *rest: Any) -> Any:
        is_entry = held.order.kind is OrderKind.ENTER and action.kind is ActionKind.PLACE
        known = proper(carrier, held, venue, signer, action, *rest)
        if is_entry and venue.name != "paper":
            desk = carrier._desk
            with desk.database.transaction() as tx:
                nonce = desk.signers.next_nonce(tx, signer, now=desk.clock.now())
            signed = venue.sign(action.payload, nonce=nonce, expires_at=action.expires_at, signer=signer.key)
            venue.send(signed, address=held.account.address)
        return known

    _put(carry.Carrier, "_send", broken)


def _book_a_fill_twice() -> None:
    from outcry.orders import fills_store

    proper: Callable[..., Any] = fills_store.insert_new

    def broken(tx: Any, account_id: str, venue: str, network: str, fills: Sequence[Any], **rest: Any) -> Any:
        done = tx.all("select 1 from fills where fill_id like '%' || :again limit 1", again=_AGAIN)
        if fills and not done and venue != "paper":
            fills = [*fills, replace(fills[0], fill_id=f"{fills[0].fill_id}{_AGAIN}")]
        return proper(tx, account_id, venue, network, fills, **rest)

    _put(fills_store, "insert_new", broken)


def _put(owner: Any, name: str, broken: Callable[..., Any]) -> None:
    if not hasattr(owner, name):
        raise AssertionError(f"{owner} has no {name} to break any more")
    setattr(owner, name, broken)
