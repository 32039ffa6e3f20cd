"""Figure: what one exit decision costs, by itself.

Counted is the call of `decide` over a thousand different positions, in turn, so that no branch and no cache line is a
single position's. The loop's own cost, taken with a function that returns at once, is subtracted.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from outcry.agents.model import Trailing
from outcry.monitoring.exits import Decision, Watch, Watched, decide, watch
from outcry.runtime.side import Side
from tests.benchmarks.figures import US, Figure, figure, quiet, timed

GROUP = "exits"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
POSITIONS = 1_000
STILL = Decimal("1.0004")
MOVING = Decimal("1.0507")


def figures(*, quick: bool) -> Iterator[Figure]:
    """Still and moving, LONG and SHORT in turn."""
    runs, rounds = (7, 3) if quick else (25, 10)
    positions = [_watched(number) for number in range(POSITIONS)]
    watches = [watch(each) for each in positions]
    still = [(each, _mark(each.watched, STILL)) for each in watches]
    moving = [(each, _mark(each.watched, MOVING)) for each in watches]
    assert all(decide(each, mark, NOW) is None for each, mark in still), "a still position decides nothing"
    assert all(_only_moved(decide(each, mark, NOW)) for each, mark in moving), "a moving one moves its peak"
    said = f"per call over {POSITIONS} positions, half of them SHORT; the loop's own cost is subtracted"
    yield figure(GROUP, "still", US, _per_call(decide, still, runs, rounds), said, target=1)
    yield figure(
        GROUP,
        "moving",
        US,
        _per_call(decide, moving, runs, rounds),
        f"{said}; peak and trail move, no stop is replaced",
        target=3,
    )
    with quiet():
        banded = [timed(lambda: [watch(each) for each in positions]) / POSITIONS for _ in range(runs)]
    yield figure(
        GROUP, "band anew", US, banded, "`watch`, once for each row that changed; the loop is included"
    )


def _watched(number: int) -> Watched:
    side = Side.LONG if number % 2 else Side.SHORT
    entry = Decimal(100) + number
    stop = entry * (1 - Decimal("0.02") * side.sign)
    return Watched(
        side=side,
        entry_price=entry,
        stop_price=stop,
        stop_rests=True,
        trailing=Trailing(Decimal("0.02"), Decimal("0.01"), Decimal("0.5")),
        peak=entry,
        trail_price=None,
        resting_stop=stop,
        liquidation_price=entry * (1 - Decimal("0.3") * side.sign),
        liquidation_buffer_frac=Decimal("0.005"),
        ends_at=NOW + timedelta(hours=1),
        crossed_since=None,
    )


def _mark(watched: Watched, factor: Decimal) -> Decimal:
    """A mark as far on the winning side of the entry as the factor says."""
    return (watched.entry_price * (1 + (factor - 1) * watched.side.sign)).quantize(Decimal("0.0001"))


def _only_moved(decision: Decision | None) -> bool:
    return (
        decision is not None
        and decision.exit is None
        and decision.ratchet_to is None
        and decision.trail_price is not None
    )


Decide = Callable[[Watch, Decimal, datetime], Decision | None]


def _per_call(call: Decide, subjects: list[tuple[Watch, Decimal]], runs: int, rounds: int) -> list[float]:
    with quiet():
        bare = min(_loop(_nothing, subjects, rounds) for _ in range(runs))
        taken = [_loop(call, subjects, rounds) for _ in range(runs)]
    calls = rounds * len(subjects)
    return [max(seconds - bare, 0) / calls for seconds in taken]


def _loop(call: Decide, subjects: list[tuple[Watch, Decimal]], rounds: int) -> float:
    now = NOW

    def work() -> None:
        for _ in range(rounds):
            for subject, mark in subjects:
                call(subject, mark, now)

    return timed(work)


def _nothing(subject: Watch, mark: Decimal, now: datetime) -> Decision | None:
    return None
