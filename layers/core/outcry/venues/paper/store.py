"""The paper venue's tables: books, positions, leverages, orders, fills, nonces.

Promises: a book is changed by whoever holds its row (`lock_book`), so it has one writer at a time.
Never reads or writes a table of the ledger: the paper venue knows no more of us than a real one would.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from outcry.runtime.database import Row, Transaction
from outcry.venues.paper.book import FILLED, Book, Change, Execution, PaperPosition, RestingOrder
from outcry.venues.port import OpenOrder, OrderReport, OrderState, Place, Trigger, TriggerKind, VenueFill

_STATES = {
    "open": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "reduceOnlyCanceled": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
}


def open_book(tx: Transaction, address: str, cash_usd: Decimal, now: datetime) -> bool:
    """Open a book; one that is open stays as it is. True: it was opened now."""
    opened = tx.execute(
        """
        insert into paper_books (address, cash_usd, opened_at) values (:address, :cash_usd, :now)
        on conflict (address) do nothing
        """,
        address=address,
        cash_usd=cash_usd,
        now=now,
    )
    return opened == 1


def lock_book(tx: Transaction, address: str) -> Book | None:
    """The book, for changing: nobody else has it before this transaction ends. None: never opened."""
    row = tx.one("select cash_usd from paper_books where address = :address for update", address=address)
    return _book(tx, address, row)


def read_book(tx: Transaction, address: str) -> Book | None:
    """The book as of one moment. None: never opened."""
    row = tx.one("select cash_usd from paper_books where address = :address for share", address=address)
    return _book(tx, address, row)


def _book(tx: Transaction, address: str, row: Row | None) -> Book | None:
    if row is None:
        return None
    positions = tx.all(
        "select market, signed_size, entry_price, leverage from paper_positions where address = :address",
        address=address,
    )
    leverages = tx.all(
        "select market, leverage from paper_leverages where address = :address", address=address
    )
    orders = _open_rows(tx, address)
    return Book(
        cash_usd=row["cash_usd"],
        positions={
            held["market"]: PaperPosition(held["signed_size"], held["entry_price"], held["leverage"])
            for held in positions
        },
        leverages={setting["market"]: setting["leverage"] for setting in leverages},
        resting={order["paper_order_id"]: _resting(order) for order in orders},
    )


def _open_rows(tx: Transaction, address: str) -> list[Row]:
    return tx.all(
        """
        select paper_order_id, market, cloid, is_buy, size, limit_price, trigger_kind, trigger_price,
               reduce_only
          from paper_orders where address = :address and status = 'open' order by paper_order_id
        """,
        address=address,
    )


def _resting(row: Row) -> RestingOrder:
    return RestingOrder(
        order_id=row["paper_order_id"],
        market=row["market"],
        is_buy=row["is_buy"],
        size=row["size"],
        limit_price=row["limit_price"],
        trigger=_trigger(row),
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(TriggerKind(row["trigger_kind"]), row["trigger_price"])


def with_positions(tx: Transaction, addresses: Iterable[str]) -> list[str]:
    """Those of the addresses that hold anything: only there can marks act."""
    rows = tx.all(
        """
        select distinct address from paper_positions
         where address = any(cast(:addresses as text[])) order by address
        """,
        addresses=list(addresses),
    )
    return [row["address"] for row in rows]


def admit_nonce(tx: Transaction, address: str, nonce: int) -> bool:
    """Use up the nonce. False: it was used before."""
    admitted = tx.execute(
        """
        insert into paper_nonces (address, nonce, answer) values (:address, :nonce, '')
        on conflict (address, nonce) do nothing
        """,
        address=address,
        nonce=nonce,
    )
    return admitted == 1


def record_answer(tx: Transaction, address: str, nonce: int, answer: str) -> None:
    """Keep what was said to the request with this nonce."""
    tx.execute(
        "update paper_nonces set answer = :answer where address = :address and nonce = :nonce",
        answer=answer,
        address=address,
        nonce=nonce,
    )


def set_leverage(tx: Transaction, address: str, market: str, leverage: Decimal) -> None:
    """Keep the leverage of a market."""
    tx.execute(
        """
        insert into paper_leverages (address, market, leverage) values (:address, :market, :leverage)
        on conflict (address, market) do update set leverage = excluded.leverage
        """,
        address=address,
        market=market,
        leverage=leverage,
    )


def insert_order(
    tx: Transaction,
    address: str,
    order: Place,
    *,
    size: Decimal,
    status: str,
    now: datetime,
    cloid: str | None,
) -> int:
    """Record an order with the size that was taken of it; returns its id. No client id: the venue's own."""
    row = tx.all(
        """
        insert into paper_orders (address, market, cloid, is_buy, size, limit_price, trigger_price,
                                  trigger_kind, reduce_only, status, placed_at, changed_at)
        values (:address, :market, cast(:cloid as text), :is_buy, :size, :limit_price,
                cast(:trigger_price as numeric), cast(:trigger_kind as text), :reduce_only, :status,
                :now, :now)
        returning paper_order_id
        """,
        address=address,
        market=order.market,
        cloid=cloid,
        is_buy=order.is_buy,
        size=size,
        limit_price=order.price,
        trigger_price=order.trigger.price if order.trigger else None,
        trigger_kind=order.trigger.kind.value if order.trigger else None,
        reduce_only=order.reduce_only,
        status=status,
        now=now,
    )[0]
    return int(row["paper_order_id"])


