"""The one JSON object of a run, and the counts of its summary. Pure.

Prices, sizes and money are strings, as they are decimals. An average price has at most eight significant
figures; nothing else is rounded. A check that is a count or a size is a number, so that it can be compared
with zero.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from local.audit.model import Checks
from local.demo.remarks import Reach
from local.demo.store import Story
from local.demo.story import plain, price
from outcry.runtime.database import Row


def as_object(story: Story, checks: Checks, reach: Reach, elapsed_s: float) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "posts": [_post(row) for row in story.posts],
        "calls": [_call(row) for row in story.calls],
        "signals": [_signal(row) for row in story.signals],
        "orders": [_order(row) for row in story.orders],
        "fills": [_fill(row) for row in story.fills],
        "positions": [_position(row) for row in story.positions],
        "checks": {
            "venue_fills_without_order": checks.venue_fills_without_order,
            "orders_with_more_than_one_fill_set": checks.orders_with_more_than_one_fill_set,
            "seconds_owned_without_venue_stop_max": checks.seconds_owned_without_venue_stop_max,
            "ledger_vs_venue_position_mismatch": _number(checks.ledger_vs_venue_position_mismatch),
            "pnl_vs_venue_difference_usd": str(checks.pnl_vs_venue_difference_usd),
            "invariant_violations": len(checks.violations),
        },
        "reached": {
            "until": reach.until.isoformat(),
            "of": reach.of.isoformat(),
            "posts_not_reached": reach.posts_not_reached,
        },
        "elapsed_s": round(elapsed_s, 1),
    }


def _post(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["post_id"]),
        "author_username": row["username"],
        "created_at": row["created_at"].isoformat(),
        **_fields(row, "status", "reason"),
    }


def _call(row: Row) -> dict[str, Any]:
    return {
        "post_id": str(row["post_id"]),
        **_fields(row, "token", "side", "action"),
        "conviction": float(row["conviction"]),
    }


def _signal(row: Row) -> dict[str, Any]:
    return {
        "post_ids": [str(post_id) for post_id in row["post_ids"]],
        "agent": row["agent_id"],
        "market": row["market"] or row["token"],
        **_fields(row, "side", "status", "reason"),
    }


def _order(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["order_id"]),
        "deployment": row["deployment_id"],
        **_fields(row, "kind", "market", "side", "leg", "status", "reason"),
    }


def _fill(row: Row) -> dict[str, Any]:
    return {
        "id": row["fill_id"],
        "order": None if row["order_id"] is None else str(row["order_id"]),
        "deployment": row["deployment_id"],
        "venue": row["venue"],
        "market": row["market"],
        "side": "BUY" if row["is_buy"] else "SELL",
        "price": plain(row["price"]),
        "size": plain(row["size"]),
        "fee_usd": str(row["fee_usd"]),
        "at": row["filled_at"].isoformat(),
    }


def _position(row: Row) -> dict[str, Any]:
    return {
        "deployment": row["deployment_id"],
        **_fields(row, "market", "side", "status", "exit_reason"),
        **{name: _text(row[name], price) for name in ("entry_price", "exit_price")},
        "realised_pnl_usd": _text(row["realised_pnl_usd"], plain),
    }


def _fields(row: Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _text(number: Decimal | None, write: Callable[[Decimal], str]) -> str | None:
    return None if number is None else write(number)


def _number(size: Decimal) -> int | float:
    return int(size) if size == size.to_integral_value() else float(size)


def skip_reasons(story: Story) -> list[str]:
    """The different reasons for which something was not done."""
    rows: Iterable[Row] = [*story.signals, *(row for row in story.orders if row["status"] == "SKIPPED")]
    return sorted({str(row["reason"]) for row in rows if row["status"] == "SKIPPED"})


def exit_reasons(story: Story) -> dict[str, int]:
    """How many positions were closed, by why."""
    found: dict[str, int] = {}
    for row in story.positions:
        if row["status"] == "CLOSED":
            found[str(row["exit_reason"])] = found.get(str(row["exit_reason"]), 0) + 1
    return found
