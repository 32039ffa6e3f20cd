"""Exit levels against the actual fill: where the stop and the take-profit steps really lie. Pure.

Promises:
- The stop is always on the losing side of the entry price and, as far as the entry allows, before liquidation.
- A planned level that the fill made impossible is replaced by the agent's own, and the replacement is recorded.
- The steps of the ladder never add up to more than the position, and no step is smaller than the venue takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from outcry.runtime.side import Side
from outcry.signals.exit_rules import AtPrice, ExitPlan, FractionOfEntry, Level, Target

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class PricedTarget:
    """A take-profit step at a price, closing `share` of what was opened."""

    price: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class Levels:
    """The stop and the ladder in prices, nearest target first, and what had to be replaced, in words."""

    stop_price: Decimal
    targets: tuple[PricedTarget, ...]
    notes: tuple[str, ...]


def resolve(plan: ExitPlan, *, side: Side, entry_price: Decimal, liquidation_price: Decimal | None) -> Levels:
    """Place the plan's levels around the price at which the entry was really filled."""
    notes: list[str] = []
    limit = _stop_limit(side, liquidation_price, plan.liquidation_buffer_frac)
    own = entry_price * (ONE - plan.own_stop_frac * side.sign)
    stop = _losing_price(plan.stop, side, entry_price)
    if (stop - own) * side.sign < 0:
        # a slipped fill put the stated price farther away than the loss that was sized
        notes.append(f"planned stop {stop} is too far after a fill at {entry_price}: the agent's own is used")
        stop = own
    if not _usable(stop, side, entry_price, limit):
        if stop != own:
            notes.append(
                f"planned stop {stop} is not usable after a fill at {entry_price}: the agent's own is used"
            )
        stop = own
        if (
            liquidation_price is not None
            and limit is not None
            and not _usable(stop, side, entry_price, limit)
        ):
            nearer = _drawn_in(stop, side, entry_price, liquidation_price, limit)
            if nearer != stop:
                notes.append(f"the agent's stop {stop} lies beyond the liquidation buffer: {nearer} is used")
            stop = nearer
    targets = _priced(plan.targets, side, entry_price)
    if any((target.price - entry_price) * side.sign <= 0 for target in targets):
        notes.append(
            f"planned targets are not usable after a fill at {entry_price}: the agent's own are used"
        )
        targets = _priced(plan.own_targets, side, entry_price)
    return Levels(stop, targets, tuple(notes))


def ladder_sizes(
    targets: Sequence[PricedTarget],
    *,
    opened_size: Decimal,
    fit: Callable[[Decimal], Decimal],
    minimum_notional_usd: Decimal,
) -> tuple[tuple[PricedTarget, Decimal], ...]:
    """The size of each step: its share of what was opened, floored to the lot.

    A step that the venue would find too small is joined to the next one; what remains at the end joins the last step that
    is large enough, so that the steps still close together what the ladder promised, and never more.
    """
    steps: list[tuple[PricedTarget, Decimal]] = []
    promised = Decimal(0)
    given = Decimal(0)
    for target in targets:
        promised += target.share * opened_size
        size = fit(min(promised, opened_size) - given)
        if size > 0 and size * target.price >= minimum_notional_usd:
            steps.append((target, size))
            given += size
    left = fit(min(promised, opened_size) - given)
    if steps and left > 0:
        target, size = steps[-1]
        steps[-1] = (target, size + left)
    return tuple(steps)


def trail_from(peak: Decimal, side: Side, distance_frac: Decimal) -> Decimal:
    """The price at which a trailing stop exits, behind the best price seen."""
    return peak * (ONE - distance_frac * side.sign)


def _losing_price(level: Level, side: Side, entry_price: Decimal) -> Decimal:
    return level.price if isinstance(level, AtPrice) else entry_price * (ONE - level.fraction * side.sign)


def _priced(targets: Sequence[Target], side: Side, entry_price: Decimal) -> tuple[PricedTarget, ...]:
    priced = (
        PricedTarget(_winning_price(target.level, side, entry_price), target.share) for target in targets
    )
    return tuple(sorted(priced, key=lambda target: target.price * side.sign))


def _winning_price(level: Level, side: Side, entry_price: Decimal) -> Decimal:
    return (
        entry_price * (ONE + level.fraction * side.sign)
        if isinstance(level, FractionOfEntry)
        else level.price
    )


def _stop_limit(side: Side, liquidation_price: Decimal | None, buffer_frac: Decimal) -> Decimal | None:
    """The furthest stop that is still a buffer away from liquidation."""
    return None if liquidation_price is None else liquidation_price * (ONE + buffer_frac * side.sign)


def _drawn_in(
    stop: Decimal, side: Side, entry_price: Decimal, liquidation_price: Decimal, limit: Decimal
) -> Decimal:
    """The stop at the buffer's edge; where the buffer reaches the entry, at least halfway from liquidation to it."""
    if (entry_price - limit) * side.sign > 0:
        return limit
    halfway = (entry_price + liquidation_price) / 2
    if (entry_price - halfway) * side.sign > 0:
        return max(stop * side.sign, halfway * side.sign) * side.sign
    return stop  # the fill is already beyond liquidation: no stop can lie before it


def _usable(stop: Decimal, side: Side, entry_price: Decimal, limit: Decimal | None) -> bool:
    on_losing_side = (entry_price - stop) * side.sign > 0
    return on_losing_side and stop > 0 and (limit is None or (stop - limit) * side.sign >= 0)
