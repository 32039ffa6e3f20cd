"""The desk in Postgres: the statements of this room. Other rooms ask `roster`.

Promises: applying a desk twice changes nothing the second time; nothing that trades ever disappears from the
ledger: what left the file is switched off, never deleted. An account or a deployment never becomes another
one under the same id.
"""

import contextlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from outcry.agents.desk_problem import DeskError, DeskProblem
from outcry.agents.model import Account, Agent, Author, Deployment, Desk, Follow
from outcry.agents.stored import limits_from_json, limits_to_json, strategy_from_json, strategy_to_json
from outcry.runtime.database import Row, Transaction
from outcry.runtime.errors import BugError

_ACCOUNT = """a.account_id, a.venue, a.network, a.address, a.paper_balance_usd, a.foreign_policy,
              a.limits as account_limits"""
_AGENT = "g.agent_id, g.name, g.strategy, g.is_active"
_ACCOUNTS = f"select {_ACCOUNT} from accounts a"
_AGENTS = f"select {_AGENT} from agents g"
_DEPLOYMENTS = f"""
    select d.deployment_id, d.state, d.limits, {_AGENT}, {_ACCOUNT}
      from deployments d join agents g using (agent_id) join accounts a using (account_id)
"""


def apply_desk(tx: Transaction, desk: Desk, now: datetime) -> None:
    """Make the database say what the desk file says, in the caller's transaction.

    What left the file is switched off: deployments HALTED, agents and authors inactive, follows removed;
    accounts stay as they are, with what they hold. A deployment takes the state that the file gives it.
    Raises DeskError where an id would come to stand for another place.
    """
    put_authors(tx, desk.authors, now=now)
    put_agents(tx, desk.agents, now=now)
    put_follows(tx, desk.follows)
    put_accounts(tx, desk.accounts, now=now, source=desk.source)
    put_deployments(tx, desk.deployments, now=now, source=desk.source)


# ─── what a desk file says ──────────────────────────────────────────────────────────────────────────────────


def put_authors(tx: Transaction, authors: Sequence[Author], *, now: datetime) -> None:
    """Every author of the file, active; every other one not."""
    tx.execute(
        """
        insert into authors (author_id, username, is_active, created_at, updated_at)
        select author_id, username, true, :now, :now
          from jsonb_to_recordset(cast(:rows as jsonb)) as r(author_id bigint, username text)
        on conflict (author_id) do update
           set username = excluded.username, is_active = true, updated_at = excluded.updated_at
         where authors.username <> excluded.username or not authors.is_active
        """,
        rows=json.dumps([{"author_id": author.author_id, "username": author.username} for author in authors]),
        now=now,
    )
    tx.execute(
        """
        update authors set is_active = false, updated_at = :now
         where is_active and author_id <> all(cast(:kept as bigint[]))
        """,
        kept=[author.author_id for author in authors],
        now=now,
    )


def put_agents(tx: Transaction, agents: Sequence[Agent], *, now: datetime) -> None:
    """Every agent of the file as it says; every other one switched off."""
    rows = [
        {
            "agent_id": a.agent_id,
            "name": a.name,
            "strategy": strategy_to_json(a.strategy),
            "is_active": a.is_active,
        }
        for a in agents
    ]
    tx.execute(
        """
        insert into agents (agent_id, name, strategy, is_active, created_at, updated_at)
        select agent_id, name, strategy, is_active, :now, :now
          from jsonb_to_recordset(cast(:rows as jsonb))
            as r(agent_id text, name text, strategy jsonb, is_active boolean)
        on conflict (agent_id) do update
           set name = excluded.name, strategy = excluded.strategy, is_active = excluded.is_active,
               updated_at = excluded.updated_at
         where (agents.name, agents.strategy, agents.is_active)
               is distinct from (excluded.name, excluded.strategy, excluded.is_active)
        """,
        rows=json.dumps(rows),
        now=now,
    )
    tx.execute(
        """
        update agents set is_active = false, updated_at = :now
         where is_active and agent_id <> all(cast(:kept as text[]))
        """,
        kept=[agent.agent_id for agent in agents],
        now=now,
    )


def put_follows(tx: Transaction, follows: Sequence[Follow]) -> None:
    """Exactly these follows, and no others."""
    rows = json.dumps(
        [{"agent_id": f.agent_id, "author_id": f.author_id, "weight": f.weight} for f in follows]
    )
    tx.execute(
        """
        delete from follows f
         where not exists (select from jsonb_to_recordset(cast(:rows as jsonb))
                                 as r(agent_id text, author_id bigint)
                            where r.agent_id = f.agent_id and r.author_id = f.author_id)
        """,
        rows=rows,
    )
    tx.execute(
        """
        insert into follows (agent_id, author_id, weight)
        select agent_id, author_id, weight
          from jsonb_to_recordset(cast(:rows as jsonb)) as r(agent_id text, author_id bigint, weight smallint)
        on conflict (agent_id, author_id) do update set weight = excluded.weight
         where follows.weight <> excluded.weight
        """,
        rows=rows,
    )


