"""What the console asks the database."""

from datetime import datetime

from outcry.runtime.database import Transaction


def last_beats(tx: Transaction) -> dict[str, datetime]:
    """When each stage ran last."""
    return {row["stage"]: row["beat_at"] for row in tx.all("select stage, beat_at from heartbeats")}


def is_anything_set_aside(tx: Transaction) -> bool:
    """Whether some row waits for a person. A fill that is not ours does not: nobody redrives it."""
    row = tx.one(
        """
        select exists (select 1 from posts where quarantined_at is not null)
            or exists (select 1 from calls where quarantined_at is not null)
            or exists (select 1 from orders where quarantined_at is not null)
            or exists (select 1 from notices where quarantined_at is not null) as found
        """
    )
    return bool(row and row["found"])
