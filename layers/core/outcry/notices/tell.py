"""How every room tells a person something: one row, in the caller's own transaction.

Promises: the notice exists exactly if what it tells about was committed; a second one with the same key does
nothing; it is due at once, so the sweep rings for it. Never sends anything itself and never fails on the text
it is given.
"""

from datetime import datetime

from outcry.notices import store
from outcry.notices.model import Level
from outcry.runtime.database import Transaction

LONGEST_SUBJECT = 200
LONGEST_TEXT = 4000


def tell(
    tx: Transaction,
    *,
    level: Level,
    topic: str,
    subject: str,
    text: str,
    dedupe_key: str,
    now: datetime,
    trace_id: str | None = None,
) -> int | None:
    """Record a notice and return its id, or None where one with `dedupe_key` exists already.

    Put a time bucket into `dedupe_key` (an hour, a day) where a lasting fault should be told again.
    Subject and text are shortened to 200 and 4,000 characters.
    """
    return store.insert(
        tx,
        level=Level(level),
        topic=topic,
        subject=_storable(subject, LONGEST_SUBJECT),
        text=_storable(text, LONGEST_TEXT),
        dedupe_key=_storable(dedupe_key, LONGEST_TEXT),
        now=now,
        trace_id=trace_id,
    )


def _storable(text: str, longest: int) -> str:
    """The text without what Postgres cannot hold (NUL, lone surrogates), cut to `longest` characters."""
    clean = text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
