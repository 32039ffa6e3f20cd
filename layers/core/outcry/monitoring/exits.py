"""Whether a position must be closed now, and what its trail has become: one decision per position and mark. Pure.

Promises:
- Between the next levels nothing is computed: a mark inside the band costs two comparisons (`Watch.low`, `Watch.high`).
- A level that rests at the venue is the venue's to execute: the monitor acts on it only if it is missing there, or has been
  crossed for five seconds without a fill.
- The fine trail is the monitor's: it acts at once. The peak never moves against the position, the trail never loosens.
- LONG and SHORT mirror each other.

Positions, bands and decisions are tuples: a pass makes thousands, and a frozen dataclass takes three times as long.
"""

from copy import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from outcry.agents.model import Trailing
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side

CROSSED_FOR = timedelta(seconds=5)
_NEVER = datetime.max.replace(tzinfo=UTC)
_FAR, _NEAR = Decimal("Infinity"), Decimal("-Infinity")
_ONE = Decimal(1)


class Watched(NamedTuple):
    """What the decision needs of a position. Prices are in the market's quote; `ends_at` is the time limit."""

    side: Side
    entry_price: Decimal
    stop_price: Decimal
    stop_rests: bool
    trailing: Trailing | None
    peak: Decimal
    trail_price: Decimal | None
    resting_stop: Decimal
    liquidation_price: Decimal | None
    liquidation_buffer_frac: Decimal
    ends_at: datetime | None
    crossed_since: datetime | None


class Climb(NamedTuple):
    """What a new best price does to a trail, worked out beforehand: the trail's share of it, and what a ratchet is worth.

    From `activation` on there is a trail. None of it changes while the position is open, unless its entry price does.
    """

    trail_share: Decimal
    step: Decimal
    activation: Decimal


class Watch(NamedTuple):
    """A position with its band: as long as `low < mark < high` and `now < until`, nothing has to be decided.

    `climb` says what a mark on the winning side of the band does; None where there is no trail, or a crossing to look at.
    """

    watched: Watched
    low: Decimal
    high: Decimal
    until: datetime
    climb: Climb | None


class Decision(NamedTuple):
    """What changed. `ratchet_to` is a new price for the stop that rests at the venue; `exit` closes the position."""

    peak: Decimal
    trail_price: Decimal | None
    crossed_since: datetime | None
    ratchet_to: Decimal | None = None
    exit: Reason | None = None
    detail: str = ""


def watch(watched: Watched, climb: Climb | None = None) -> Watch:
    """Work out the band in which nothing happens. `climb`: what was worked out of it before, for the same entry and trail."""
    until = watched.ends_at or _NEVER
    if watched.crossed_since is not None:
        return Watch(
            watched, _FAR, _NEAR, until, None
        )  # a crossing is looked at on every pass, until it is filled or gone
    if climb is None:
        climb = _climb(watched)
    loss, win = _nearest_loss(watched), _nearest_win(watched, climb)
    low, high = (loss, win) if watched.side is Side.LONG else (win, loss)
    return Watch(watched, low, high, until, climb if low < high else None)


def _nearest_loss(watched: Watched) -> Decimal:
    """The first of stop, trail and liquidation buffer that a mark on its way against the position meets."""
    first = max if watched.side is Side.LONG else min
    loss = watched.stop_price
    if watched.trail_price is not None:
        loss = first(loss, watched.trail_price)
    buffer = liquidation_limit(watched)
    return loss if buffer is None else first(loss, buffer)


def _nearest_win(watched: Watched, climb: Climb | None) -> Decimal:
    """The price from which the peak is worth writing: the activation at first, then every new best price; never without a trail."""
    if watched.side is Side.LONG:
        return _FAR if climb is None else max(watched.peak, climb.activation)
    return _NEAR if climb is None else min(watched.peak, climb.activation)


def _climb(watched: Watched) -> Climb | None:
    trailing = watched.trailing
    if trailing is None:
        return None
    entry, step = watched.entry_price, watched.entry_price * trailing.step_frac
    if watched.side is Side.LONG:
        return Climb(_ONE - trailing.distance_frac, step, entry * (_ONE + trailing.activation_frac))
    return Climb(_ONE + trailing.distance_frac, step, entry * (_ONE - trailing.activation_frac))


