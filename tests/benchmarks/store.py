"""SQL of the benchmarks: many positions at once, what came of them, and the settings of the server.

Promises: what is inserted is what the ledger would have left behind after an entry: a position with its levels, its entry's
fill, its resting stop and the stop's acknowledged request. Never called while time is taken.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from outcry.runtime.database import Transaction

SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")


def settings(tx: Transaction) -> dict[str, str]:
    """The server's own answer for the settings that the targets name."""
    rows = tx.all(
        "select name, setting from pg_settings where name = any(cast(:names as text[]))", names=list(SETTINGS)
    )
    return {row["name"]: row["setting"] for row in rows}


def insert_accounts(tx: Transaction, accounts: Sequence[dict[str, str]], now: datetime) -> None:
    """One agent, and one deployment of it for each account."""
    tx.execute(
        """
        insert into agents (agent_id, name, strategy, created_at, updated_at) values ('runner', 'Runner', '{}', :now, :now)
        """,
        now=now,
    )
    tx.execute(
        """
        insert into accounts (account_id, venue, network, address, limits, fills_read_to, funding_read_to, created_at, updated_at)
        select account_id, 'hyperliquid', 'local', address, '{"per_trade_usd": "5000", "per_account_usd": "100000"}', :now, :now, :now,
               :now
          from jsonb_to_recordset(cast(:rows as jsonb)) as r (account_id text, address text)
        """,
        rows=json.dumps(list(accounts)),
        now=now,
    )
    tx.execute(
        """
        insert into deployments (deployment_id, agent_id, account_id, created_at, updated_at)
        select 'runner-' || account_id, 'runner', account_id, :now, :now from accounts
        """,
        now=now,
    )


def insert_positions(tx: Transaction, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Open positions with their levels; `rules` is the exit plan as JSON."""
    tx.execute(
        """
        insert into positions (deployment_id, account_id, venue, network, position_key, market, side, origin, status, leverage,
                               size, opened_size, entry_price, rules, stop_price, liquidation_price, peak, trail_price,
                               protected_at, opened_at, created_at, updated_at, version, trace_id)
        select 'runner-' || account_id, account_id, 'hyperliquid', 'local', market, market, cast(side as side), 'SIGNAL', 'OPEN', 3,
               size, size, entry_price, rules, stop_price, liquidation_price, peak, trail_price, :now, :now, :now, :now, 1, 'bench'
          from jsonb_to_recordset(cast(:rows as jsonb)) as r (account_id text, market text, side text, size numeric,
               entry_price numeric, rules jsonb, stop_price numeric, liquidation_price numeric, peak numeric, trail_price numeric)
        """,
        rows=json.dumps(list(rows)),
        now=now,
    )


def insert_history(tx: Transaction, now: datetime) -> None:
    """For each position the fill that opened it, and the stop that rests over it with its acknowledged request."""
    tx.execute(
        """
        insert into orders (deployment_id, kind, subject, leg, sequence, account_id, venue, network, position_key, market, side,
                            position_id, status, plan, size, trigger_price, reduce_only, created_at, updated_at, trace_id)
        select deployment_id, 'protect', cast(position_id as text), 'stop', 0, account_id, venue, network, position_key, market,
               side, position_id, 'RESTING', '{"trigger": "sl", "reason": "STOP_LOSS"}', size, stop_price, true, :now, :now, 'bench'
          from positions
        """,
        now=now,
    )
    tx.execute(
        """
        insert into actions (order_id, attempt, kind, status, signer_address, nonce, payload, cloid, signed, prepared_at, sent_at,
                             answered_at, sends)
        select order_id, 0, 'place', 'ACKED', '0x' || repeat('0', 40), row_number() over (order by order_id), '{}',
               '0x' || replace(cast(order_id as text), '-', ''), '{}', :now, :now, :now, 1
          from orders
        """,
        now=now,
    )
    tx.execute(
        """
        insert into fills (account_id, venue, network, fill_id, position_id, market, position_key, is_buy, price, size, fee_usd,
                           size_before, filled_at, recorded_at)
        select account_id, venue, network, cast(position_id as text), position_id, market, position_key, side = 'LONG',
               entry_price, size, 1, 0, :now, :now
          from positions
        """,
        now=now,
    )


def analyze(tx: Transaction) -> None:
    """Bring the planner's statistics up to date, as autovacuum does on a server that has run for a while."""
    tx.script("analyze")


def resting_cloids(tx: Transaction) -> dict[tuple[str, str], str]:
    """The client id of the stop that rests in each place (account, market)."""
    rows = tx.all(
        """
        select o.account_id, o.market, a.cloid from orders o join actions a using (order_id)
         where o.kind = 'protect' and o.status = 'RESTING'
        """
    )
    return {(row["account_id"], row["market"]): row["cloid"] for row in rows}


def moved(tx: Transaction, since: datetime) -> tuple[int, int]:
    """How many positions were written, and how many stops were planned, since then."""
    row = tx.one(
        """
        select (select count(*) from positions where updated_at >= :since) as positions,
               (select count(*) from orders where created_at >= :since) as stops
        """,
        since=since,
    )
    assert row is not None
    return int(row["positions"]), int(row["stops"])


def row_versions(tx: Transaction) -> str:
    """What tells whether any position or order was written: the transactions that wrote each, as one sum."""
    row = tx.one(
        """
        select md5((select string_agg(position_id || cast(xmin as text), ',' order by position_id) from positions)
                || (select string_agg(order_id || cast(xmin as text), ',' order by order_id) from orders)) as versions
        """
    )
    assert row is not None
    return str(row["versions"])


def flush_statistics(tx: Transaction) -> None:
    """Let what this session has written be counted at the end of the transaction, and not a second later."""
    tx.one("select pg_stat_force_next_flush()")


def rows_written(tx: Transaction) -> tuple[int, int]:
    """How many rows were written since the database was made: positions, and all others."""
    row = tx.one(
        """
        select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) filter (where relname = 'positions'), 0) as positions,
               coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del) filter (where relname <> 'positions'), 0) as others
          from pg_stat_user_tables
        """
    )
    assert row is not None
    return int(row["positions"]), int(row["others"])


def look_at_orders(tx: Transaction, read_at: datetime | None) -> None:
    """Let the open orders of every account have been read then; None: never, so that the next pass reads them."""
    tx.execute("update snapshots set orders_read_at = :read_at", read_at=read_at)


def settle_stops(tx: Transaction, now: datetime) -> None:
    """Let every planned stop rest, as if the ledger had placed it, so that the next pass may plan another."""
    tx.execute(
        """
        update positions p set stop_price = o.trigger_price, version = p.version + 1
          from orders o where o.position_id = p.position_id and o.status = 'APPROVED'
        """
    )
    tx.execute(
        """
        update orders set status = 'CANCELLED', finished_at = :now, next_ring_at = null where status = 'APPROVED'
        """,
        now=now,
    )
