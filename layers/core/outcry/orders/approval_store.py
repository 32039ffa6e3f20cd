"""SQL of the approving transaction: scope rows locked in a fixed order, reservations, usages. Private to this room."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from outcry.agents.model import Limits
from outcry.agents.stored import limits_from_json
from outcry.orders.model import Order, OrderStatus
from outcry.orders.risk import Usage
from outcry.orders.store import LostClaim
from outcry.runtime.database import Transaction
from outcry.runtime.leases import Claim
from outcry.runtime.side import Side
from outcry.signals.size import Sized

_BOOKED = """
    with held as (select r.*, o.finished_at is null or o.finished_at > :since as is_pending
                    from reservations r join accounts a using (account_id) join orders o using (order_id)
                   where r.released_at is null and (r.account_id = :account_id or r.agent_id = :agent_id)
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
           (select coalesce(sum(notional_usd), 0) from today where deployment_id = :deployment_id) as deployment_day,
           coalesce(sum(margin_usd) filter (where account_id = :account_id and is_pending), 0) as margin_usd,
           greatest((select max(reserved_at) from reservations where account_id = :account_id),
                    (select max(filled_at) from fills where account_id = :account_id)) as changed_at,
           (select cast(side as text) from positions
             where account_id = :account_id and venue = :venue and position_key = :position_key
               and is_owned and status not in ('CLOSED', 'ABANDONED')) as owner_side,
           exists (select from orders
                    where account_id = :account_id and venue = :venue and position_key = :position_key
                      and finished_at is null and order_id <> :order_id and status <> 'PLANNED') as is_place_at_work
      from held
"""


@dataclass(frozen=True, slots=True)
class Scopes:
    """What an approval locked: the agent behind the deployment, the deployment's state, and whose limits bind."""

    agent_id: str
    deployment_state: str
    deployment_limits: Limits
    account_limits: Limits


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger itself knows about an entry's place and its caps, in US dollars where it is money.

    `changed_at` is the account's latest reservation or fill; `margin_usd` was reserved for entries that a snapshot cannot show yet.
    """

    changed_at: datetime | None
    owner_side: Side | None
    is_place_at_work: bool
    by_deployment: Usage
    by_account: Usage
    margin_usd: Decimal


def lock_scopes(tx: Transaction, account_id: str, deployment_id: str) -> Scopes:
    """Lock the agent, the account, then the deployment: always in this order, so that approvals never wait in a circle.

    Each is locked because a cap counts over it: an agent's cap reaches over its accounts. No key of them ever changes, and the lock says
    so: whoever only names them (an exit that is planned, a fill that is recorded) does not wait, and so closes no circle.

    A statement of its own: what is read after it sees everything that was committed before it returned. Each step asks for the one
    before it, which is what orders the locks.
    """
    row = tx.one(
        """
        with agent as materialized (
                 select agent_id from agents
                  where agent_id = (select agent_id from deployments where deployment_id = :deployment_id) for no key update),
             account as materialized (
                 select limits from accounts where account_id = :account_id and exists (select from agent) for no key update)
        select agent_id, state, limits, (select limits from account) as account_limits
          from deployments where deployment_id = :deployment_id and exists (select from account) for no key update
        """,
        deployment_id=deployment_id,
        account_id=account_id,
    )
    assert row is not None, "an order names a deployment that exists"
    return Scopes(
        row["agent_id"],
        row["state"],
        limits_from_json(row["limits"]),
        limits_from_json(row["account_limits"]),
    )


def booked(
    tx: Transaction, order: Order, *, agent_id: str, author_id: int | None, since: datetime, now: datetime
) -> Booked:
    """What is held, reserved and at work, as the entry's caps and its place see it. `since`: when the account was read at the venue.

    The cap per agent counts the agent's reservations on every account of the same nature, live or paper; the other caps count
    within their own scope.
    """
    row = tx.one(
        _BOOKED,
        account_id=order.account_id,
        deployment_id=order.deployment_id,
        agent_id=agent_id,
        author_id=author_id,
        market=order.market,
        venue=order.venue,
        position_key=order.position_key,
        order_id=order.order_id,
        since=since,
        now=now,
    )
    assert row is not None
    return Booked(
        changed_at=row["changed_at"],
        owner_side=None if row["owner_side"] is None else Side(row["owner_side"]),
        is_place_at_work=row["is_place_at_work"],
        by_deployment=Usage(
            row["deployment_market"],
            row["deployment_author"],
            row["agent"],
            row["deployment"],
            row["deployment_day"],
            row["deployment_open"],
        ),
        by_account=Usage(
            row["account_market"],
            row["account_author"],
            row["agent"],
            row["account"],
            row["account_day"],
            row["account_open"],
        ),
        margin_usd=row["margin_usd"],
    )


def approve(
    tx: Transaction,
    order: Order,
    *,
    held: Claim,
    agent_id: str,
    author_id: int | None,
    position_id: UUID,
    sized: Sized,
    limit_price: Decimal,
    now: datetime,
) -> Order:
    """Approve a planned entry and reserve its worst case against every cap, in one statement; the order as it stands then.

    Raises LostClaim where the claim is gone.
    """
    touched = tx.execute(
        """
        with approved as (
            update orders set status = 'APPROVED', updated_at = :now, position_id = :position_id, size = :size,
                              limit_price = :limit_price, leverage = :leverage
             where order_id = :order_id and claim_token = :token and status = 'PLANNED'
            returning order_id, account_id, deployment_id, venue, market, position_id)
        insert into reservations (order_id, account_id, deployment_id, agent_id, author_id, venue, market, position_id,
                                  notional_usd, margin_usd, risk_usd, reserved_at)
        select order_id, account_id, deployment_id, :agent_id, :author_id, venue, market, position_id,
               :notional_usd, :margin_usd, :risk_usd, :now
          from approved
        """,
        order_id=order.order_id,
        token=held.token,
        position_id=position_id,
        size=sized.size,
        limit_price=limit_price,
        leverage=Decimal(sized.leverage),
        agent_id=agent_id,
        author_id=author_id,
        notional_usd=sized.worst_notional_usd,
        margin_usd=sized.margin_usd,
        risk_usd=sized.risk_usd,
        now=now,
    )
    if touched != 1:
        raise LostClaim(f"order {order.order_id} was continued by somebody else")
    return replace(
        order,
        status=OrderStatus.APPROVED,
        position_id=position_id,
        size=sized.size,
        limit_price=limit_price,
        leverage=Decimal(sized.leverage),
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
