"""Who is on the desk: what this room offers to the others, and how a desk file takes effect.

Promises: readers answer with checked values and write nothing; `apply_desk` works in the caller's
transaction, and a second application of the same file changes nothing.
"""

from collections.abc import Sequence

from outcry.agents import store
from outcry.agents.model import Account, Agent, Deployment, Desk
from outcry.agents.own_store import put_own_deployment, switch_off_own_deployment
from outcry.agents.store import apply_desk
from outcry.runtime.database import Transaction

__all__ = [
    "account",
    "accounts",
    "accounts_named",
    "active_deployments",
    "active_deployments_of",
    "agent",
    "agents_following",
    "apply_desk",
    "deployment",
    "desk_in_force",
    "put_own_deployment",
    "switch_off_own_deployment",
    "usernames",
    "weights",
]


def active_deployments(tx: Transaction, agent_id: str) -> list[Deployment]:
    """Every account that the agent is at work on: all of them, never only the newest (F-26)."""
    return store.deployments_of(tx, [agent_id], state="ACTIVE")


def active_deployments_of(tx: Transaction, agent_ids: Sequence[str]) -> dict[str, list[Deployment]]:
    """The active deployments of many agents, by agent, in one statement. An agent without any is left out."""
    found: dict[str, list[Deployment]] = {}
    for each in store.deployments_of(tx, agent_ids, state="ACTIVE"):
        found.setdefault(each.agent.agent_id, []).append(each)
    return found


def deployment(tx: Transaction, deployment_id: str) -> Deployment | None:
    """One deployment, in whatever state; None where there is none of that id."""
    return store.deployment_by_id(tx, deployment_id)


def account(tx: Transaction, account_id: str) -> Account | None:
    """One account; None where there is none of that id."""
    return store.account_by_id(tx, account_id)


def accounts_named(tx: Transaction, account_ids: Sequence[str]) -> list[Account]:
    """Those of these accounts that there are and can be read, in one statement; in none where none is named."""
    return store.accounts_by_id(tx, account_ids) if account_ids else []


def accounts(tx: Transaction) -> list[Account]:
    """Every account, by id; also those that no deployment uses now."""
    return store.accounts(tx)


def agent(tx: Transaction, agent_id: str) -> Agent | None:
    """One agent, active or not; None where there is none of that id."""
    return store.agent_by_id(tx, agent_id)


def agents_following(tx: Transaction, author_id: int) -> list[tuple[Agent, int]]:
    """Every agent that follows the author, inactive ones too, with the weight it gives (0 to 100)."""
    return store.followers(tx, author_id)


def weights(
    tx: Transaction, agent_ids: Sequence[str], author_ids: Sequence[int]
) -> dict[str, dict[int, int]]:
    """The weight that each of these agents gives each of these authors. Who is not followed is left out."""
    found: dict[str, dict[int, int]] = {agent_id: {} for agent_id in agent_ids}
    for follow in store.weights(tx, agent_ids, author_ids):
        found[follow.agent_id][follow.author_id] = follow.weight
    return found


def desk_in_force(tx: Transaction, source: str) -> Desk:
    """The desk as it stands: what a file would say that changes nothing when it is applied.

    What left the last file is not in it: inactive authors, agents that follow nobody any more, and their deployments.
    Accounts stay for good and are all in it.
    """
    agents = store.agents_with_follows(tx)
    names = {each.agent_id for each in agents}
    return Desk(
        source=source,
        authors=tuple(store.active_authors(tx)),
        agents=tuple(agents),
        follows=tuple(store.follows(tx)),
        accounts=tuple(store.accounts(tx)),
        deployments=tuple(each for each in store.deployments(tx) if each.agent.agent_id in names),
    )


def usernames(tx: Transaction, author_ids: Sequence[int]) -> dict[int, str]:
    """The handles of these authors, for sentences that people read."""
    return store.usernames(tx, author_ids)
