"""Cancels and modifies open orders.

Promises: only the account's own orders are touched; a modified order gets a new id, as recorded; a tp or sl
of the position stays one when modified. Never fills anything by itself.
"""

from collections.abc import Sequence

from local.hyperliquid import answers
from local.hyperliquid.accounts import Account, Order
from local.hyperliquid.answers import Json
from local.hyperliquid.placement import Status, build, place
from local.hyperliquid.resting import end
from local.hyperliquid.state import Venue


def _cancel_one(venue: Venue, account: Account, order: Order | None, asset: int) -> Status:
    if order is None or order.asset != asset:
        return {"error": f"{answers.MISSING_ORDER} asset={asset}"}
    end(venue, account, order, "canceled")
    return "success"


def cancel(venue: Venue, account: Account, rows: Sequence[Json]) -> list[Status]:
    return [_cancel_one(venue, account, account.open_orders.get(row["o"]), row["a"]) for row in rows]


def cancel_by_cloid(venue: Venue, account: Account, rows: Sequence[Json]) -> list[Status]:
    return [_cancel_one(venue, account, account.open_by_cloid(row["cloid"]), row["asset"]) for row in rows]


def modify(venue: Venue, account: Account, row: Json) -> Status:
    """Replace one open order by another; the answer is the new order's status."""
    key = row["oid"]
    old = account.open_by_cloid(key) if isinstance(key, str) else account.open_orders.get(key)
    if old is None:
        return {"error": answers.CANNOT_MODIFY}
    new = build(venue, account, row["order"])
    new.is_position_tpsl = old.is_position_tpsl and new.trigger is not None
    new.parent = old.parent
    del account.open_orders[old.oid]
    status = place(venue, account, new)
    refused = isinstance(status, dict) and "error" in status
    account.open_orders[old.oid] = old
    if not refused or not venue.config.switches.failed_modify_keeps_old:
        end(venue, account, old, "canceled")
        _adopt(account, old, new)
    return status


def _adopt(account: Account, old: Order, new: Order) -> None:
    """The new order takes its predecessor's place beside its sibling."""
    parent = account.orders.get(old.parent) if old.parent is not None else None
    if parent is not None:
        parent.children = [new.oid if oid == old.oid else oid for oid in parent.children]
