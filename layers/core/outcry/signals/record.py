"""A decision as the signal that is stored and shown: status, reason, numbers, and what explains them.

Pure. Promises: each place that was looked at is told, with why it was passed over; nothing that a post stated
and that was left out goes unsaid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from outcry.agents.model import Agent
from outcry.runtime.reasons import Reason
from outcry.signals.exit_rules import AtPrice
from outcry.signals.judge import Place, Skip, Take, entry_plan
from outcry.signals.model import Call, EntryPlan
from outcry.signals.route import Route
from outcry.signals.score import Breakdown


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as it is stored. `reason` is None for a taken one; `detail` is for people."""

    agent_id: str
    post_ids: tuple[int, ...]
    venue: str | None
    market: str | None
    status: str
    reason: str | None
    detail: str | None
    score: Decimal | None
    breakdown: Mapping[str, Any]
    stop_price: Decimal | None
    not_after: datetime | None


def open_signal(
    call: Call,
    agent: Agent,
    verdict: Take | Skip,
    *,
    breakdown: Breakdown,
    places: Sequence[Place],
    usernames: Mapping[int, str],
) -> Signal:
    """What the agent decided about a call to open."""
    told = breakdown.to_json() | {
        "sentence": breakdown.sentence(usernames),
        "places": [_place_to_json(place) for place in places],
    }
    route = next((place.route for place in places if isinstance(place.route, Route)), None)
    stop_price = None
    if isinstance(verdict, Take):
        plan, notes = entry_plan(call, agent, verdict.places[0], breakdown, signal_id=0)
        told["notes"] = list(notes)
        stop_price = planned_stop(plan, verdict.places[0])
        route = verdict.places[0].route if isinstance(verdict.places[0].route, Route) else route
    return Signal(
        agent_id=agent.agent_id,
        post_ids=tuple(dict.fromkeys([call.post_id, *(part.post_id for part in breakdown.parts)])),
        venue=None if route is None else route.venue,
        market=None if route is None else route.market,
        status="SKIPPED" if isinstance(verdict, Skip) else "TAKEN",
        reason=verdict.reason.value if isinstance(verdict, Skip) else None,
        detail=verdict.detail if isinstance(verdict, Skip) else _taken_detail(verdict),
        score=breakdown.score,
        breakdown=told,
        stop_price=stop_price,
        not_after=call.spoken_at + agent.strategy.max_call_age,
    )


def close_signal(
    call: Call, agent: Agent, *, market: str | None, planned: int, reason: Reason, detail: str | None
) -> Signal:
    """What the agent does about a call to close: `planned` exits or, where that is 0, why none."""
    if planned:
        detail = f"{planned} position{'s' if planned > 1 else ''} to close"
    return Signal(
        agent_id=agent.agent_id,
        post_ids=(call.post_id,),
        venue=None,
        market=market,
        status="TAKEN" if planned else "SKIPPED",
        reason=None if planned else reason.value,
        detail=detail,
        score=None,
        breakdown={"sentence": "A call to close has no score: it ends what its author was followed into."},
        stop_price=None,
        not_after=None,
    )


def planned_stop(plan: EntryPlan, place: Place) -> Decimal | None:
    """The stop as a price, were the entry to fill at the mark; the fill decides later.

    None where there is no price.
    """
    stop = plan.exits.stop
    if isinstance(stop, AtPrice):
        return stop.price
    return None if place.mark is None else place.mark * (1 - plan.side.sign * stop.fraction)


def _taken_detail(take: Take) -> str | None:
    if not take.waiting:
        return None
    names = ", ".join(place.deployment.deployment_id for place in take.waiting)
    return f"waiting for a fresh mark: {names}"


def _place_to_json(place: Place) -> dict[str, Any]:
    return {
        "deployment": place.deployment.deployment_id,
        "market": place.route.market if isinstance(place.route, Route) else None,
        "mark": None if place.mark is None else str(place.mark),
        "checked": [{"venue": each.venue, "why_not": each.why_not} for each in place.route.checked],
    }