def cancel(tx: Transaction, address: str, market: str, cloid: str, now: datetime) -> bool:
    """Cancel the open orders with this client id. False: there is none."""
    cancelled = tx.execute(
        """
        update paper_orders set status = 'canceled', changed_at = :now
         where address = :address and market = :market and cloid = :cloid and status = 'open'
        """,
        address=address,
        market=market,
        cloid=cloid,
        now=now,
    )
    return cancelled > 0


def save(tx: Transaction, address: str, before: Book, change: Change, now: datetime) -> None:
    """Write what changed. Every execution but a liquidation must name its order."""
    after = change.book
    if after.cash_usd != before.cash_usd:
        tx.execute(
            "update paper_books set cash_usd = :cash where address = :address",
            cash=after.cash_usd,
            address=address,
        )
    _save_positions(tx, address, before.positions, after.positions)
    _save_orders(tx, before, change, now)
    executions = []
    for execution in change.executions:
        if execution.is_liquidation:
            execution = replace(execution, order_id=_liquidation_order(tx, address, execution, now))
        executions.append(execution)
    _insert_fills(tx, executions, now)


def _liquidation_order(tx: Transaction, address: str, execution: Execution, now: datetime) -> int:
    order = Place(execution.market, execution.is_buy, execution.size, execution.price, True, "")
    return insert_order(tx, address, order, size=execution.size, status=FILLED, now=now, cloid=None)


def _save_positions(
    tx: Transaction, address: str, before: Mapping[str, PaperPosition], after: Mapping[str, PaperPosition]
) -> None:
    gone = [market for market in before if market not in after]
    if gone:
        tx.execute(
            "delete from paper_positions where address = :address and market = any(cast(:gone as text[]))",
            address=address,
            gone=gone,
        )
    changed = {market: held for market, held in after.items() if before.get(market) != held}
    if changed:
        tx.execute(
            """
            insert into paper_positions (address, market, signed_size, entry_price, leverage)
            select :address, market, signed_size, entry_price, leverage
              from unnest(cast(:markets as text[]), cast(:sizes as numeric[]), cast(:entries as numeric[]),
                          cast(:leverages as numeric[])) as t (market, signed_size, entry_price, leverage)
            on conflict (address, market) do update
               set signed_size = excluded.signed_size, entry_price = excluded.entry_price,
                   leverage = excluded.leverage
            """,
            address=address,
            markets=list(changed),
            sizes=[held.signed_size for held in changed.values()],
            entries=[held.entry_price for held in changed.values()],
            leverages=[held.leverage for held in changed.values()],
        )


