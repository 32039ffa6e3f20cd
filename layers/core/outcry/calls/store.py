"""All SQL of the room `calls`: what is read of a post, its verdict, its calls, and the market names that
tickers are judged by.

Promises: a verdict is written only by whoever holds the post's claim; a call exists once per (post, token,
action); bulk
writes are one statement.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from outcry.calls.model import Call, PostToRead
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason


def post_to_read(tx: Transaction, post_id: int) -> PostToRead | None:
    """What this room needs of the post, or None where there is no such post."""
    row = tx.one(
        """
        select post_id, author_id, text, kind, is_paid_partnership, created_at, status, last_error, trace_id
          from posts where post_id = :post_id
        """,
        post_id=post_id,
    )
    return PostToRead(**row) if row else None


def finish_post(
    tx: Transaction,
    post_id: int,
    *,
    token: UUID,
    status: str,
    reason: Reason | None,
    error: str | None,
    classifier: str,
    now: datetime,
) -> bool:
    """Write the verdict and give the post back for good. False: the claim was no longer ours, or the post
    was deleted.
    """
    touched = tx.execute(
        """
        update posts set status = :status, reason = :reason, classifier = :classifier, classified_at = :now,
               last_error = cast(:error as text), claim_token = null, claimed_until = null, next_ring_at =
               null, attempts = 0
         where post_id = :post_id and claim_token = :token and status = 'HEARD'
        """,
        status=status,
        reason=reason.value if reason else None,
        classifier=classifier,
        error=error,
        now=now,
        post_id=post_id,
        token=token,
    )
    return touched == 1


def insert_calls(
    tx: Transaction,
    post: PostToRead,
    calls: Sequence[Call],
    *,
    classifier: str,
    now: datetime,
    next_ring_at: datetime,
) -> list[int]:
    """Store the calls of a post and return the ids of those that did not exist yet."""
    rows = tx.all(
        """
        insert into calls (post_id, author_id, token, token_as_written, side, action, conviction, entry_low,
        entry_high, stop,
                           targets, leverage, evidence, classifier, heard_at, trace_id, next_ring_at)
        select :post_id, :author_id, c.token, c.token_as_written, cast(c.side as side), c.action,
        c.conviction, c.entry_low,
               c.entry_high, c.stop, c.targets, c.leverage, c.evidence, :classifier, :heard_at, :trace_id,
               :next_ring_at
          from jsonb_to_recordset(cast(:calls as jsonb)) as c (
               token text, token_as_written text, side text, action text, conviction numeric, entry_low
               numeric,
               entry_high numeric, stop numeric, targets numeric[], leverage numeric, evidence text)
        on conflict (post_id, token, action) do nothing
        returning call_id
        """,
        post_id=post.post_id,
        author_id=post.author_id,
        classifier=classifier,
        heard_at=now,
        trace_id=post.trace_id,
        next_ring_at=next_ring_at,
        calls=json.dumps([_as_row(call) for call in calls]),
    )
    return [int(row["call_id"]) for row in rows]


def market_names(tx: Transaction) -> list[str]:
    """The names of all markets that any venue lists and still trades."""
    return [
        str(row["market"])
        for row in tx.all("select distinct market from markets where not is_delisted order by market")
    ]


def _as_row(call: Call) -> dict[str, object]:
    return {
        "token": call.token,
        "token_as_written": call.token_as_written,
        "side": call.side.value,
        "action": call.action.value,
        "conviction": str(call.conviction),
        "entry_low": _text(call.entry_low),
        "entry_high": _text(call.entry_high),
        "stop": _text(call.stop),
        "targets": [str(target) for target in call.targets],
        "leverage": _text(call.leverage),
        "evidence": call.evidence,
    }


def _text(level: object | None) -> str | None:
    return None if level is None else str(level)