def decide(subject: Watch, mark: Decimal, now: datetime) -> Decision | None:
    """What must be done at this mark; None where nothing changed."""
    if now < subject.until:
        if subject.low < mark < subject.high:
            return None
        if subject.climb is not None and (mark >= subject.high) is (subject.watched.side is Side.LONG):
            return _climbed(subject.watched, subject.climb, mark)
    watched = _with_peak(subject.watched, mark)
    moved = Decision(watched.peak, watched.trail_price, None)
    due = _exit(watched, mark, now)
    if due is not None:
        return replace(moved, exit=due[0], detail=due[1])
    if _is_beyond(watched, watched.stop_price, mark):
        changed = _crossed(watched, moved, mark, now)
    else:
        changed = replace(moved, ratchet_to=_ratchet(watched))
    before = subject.watched
    unchanged = Decision(before.peak, before.trail_price, before.crossed_since)
    return None if changed == unchanged else changed


def _climbed(watched: Watched, climb: Climb, mark: Decimal) -> Decision | None:
    """A mark at or beyond the best price so far: the common case of a moving market, and the only one that is in a hurry."""
    trail = mark * climb.trail_share
    known = watched.trail_price
    if watched.side is Side.LONG:
        if known is not None and known > trail:
            trail = known
        gain = trail - watched.resting_stop
    else:
        if known is not None and known < trail:
            trail = known
        gain = watched.resting_stop - trail
    ratchet = trail if gain >= climb.step and gain > 0 else None
    if ratchet is None and trail == known and mark == watched.peak:
        return None
    return Decision(mark, trail, None, ratchet)


def liquidation_limit(watched: Watched) -> Decimal | None:
    """The mark at which the position is closed before the venue would liquidate it."""
    if watched.liquidation_price is None:
        return None
    return watched.liquidation_price * (_ONE + watched.liquidation_buffer_frac * watched.side.sign)


def _exit(watched: Watched, mark: Decimal, now: datetime) -> tuple[Reason, str] | None:
    limit = liquidation_limit(watched)
    if limit is not None and _is_beyond(watched, limit, mark):
        return Reason.LIQUIDATION_BUFFER, f"mark {mark}, liquidation at {watched.liquidation_price}"
    trail = watched.trail_price
    # the stop that follows the trail is rounded towards the mark: at the trail or nearer, it is the venue's to execute
    if (
        trail is not None
        and _is_beyond(watched, trail, mark)
        and not (watched.stop_rests and _is_beyond(watched, watched.resting_stop, trail))
    ):
        return Reason.TRAILING_STOP, f"mark {mark} behind the peak {watched.peak}"
    if watched.ends_at is not None and now >= watched.ends_at:
        return Reason.TIME_LIMIT, f"held until {watched.ends_at:%H:%M:%S}"
    return None


def _crossed(watched: Watched, moved: Decision, mark: Decimal, now: datetime) -> Decision:
    reason = Reason.TRAILING_STOP if watched.trail_price is not None else Reason.STOP_LOSS
    if not watched.stop_rests:
        return replace(
            moved,
            exit=reason,
            detail=f"mark {mark} beyond the stop {watched.stop_price}, which does not rest at the venue",
        )
    since = watched.crossed_since or now
    if now - since >= CROSSED_FOR:
        return replace(
            moved,
            crossed_since=since,
            exit=reason,
            detail=f"the stop {watched.stop_price} was crossed without a fill",
        )
    return replace(moved, crossed_since=since)


def _with_peak(watched: Watched, mark: Decimal) -> Watched:
    trailing = watched.trailing
    if trailing is None:
        return watched
    sign = watched.side.sign
    peak = mark if (mark - watched.peak) * sign > 0 else watched.peak
    activation = watched.entry_price * (_ONE + trailing.activation_frac * sign)
    if (peak - activation) * sign < 0:
        return replace(watched, peak=peak)
    trail = peak * (_ONE - trailing.distance_frac * sign)
    if watched.trail_price is not None and (watched.trail_price - trail) * sign > 0:
        trail = watched.trail_price
    return replace(watched, peak=peak, trail_price=trail)


def _ratchet(watched: Watched) -> Decimal | None:
    """The trail, where it is a step's worth nearer than the stop that rests at the venue."""
    if watched.trailing is None or watched.trail_price is None:
        return None
    gain = (watched.trail_price - watched.resting_stop) * watched.side.sign
    return (
        watched.trail_price if gain >= watched.entry_price * watched.trailing.step_frac and gain > 0 else None
    )


def _is_beyond(watched: Watched, level: Decimal, mark: Decimal) -> bool:
    return (level - mark) * watched.side.sign >= 0
