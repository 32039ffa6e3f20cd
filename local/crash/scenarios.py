"""The scenarios: how the world gets to the moment before, what is done then under test, and what the end must be.

Each is a few lines that set up, a list of what is under test, and its end. What must hold at every end stands in `judging.always`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from local.crash.aftermath import Aftermath
from local.crash.judging import Judge, closed_for, entered, flat, held, held_or_out
from local.crash.moments import (
    ahead,
    at_the_target,
    bare,
    beyond_the_target,
    call_for_the_opposite,
    call_to_close,
    called,
    changes_signer,
    closed_by_hand,
    crossed,
    dismissed,
    flattens,
    foreign,
    frozen,
    grown,
    held_for_an_hour,
    holding,
    in_flight,
    moves_again,
    new_signer,
    opened,
    poisoned,
    refused,
    revoked,
    thin,
    told,
    too_late,
    trades_with_it,
    unreadable,
)
from local.crash.stage import Person, Stage


class Do(StrEnum):
    """One thing that is done under test."""

    EXECUTE = "execute"  # the messages of entries and exits, those too that are due within half a minute
    WATCH = "watch"  # the next beat's pass of the monitor, with the minute's tick where one is due
    TICK = "tick"  # the minute's tick, at the next full minute
    GENERATE = "generate"  # the messages of calls
    TELL = "tell"  # the messages of notices
    PERSON = "person"  # what the scenario's person does


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `person` is what Do.PERSON does; doing it again after it was half done must be harmless.

    `afterwards` is what the outside world does once the deaths are over. `switches` are the venue's. `leaves` names beginnings of
    complaints that belong to this end. `tells`: notices are delivered too.
    """

    name: str
    says: str
    before: Callable[[Stage], None]
    under_test: tuple[Do, ...]
    end: Judge
    person: Person | None = None
    afterwards: Callable[[Stage], None] | None = None
    switches: dict[str, Any] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    tells: bool = False


# ─── ends ────────────────────────────────────────────────────────────────────────────────────────────────────


def all_of(*judges: Judge) -> Judge:
    """Every complaint of these."""
    return lambda after: [complaint for judge in judges for complaint in judge(after)]


def _closed_by(*reasons: str) -> Judge:
    return all_of(entered, flat, lambda after: closed_for(after, *reasons))


def _at_most(size: Decimal) -> Judge:
    return lambda after: [] if after.size() in (0, size) else [f"{after.size()} BTC are held, not {size}"]


def _stop_moved(after: Aftermath) -> list[str]:
    stops = [one.trigger_price for one in after.resting() if one.is_stop]
    return [] if stops and min(stops) > 60000 else [f"the stop did not follow: {stops}"]


def _one_step_taken(after: Aftermath) -> list[str]:
    (position,) = after.owned()
    wrong = []
    if position["targets_hit"] != 1:
        wrong.append(f"{position['targets_hit']} targets were hit, not 1")
    if after.size() * 2 - position["opened_size"] > Decimal("0.0001"):
        wrong.append(f"{after.size()} of {position['opened_size']} is left")
    return wrong


def _opposite_refused(after: Aftermath) -> list[str]:
    said = [o["reason"] for o in after.order("enter") if o["side"] == "SHORT"]
    fine = all(reason in ("OPPOSITE_POSITION", "PLACE_TAKEN") for reason in said)
    return [] if fine else [f"the opposite entry ended for {said}"]


def _only_observed(after: Aftermath) -> list[str]:
    found = [p for p in after.positions if p["origin"] == "DISCOVERED"]
    wrong = [] if after.size("ETH") == 1 else [f"the owner's ETH became {after.size('ETH')}"]
    if len(found) != 1 or found[0]["status"] != "OPEN" or found[0]["is_owned"] or found[0]["size"] != 1:
        wrong.append(f"{len(found)} discovered positions: {[(p['status'], p['size']) for p in found]}")
    if after.orders:
        wrong.append("something of the owner's was traded")
    return wrong if "reconcile" in after.topics() else [*wrong, "nobody was told"]


def _came_to_nothing(after: Aftermath) -> list[str]:
    said = [order["status"] for order in after.order("enter")]
    return [] if said == ["REJECTED"] and not after.of("fill") else [f"the entry is {said}"]


def _refused_or_entered(after: Aftermath) -> list[str]:
    """Nothing came of it and people know; or nobody read the refusal, and the same bytes, sent again, were carried out once."""
    nothing = [*flat(after), *_came_to_nothing(after), *_paged("orders")(after)]
    return nothing if not after.of("fill") else [*entered(after), *held(after)]


def _profit_is_known(after: Aftermath) -> list[str]:
    return [] if after.owned()[-1]["realised_pnl_usd"] is not None else ["the profit is unknown"]


def _paged(topic: str) -> Judge:
    return lambda after: [] if topic in after.topics() else [f"nobody was told of {topic}"]


