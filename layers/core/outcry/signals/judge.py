"""Whether an agent acts on a call to open, and with what plan: the decision itself, with its reason.

Pure. Promises: the first check that fails decides, in a fixed order; a missing or stale mark is never
replaced by another price; a stop or a leverage that a post states can make an entry smaller, less leveraged,
earlier out or refused, never the opposite. Targets that it states are used as prices of the agent's own ladder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from outcry.agents.model import Agent, Deployment
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.exit_rules import plan_exits, sizing_stop_frac
from outcry.signals.model import Call, EntryPlan
from outcry.signals.route import NoRoute, Route, is_stablecoin
from outcry.signals.score import Breakdown


@dataclass(frozen=True, slots=True)
class Place:
    """Where one deployment would trade. `mark` is None where there is no fresh one."""

    deployment: Deployment
    route: Route | NoRoute
    mark: Decimal | None


@dataclass(frozen=True, slots=True)
class Skip:
    """The agent does not act: why, and in this case's own numbers."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The agent would act, but no venue has a fresh mark: nothing is decided yet."""


@dataclass(frozen=True, slots=True)
class Take:
    """The agent acts in these places. `waiting` are places without a fresh mark, to be looked at again."""

    places: tuple[Place, ...]
    waiting: tuple[Place, ...]


def judge(
    call: Call, agent: Agent, *, weight: int, breakdown: Breakdown, places: Sequence[Place], now: datetime
) -> Take | Skip | Wait:
    """Decide about a call to open.

    `weight` is what the agent gives its author, `places` one per active deployment.
    """
    strategy = agent.strategy
    not_after = call.spoken_at + strategy.max_call_age
    if (refused := _refused_before_score(call, agent, weight, places)) is not None:
        return refused
    if call.heard_at >= not_after:
        return _too_old(call, now, agent)
    routed = [place for place in places if isinstance(place.route, Route)]
    if not routed:
        return _nowhere(call, places)
    if (refused := _refused_by_score(call, agent, breakdown)) is not None:
        return refused
    fresh = tuple(place for place in routed if place.mark is not None)
    if now >= not_after:
        if fresh:
            return _too_old(call, now, agent)
        return Skip(
            Reason.MARK_STALE, "no venue of the agent's had a fresh mark while the call was young enough"
        )
    if not fresh:
        return Wait()
    return Take(fresh, tuple(place for place in routed if place.mark is None))


def _refused_before_score(call: Call, agent: Agent, weight: int, places: Sequence[Place]) -> Skip | None:
    strategy = agent.strategy
    if not agent.is_active:
        return Skip(Reason.AGENT_INACTIVE, f"{agent.name} is switched off in the desk file")
    if weight == 0:
        return Skip(Reason.AUTHOR_WEIGHT_ZERO, f"{agent.name} follows the author with weight 0")
    if is_stablecoin(call.token):
        return Skip(Reason.STABLECOIN, f"{call.token} is a stablecoin")
    if call.side not in strategy.sides:
        sides = " and ".join(sorted(strategy.sides))
        return Skip(Reason.SIDE_NOT_ALLOWED, f"{agent.name} trades {sides} only, and the call is {call.side}")
    if call.conviction < strategy.min_conviction:
        detail = f"conviction {call.conviction:f} is below {strategy.min_conviction:f}"
        return Skip(Reason.CONVICTION_TOO_LOW, detail)
    if not places:
        return Skip(Reason.NO_DEPLOYMENT, f"{agent.name} has no active deployment")
    return None


def _refused_by_score(call: Call, agent: Agent, breakdown: Breakdown) -> Skip | None:
    needed = agent.strategy.min_score
    score = breakdown.toward(call.side)
    if score >= needed:
        return None
    stands = f"{score:+f} for {call.side} where {needed:f} is needed"
    against = sum((part.contribution for part in breakdown.parts if part.side is not call.side), Decimal(0))
    if against and score <= 0:
        return Skip(Reason.OPPOSED_BY_OTHERS, f"{abs(against):f} against it: {stands}")
    if call.author_id in breakdown.withdrew:
        return Skip(Reason.SCORE_TOO_LOW, f"its author has withdrawn it since: {stands}")
    return Skip(Reason.SCORE_TOO_LOW, stands)


def _too_old(call: Call, now: datetime, agent: Agent) -> Skip:
    age_s = int((now - call.spoken_at).total_seconds())
    limit_s = int(agent.strategy.max_call_age.total_seconds())
    return Skip(Reason.CALL_TOO_OLD, f"spoken {age_s} s ago, and {agent.name} acts within {limit_s} s")


def _nowhere(call: Call, places: Sequence[Place]) -> Skip:
    """No place has a route; the first one's reason stands for all, unless one just lists no such market."""
    routes = [place.route for place in places if isinstance(place.route, NoRoute)]
    reasons = [route.reason for route in routes]
    reason = Reason.MARKET_NOT_LISTED if Reason.MARKET_NOT_LISTED in reasons else reasons[0]
    passed_over = dict.fromkeys(f"{each.venue}: {each.why_not}" for route in routes for each in route.checked)
    return Skip(reason, f"{call.token} has no place to trade ({'; '.join(passed_over)})")


def entry_plan(
    call: Call, agent: Agent, place: Place, breakdown: Breakdown, *, signal_id: int
) -> tuple[EntryPlan, tuple[str, ...]]:
    """The plan of one deployment's entry, and what was left out of the post, in words.

    Stops and targets are measured from the mark, where the entry will fill. The reference for chasing is the
    post's own stated entry where the mark already passed it (its far edge, where a zone is stated), so that
    the way from there counts too: a mark more than `max_chase_frac` beyond the stated entry is refused at
    approval as MARK_RAN_AWAY, and a mark that passed it by less leaves only the rest of that way. A post that
    waits for a far better price is refused the same way.
    """
    route, mark, side = place.route, place.mark, call.side
    assert isinstance(route, Route)
    assert mark is not None
    strategy, sizing = agent.strategy, agent.strategy.sizing
    stated_stop = None if call.stop is None else call.stop * route.price_scale
    exits, notes = plan_exits(
        strategy.exits,
        side=side,
        reference_price=mark,
        stated_stop=stated_stop,
        stated_targets=tuple(price * route.price_scale for price in call.targets),
    )
    leverages = [sizing.max_leverage, route.max_leverage]
    if call.leverage is not None:
        leverages.append(max(int(call.leverage), 1))
    stop_frac = sizing_stop_frac(
        strategy.exits,
        min_stop_frac=sizing.min_stop_frac,
        side=side,
        reference_price=mark,
        stated_stop=stated_stop,
    )
    plan = EntryPlan(
        signal_id=signal_id,
        agent_id=agent.agent_id,
        author_id=call.author_id,
        market=route.market,
        side=side,
        score=breakdown.score,
        reference_price=_reference(call, route, mark),
        stop_frac=stop_frac,
        risk_frac=sizing.risk_frac,
        max_leverage=min(leverages),
        max_slippage_frac=sizing.max_slippage_frac,
        max_chase_frac=sizing.max_chase_frac,
        exits=exits,
        not_after=call.spoken_at + strategy.max_call_age,
    )
    return plan, notes


def _reference(call: Call, route: Route, mark: Decimal) -> Decimal:
    if call.side is Side.LONG:
        stated = call.entry_high or call.entry_low
        return mark if stated is None else min(mark, stated * route.price_scale)
    stated = call.entry_low or call.entry_high
    return mark if stated is None else max(mark, stated * route.price_scale)
