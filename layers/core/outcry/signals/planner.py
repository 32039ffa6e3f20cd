"""The port from signals to the order ledger, a later room: `orders.plan` implements it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from outcry.agents.model import Deployment
from outcry.runtime.database import Transaction
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.model import EntryPlan


@dataclass(frozen=True, slots=True)
class Planned:
    """An order that was planned for a deployment and whose queue is to be rung after commit."""

    order_id: UUID
    is_exit: bool


class Planner(Protocol):
    """The order ledger, as signals see it: `orders.plan` implements it, `wiring` passes it in."""

    def plan_entry(
        self, tx: Transaction, plan: EntryPlan, deployment: Deployment, *, now: datetime, trace_id: str
    ) -> Planned | None:
        """Plan an entry for the deployment; None where this signal has one there already."""
        ...

    def plan_exit_on_call(
        self,
        tx: Transaction,
        *,
        agent_id: str,
        author_id: int,
        market: str,
        side: Side,
        now: datetime,
        trace_id: str,
    ) -> tuple[list[Planned], Reason | None]:
        """Plan exits of the positions that the agent entered on this author's calls, in this market and side.

        Returns what was planned, or a Reason why nothing was (NOTHING_TO_CLOSE, CLOSE_CALLS_IGNORED).
        """
        ...
