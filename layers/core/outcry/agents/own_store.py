"""Deployments of Outcry's own, which no desk file has: SQL of this room, offered by `roster`.

Promises: their agent follows nobody and is switched off, so it decides nothing, and applying or exporting a desk file neither
lists nor loses it; what they hold is watched like everything else.
"""

import hashlib
import json
from datetime import datetime

from outcry.agents.model import Account, Deployment, Limits, Strategy
from outcry.agents.store import deployment_by_id
from outcry.agents.stored import limits_to_json, strategy_to_json
from outcry.runtime.database import Transaction
from outcry.runtime.errors import ConfigurationError

_ID_LENGTH = 63


def put_own_deployment(
    tx: Transaction,
    account: Account,
    *,
    agent_id: str,
    name: str,
    strategy: Strategy,
    limits: Limits,
    now: datetime,
) -> Deployment:
    """The deployment of an agent of Outcry's own on an account, ACTIVE with these limits; made where there is none yet.

    Raises ConfigurationError where a desk file has an agent of that id.
    """
    tx.execute(
        """
        insert into agents (agent_id, name, strategy, is_active, created_at, updated_at)
        values (:agent_id, :name, cast(:strategy as jsonb), false, :now, :now) on conflict (agent_id) do nothing
        """,
        agent_id=agent_id,
        name=name,
        strategy=json.dumps(strategy_to_json(strategy)),
        now=now,
    )
    taken = tx.one(
        """
        select exists (select 1 from follows where agent_id = :agent_id)
            or exists (select 1 from agents where agent_id = :agent_id and is_active) as found
        """,
        agent_id=agent_id,
    )
    if taken and taken["found"]:
        raise ConfigurationError(
            "agents", agent_id, "this id is Outcry's own: rename the agent in the desk file"
        )
    row = tx.one(
        """
        insert into deployments (deployment_id, agent_id, account_id, state, limits, created_at, updated_at)
        values (:deployment_id, :agent_id, :account_id, 'ACTIVE', cast(:limits as jsonb), :now, :now)
        on conflict (agent_id, account_id) do update
           set state = 'ACTIVE', limits = excluded.limits, updated_at = excluded.updated_at
        returning deployment_id
        """,
        deployment_id=_own_id(agent_id, account.account_id),
        agent_id=agent_id,
        account_id=account.account_id,
        limits=json.dumps(limits_to_json(limits)),
        now=now,
    )
    assert row is not None, "an upsert returns its row"
    found = deployment_by_id(tx, row["deployment_id"])
    assert found is not None, "it was just written"
    return found


def switch_off_own_deployment(tx: Transaction, account_id: str, *, agent_id: str, now: datetime) -> None:
    """Let the deployment take no more entries; what it holds is watched all the same."""
    tx.execute(
        """
        update deployments set state = 'HALTED', updated_at = :now
         where agent_id = :agent_id and account_id = :account_id and state <> 'HALTED'
        """,
        agent_id=agent_id,
        account_id=account_id,
        now=now,
    )


def _own_id(agent_id: str, account_id: str) -> str:
    """An id that fits its column: a long account's name is cut and told apart by its digest."""
    plain = f"{agent_id}-{account_id}"
    if len(plain) <= _ID_LENGTH:
        return plain
    digest = hashlib.sha256(account_id.encode()).hexdigest()[:12]
    return f"{plain[: _ID_LENGTH - 13]}-{digest}"
