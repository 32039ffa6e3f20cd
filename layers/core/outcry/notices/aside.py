"""Sets a row aside whose message failed for good, and pages a person about it: a redrive clears it."""

from datetime import datetime

from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime.database import Transaction
from outcry.runtime.leases import Claimable, quarantine


def set_aside(
    tx: Transaction, what: Claimable, key: int, error: Exception, *, now: datetime, trace_id: str
) -> bool:
    """Quarantine the row and page, in the caller's transaction. False: it was set aside before, and nobody is told again."""
    if not quarantine(tx, what, key, now=now, error=f"{type(error).__name__}: {error}"):
        return False
    tell(
        tx,
        level=Level.PAGE,
        topic="quarantine",
        subject=f"A row of {what.table} was set aside",
        text=f"{what.table} {key} failed on its last delivery: {type(error).__name__}. Redrive it after a look.",
        dedupe_key=f"quarantine:{what.table}:{key}:{now:%Y-%m-%dT%H:%M}",
        now=now,
        trace_id=trace_id or None,
    )
    return True
