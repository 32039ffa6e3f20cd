"""Reads of the ledger's database what is not an order, a fill or a position: the desk, its controls, what waits. Never writes."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from local.audit.model import (
    Caps,
    LedgerControl,
    LedgerDesk,
    LedgerFunding,
    LedgerNotice,
    LedgerReservation,
    LedgerSigner,
    LedgerWaiting,
)
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Row, Transaction

_OPEN_POSITIONS = "max_open_positions"


def desk(tx: Transaction) -> LedgerDesk:
    """The live accounts, and every deployment on them, with their limits as they are stored."""
    accounts = tx.all("select account_id, address, limits from accounts where venue <> 'paper'")
    deployments = tx.all(
        """
        select deployment_id, agent_id, account_id, deployments.limits
          from deployments join accounts using (account_id) where venue <> 'paper'
        """
    )
    return LedgerDesk(
        deployments={
            row["deployment_id"]: (row["agent_id"], row["account_id"], _caps(row["limits"]))
            for row in deployments
        },
        accounts={row["account_id"]: (row["address"].lower(), _caps(row["limits"])) for row in accounts},
    )


def signers(tx: Transaction) -> tuple[LedgerSigner, ...]:
    """Every signer that there ever was."""
    rows = tx.all("select address, last_nonce from signers")
    return tuple(LedgerSigner(row["address"].lower(), int(row["last_nonce"])) for row in rows)


def reservations(tx: Transaction) -> tuple[LedgerReservation, ...]:
    """What live entries reserved, given back or not."""
    rows = tx.all(
        """
        select order_id, agent_id, author_id, notional_usd, reserved_at, released_at
          from reservations where venue <> 'paper'
        """
    )
    return tuple(
        LedgerReservation(
            str(row["order_id"]),
            row["agent_id"],
            row["author_id"],
            row["notional_usd"],
            to_milliseconds(row["reserved_at"]),
            _ms(row["released_at"]),
        )
        for row in rows
    )


def funding(tx: Transaction) -> tuple[LedgerFunding, ...]:
    """Every payment that was booked."""
    rows = tx.all(
        """
        select address, market, position_id, amount_usd, paid_at
          from funding_payments join accounts using (account_id) where accounts.venue <> 'paper'
        """
    )
    return tuple(
        LedgerFunding(
            (row["address"].lower(), row["market"]),
            None if row["position_id"] is None else str(row["position_id"]),
            row["amount_usd"],
            to_milliseconds(row["paid_at"]),
        )
        for row in rows
    )


def controls(tx: Transaction) -> tuple[LedgerControl, ...]:
    """Every control that ever was set."""
    rows = tx.all("select scope, mode, set_at, lifted_at from controls order by control_id")
    return tuple(
        LedgerControl(row["scope"], row["mode"], to_milliseconds(row["set_at"]), _ms(row["lifted_at"]))
        for row in rows
    )


def notices(tx: Transaction) -> tuple[LedgerNotice, ...]:
    """Everything that people were told, told yet or not."""
    rows = tx.all("select level, dedupe_key, created_at from notices")
    return tuple(
        LedgerNotice(row["level"], row["dedupe_key"], to_milliseconds(row["created_at"])) for row in rows
    )


def waiting(tx: Transaction) -> tuple[LedgerWaiting, ...]:
    """Every claimable row that is unfinished, due, or set aside. A notice is done when nothing rings for it any more."""
    rows = tx.all(
        """
        with claimable as (
            select 'posts' as name, cast(post_id as text) as key, status, status = 'HEARD' as is_unfinished,
                   next_ring_at, claimed_until, quarantined_at, attempts, last_error from posts
             union all
            select 'calls', cast(call_id as text), status, status = 'HEARD',
                   next_ring_at, claimed_until, quarantined_at, attempts, last_error from calls
             union all
            select 'orders', cast(order_id as text), status, finished_at is null,
                   next_ring_at, claimed_until, quarantined_at, attempts, last_error from orders
             union all
            select 'notices', cast(notice_id as text), level, false,
                   next_ring_at, claimed_until, quarantined_at, attempts, last_error from notices)
        select * from claimable where is_unfinished or next_ring_at is not null or quarantined_at is not null
        """
    )
    return tuple(_waiting(row) for row in rows)


def claimable_rows(tx: Transaction) -> int:
    """How many rows there are that somebody claims or claimed, done or not."""
    row = tx.one(
        """
        select (select count(*) from posts) + (select count(*) from calls) + (select count(*) from orders)
               + (select count(*) from notices) as n
        """
    )
    return int(row["n"]) if row else 0


def _waiting(row: Row) -> LedgerWaiting:
    return LedgerWaiting(
        table=row["name"],
        key=row["key"],
        status=row["status"],
        is_unfinished=row["is_unfinished"],
        due_ms=_ms(row["next_ring_at"]),
        claimed_until_ms=_ms(row["claimed_until"]),
        quarantined_ms=_ms(row["quarantined_at"]),
        attempts=int(row["attempts"]),
        last_error=row["last_error"],
    )


def _caps(stored: dict[str, Any]) -> Caps:
    usd = {name: Decimal(str(cap)) for name, cap in stored.items() if name != _OPEN_POSITIONS}
    return Caps(usd, stored.get(_OPEN_POSITIONS))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_milliseconds(at)
