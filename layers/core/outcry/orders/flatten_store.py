"""SQL of flattening: what a set of scopes covers. Private to this room."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from outcry.runtime.database import Transaction

_COVERED = """
    ('desk' = any(cast(:scopes as text[])) or 'account:' || x.account_id = any(cast(:scopes as text[]))
     or 'deployment:' || x.deployment_id = any(cast(:scopes as text[])) or 'agent:' || d.agent_id = any(cast(:scopes as text[])))
"""


def unsent_entries(tx: Transaction, scopes: Sequence[str]) -> list[UUID]:
    """Entries of these scopes for which nothing was signed yet and that take no place yet."""
    rows = tx.all(
        f"""
        select x.order_id from orders x join deployments d using (deployment_id)
         where x.kind = 'enter' and x.status = 'PLANNED' and x.finished_at is null and {_COVERED}
         order by x.order_id for no key update of x skip locked
        """,
        scopes=list(scopes),
    )
    return [row["order_id"] for row in rows]


def held_positions(tx: Transaction, scopes: Sequence[str]) -> list[Any]:
    """Owned positions of these scopes that are not gone and have no open exit."""
    rows = tx.all(
        f"""
        select x.position_id from positions x join deployments d using (deployment_id)
         where x.is_owned and x.status not in ('CLOSED', 'ABANDONED') and {_COVERED}
           and not exists (select 1 from orders e where e.position_id = x.position_id and e.kind = 'exit' and e.finished_at is null)
         order by x.created_at
        """,
        scopes=list(scopes),
    )
    return [row["position_id"] for row in rows]
