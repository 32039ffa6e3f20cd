"""The statements of this room: calls and evidence in, signals out.

Promises: an agent has at most one signal per call, whoever writes first (the unique key, F-2); signals of
many agents are written in one statement; a call is DECIDED only by whoever holds its claim.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from outcry.runtime.database import Transaction
from outcry.runtime.leases import Claim
from outcry.runtime.side import Side
from outcry.signals.model import Call
from outcry.signals.record import Signal
from outcry.signals.route import Listed
from outcry.signals.score import Heard


def load_call(tx: Transaction, call_id: int) -> Call | None:
    """The call, with the time at which it was spoken."""
    row = tx.one(
        """
        select c.call_id, c.post_id, c.author_id, c.token, c.side, c.action, c.conviction,
               c.entry_low, c.entry_high, c.stop, c.targets, c.leverage, c.heard_at, c.status, c.trace_id,
               least(p.created_at, c.heard_at) as spoken_at
          from calls c join posts p using (post_id) where c.call_id = :call_id
        """,
        call_id=call_id,
    )
    if row is None:
        return None
    return Call(
        call_id=row["call_id"],
        post_id=row["post_id"],
        author_id=row["author_id"],
        token=row["token"],
        side=Side(row["side"]),
        is_close=row["action"] == "CLOSE",
        conviction=row["conviction"],
        entry_low=row["entry_low"],
        entry_high=row["entry_high"],
        stop=row["stop"],
        targets=tuple(row["targets"]),
        leverage=row["leverage"],
        spoken_at=row["spoken_at"],
        heard_at=row["heard_at"],
        is_decided=row["status"] == "DECIDED",
        trace_id=row["trace_id"],
    )


def heard_about(tx: Transaction, token: str, *, since: datetime, until: datetime) -> list[Heard]:
    """Every call about the token that was spoken in that time, by anybody."""
    rows = tx.all(
        """
        select c.call_id, c.post_id, c.author_id, c.side, c.action, c.conviction,
               least(p.created_at, c.heard_at) as spoken_at
          from calls c join posts p using (post_id)
         where c.token = :token and c.heard_at >= :since
           and least(p.created_at, c.heard_at) between :since and :until
        """,
        token=token,
        since=since,
        until=until,
    )
    return [
        Heard(
            call_id=row["call_id"],
            post_id=row["post_id"],
            author_id=row["author_id"],
            side=Side(row["side"]),
            is_close=row["action"] == "CLOSE",
            conviction=row["conviction"],
            spoken_at=row["spoken_at"],
        )
        for row in rows
    ]


def listed(tx: Transaction, names: Sequence[str]) -> list[Listed]:
    """The markets of these names on every venue and network."""
    rows = tx.all(
        """
        select venue, network, market, max_leverage, is_delisted from markets
         where market = any(cast(:names as text[])) order by venue, network, market
        """,
        names=list(names),
    )
    return [Listed(**row) for row in rows]


def fresh_marks(
    tx: Transaction, names: Sequence[str], *, now: datetime, at_most: timedelta
) -> dict[tuple[str, str, str], Decimal]:
    """The marks of these markets, by (venue, network, market), that are at most so old."""
    rows = tx.all(
        """
        select venue, network, market, mark from marks
         where market = any(cast(:names as text[])) and read_at >= :oldest
        """,
        names=list(names),
        oldest=now - at_most,
    )
    return {(row["venue"], row["network"], row["market"]): row["mark"] for row in rows}


def signals_of(tx: Transaction, call_id: int) -> dict[str, tuple[int, str]]:
    """Which agents have decided about the call: id and status of each one's signal."""
    rows = tx.all("select agent_id, signal_id, status from signals where call_id = :call_id", call_id=call_id)
    return {row["agent_id"]: (row["signal_id"], row["status"]) for row in rows}


def put_signals(tx: Transaction, call: Call, signals: Sequence[Signal], *, now: datetime) -> dict[str, int]:
    """Write the agents' signals about one call; returns the ids, by agent, of those that are new."""
    rows = [
        {
            "agent_id": signal.agent_id,
            "post_ids": list(signal.post_ids),
            "venue": signal.venue,
            "market": signal.market,
            "status": signal.status,
            "reason": signal.reason,
            "detail": signal.detail,
            "score": _text(signal.score),
            "breakdown": signal.breakdown,
            "stop_price": _text(signal.stop_price),
            "not_after": None if signal.not_after is None else signal.not_after.isoformat(),
        }
        for signal in signals
    ]
    written = tx.all(
        """
        insert into signals (agent_id, call_id, post_ids, token, venue, market, side, action, status, reason,
                             detail, score, breakdown, stop_price, not_after, decided_at, trace_id)
        select agent_id, :call_id, post_ids, :token, venue, market, cast(:side as side), :action, status, reason,
               detail, score, breakdown, stop_price, not_after, :now, :trace_id
          from jsonb_to_recordset(cast(:rows as jsonb))
            as r(agent_id text, post_ids bigint[], venue text, market text, status text, reason text,
                 detail text, score numeric, breakdown jsonb, stop_price numeric, not_after timestamptz)
        on conflict (agent_id, call_id) do nothing
        returning agent_id, signal_id
        """,
        rows=json.dumps(rows),
        call_id=call.call_id,
        token=call.token,
        side=call.side.value,
        action="CLOSE" if call.is_close else "OPEN",
        now=now,
        trace_id=call.trace_id,
    )
    return {row["agent_id"]: row["signal_id"] for row in written}


def put_decided(tx: Transaction, held: Claim) -> bool:
    """Mark the call DECIDED. False: the claim was no longer ours."""
    return (
        tx.execute(
            "update calls set status = 'DECIDED' where call_id = :call_id and claim_token = :token",
            call_id=held.key,
            token=held.token,
        )
        == 1
    )


def beat(tx: Transaction, stage: str, *, now: datetime, detail: Mapping[str, Any]) -> None:
    """Say that the stage is alive."""
    tx.execute(
        """
        insert into heartbeats (stage, beat_at, detail) values (:stage, :now, cast(:detail as jsonb))
        on conflict (stage) do update set
               beat_at = greatest(heartbeats.beat_at, excluded.beat_at), detail = excluded.detail
        """,
        stage=stage,
        now=now,
        detail=json.dumps(detail),
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
