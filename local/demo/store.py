"""Reads what a run did, out of the ledger's tables: for the show, for the summary, for the JSON object.
Never writes.
"""

from dataclasses import dataclass
from datetime import datetime

from outcry.runtime.database import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that happened so far, oldest first."""

    at: datetime
    posts: list[Row]
    calls: list[Row]
    signals: list[Row]
    orders: list[Row]
    fills: list[Row]
    positions: list[Row]
    marks: dict[str, Row]
    equity: list[Row]
    notices: list[Row]


def read_story(database: Database, now: datetime) -> Story:
    """One snapshot of the run."""
    with database.transaction() as tx:
        return Story(
            at=now,
            posts=_posts(tx),
            calls=_calls(tx),
            signals=_signals(tx),
            orders=_orders(tx),
            fills=_fills(tx),
            positions=_positions(tx),
            marks={str(row["market"]): row for row in tx.all("select market, mark, read_at from marks")},
            equity=tx.all(
                "select account_id, equity_usd, free_usd, taken_at from snapshots order by account_id"
            ),
            notices=tx.all("select notice_id, level, subject, created_at from notices order by notice_id"),
        )


def _posts(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select post_id, username, text, status, reason, posts.created_at, received_at
          from posts join authors using (author_id) order by received_at, post_id
        """
    )


def _calls(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select call_id, post_id, username, token, side, action, conviction, stop, targets, evidence, heard_at
          from calls join authors using (author_id) order by call_id
        """
    )


def _signals(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select signal_id, agent_id, post_ids, token, market, side, action, status, reason, detail, score, decided_at
          from signals order by signal_id
        """
    )


def _orders(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select order_id, deployment_id, kind, market, side, leg, sequence, status, reason, detail, size, trigger_price,
               filled_size, average_price, account_id, position_id, created_at, updated_at, finished_at
          from orders order by created_at, kind, leg, sequence
        """
    )


def _fills(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select fills.fill_id, fills.order_id, orders.deployment_id, fills.account_id, fills.venue, fills.market, is_buy, price,
               fills.size, fee_usd, is_liquidation, filled_at
          from fills left join orders using (order_id) order by filled_at, fill_key
        """
    )


def _positions(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select position_id, deployment_id, account_id, venue, market, side, status, exit_reason, size, entry_price,
               exit_price, stop_price, peak, trail_price, realised_pnl_usd, protected_at, opened_at, closed_at
          from positions where status <> 'ABANDONED' order by created_at, position_id
        """
    )
