"""Everything that agents look at when they decide about one call, read once for all of them.

Promises: the number of statements does not grow with the number of agents; writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from outcry.agents import roster
from outcry.agents.model import Agent, Deployment
from outcry.runtime.database import Transaction
from outcry.signals import store
from outcry.signals.judge import Place
from outcry.signals.model import Call
from outcry.signals.route import Listed, Route, market_names, route
from outcry.signals.score import Heard

OLDEST_MARK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was heard about the token, who weighs how much for whom, and where it trades at which mark."""

    heard: tuple[Heard, ...]
    weights: dict[str, dict[int, int]]
    usernames: dict[int, str]
    deployments: dict[str, list[Deployment]]
    listed: tuple[Listed, ...]
    marks: dict[tuple[str, str, str], Decimal]

    def heard_by(self, agent: Agent, now: datetime) -> list[Heard]:
        """The calls within the agent's evidence window."""
        since = now - agent.strategy.evidence_window
        return [call for call in self.heard if call.spoken_at >= since]

    def places(self, agent: Agent, call: Call) -> list[Place]:
        """Where each of the agent's active deployments would trade the call."""
        return [self._place(deployment, call) for deployment in self.deployments.get(agent.agent_id, [])]

    def _place(self, deployment: Deployment, call: Call) -> Place:
        account = deployment.account
        found = route(
            call.token,
            call.side,
            agent_venues=deployment.agent.strategy.venues,
            account_venue=account.venue,
            account_network=account.network,
            listed=self.listed,
        )
        mark = (
            self.marks.get((found.venue, found.network, found.market)) if isinstance(found, Route) else None
        )
        return Place(deployment, found, mark)


def read_evidence(tx: Transaction, call: Call, agents: Sequence[Agent], *, now: datetime) -> Evidence:
    """Read what these agents need to decide about the call now."""
    window = max((agent.strategy.evidence_window for agent in agents), default=timedelta(0))
    heard = store.heard_about(tx, call.token, since=now - window, until=now)
    authors = sorted({each.author_id for each in heard} | {call.author_id})
    ids = [agent.agent_id for agent in agents]
    names = market_names(call.token)
    return Evidence(
        heard=tuple(heard),
        weights=roster.weights(tx, ids, authors),
        usernames=roster.usernames(tx, authors),
        deployments=roster.active_deployments_of(tx, ids),
        listed=tuple(store.listed(tx, names)),
        marks=store.fresh_marks(tx, names, now=now, at_most=OLDEST_MARK),
    )
