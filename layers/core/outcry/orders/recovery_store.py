"""SQL of an account that lost its signer, and of one that has one again. Private to this room."""

from datetime import datetime

from outcry.runtime.database import Row, Transaction


def hasten(tx: Transaction, account_id: str, *, now: datetime) -> list[Row]:
    """Make due at once what waits of the account's exits, protections and cancellations; exits first, then what is longest due.

    What rests at the venue waits for nothing and is left alone.
    """
    return tx.all(
        """
        with waiting as (
            update orders set next_ring_at = :now
             where account_id = :account_id and finished_at is null and quarantined_at is null
               and kind in ('exit', 'protect', 'cancel') and next_ring_at is not null
            returning order_id, kind, trace_id, created_at
        )
        select order_id, trace_id from waiting order by kind <> 'exit', created_at
        """,
        account_id=account_id,
        now=now,
    )


def resting(tx: Transaction, account_id: str) -> list[Row]:
    """The stops and take-profit steps of the account that rest at the venue, as far as the ledger knows."""
    return tx.all(
        """
        select market, leg, trigger_price, size from orders
         where account_id = :account_id and kind = 'protect' and status = 'RESTING' and finished_at is null
         order by market, leg <> 'stop', leg
        """,
        account_id=account_id,
    )


def in_flight(tx: Transaction, signer_id: str) -> int:
    """How many requests of a signer are prepared, signed, sent or in doubt, of orders that are not at their end."""
    row = tx.one(
        """
        select count(*) as n from actions a join orders o using (order_id)
         where a.signer_id = :signer_id and a.status in ('PREPARED', 'SIGNED', 'SENT', 'UNKNOWN') and o.finished_at is null
        """,
        signer_id=signer_id,
    )
    return int(row["n"]) if row else 0
