"""SQL of requests in doubt: what was learned of them so far, and what the book knows of their place. Private to this room."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.orders.actions_store import ACTION_COLUMNS, UNDER_CLAIM, action_from
from outcry.orders.doubt import Doubt, sizes_after
from outcry.orders.model import Action
from outcry.orders.store import LostClaim
from outcry.runtime.database import Transaction
from outcry.runtime.leases import Claim

_OVERLAP = timedelta(
    seconds=120
)  # fills that are listed later than this after the cursor's time are not expected


def note(tx: Transaction, action: Action, doubt: Doubt, *, held: Claim, raw: str | None = None) -> Action:
    """Keep what is known of an action that stays UNKNOWN, and what the venue said first, where it said something.

    Raises LostClaim where it, or the order's claim, is no longer ours.
    """
    row = tx.one(
        f"""
        {UNDER_CLAIM}
        update actions set answer = coalesce(answer, '{{}}') || cast(:doubt as jsonb),
               raw_answer = coalesce(raw_answer, cast(:raw as text))
          from mine where action_id = :action_id and status = 'UNKNOWN' and actions.order_id = mine.held_order
        returning {ACTION_COLUMNS}
        """,
        order_id=action.order_id,
        doubt=json.dumps(doubt.to_json()),
        raw=raw,
        action_id=action.action_id,
        token=held.token,
    )
    if row is None:
        raise LostClaim(f"action {action.action_id} was continued by somebody else")
    return action_from(row)


def feed_from(tx: Transaction, account_id: str) -> datetime:
    """From when on to list an account's fills so that, with those that are stored, not one is left out."""
    row = tx.one(
        "select coalesce(fills_read_to, created_at) as at from accounts where account_id = :account_id",
        account_id=account_id,
    )
    assert row is not None, "an order names an account that exists"
    at: datetime = row["at"]
    return at - _OVERLAP


def sizes_last_stored(tx: Transaction, account_id: str, market: str) -> set[Decimal]:
    """The signed size of a place after the latest of its stored fills, whoever made it; zero where there is none."""
    rows = tx.all(
        """
        select filled_at, size_before, is_buy, size from fills
         where account_id = :account_id and market = :market and size_before is not null
           and filled_at = (select max(filled_at) from fills where account_id = :account_id and market = :market)
        """,
        account_id=account_id,
        market=market,
    )
    after = sizes_after((row["filled_at"], row["size_before"], row["is_buy"], row["size"]) for row in rows)
    return after or {Decimal(0)}