def put_accounts(tx: Transaction, listed: Sequence[Account], *, now: datetime, source: str) -> None:
    """Every account of the file. Raises DeskError where one would become another place under its old id."""
    rows = json.dumps([{**_account_row(account), "place": place} for place, account in enumerate(listed)])
    moved = tx.all(
        """
        select r.place, concat_ws(' ', a.venue, a.network, a.address) as was
          from accounts a join jsonb_to_recordset(cast(:rows as jsonb))
                as r(account_id text, venue text, network text, address text, place integer)
                using (account_id)
         where (a.venue, a.network, a.address) <> (r.venue, r.network, r.address) order by r.place
        """,
        rows=rows,
    )
    if moved:
        raise DeskError([_moved(source, "accounts", listed[row["place"]].account_id, row) for row in moved])
    tx.execute(
        """
        insert into accounts (account_id, venue, network, address, paper_balance_usd, foreign_policy, limits,
                              created_at, updated_at)
        select account_id, venue, network, address, paper_balance_usd, foreign_policy, limits, :now, :now
          from jsonb_to_recordset(cast(:rows as jsonb))
            as r(account_id text, venue text, network text, address text, paper_balance_usd numeric,
                 foreign_policy text, limits jsonb)
        on conflict (account_id) do update
           set paper_balance_usd = excluded.paper_balance_usd, foreign_policy = excluded.foreign_policy,
               limits = excluded.limits, updated_at = excluded.updated_at
         where (accounts.paper_balance_usd, accounts.foreign_policy, accounts.limits)
               is distinct from (excluded.paper_balance_usd, excluded.foreign_policy, excluded.limits)
        """,
        rows=rows,
        now=now,
    )


def put_deployments(tx: Transaction, listed: Sequence[Deployment], *, now: datetime, source: str) -> None:
    """Every deployment of the file in its state there; every other one HALTED. Raises like put_accounts."""
    rows = json.dumps(
        [
            {
                "place": place,
                "deployment_id": d.deployment_id,
                "agent_id": d.agent.agent_id,
                "account_id": d.account.account_id,
                "state": d.state,
                "limits": limits_to_json(d.limits),
            }
            for place, d in enumerate(listed)
        ]
    )
    moved = tx.all(
        """
        select r.place, concat_ws(' ', d.agent_id, 'on', d.account_id) as was
          from deployments d join jsonb_to_recordset(cast(:rows as jsonb))
                as r(deployment_id text, agent_id text, account_id text, place integer) using (deployment_id)
         where (d.agent_id, d.account_id) <> (r.agent_id, r.account_id) order by r.place
        """,
        rows=rows,
    )
    if moved:
        raise DeskError(
            [_moved(source, "deployments", listed[row["place"]].deployment_id, row) for row in moved]
        )
    tx.execute(
        """
        update deployments set state = 'HALTED', updated_at = :now
         where state <> 'HALTED' and deployment_id <> all(cast(:kept as text[]))
        """,
        kept=[deployment.deployment_id for deployment in listed],
        now=now,
    )
    tx.execute(
        """
        insert into deployments (deployment_id, agent_id, account_id, state, limits, created_at, updated_at)
        select deployment_id, agent_id, account_id, state, limits, :now, :now
          from jsonb_to_recordset(cast(:rows as jsonb))
            as r(deployment_id text, agent_id text, account_id text, state text, limits jsonb)
        on conflict (deployment_id) do update
           set state = excluded.state, limits = excluded.limits, updated_at = excluded.updated_at
         where (deployments.state, deployments.limits) is distinct from (excluded.state, excluded.limits)
        """,
        rows=rows,
        now=now,
    )


def _account_row(account: Account) -> dict[str, Any]:
    balance = account.paper_balance_usd
    return {
        "account_id": account.account_id,
        "venue": account.venue,
        "network": account.network,
        "address": account.address,
        "paper_balance_usd": None if balance is None else str(balance),
        "foreign_policy": account.foreign_policy,
        "limits": limits_to_json(account.limits),
    }


def _moved(source: str, section: str, name: str, row: Row) -> DeskProblem:
    was = f"{name} stands for {row['was']} already and keeps its orders and positions"
    fix = f"{was}: give the new one an id of its own"
    return DeskProblem(source, None, f"{section}[{row['place']}]", name, fix)


# ─── readers, offered by `roster` ───────────────────────────────────────────────────────────────────────────


def deployments_of(tx: Transaction, agent_ids: Sequence[str], *, state: str) -> list[Deployment]:
    """The agents' deployments in a state, by id."""
    rows = tx.all(
        f"""{_DEPLOYMENTS}
         where d.agent_id = any(cast(:agents as text[])) and d.state = :state order by d.deployment_id""",
        agents=list(agent_ids),
        state=state,
    )
    return [_deployment(row) for row in rows]


