"""The decision: every reason to skip with the input that causes it, and what a taken entry is planned with."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.agents.model import Agent, Deployment
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.exit_rules import AtPrice, FractionOfEntry
from outcry.signals.judge import Place, Skip, Take, Wait, entry_plan, judge
from outcry.signals.model import Call
from outcry.signals.record import close_signal, open_signal, planned_stop
from outcry.signals.route import Checked, NoRoute, Route
from outcry.signals.score import Breakdown, Heard, score

MARK = Decimal(60_000)
HERE = Route("hyperliquid", "local", "BTC", Decimal(1), 40, (Checked("hyperliquid", None),))
NOWHERE = NoRoute(Reason.MARKET_NOT_LISTED, (Checked("hyperliquid", "it lists no market for BTC"),))
MakeCall = Callable[..., Call]


@pytest.fixture
def place(deployment: Deployment) -> Place:
    return Place(deployment, HERE, MARK)


def heard(call: Call, **changes: Any) -> Heard:
    said = Heard(
        call.call_id, call.post_id, call.author_id, call.side, call.is_close, call.conviction, call.spoken_at
    )
    return replace(said, **changes)


def weighed(call: Call, *others: Heard, weights: dict[int, int] | None = None) -> Breakdown:
    return score([heard(call), *others], weights or {11: 80, 12: 100})


def decide(call: Call, agent: Agent, places: list[Place], **changes: Any) -> Take | Skip | Wait:
    told: dict[str, Any] = {
        "weight": 80,
        "breakdown": weighed(call),
        "places": places,
        "now": call.spoken_at + timedelta(minutes=1),
    }
    return judge(call, agent, **(told | changes))


def test_a_good_call_is_taken_in_every_place(agent: Agent, place: Place, make_call: MakeCall) -> None:
    other = replace(place, deployment=replace(place.deployment, deployment_id="one-more"))

    verdict = decide(make_call(), agent, [place, other])

    assert verdict == Take((place, other), ())


@pytest.mark.parametrize(
    ("call", "agent_change", "context", "reason", "says"),
    [
        ({}, {"is_active": False}, {}, Reason.AGENT_INACTIVE, "switched off"),
        ({}, {}, {"weight": 0}, Reason.AUTHOR_WEIGHT_ZERO, "weight 0"),
        ({"token": "USDT"}, {}, {}, Reason.STABLECOIN, "USDT is a stablecoin"),
        ({"side": Side.SHORT}, {"sides": {Side.LONG}}, {}, Reason.SIDE_NOT_ALLOWED, "trades LONG only"),
        ({"conviction": Decimal("0.49")}, {}, {}, Reason.CONVICTION_TOO_LOW, "0.49 is below 0.5"),
        ({}, {}, {"places": []}, Reason.NO_DEPLOYMENT, "no active deployment"),
        ({"conviction": Decimal("0.5")}, {"min_score": Decimal("0.7")}, {}, Reason.SCORE_TOO_LOW, "+0.4"),
    ],
)
def test_each_reason_to_skip_is_told_in_the_cases_own_numbers(
    agent: Agent,
    place: Place,
    make_call: MakeCall,
    call: dict[str, Any],
    agent_change: dict[str, Any],
    context: dict[str, Any],
    reason: Reason,
    says: str,
) -> None:
    is_active = agent_change.pop("is_active", True)
    chosen = replace(agent, is_active=is_active, strategy=replace(agent.strategy, **agent_change))

    verdict = decide(make_call(**call), chosen, **({"places": [place]} | context))

    assert isinstance(verdict, Skip)
    assert verdict.reason is reason
    assert says in verdict.detail
    assert reason.sentence


def test_f21_a_call_that_was_old_when_heard_is_skipped_for_good(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call()
    late = replace(call, heard_at=call.spoken_at + timedelta(minutes=10))

    verdict = decide(late, agent, [place], now=late.heard_at)

    assert verdict == Skip(Reason.CALL_TOO_OLD, "spoken 600 s ago, and One acts within 600 s")


def test_f21_a_call_that_aged_while_it_waited_is_too_old_at_its_limit(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call()

    young = decide(call, agent, [place], now=call.spoken_at + timedelta(minutes=10, microseconds=-1))
    old = decide(call, agent, [place], now=call.spoken_at + timedelta(minutes=10))

    assert isinstance(young, Take)
    assert isinstance(old, Skip)
    assert old.reason is Reason.CALL_TOO_OLD


def test_f35_without_a_fresh_mark_it_waits_and_then_gives_up_and_never_invents_one(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call, blind = make_call(), replace(place, mark=None)

    young = decide(call, agent, [blind])
    old = decide(call, agent, [blind], now=call.spoken_at + timedelta(minutes=10))

    assert young == Wait()
    assert isinstance(old, Skip)
    assert old.reason is Reason.MARK_STALE


def test_a_place_without_a_mark_does_not_hold_up_another(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    blind = replace(place, mark=None)

    assert decide(make_call(), agent, [blind, place]) == Take((place,), (blind,))


def test_a_token_without_a_market_names_every_venue_that_was_checked(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    nowhere = replace(place, route=NOWHERE)
    spot = replace(place, route=NoRoute(Reason.SIDE_NOT_ALLOWED, (Checked("spot", "no SHORT"),)))

    verdict = decide(make_call(), agent, [spot, nowhere])
    only_spot = decide(make_call(), agent, [spot])

    assert verdict == Skip(
        Reason.MARKET_NOT_LISTED,
        "BTC has no place to trade (spot: no SHORT; hyperliquid: it lists no market for BTC)",
    )
    assert isinstance(only_spot, Skip)
    assert only_spot.reason is Reason.SIDE_NOT_ALLOWED
    assert isinstance(decide(make_call(), agent, [nowhere, place]), Take)


def test_others_who_outweigh_the_call_oppose_it(agent: Agent, place: Place, make_call: MakeCall) -> None:
    call = make_call()
    against = heard(call, call_id=2, author_id=12, side=Side.SHORT, conviction=Decimal(1))

    verdict = decide(call, agent, [place], breakdown=weighed(call, against))
    weaker = replace(against, conviction=Decimal("0.4"))
    halved = decide(call, agent, [place], breakdown=weighed(call, weaker))

    assert isinstance(verdict, Skip)
    assert verdict.reason is Reason.OPPOSED_BY_OTHERS
    assert "0.555555 against it" in verdict.detail
    assert isinstance(halved, Skip)
    assert halved.reason is Reason.SCORE_TOO_LOW


def test_a_call_that_its_author_withdrew_before_the_decision_is_not_acted_on(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call()
    taken_back = heard(call, call_id=2, is_close=True, spoken_at=call.spoken_at + timedelta(seconds=20))

    verdict = decide(call, agent, [place], breakdown=weighed(call, taken_back))

    assert isinstance(verdict, Skip)
    assert verdict.reason is Reason.SCORE_TOO_LOW
    assert "withdrawn" in verdict.detail


@pytest.mark.parametrize(
    ("side", "stated", "reference"),
    [
        (Side.LONG, {}, "60000"),
        (Side.LONG, {"entry_low": "59000", "entry_high": "59500"}, "59500"),
        (Side.LONG, {"entry_low": "59000"}, "59000"),
        (Side.LONG, {"entry_low": "61000", "entry_high": "62000"}, "60000"),
        (Side.SHORT, {}, "60000"),
        (Side.SHORT, {"entry_low": "60500", "entry_high": "61000"}, "60500"),
        (Side.SHORT, {"entry_high": "61000"}, "61000"),
        (Side.SHORT, {"entry_low": "58000"}, "60000"),
    ],
)
def test_a_stated_entry_that_the_mark_passed_is_where_the_chase_is_measured_from(
    agent: Agent, place: Place, make_call: MakeCall, side: Side, stated: dict[str, str], reference: str
) -> None:
    call = make_call(side=side, **{name: Decimal(price) for name, price in stated.items()})

    plan, _ = entry_plan(call, agent, place, weighed(call), signal_id=7)

    assert plan.reference_price == Decimal(reference)


def test_f33_levels_of_a_token_that_trades_by_the_thousand_are_scaled_with_it(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    by_the_thousand = replace(
        place, route=Route("hyperliquid", "local", "kPEPE", Decimal(1000), 10, ()), mark=Decimal("0.0105")
    )
    call = make_call(
        token="PEPE",
        entry_high=Decimal("0.0000104"),
        stop=Decimal("0.0000103"),
        targets=(Decimal("0.000012"),),
    )

    plan, notes = entry_plan(call, agent, by_the_thousand, weighed(call), signal_id=7)

    assert plan.market == "kPEPE"
    assert plan.reference_price == Decimal("0.0104")
    assert plan.exits.stop == AtPrice(Decimal("0.0103"))
    assert [target.level for target in plan.exits.targets] == [AtPrice(Decimal("0.012"))]
    assert notes == ()


def test_f37_the_agents_risk_and_exits_travel_with_the_plan(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call()

    plan, _ = entry_plan(call, agent, place, weighed(call), signal_id=7)

    assert plan.risk_frac == agent.strategy.sizing.risk_frac
    assert plan.exits.stop == FractionOfEntry(agent.strategy.exits.stop_frac)
    assert plan.exits.trailing == agent.strategy.exits.trailing
    assert plan.not_after == call.spoken_at + agent.strategy.max_call_age
    assert plan.score == Decimal("0.64")
    assert (plan.signal_id, plan.agent_id, plan.author_id) == (7, "one", 11)


@pytest.mark.parametrize(("stated", "leverage"), [(None, 5), ("3", 3), ("50", 5), ("0.5", 1)])
def test_a_stated_leverage_only_lowers_the_agents(
    agent: Agent, place: Place, make_call: MakeCall, stated: str | None, leverage: int
) -> None:
    call = make_call(leverage=None if stated is None else Decimal(stated))

    plan, _ = entry_plan(call, agent, place, weighed(call), signal_id=7)

    assert plan.max_leverage == leverage


def test_the_markets_leverage_is_a_cap_too(agent: Agent, place: Place, make_call: MakeCall) -> None:
    call = make_call()

    plan, _ = entry_plan(
        call, agent, replace(place, route=replace(HERE, max_leverage=3)), weighed(call), signal_id=7
    )

    assert plan.max_leverage == 3


def test_a_taken_signal_tells_score_places_notes_and_its_stop(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call(stop=Decimal(61_000))
    breakdown = weighed(call, heard(call, call_id=2, post_id=102, author_id=12))
    blind = replace(place, mark=None, route=NOWHERE)
    told = {"breakdown": breakdown, "places": [place, blind], "usernames": {11: "ann"}}

    signal = open_signal(call, agent, Take((place,), (blind,)), **told)  # type: ignore[arg-type]

    assert (signal.status, signal.reason, signal.venue, signal.market) == (
        "TAKEN",
        None,
        "hyperliquid",
        "BTC",
    )
    assert signal.post_ids == (101, 102)
    assert signal.score == breakdown.score
    assert signal.stop_price == MARK * Decimal("0.96")
    assert signal.detail == "waiting for a fresh mark: one-live"
    assert signal.breakdown["sentence"].startswith("Score +0.799999 of 1: @ann +0.355555")
    assert signal.breakdown["places"][1]["checked"] == [
        {"venue": "hyperliquid", "why_not": "it lists no market for BTC"}
    ]
    assert "not usable" in signal.breakdown["notes"][0]
    assert open_signal(call, agent, Take((place,), ()), **told).detail is None  # type: ignore[arg-type]


def test_a_skipped_signal_tells_why_and_where_it_looked(
    agent: Agent, place: Place, make_call: MakeCall
) -> None:
    call = make_call()
    skip = Skip(Reason.SCORE_TOO_LOW, "+0.1 where 0.3 is needed")

    signal = open_signal(call, agent, skip, breakdown=weighed(call), places=[], usernames={})
    routed = open_signal(call, agent, skip, breakdown=weighed(call), places=[place], usernames={})

    assert (signal.status, signal.reason, signal.detail) == ("SKIPPED", "SCORE_TOO_LOW", skip.detail)
    assert (signal.venue, signal.market, signal.stop_price) == (None, None, None)
    assert (routed.venue, routed.market) == ("hyperliquid", "BTC")


def test_a_stop_at_a_price_is_told_as_that_price(agent: Agent, place: Place, make_call: MakeCall) -> None:
    near = make_call(stop=Decimal(59_000))

    plan, _ = entry_plan(near, agent, place, weighed(near), signal_id=7)
    own, _ = entry_plan(make_call(), agent, place, weighed(near), signal_id=7)

    assert planned_stop(plan, place) == Decimal(59_000)
    assert planned_stop(own, replace(place, mark=None)) is None


@pytest.mark.parametrize(
    ("planned", "status", "detail"), [(0, "SKIPPED", None), (1, "TAKEN", "1 position to close")]
)
def test_a_close_signal_is_taken_where_something_is_closed(
    agent: Agent, make_call: MakeCall, planned: int, status: str, detail: str | None
) -> None:
    call = make_call(is_close=True)

    signal = close_signal(
        call, agent, market="BTC", planned=planned, reason=Reason.NOTHING_TO_CLOSE, detail=None
    )

    assert (signal.status, signal.detail) == (status, detail)
    assert (signal.reason is None) == (planned > 0)
    assert (
        close_signal(call, agent, market=None, planned=2, reason=Reason.NOTHING_TO_CLOSE, detail=None).detail
        == "2 positions to close"
    )