def _second_signer_signs(after: Aftermath) -> list[str]:
    active = [s for s in after.signers if s["status"] == "ACTIVE"]
    in_slot = [s for s in after.signers if s["slot"] == 2 and s["status"] != "REVOKED"]
    if len(active) != 1 or active[0]["slot"] != 2 or len(in_slot) != 1:
        return [f"signers: {[(s['slot'], s['status']) for s in after.signers]}"]
    by = {a["signer_address"] for a in after.actions if a["kind"] == "place"}
    return [] if by == {active[0]["address"]} else ["another signer signed"]


def _set_aside(after: Aftermath) -> list[str]:
    (entry,) = after.order("enter")
    wrong = [] if entry["quarantined_at"] is not None else ["it was not set aside"]
    return wrong + ([] if not after.of("fill") else ["it was traded"])


def _all_told(after: Aftermath) -> list[str]:
    untold = [n["subject"] for n in after.notices if n["told_at"] is None]
    return [f"never told: {subject}" for subject in untold]


# ─── the list ────────────────────────────────────────────────────────────────────────────────────────────────

E, W, T, G, P = Do.EXECUTE, Do.WATCH, Do.TICK, Do.GENERATE, Do.PERSON

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("entry", "a call becomes a protected position", called, (E,), all_of(entered, held_or_out)),
    Scenario(
        "partial",
        "an entry finds less than it asked for",
        thin,
        (E,),
        all_of(entered, held_or_out, _at_most(Decimal("0.01"))),
    ),
    Scenario(
        "protect", "a stop that was refused for now is placed", bare, (E, E), all_of(entered, held_or_out)
    ),
    Scenario(
        "grown", "a position grows after its first stop", grown, (W, E, W, E, E), all_of(entered, held_or_out)
    ),
    Scenario("ratchet", "the stop follows the price", ahead, (W, E), all_of(entered, held, _stop_moved)),
    Scenario(
        "target",
        "a step of the profit is taken",
        at_the_target,
        (W, E),
        all_of(entered, held, _one_step_taken),
    ),
    Scenario(
        "rule", "a position is too old and is closed", held_for_an_hour, (W, E), _closed_by("TIME_LIMIT")
    ),
    Scenario(
        "person", "a person closes everything", holding, (P, T, E), _closed_by("FLATTEN"), person=flattens
    ),
    Scenario("call", "the author closes the call", call_to_close, (G, E), _closed_by("CLOSE_CALL")),
    Scenario(
        "flatten",
        "a flatten meets an entry in flight",
        in_flight,
        (P, T, E, E),
        _closed_by("FLATTEN"),
        person=flattens,
    ),
    Scenario(
        "opposite",
        "the author calls the other side of what is held",
        call_for_the_opposite,
        (G, E),
        all_of(entered, held, _opposite_refused),
    ),
    Scenario("adopt", "the owner's own position is found", foreign, (W, W, W), _only_observed),
    Scenario(
        "reconcile",
        "the owner closes our position at the venue",
        closed_by_hand,
        (W, E),
        all_of(_closed_by("CLOSED_ELSEWHERE"), _profit_is_known),
    ),
    Scenario(
        "revoke",
        "the signer is revoked while an exit is due",
        revoked,
        (E,),
        all_of(_closed_by("TIME_LIMIT"), _paged("signers")),
        afterwards=new_signer,
    ),
    Scenario(
        "signer",
        "an account's signer is changed for another",
        opened,
        (P,),
        all_of(entered, held, _second_signer_signs),
        person=changes_signer,
        afterwards=trades_with_it,
    ),
    Scenario(
        "poison",
        "an entry that nobody can work on is set aside",
        poisoned,
        (E,),
        all_of(_set_aside, _paged("quarantine")),
        leaves=("left over: enter entry is set aside", "dead letter: entries"),
    ),
    Scenario(
        "refused",
        "an entry is refused in words that nobody knows",
        refused,
        (E,),
        _refused_or_entered,
    ),
    Scenario(
        "crossed",
        "a stop is crossed before it rests",
        crossed,
        (E,),
        all_of(_closed_by("STOP_LOSS", "UNPROTECTED")),
    ),
    Scenario(
        "overdue",
        "a stop is refused for longer than a position may wait",
        too_late,
        (E, E),
        all_of(entered, held_or_out, _paged("protection")),
    ),
    Scenario(
        "beyond",
        "a step of the profit is crossed before it rests",
        beyond_the_target,
        (E, E),
        all_of(entered, held_or_out),
    ),
    Scenario(
        "dismissed",
        "an exit is due and no signer is left",
        dismissed,
        (E,),
        all_of(_closed_by("TIME_LIMIT"), _paged("signers")),
        afterwards=new_signer,
    ),
    Scenario(
        "frozen", "the marks stand still", frozen, (W,), all_of(held, _paged("marks")), afterwards=moves_again
    ),
    Scenario("unreadable", "an account cannot be read", unreadable, (W,), all_of(held, _paged("reconcile"))),
    Scenario("notice", "people are told", told, (T, Do.TELL), _all_told, tells=True),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
