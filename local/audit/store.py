"""Reads the two sides: the venue's journal from its file, the ledger from Postgres. Never writes."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.audit import desk_store
from local.audit.model import (
    Ledger,
    LedgerAction,
    LedgerFill,
    LedgerOrder,
    LedgerPosition,
    LedgerRequest,
    Place,
    VenueEvent,
)
from local.audit.verdict import Bounds, Facts
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Database, Row, Transaction

_NOT_SENT = frozenset({"PREPARED", "SIGNED"})


def read_facts(
    database: Database,
    events: Iterable[VenueEvent],
    *,
    until_ms: int,
    is_settled: bool = True,
    bounds: Bounds | None = None,
) -> Facts:
    """What the judge looks at: the journal's events up to then, and the ledger as it stands now."""
    heard = tuple(event for event in events if event.time_ms <= until_ms)
    return Facts(heard, read_ledger(database), until_ms, is_settled, bounds or Bounds())


def read_journal(path: Path) -> list[VenueEvent]:
    """Every event, in order. Raises ValueError where the journal has a gap: then nothing can be concluded."""
    if not path.exists():
        return []
    return events_from(path.read_text(encoding="utf-8").splitlines())


def events_from(lines: Iterable[str]) -> list[VenueEvent]:
    """The events of a journal's lines. An unfinished last line is left out: it is still being written."""
    records: list[dict[str, Any]] = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return events_of(records)


def events_of(records: Iterable[dict[str, Any]]) -> list[VenueEvent]:
    """The events of a journal's records, as one that keeps them in memory has them. Raises ValueError for a gap."""
    events: list[VenueEvent] = []
    for record in records:
        raw = dict(record)
        seq, time_ms, kind = int(raw.pop("seq")), int(raw.pop("time_ms")), str(raw.pop("kind"))
        if seq != len(events) + 1:
            raise ValueError(f"the venue's journal jumps from {len(events)} to {seq}")
        events.append(VenueEvent(seq, time_ms, kind, raw))
    return events


def read_ledger(database: Database) -> Ledger:
    """The ledger's live side, and how much there is on paper, in one snapshot of some fifteen statements."""
    with database.transaction() as tx:
        tx.execute("set transaction isolation level repeatable read")
        desk = desk_store.desk(tx)
        actions = _actions(tx)
        return Ledger(
            addresses=frozenset(address for address, _ in desk.accounts.values()),
            actions=tuple(_action(row) for row in actions if _has_cloid_of_its_own(row)),
            orders=tuple(_order(row) for row in _orders(tx)),
            fills=tuple(_fill(row) for row in _fills(tx)),
            positions=tuple(_position(row) for row in _positions(tx)),
            paper_positions=_count(tx, "select count(*) as n from positions where venue = 'paper'"),
            paper_fills=_count(tx, "select count(*) as n from paper_fills"),
            requests=tuple(_request(row) for row in actions),
            signers=desk_store.signers(tx),
            reservations=desk_store.reservations(tx),
            funding=desk_store.funding(tx),
            controls=desk_store.controls(tx),
            notices=desk_store.notices(tx),
            waiting=desk_store.waiting(tx),
            claimable_rows=desk_store.claimable_rows(tx),
            desk=desk,
        )


def _has_cloid_of_its_own(row: Row) -> bool:
    return row["kind"] in {"place", "modify"} and row["cloid"] is not None and row["status"] not in _NOT_SENT


def _actions(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select actions.*, accounts.address, orders.market,
               (orders.side = 'LONG') = (orders.kind = 'enter') as is_buy
          from actions join orders using (order_id) join accounts using (account_id)
         where accounts.venue <> 'paper'
         order by actions.prepared_at, actions.nonce
        """
    )


def _orders(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select order_id, orders.kind, deployment_id, signal_id, address, market, orders.status, position_id, size, limit_price,
               filled_size, orders.created_at, not_after, finished_at,
               coalesce(cast(plan ->> 'is_canary' as boolean), false) as is_canary
          from orders join accounts using (account_id) where accounts.venue <> 'paper'
         order by orders.created_at, order_id
        """
    )


