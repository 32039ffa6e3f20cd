"""SQL of the approving transaction: scope rows locked in a fixed order, reservations, usages. Private to this room."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from outcry.orders.model import Order
from outcry.orders.risk import Usage
from outcry.runtime.database import Row, Transaction
from outcry.signals.size import Sized


def lock_scopes(tx: Transaction, account_id: str, deployment_id: str) -> Row:
    """Lock the agent, the account, then the deployment: always in this order, so that approvals never wait in a circle.

    Each is locked because a cap counts over it: an agent's cap reaches over its accounts.
    """
    tx.all(
        """
        select 1 as locked from agents
         where agent_id = (select agent_id from deployments where deployment_id = :deployment_id) for update
        """,
        deployment_id=deployment_id,
    )
    tx.all(
        "select 1 as locked from accounts where account_id = :account_id for update", account_id=account_id
    )
    row = tx.one(
        "select state, agent_id from deployments where deployment_id = :deployment_id for update",
        deployment_id=deployment_id,
    )
    assert row is not None, "an order names a deployment that exists"
    return row


def changed_at(tx: Transaction, account_id: str) -> datetime | None:
    """When the account last changed by our doing: its latest reservation or fill."""
    row = tx.one(
        """
        select greatest((select max(reserved_at) from reservations where account_id = :account_id),
                        (select max(filled_at) from fills where account_id = :account_id)) as at
        """,
        account_id=account_id,
    )
    return row["at"] if row else None


def usages(
    tx: Transaction, order: Order, *, agent_id: str, author_id: int | None, now: datetime
) -> tuple[Usage, Usage]:
    """What is reserved now, as the deployment's limits see it and as the account's limits see it.

    The cap per agent counts the agent's reservations on every account of the same nature, live or paper; the other caps count
    within their own scope.
    """
    row = tx.one(
        """
        with held as (select r.* from reservations r join accounts a using (account_id)
                       where released_at is null and (account_id = :account_id or agent_id = :agent_id)
                         and (a.venue = 'paper') = (select venue = 'paper' from accounts where account_id = :account_id)),
             today as (select * from reservations where account_id = :account_id
                        and reserved_at >= date_trunc('day', cast(:now as timestamptz)))
        select coalesce(sum(notional_usd) filter (where account_id = :account_id), 0) as account,
               coalesce(sum(notional_usd) filter (where account_id = :account_id and market = :market), 0) as account_market,
               coalesce(sum(notional_usd) filter (where account_id = :account_id and author_id = :author_id), 0) as account_author,
               coalesce(sum(notional_usd) filter (where agent_id = :agent_id), 0) as agent,
               count(*) filter (where account_id = :account_id) as account_open,
               coalesce(sum(notional_usd) filter (where deployment_id = :deployment_id), 0) as deployment,
               coalesce(sum(notional_usd) filter (where deployment_id = :deployment_id and market = :market), 0) as deployment_market,
               coalesce(sum(notional_usd) filter (where deployment_id = :deployment_id and author_id = :author_id), 0) as deployment_author,
               count(*) filter (where deployment_id = :deployment_id) as deployment_open,
               (select coalesce(sum(notional_usd), 0) from today) as account_day,
               (select coalesce(sum(notional_usd), 0) from today where deployment_id = :deployment_id) as deployment_day
          from held
        """,
        account_id=order.account_id,
        deployment_id=order.deployment_id,
        agent_id=agent_id,
        author_id=author_id,
        market=order.market,
        now=now,
    )
    assert row is not None
    deployment = Usage(
        row["deployment_market"],
        row["deployment_author"],
        row["agent"],
        row["deployment"],
        row["deployment_day"],
        row["deployment_open"],
    )
    account = Usage(
        row["account_market"],
        row["account_author"],
        row["agent"],
        row["account"],
        row["account_day"],
        row["account_open"],
    )
    return deployment, account


def margin_not_yet_at_venue(tx: Transaction, account_id: str, since: datetime) -> Decimal:
    """Margin that was reserved for entries which the snapshot cannot show yet: not finished, or filled after it was taken."""
    row = tx.one(
        """
        select coalesce(sum(r.margin_usd), 0) as usd
          from reservations r join orders o using (order_id)
         where r.account_id = :account_id and r.released_at is null and (o.finished_at is null or o.finished_at > :since)
        """,
        account_id=account_id,
        since=since,
    )
    return Decimal(row["usd"]) if row else Decimal(0)


def reserve(
    tx: Transaction,
    order: Order,
    *,
    agent_id: str,
    author_id: int | None,
    position_id: UUID,
    sized: Sized,
    now: datetime,
) -> None:
    """Reserve an entry's worst case against every cap."""
    tx.execute(
        """
        insert into reservations (order_id, account_id, deployment_id, agent_id, author_id, venue, market, position_id,
                                  notional_usd, margin_usd, risk_usd, reserved_at)
        values (:order_id, :account_id, :deployment_id, :agent_id, :author_id, :venue, :market, :position_id,
                :notional_usd, :margin_usd, :risk_usd, :now)
        """,
        order_id=order.order_id,
        account_id=order.account_id,
        deployment_id=order.deployment_id,
        agent_id=agent_id,
        author_id=author_id,
        venue=order.venue,
        market=order.market,
        position_id=position_id,
        notional_usd=sized.worst_notional_usd,
        margin_usd=sized.margin_usd,
        risk_usd=sized.risk_usd,
        now=now,
    )


def is_our_cloid(tx: Transaction, cloids: list[str]) -> set[str]:
    """Which of these client order ids are ours."""
    rows = tx.all("select cloid from actions where cloid = any(cast(:cloids as text[]))", cloids=cloids)
    return {row["cloid"] for row in rows}


def halt_deployments(tx: Transaction, account_id: str, *, now: datetime) -> None:
    """Let no deployment of an account enter any more."""
    tx.execute(
        "update deployments set state = 'HALTED', updated_at = :now where account_id = :account_id and state <> 'HALTED'",
        account_id=account_id,
        now=now,
    )