def deployment_by_id(tx: Transaction, deployment_id: str) -> Deployment | None:
    """One deployment."""
    row = tx.one(f"{_DEPLOYMENTS} where d.deployment_id = :deployment_id", deployment_id=deployment_id)
    return None if row is None else _deployment(row)


def deployments(tx: Transaction) -> list[Deployment]:
    """Every deployment, by id, in whatever state."""
    return [_deployment(row) for row in tx.all(f"{_DEPLOYMENTS} order by d.deployment_id")]


def active_authors(tx: Transaction) -> list[Author]:
    """The authors of the last file, by handle."""
    rows = tx.all(
        "select author_id, username from authors where is_active order by lower(username), author_id"
    )
    return [Author(row["author_id"], row["username"]) for row in rows]


def agents_with_follows(tx: Transaction) -> list[Agent]:
    """The agents of the last file, by id: who left it follows nobody any more."""
    rows = tx.all(
        f"{_AGENTS} where exists (select from follows f where f.agent_id = g.agent_id) order by g.agent_id"
    )
    return [_agent(row) for row in rows]


def follows(tx: Transaction) -> list[Follow]:
    """Who follows whom, heaviest first."""
    rows = tx.all("select agent_id, author_id, weight from follows order by agent_id, weight desc, author_id")
    return [Follow(row["agent_id"], row["author_id"], row["weight"]) for row in rows]


def accounts(tx: Transaction) -> list[Account]:
    """Every account, by id."""
    return [_account(row) for row in tx.all(f"{_ACCOUNTS} order by a.account_id")]


def accounts_by_id(tx: Transaction, account_ids: Sequence[str]) -> list[Account]:
    """Those of these accounts that there are, without those whose row cannot be read: asked for alone, such a one says why."""
    rows = tx.all(
        f"{_ACCOUNTS} where a.account_id = any(string_to_array(:ids, ','))", ids=",".join(account_ids)
    )
    found = []
    for row in rows:
        with contextlib.suppress(BugError):
            found.append(_account(row))
    return found


def account_by_id(tx: Transaction, account_id: str) -> Account | None:
    """One account. Raises BugError where its row cannot be read."""
    row = tx.one(f"{_ACCOUNTS} where a.account_id = :account_id", account_id=account_id)
    return None if row is None else _account(row)


def agent_by_id(tx: Transaction, agent_id: str) -> Agent | None:
    """One agent."""
    row = tx.one(f"{_AGENTS} where g.agent_id = :agent_id", agent_id=agent_id)
    return None if row is None else _agent(row)


def followers(tx: Transaction, author_id: int) -> list[tuple[Agent, int]]:
    """Every agent that follows the author, with the weight it gives."""
    rows = tx.all(
        """
        select g.agent_id, g.name, g.strategy, g.is_active, f.weight
          from follows f join agents g using (agent_id)
         where f.author_id = :author_id order by g.agent_id
        """,
        author_id=author_id,
    )
    return [(_agent(row), row["weight"]) for row in rows]


def weights(tx: Transaction, agent_ids: Sequence[str], author_ids: Sequence[int]) -> list[Follow]:
    """The weights that these agents give these authors."""
    rows = tx.all(
        """
        select agent_id, author_id, weight from follows
         where agent_id = any(cast(:agents as text[])) and author_id = any(cast(:authors as bigint[]))
        """,
        agents=list(agent_ids),
        authors=list(author_ids),
    )
    return [Follow(row["agent_id"], row["author_id"], row["weight"]) for row in rows]


def usernames(tx: Transaction, author_ids: Sequence[int]) -> dict[int, str]:
    """The handles of these authors."""
    rows = tx.all(
        "select author_id, username from authors where author_id = any(cast(:authors as bigint[]))",
        authors=list(author_ids),
    )
    return {row["author_id"]: row["username"] for row in rows}


def _agent(row: Row) -> Agent:
    return Agent(row["agent_id"], row["name"], strategy_from_json(row["strategy"]), row["is_active"])


def _account(row: Row) -> Account:
    try:
        limits = limits_from_json(row["account_limits"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BugError(f"the limits of account {row['account_id']} cannot be read: {error!r}") from error
    return Account(
        account_id=row["account_id"],
        venue=row["venue"],
        network=row["network"],
        address=row["address"],
        paper_balance_usd=row["paper_balance_usd"],
        foreign_policy=row["foreign_policy"],
        limits=limits,
    )


def _deployment(row: Row) -> Deployment:
    return Deployment(
        deployment_id=row["deployment_id"],
        agent=_agent(row),
        account=_account(row),
        state=row["state"],
        limits=limits_from_json(row["limits"]),
    )