def _fills(tx: Transaction) -> list[Row]:
    return tx.all(
        """
        select fills.fill_id, accounts.address, fills.market, fills.is_buy, fills.filled_at, fills.size, fills.price, fills.fee_usd,
               coalesce(fills.our_size, fills.size) as our_size, fills.position_id, fills.order_id, fills.quarantine,
               fills.recorded_at
          from fills join accounts using (account_id) where accounts.venue <> 'paper'
         order by fills.filled_at, fills.fill_key
        """
    )


def _positions(tx: Transaction) -> list[Row]:
    """All of them, those that were given up as well: what the venue did for them must show."""
    return tx.all(
        """
        select position_id, address, market, is_owned, positions.status, cast(positions.side as text) as side, positions.size,
               coalesce(positions.opened_at, positions.created_at) as opened_at, positions.realised_pnl_usd,
               positions.fees_usd, positions.funding_usd, positions.created_at, positions.closed_at
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


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_milliseconds(at)


def _action(row: Row) -> LedgerAction:
    return LedgerAction(str(row["cloid"]).lower(), str(row["order_id"]), _place(row), bool(row["is_buy"]))


def _request(row: Row) -> LedgerRequest:
    return LedgerRequest(
        action_id=str(row["action_id"]),
        order_id=str(row["order_id"]),
        kind=str(row["kind"]),
        status=str(row["status"]),
        signer=str(row["signer_address"]).lower(),
        nonce=int(row["nonce"]),
        prepared_ms=to_milliseconds(row["prepared_at"]),
        sent_ms=_ms(row["sent_at"]),
        answered_ms=_ms(row["answered_at"]),
        expires_ms=_ms(row["expires_at"]),
        cloid=None if row["cloid"] is None else str(row["cloid"]).lower(),
        acked_size=row["acked_size"],
        digest=_digest(row["signed"]),
    )


def _digest(signed: str | None) -> str | None:
    """The stored bytes as the venue's journal names what came: over the JSON with its keys in order."""
    try:
        body = None if signed is None else json.loads(signed)
    except ValueError:
        return None
    if body is None:
        return None
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _order(row: Row) -> LedgerOrder:
    return LedgerOrder(
        order_id=str(row["order_id"]),
        kind=str(row["kind"]),
        deployment_id=str(row["deployment_id"]),
        signal_id=None if row["signal_id"] is None else int(row["signal_id"]),
        place=_place(row),
        status=str(row["status"]),
        position_id=_text(row["position_id"]),
        size=row["size"],
        limit_price=row["limit_price"],
        filled_size=Decimal(row["filled_size"]),
        created_ms=to_milliseconds(row["created_at"]),
        not_after_ms=_ms(row["not_after"]),
        finished_ms=_ms(row["finished_at"]),
        is_canary=bool(row["is_canary"]),
    )


def _fill(row: Row) -> LedgerFill:
    ours = Decimal(row["our_size"])
    return LedgerFill(
        fill_id=str(row["fill_id"]),
        place=_place(row),
        signed_size=ours if row["is_buy"] else -ours,
        time_ms=to_milliseconds(row["filled_at"]),
        position_id=_text(row["position_id"]),
        is_quarantined=row["quarantine"] is not None,
        size=row["size"],
        price=row["price"],
        fee_usd=row["fee_usd"],
        order_id=_text(row["order_id"]),
        recorded_ms=to_milliseconds(row["recorded_at"]),
    )


def _position(row: Row) -> LedgerPosition:
    size = Decimal(row["size"])
    return LedgerPosition(
        position_id=str(row["position_id"]),
        place=_place(row),
        is_owned=bool(row["is_owned"]),
        status=str(row["status"]),
        signed_size=size if row["side"] == "LONG" else -size,
        opened_ms=to_milliseconds(row["opened_at"]),
        realised_pnl_usd=row["realised_pnl_usd"],
        is_long=row["side"] == "LONG",
        fees_usd=row["fees_usd"],
        funding_usd=row["funding_usd"],
        created_ms=to_milliseconds(row["created_at"]),
        closed_ms=_ms(row["closed_at"]),
    )
