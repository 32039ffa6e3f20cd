"""The notices table. Private to this room: others insert through `tell`, and channels read through
`channels`.
"""

from collections.abc import Sequence
from datetime import datetime

from outcry.notices.model import Level, Notice
from outcry.runtime.database import Row, Transaction
from outcry.runtime.leases import Claim


def insert(
    tx: Transaction,
    *,
    level: Level,
    topic: str,
    subject: str,
    text: str,
    dedupe_key: str,
    now: datetime,
    trace_id: str | None,
) -> int | None:
    """Insert a notice that is due at once; None where its key was told before."""
    row = tx.one(
        """
        insert into notices (level, topic, subject, text, dedupe_key, created_at, trace_id, next_ring_at)
        values (:level, :topic, :subject, :text, :dedupe_key, :now, cast(:trace_id as text), :now)
        on conflict (dedupe_key) do nothing
        returning notice_id
        """,
        level=level.value,
        topic=topic,
        subject=subject,
        text=text,
        dedupe_key=dedupe_key,
        now=now,
        trace_id=trace_id,
    )
    return None if row is None else int(row["notice_id"])


def untold(tx: Transaction, notice_ids: Sequence[int]) -> list[Notice]:
    """Those of the notices that nobody has been told yet, oldest first."""
    rows = tx.all(
        """
        select notice_id, level, topic, subject, text, created_at, trace_id from notices
         where notice_id = any(cast(:ids as bigint[])) and told_at is null
         order by notice_id
        """,
        ids=list(notice_ids),
    )
    return [_notice(row) for row in rows]


def mark_told(tx: Transaction, held: Claim, *, now: datetime) -> bool:
    """Record that every channel took the notice; False where the claim was no longer ours."""
    touched = tx.execute(
        """
        update notices set told_at = :now
         where notice_id = :id and claim_token = :token and told_at is null
        """,
        now=now,
        id=held.key,
        token=held.token,
    )
    return touched == 1


def _notice(row: Row) -> Notice:
    return Notice(
        notice_id=int(row["notice_id"]),
        level=Level(row["level"]),
        topic=row["topic"],
        subject=row["subject"],
        text=row["text"],
        created_at=row["created_at"],
        trace_id=row["trace_id"],
    )
