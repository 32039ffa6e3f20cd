"""What is there once all is quiet: the venue's own story, and the rows of the ledger. Read, never concluded by what is tested.

Promises: sizes, stops, fills and nonces come from the venue's journal; the rest from SQL. Nothing of `outcry.orders`,
`outcry.positions`, `outcry.monitoring` or `outcry.custody` is imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from local.audit.model import Ledger, VenueEvent
from local.audit.store import read_ledger
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.database import Database, Row, Transaction

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that rests at the venue at the end."""

    market: str
    size: Decimal
    trigger_price: Decimal
    is_stop: bool
    is_sell: bool


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Both sides at the end of a run. `address` is the account's at the venue, lower case."""

    address: str
    events: Sequence[VenueEvent]
    ledger: Ledger
    orders: Sequence[Row]
    positions: Sequence[Row]
    actions: Sequence[Row]
    signers: Sequence[Row]
    notices: Sequence[Row]
    unfinished: Sequence[str]
    dead_letters: Sequence[str]
    until: datetime

    @property
    def until_ms(self) -> int:
        return to_milliseconds(self.until)

    def of(self, kind: str) -> list[VenueEvent]:
        """The account's events of one kind."""
        return [e for e in self.events if e.kind == kind and str(e.fields.get("user", "")) == self.address]

    def size(self, market: str = "BTC") -> Decimal:
        """What the venue shows the account to hold, above zero long."""
        seen = [e for e in self.of("position") if e.fields["coin"] == market]
        return seen[-1].number("szi") if seen else ZERO

    def resting(self, market: str = "BTC") -> list[Resting]:
        """The triggers that rest at the venue."""
        found: dict[int, Resting] = {}
        for event in self.events:
            if event.place != (self.address, market) or "oid" not in event.fields:
                continue
            oid = int(event.fields["oid"])
            if event.kind == "resting" and event.fields["is_trigger"]:
                found[oid] = Resting(
                    market,
                    event.number("sz"),
                    event.number("trigger_px"),
                    event.fields["tpsl"] == "sl",
                    event.fields["side"] == "A",
                )
            elif event.kind == "resized" and oid in found:
                old = found[oid]
                found[oid] = Resting(market, event.number("sz"), old.trigger_price, old.is_stop, old.is_sell)
            elif event.kind == "gone":
                found.pop(oid, None)
        return list(found.values())

    def executed(self, kind: str, leg: str | None = None) -> int:
        """How many orders at the venue were executed for the ledger's orders of a kind, of a leg."""
        ids = {str(o["order_id"]) for o in self.orders if o["kind"] == kind and leg in (None, o["leg"])}
        cloids = {action.cloid for action in self.ledger.actions if action.order_id in ids}
        fills = [e for e in self.of("fill") if str(e.fields.get("cloid") or "").lower() in cloids]
        return len({int(fill.fields["oid"]) for fill in fills})

    def order(self, kind: str, leg: str | None = None) -> list[Row]:
        """The ledger's orders of a kind, oldest first."""
        return [o for o in self.orders if o["kind"] == kind and leg in (None, o["leg"])]

    def owned(self) -> list[Row]:
        """The positions that deployments have or had, oldest first."""
        return [position for position in self.positions if position["is_owned"]]

    def topics(self) -> set[str]:
        """What people were told about."""
        return {str(notice["topic"]) for notice in self.notices}


def read_aftermath(
    database: Database,
    records: Sequence[Mapping[str, Any]],
    *,
    address: str,
    dead_letters: Sequence[str],
    until: datetime,
) -> Aftermath:
    """Read both sides. `records` are the venue's journal."""
    ledger = read_ledger(database)
    with database.transaction() as tx:
        return Aftermath(
            address=address.lower(),
            events=[_event(record) for record in records],
            ledger=ledger,
            orders=tx.all("select * from orders order by created_at, leg, sequence"),
            positions=tx.all("select * from positions order by created_at"),
            actions=tx.all("select * from actions order by prepared_at, nonce"),
            signers=tx.all(
                "select signer_id, account_id, slot, version, status, address, last_nonce from signers order by version"
            ),
            notices=tx.all("select * from notices order by notice_id"),
            unfinished=_unfinished(tx, until),
            dead_letters=dead_letters,
            until=until,
        )


def _event(record: Mapping[str, Any]) -> VenueEvent:
    fields = dict(record)
    return VenueEvent(int(fields.pop("seq")), int(fields.pop("time_ms")), str(fields.pop("kind")), fields)


def _unfinished(tx: Transaction, now: datetime) -> list[str]:
    """What somebody would still have to do, in words: nothing, where a run came to rest.

    What became of a request to cancel is asked no more once the venue shows its target gone.
    """
    rows = tx.all(
        """
        select kind || ' ' || leg || ' is ' || status as what from orders
         where finished_at is null and quarantined_at is null and (kind <> 'protect' or status <> 'RESTING')
        union all select kind || ' ' || leg || ' is set aside' from orders where quarantined_at is not null
        union all select kind || ' ' || leg || ' is claimed for ever' from orders where claimed_until > :now
        union all select 'a request of ' || orders.kind || ' ' || leg || ' is ' || actions.status
                    from actions join orders using (order_id)
                   where actions.status in ('PREPARED', 'SIGNED', 'SENT', 'UNKNOWN') and (actions.kind = 'place' or finished_at is null)
        union all select 'position of ' || market || ' is ' || status from positions
                   where status in ('OPENING', 'CLOSING', 'CLOSE_PENDING')
        union all select 'a reservation of ' || market || ' stands for a position that is gone' from reservations r
                   where released_at is null and exists (select 1 from positions p where p.position_id = r.position_id
                                                            and p.status in ('CLOSED', 'ABANDONED'))
        """,
        now=now,
    )
    return [str(row["what"]) for row in rows]
