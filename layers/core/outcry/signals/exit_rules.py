"""The exits that an entry is planned with: the agent's own rules, with the levels that the post states.

Pure. Promises:
- A level is a tagged type: a fraction of the entry, or a price. A number alone never means both.
- A stop stated in a post may only make the exit earlier (nearer to the entry) and the position smaller, never
  larger. Targets that it states take the place of the ladder's prices; how much is closed there stays the agent's.
- A stated level on the wrong side of the reference price, or nearer than noise, is left out, and that is
  recorded; so is a target ten times away: it is in other units, and would only keep the agent's own from
  closing.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from outcry.agents.model import ExitRules, Trailing
from outcry.runtime.side import Side

NOISE_FRAC = Decimal("0.001")  # a stop nearer than this is hit by the spread alone
MAX_TARGETS = 5
FARTHEST_TARGET = 10  # times the price, or a tenth of it


@dataclass(frozen=True, slots=True)
class FractionOfEntry:
    """A distance from the entry price, as a fraction of it."""

    fraction: Decimal


@dataclass(frozen=True, slots=True)
class AtPrice:
    """A price in quote units of the market."""

    price: Decimal


Level = FractionOfEntry | AtPrice


@dataclass(frozen=True, slots=True)
class Target:
    """Close `share` of what was opened at `level`."""

    level: Level
    share: Decimal


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """What was agreed at entry.

    `own_stop_frac` is the agent's own stop, to fall back on when `stop` proves unusable.
    """

    stop: Level
    own_stop_frac: Decimal
    targets: tuple[Target, ...]
    own_targets: tuple[Target, ...]
    trailing: Trailing | None
    time_limit: timedelta | None
    liquidation_buffer_frac: Decimal
    follow_close_calls: bool


def own_targets(rules: ExitRules) -> tuple[Target, ...]:
    """The agent's take-profit ladder as targets."""
    return tuple(Target(FractionOfEntry(step.at_frac), step.share) for step in rules.take_profits)


def plan_exits(
    rules: ExitRules,
    *,
    side: Side,
    reference_price: Decimal,
    stated_stop: Decimal | None,
    stated_targets: tuple[Decimal, ...],
) -> tuple[ExitPlan, tuple[str, ...]]:
    """Combine the agent's rules with a post's levels; returns the plan and, in words, what was left out."""
    notes: list[str] = []
    ladder = own_targets(rules)
    stop: Level = FractionOfEntry(rules.stop_frac)
    if stated_stop is not None:
        distance = (reference_price - stated_stop) * side.sign / reference_price
        if distance <= NOISE_FRAC:
            notes.append(
                f"stated stop {stated_stop} is not usable from {reference_price}: the agent's own is used"
            )
        elif distance < rules.stop_frac:
            stop = AtPrice(stated_stop)
    ahead = tuple(price for price in stated_targets if (price - reference_price) * side.sign > 0)
    if len(ahead) < len(stated_targets):
        notes.append("stated targets on the wrong side were left out")
    farthest = reference_price * FARTHEST_TARGET, reference_price / FARTHEST_TARGET
    usable = tuple(price for price in ahead if farthest[1] < price < farthest[0])
    if len(usable) < len(ahead):
        notes.append("stated targets ten times away were left out")
    targets = stated_ladder(usable, side, ladder) if usable and ladder else ladder
    plan = ExitPlan(
        stop=stop,
        own_stop_frac=rules.stop_frac,
        targets=targets,
        own_targets=ladder,
        trailing=rules.trailing,
        time_limit=rules.time_limit,
        liquidation_buffer_frac=rules.liquidation_buffer_frac,
        follow_close_calls=rules.follow_close_calls,
    )
    return plan, tuple(notes)


def stated_ladder(prices: tuple[Decimal, ...], side: Side, ladder: tuple[Target, ...]) -> tuple[Target, ...]:
    """The post's target prices, nearest first, closing together what the agent's own ladder would."""
    nearest = sorted(set(prices), reverse=side is Side.SHORT)[:MAX_TARGETS]
    total = sum((target.share for target in ladder), Decimal(0))
    share = (total / len(nearest)).quantize(Decimal("0.0001"), ROUND_DOWN)
    last = total - share * (len(nearest) - 1)
    shares = [share] * (len(nearest) - 1) + [last]
    return tuple(Target(AtPrice(price), part) for price, part in zip(nearest, shares, strict=True) if part)


def sizing_stop_frac(
    rules: ExitRules,
    *,
    min_stop_frac: Decimal,
    side: Side,
    reference_price: Decimal,
    stated_stop: Decimal | None,
) -> Decimal:
    """The stop distance that sizes the trade: the largest of the agent's, the stated one and the minimum.

    So a stop that a post states can only make the trade smaller: one tick below the entry sizes like none at
    all.
    """
    stated = Decimal(0)
    if stated_stop is not None:
        stated = max((reference_price - stated_stop) * side.sign / reference_price, Decimal(0))
    return max(rules.stop_frac, stated, min_stop_frac)


# ─── as stored ──────────────────────────────────────────────────────────────────────────────────────────────


def plan_to_json(plan: ExitPlan) -> dict[str, Any]:
    """The plan as JSON: decimals as strings, each level tagged."""
    return {
        "stop": _level_to_json(plan.stop),
        "own_stop_frac": str(plan.own_stop_frac),
        "targets": [_target_to_json(target) for target in plan.targets],
        "own_targets": [_target_to_json(target) for target in plan.own_targets],
        "trailing": None
        if plan.trailing is None
        else {
            "activation_frac": str(plan.trailing.activation_frac),
            "distance_frac": str(plan.trailing.distance_frac),
            "step_frac": str(plan.trailing.step_frac),
        },
        "time_limit_s": None if plan.time_limit is None else int(plan.time_limit.total_seconds()),
        "liquidation_buffer_frac": str(plan.liquidation_buffer_frac),
        "follow_close_calls": plan.follow_close_calls,
    }


def plan_from_json(stored: dict[str, Any]) -> ExitPlan:
    """The plan as it was stored. Raises KeyError or ValueError for anything else."""
    trailing = stored["trailing"]
    return ExitPlan(
        stop=_level_from_json(stored["stop"]),
        own_stop_frac=Decimal(stored["own_stop_frac"]),
        targets=tuple(_target_from_json(target) for target in stored["targets"]),
        own_targets=tuple(_target_from_json(target) for target in stored["own_targets"]),
        trailing=None
        if trailing is None
        else Trailing(**{name: Decimal(value) for name, value in trailing.items()}),
        time_limit=None if stored["time_limit_s"] is None else timedelta(seconds=stored["time_limit_s"]),
        liquidation_buffer_frac=Decimal(stored["liquidation_buffer_frac"]),
        follow_close_calls=bool(stored["follow_close_calls"]),
    )


def _level_to_json(level: Level) -> dict[str, str]:
    return (
        {"fraction": str(level.fraction)}
        if isinstance(level, FractionOfEntry)
        else {"price": str(level.price)}
    )


def _level_from_json(stored: dict[str, str]) -> Level:
    return (
        FractionOfEntry(Decimal(stored["fraction"]))
        if "fraction" in stored
        else AtPrice(Decimal(stored["price"]))
    )


def _target_to_json(target: Target) -> dict[str, Any]:
    return {"level": _level_to_json(target.level), "share": str(target.share)}


def _target_from_json(stored: dict[str, Any]) -> Target:
    return Target(_level_from_json(stored["level"]), Decimal(stored["share"]))
