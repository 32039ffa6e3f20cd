"""What becomes of an account's positions when nobody can sign for it, and when somebody can again.

Promises: suspending changes a label and stops nothing: exits and protections go on being tried, stops that rest at the venue stay.
Resuming takes up by itself what waited, exits first; it opens nothing.
"""

from datetime import datetime

from outcry.orders import recovery_store
from outcry.positions import store as positions_store
from outcry.runtime.database import Transaction
from outcry.runtime.queues import Ring


def suspend(tx: Transaction, account_id: str, *, now: datetime) -> int:
    """Call every position that the account holds UNMANAGED; returns how many were not yet."""
    return positions_store.mark_account_unmanaged(tx, account_id, now=now)


def resume(tx: Transaction, account_id: str, *, now: datetime) -> list[Ring]:
    """Manage the account's positions again, and make due what waits of its exits and protections. Returns what to ring, exits first."""
    positions_store.manage_again(tx, account_id, now=now)
    return [
        Ring(str(row["order_id"]), row["trace_id"]) for row in recovery_store.hasten(tx, account_id, now=now)
    ]


def resting_in_words(tx: Transaction, account_id: str) -> str:
    """What rests at the venue for the account as far as the ledger knows, in words."""
    rows = recovery_store.resting(tx, account_id)
    if not rows:
        return "As far as the ledger knows nothing of ours rests at the venue."
    each = ", ".join(
        f"{row['market']} {row['leg']} {row['trigger_price']:f} ({row['size']:f})" for row in rows
    )
    return f"As far as the ledger knows there rest at the venue: {each}."


def in_flight(tx: Transaction, signer_id: str) -> int:
    """How many requests that this signer signed, or was to sign, have no known end yet."""
    return recovery_store.in_flight(tx, signer_id)
