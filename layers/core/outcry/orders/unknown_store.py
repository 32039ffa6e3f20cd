"""SQL of answers that nobody has catalogued: each kind once, with the latest body. Open to orders and monitoring."""

from datetime import datetime

from outcry.runtime.database import Transaction
from outcry.runtime.errors import UnknownAnswer

_MOST_CHARACTERS = 100_000
_MOST_OF_A_NAME = 300


def keep(tx: Transaction, venue: str, network: str, error: UnknownAnswer, *, now: datetime) -> None:
    """Keep the raw body of an answer that was not understood, and count how often it came."""
    tx.execute(
        """
        insert into unknown_answers as u (venue, network, what, raw, first_at, last_at)
        values (:venue, :network, :what, :raw, :now, :now)
        on conflict (venue, network, what) do update
           set raw = excluded.raw, last_at = excluded.last_at, times = u.times + 1
        """,
        venue=venue,
        network=network,
        what=str(error)[:_MOST_OF_A_NAME],
        raw=error.raw.replace("\x00", "")[:_MOST_CHARACTERS],
        now=now,
    )
