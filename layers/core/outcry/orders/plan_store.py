"""SQL of planning: which positions and exits exist already. Private to this room."""

from uuid import UUID

from outcry.positions import store as positions_store
from outcry.positions.model import Position
from outcry.runtime.database import Transaction
from outcry.runtime.side import Side


def entered_on_calls_of(
    tx: Transaction, *, agent_id: str, author_id: int, market: str, side: Side
) -> list[Position]:
    """The agent's open positions in a market and side that were entered on calls of this author."""
    rows = tx.all(
        """
        select distinct p.position_id
          from positions p
          join deployments d using (deployment_id)
          join orders o on o.position_id = p.position_id and o.kind = 'enter'
          join signals s on s.signal_id = o.signal_id
          join calls c on c.call_id = s.call_id
         where d.agent_id = :agent_id and c.author_id = :author_id and p.market = :market and p.side = cast(:side as side)
           and p.is_owned and p.status not in ('CLOSED', 'ABANDONED')
        """,
        agent_id=agent_id,
        author_id=author_id,
        market=market,
        side=side.value,
    )
    found = [positions_store.load(tx, row["position_id"]) for row in rows]
    return [position for position in found if position is not None]


def planned_on_calls_of(
    tx: Transaction, *, agent_id: str, author_id: int, market: str, side: Side
) -> list[UUID]:
    """The agent's entries on calls of this author that are planned and take no place yet."""
    rows = tx.all(
        """
        select o.order_id
          from orders o
          join deployments d using (deployment_id)
          join signals s on s.signal_id = o.signal_id
          join calls c on c.call_id = s.call_id
         where d.agent_id = :agent_id and c.author_id = :author_id and o.market = :market and o.side = cast(:side as side)
           and o.kind = 'enter' and o.status = 'PLANNED'
         order by o.order_id
        """,
        agent_id=agent_id,
        author_id=author_id,
        market=market,
        side=side.value,
    )
    return [row["order_id"] for row in rows]


def entry_of_subject(tx: Transaction, deployment_id: str, subject: str) -> UUID:
    """The entry that was planned for this subject."""
    row = tx.one(
        "select order_id from orders where deployment_id = :deployment_id and kind = 'enter' and subject = :subject",
        deployment_id=deployment_id,
        subject=subject,
    )
    assert row is not None, "it is asked for where one exists already"
    return row["order_id"]  # type: ignore[no-any-return]


def open_exit(tx: Transaction, position_id: UUID) -> UUID | None:
    """The open exit of a position, or None."""
    row = tx.one(
        "select order_id from orders where position_id = :position_id and kind = 'exit' and finished_at is null",
        position_id=position_id,
    )
    return None if row is None else row["order_id"]


def has_open_cancel(tx: Transaction, subject: str, leg: str) -> bool:
    """Whether a cancel of this order is planned or under way."""
    row = tx.one(
        """
        select exists (select 1 from orders where kind = 'cancel' and subject = :subject and leg = :leg and finished_at is null) as found
        """,
        subject=subject,
        leg=leg,
    )
    return bool(row and row["found"])