def _save_orders(tx: Transaction, before: Book, change: Change, now: datetime) -> None:
    resting = change.book.resting
    resized = {key: order.size for key, order in resting.items() if before.resting[key].size != order.size}
    changes = [{"id": key, "size": f"{size:f}", "status": "open"} for key, size in resized.items()]
    changes += [{"id": key, "size": None, "status": status} for key, status in change.ended.items()]
    if changes:
        tx.execute(
            """
            update paper_orders
               set size = coalesce(t.size, paper_orders.size), status = t.status, changed_at = :now
              from jsonb_to_recordset(cast(:changes as jsonb)) as t (id bigint, size numeric, status text)
             where paper_order_id = t.id
            """,
            now=now,
            changes=json.dumps(changes),
        )


def _insert_fills(tx: Transaction, executions: Sequence[Execution], now: datetime) -> None:
    if not executions:
        return
    rows = [
        {
            "id": execution.order_id,
            "price": f"{execution.price:f}",
            "size": f"{execution.size:f}",
            "fee": f"{execution.fee_usd:f}",
            "pnl": f"{execution.closed_pnl_usd:f}",
            "before": f"{execution.size_before:f}",
            "liquidation": execution.is_liquidation,
        }
        for execution in executions
    ]
    written = tx.execute(
        """
        insert into paper_fills (address, paper_order_id, market, cloid, is_buy, price, size, fee_usd,
                                 closed_pnl_usd, size_before, is_liquidation, filled_at)
        select o.address, o.paper_order_id, o.market, o.cloid, o.is_buy, t.price, t.size, t.fee,
               t.pnl, t.before, t.liquidation, :now
          from rows from (jsonb_to_recordset(cast(:rows as jsonb)) as (id bigint, price numeric, size numeric,
                          fee numeric, pnl numeric, before numeric, liquidation boolean)) with ordinality
               as t (id, price, size, fee, pnl, before, liquidation, position)
          join paper_orders o on o.paper_order_id = t.id
         order by t.position
        """,
        now=now,
        rows=json.dumps(rows),
    )
    assert written == len(rows), "every execution names its order"


# ─── reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def open_orders(tx: Transaction, address: str) -> list[OpenOrder]:
    """What rests, oldest first."""
    return [
        OpenOrder(
            market=row["market"],
            is_buy=row["is_buy"],
            size=row["size"],
            venue_order_id=str(row["paper_order_id"]),
            cloid=row["cloid"],
            reduce_only=row["reduce_only"],
            trigger=_trigger(row),
        )
        for row in _open_rows(tx, address)
    ]


def order_by_cloid(tx: Transaction, address: str, cloid: str) -> OrderReport | None:
    """The latest order with this client id."""
    row = tx.one(
        """
        select paper_order_id, status, changed_at from paper_orders
         where address = :address and cloid = :cloid order by paper_order_id desc limit 1
        """,
        address=address,
        cloid=cloid,
    )
    if row is None:
        return None
    return OrderReport(_STATES[row["status"]], str(row["paper_order_id"]), row["status"], row["changed_at"])


def fills(tx: Transaction, address: str, since: datetime) -> list[VenueFill]:
    """Every fill at or after `since`, oldest first."""
    rows = tx.all(
        """
        select paper_fill_id, paper_order_id, market, cloid, is_buy, price, size, fee_usd,
               closed_pnl_usd, size_before, is_liquidation, filled_at
          from paper_fills where address = :address and filled_at >= :since order by filled_at, paper_fill_id
        """,
        address=address,
        since=since,
    )
    return [
        VenueFill(
            fill_id=str(row["paper_fill_id"]),
            market=row["market"],
            is_buy=row["is_buy"],
            price=row["price"],
            size=row["size"],
            fee_usd=row["fee_usd"],
            venue_pnl_usd=row["closed_pnl_usd"],
            size_before=row["size_before"],
            venue_order_id=str(row["paper_order_id"]),
            cloid=row["cloid"],
            is_liquidation=row["is_liquidation"],
            filled_at=row["filled_at"],
        )
        for row in rows
    ]
