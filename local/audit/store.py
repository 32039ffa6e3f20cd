"""Reads the two sides: the venue's journal from its file, the ledger from Postgres. Never writes."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from local.audit.model import (
    Ledger,
    LedgerAction,
    LedgerFill,
    LedgerOrder,
    LedgerPosition,
    Place,
    VenueEvent,
)
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Database, Row, Transaction


def read_journal(path: Path) -> list[VenueEvent]:
    """Every event, in order. Raises ValueError where the journal has a gap: then nothing can be concluded."""
    if not path.exists():
        return []
    return events_from(path.read_text(encoding="utf-8").splitlines())


def events_from(lines: Iterable[str]) -> list[VenueEvent]:
    """The events of a journal's lines. An unfinished last line is left out: it is still being written."""
    events: list[VenueEvent] = []
    for line in lines:
        try:
            raw = json.loads(line)
        except ValueError:
            break
        seq, time_ms, kind = int(raw.pop("seq")), int(raw.pop("time_ms")), str(raw.pop("kind"))
        if seq != len(events) + 1:
            raise ValueError(f"the venue's journal jumps from {len(events)} to {seq}")
        events.append(VenueEvent(seq, time_ms, kind, raw))
    return events


def read_ledger(database: Database) -> Ledger:
    """The ledger's live side, and how much there is on paper, in one snapshot."""
    with database.transaction() as tx:
        return Ledger(
            addresses=frozenset(
                row["address"] for row in tx.all("select address from accounts where venue <> 'paper'")
            ),
            actions=tuple(_action(row) for row in _actions(tx)),
            orders=tuple(_order(row) for row in _orders(tx)),
            fills=tuple(_fill(row) for row in _fills(tx)),
            positions=tuple(_position(row) for row in _positions(tx)),
            paper_positions=_count(tx, "select count(*) as n from positions where venue = 'paper'"),
            paper_fills=_count(tx, "select count(*) as n from paper_fills"),
        )


def _actions(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select actions.cloid, orders.order_id, accounts.address, orders.market,
               (orders.side = 'LONG') = (orders.kind = 'enter') as is_buy
          from actions join orders using (order_id) join accounts using (account_id)
         where actions.kind in ('place', 'modify') and actions.cloid is not null
           and actions.status not in ('PREPARED', 'SIGNED') and accounts.venue <> 'paper'
        """
    )


def _orders(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select order_id, kind, deployment_id, signal_id, address, market, orders.status
          from orders join accounts using (account_id) where accounts.venue <> 'paper'
        """
    )


def _fills(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select fills.fill_id, accounts.address, fills.market, fills.is_buy, fills.filled_at,
               coalesce(fills.our_size, fills.size) as size, fills.position_id, fills.quarantine
          from fills join accounts using (account_id) where accounts.venue <> 'paper'
         order by fills.filled_at, fills.fill_key
        """
    )


def _positions(tx: Transaction) -> list[Row]:
    """All of them, those that were given up as well: what the venue did for them must show."""
    return tx.all(
        """
        select position_id, address, market, is_owned, positions.status, positions.side, positions.size,
               coalesce(positions.opened_at, positions.created_at) as opened_at, positions.realised_pnl_usd
          from positions join accounts using (account_id)
         where accounts.venue <> 'paper'
         order by opened_at
        """
    )


def _count(tx: Transaction, sql: str) -> int:
    row = tx.one(sql)
    return int(row["n"]) if row else 0


def _place(row: Row) -> Place:
    return str(row["address"]).lower(), str(row["market"])


def _action(row: Row) -> LedgerAction:
    return LedgerAction(str(row["cloid"]).lower(), str(row["order_id"]), _place(row), bool(row["is_buy"]))


def _order(row: Row) -> LedgerOrder:
    signal = row["signal_id"]
    return LedgerOrder(
        str(row["order_id"]),
        str(row["kind"]),
        str(row["deployment_id"]),
        None if signal is None else int(signal),
        _place(row),
        str(row["status"]),
    )


def _fill(row: Row) -> LedgerFill:
    size = Decimal(row["size"])
    filled_at: datetime = row["filled_at"]
    return LedgerFill(
        str(row["fill_id"]),
        _place(row),
        size if row["is_buy"] else -size,
        to_milliseconds(filled_at),
        None if row["position_id"] is None else str(row["position_id"]),
        row["quarantine"] is not None,
    )


def _position(row: Row) -> LedgerPosition:
    size = Decimal(row["size"])
    return LedgerPosition(
        str(row["position_id"]),
        _place(row),
        bool(row["is_owned"]),
        str(row["status"]),
        size if row["side"] == "LONG" else -size,
        to_milliseconds(row["opened_at"]),
        row["realised_pnl_usd"],
    )
