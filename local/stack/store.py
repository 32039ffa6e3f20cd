"""Reads what the deployed functions did, out of Postgres. Never writes."""

from dataclasses import dataclass
from typing import Any

from outcry.runtime.database import Row, Transaction


@dataclass(frozen=True, slots=True)
class Chain:
    """How one position came about, from the post to its stop at the venue. Rows as they stand, oldest first."""

    posts: list[Row]
    calls: list[Row]
    signals: list[Row]
    orders: list[Row]
    actions: list[Row]
    fills: list[Row]
    position: Row


def newest_position(tx: Transaction, *, market: str) -> Row | None:
    """The live account's newest position in a market."""
    return tx.one(
        """
        select position_id, status, side, size, entry_price, stop_price, protected_at, opened_at, closed_at, exit_reason
          from positions where market = :market and network <> 'paper' and status <> 'ABANDONED'
         order by created_at desc limit 1
        """,
        market=market,
    )


def chain_of(tx: Transaction, position_id: Any) -> Chain:
    """Everything that led to a position, and all that was done for it since."""
    orders = _orders(tx, position_id)
    signals = _signals(tx, [row["signal_id"] for row in orders if row["signal_id"] is not None])
    calls = _calls(tx, [row["call_id"] for row in signals])
    return Chain(
        posts=_posts(tx, [row["post_id"] for row in calls]),
        calls=calls,
        signals=signals,
        orders=orders,
        actions=_actions(tx, [row["order_id"] for row in orders]),
        fills=_fills(tx, position_id),
        position=_position(tx, position_id),
    )


def _posts(tx: Transaction, post_ids: list[int]) -> list[Row]:
    return tx.all(
        """
        select post_id, username, text, status, source, posts.created_at, received_at
          from posts join authors using (author_id) where post_id = any(:post_ids) order by post_id
        """,
        post_ids=post_ids,
    )


def _calls(tx: Transaction, call_ids: list[int]) -> list[Row]:
    return tx.all(
        """
        select call_id, post_id, token, side, action, conviction, stop, targets, evidence, classifier, heard_at
          from calls where call_id = any(:call_ids) order by call_id
        """,
        call_ids=call_ids,
    )


def _signals(tx: Transaction, signal_ids: list[int]) -> list[Row]:
    return tx.all(
        """
        select signal_id, agent_id, call_id, token, market, side, action, status, reason, score, decided_at, trace_id
          from signals where signal_id = any(:signal_ids) order by signal_id
        """,
        signal_ids=signal_ids,
    )


def _orders(tx: Transaction, position_id: Any) -> list[Row]:
    return tx.all(
        """
        select order_id, kind, leg, sequence, status, reason, size, trigger_price, filled_size, average_price, signal_id, trace_id,
               created_at, finished_at
          from orders where position_id = :position_id order by created_at, leg
        """,
        position_id=position_id,
    )


def _actions(tx: Transaction, order_ids: list[Any]) -> list[Row]:
    return tx.all(
        """
        select order_id, attempt, kind, status, signer_id, nonce, cloid, venue_order_id, acked_size, acked_price, sends,
               prepared_at, sent_at, answered_at
          from actions where order_id = any(:order_ids) order by prepared_at, nonce
        """,
        order_ids=order_ids,
    )


def _fills(tx: Transaction, position_id: Any) -> list[Row]:
    return tx.all(
        """
        select fill_id, order_id, is_buy, price, size, fee_usd, filled_at, recorded_at
          from fills where position_id = :position_id order by filled_at, fill_key
        """,
        position_id=position_id,
    )


def _position(tx: Transaction, position_id: Any) -> Row:
    position = tx.one(
        """
        select position_id, deployment_id, account_id, market, side, status, size, entry_price, exit_price, stop_price,
               opened_at, protected_at, closed_at, exit_reason, realised_pnl_usd, fees_usd
          from positions where position_id = :position_id
        """,
        position_id=position_id,
    )
    assert position is not None, "asked for by its id"
    return position


def newest_rows(tx: Transaction) -> dict[str, Row | None]:
    """The newest row of each stage, with its state and what went wrong with it last."""
    return {
        "post": tx.one(
            "select post_id, status, reason, attempts, last_error from posts order by received_at desc limit 1"
        ),
        "call": tx.one(
            "select call_id, status, attempts, last_error from calls order by call_id desc limit 1"
        ),
        "signal": tx.one(
            "select signal_id, status, reason, detail from signals order by signal_id desc limit 1"
        ),
        "order": tx.one(
            """
            select kind, leg, status, reason, detail, attempts, last_error from orders
             where network <> 'paper' order by updated_at desc limit 1
            """
        ),
    }


def schema_version(tx: Transaction) -> int:
    """The newest migration that the database has."""
    row = tx.one("select coalesce(max(version), 0) as version from schema_migrations")
    return int(row["version"]) if row else 0


def table_exists(tx: Transaction, name: str) -> bool:
    """Whether there is a table of this name."""
    row = tx.one("select to_regclass(:name) is not null as found", name=name)
    return bool(row and row["found"])


def quarantined(tx: Transaction) -> dict[str, int]:
    """How many rows of each table are set aside."""
    return {
        table: _count(tx, f"select count(*) as n from {table} where quarantined_at is not null")
        for table in ("posts", "calls", "orders", "notices")
    }


def open_orders(tx: Transaction) -> int:
    """How many orders are not final."""
    return _count(tx, "select count(*) as n from orders where finished_at is null and status <> 'RESTING'")


def open_positions(tx: Transaction) -> int:
    """How many positions are held or on their way, live and on paper."""
    return _count(tx, "select count(*) as n from positions where status not in ('CLOSED', 'ABANDONED')")


def heartbeats(tx: Transaction) -> list[Row]:
    """When each stage was last at work."""
    return tx.all("select stage, beat_at from heartbeats order by stage")


def pages(tx: Transaction) -> list[Row]:
    """What people were paged about, oldest first."""
    return tx.all(
        "select topic, subject, created_at, told_at from notices where level = 'page' order by created_at"
    )


def _count(tx: Transaction, sql: str) -> int:
    row = tx.one(sql)
    return int(row["n"]) if row else 0


def live_fills(tx: Transaction, *, market: str | None = None) -> int:
    """How many fills live accounts have, in one market or in all."""
    row = tx.one(
        """
        select count(*) as n from fills
         where network <> 'paper' and market = coalesce(cast(:market as text), market)
        """,
        market=market,
    )
    return int(row["n"]) if row else 0


def newest_entry(tx: Transaction, *, market: str) -> Row | None:
    """The live account's newest entry order in a market."""
    return tx.one(
        """
        select order_id, status, reason, finished_at from orders
         where market = :market and network <> 'paper' and kind = 'enter' order by created_at desc limit 1
        """,
        market=market,
    )


def oldest_ids(tx: Transaction) -> dict[str, str]:
    """The oldest row of each stage, by the queue that its doorbell goes to."""
    found = {
        "PostsQueue": tx.one("select post_id as id from posts order by received_at limit 1"),
        "CallsQueue": tx.one("select call_id as id from calls order by call_id limit 1"),
        "EntriesQueue": tx.one(
            "select order_id as id from orders where kind = 'enter' order by created_at limit 1"
        ),
        "ExitsQueue": tx.one(
            "select order_id as id from orders where kind <> 'enter' order by created_at limit 1"
        ),
        "NoticesQueue": tx.one("select notice_id as id from notices order by notice_id limit 1"),
    }
    return {queue: str(row["id"]) for queue, row in found.items() if row is not None}
