"""Positions as a person sees them: what they earn at this moment, and whether a stop protects them.

Promises: a profit is shown only at a fresh mark; without one it is unknown, never computed from the entry price. Computes,
reads nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from outcry.cli.render import sentence
from outcry.positions.pnl import realised
from outcry.runtime.database import Row
from outcry.runtime.side import Side

MARK_IS_STALE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class View:
    """One position, as it is shown. `held` counts what was acknowledged and is not yet listed as filled."""

    row: Row
    held: Decimal
    mark: Decimal | None
    mark_is_stale: bool
    pnl_now_usd: Decimal | None
    is_protected: bool
    reason: str

    def document(self) -> dict[str, Any]:
        """The position for JSON."""
        row = self.row
        names = (
            *(
                "position_id",
                "account_id",
                "deployment_id",
                "venue",
                "network",
                "market",
                "side",
                "origin",
                "status",
            ),
            *(
                "is_owned",
                "leverage",
                "entry_price",
                "stop_price",
                "trail_price",
                "peak",
                "liquidation_price",
            ),
            *("targets_hit", "opened_at", "protected_at", "mark_at", "fees_usd", "funding_usd"),
        )
        return {
            **{name: row[name] for name in names},
            "size": self.held,
            "mark": self.mark,
            "mark_is_stale": self.mark_is_stale,
            "pnl_now_usd": self.pnl_now_usd,
            "is_protected": self.is_protected,
            "exit_reason": row["closing_for"] or row["exit_reason"],
            "reason": self.reason,
        }


def view(row: Row, *, now: datetime) -> View:
    """A position's row with what follows from it now."""
    stale = row["mark"] is None or now - row["mark_at"] > MARK_IS_STALE_AFTER
    return View(
        row=row,
        held=max(row["size"] + row["acked_size"], Decimal(0)),
        mark=row["mark"],
        mark_is_stale=stale,
        pnl_now_usd=None if stale else _pnl_now(row),
        is_protected=row["protected_at"] is not None,
        reason=_reason(row),
    )


def _pnl_now(row: Row) -> Decimal | None:
    """What the fills brought and cost, what is left at the mark, less fees, plus funding.

    Fills that do not explain the size (a position found at the venue) say nothing: then it is the size times the way from the
    venue's entry price to the mark, or unknown.
    """
    sign = Side(row["side"]).sign
    if row["net_size"] == row["size"] * sign:
        return realised(row["cash_usd"] + row["net_size"] * row["mark"], row["fees_usd"], row["funding_usd"])
    if row["entry_price"] is None:
        return None
    return realised(
        (row["mark"] - row["entry_price"]) * row["size"] * sign, row["fees_usd"], row["funding_usd"]
    )


def _reason(row: Row) -> str:
    """Why it is being closed; of one that is not, why it was opened."""
    closing = row["closing_for"] or row["exit_reason"]
    if closing is not None:
        return f"closing: {sentence(closing)}"
    if row["evidence"] is not None:
        return f"@{row['username']}: {' '.join(row['evidence'].split())}"
    return (
        "found at the venue, not opened by Outcry" if row["origin"] == "DISCOVERED" else "opened by a person"
    )
