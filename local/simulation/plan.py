"""What is to happen in the run of one seed: posts, prices, people, and everything that breaks. Pure: the same seed, the same plan.

Promises: a plan is a list of steps in the order of time and nothing else decides what happens; after `busy_s` nothing breaks any more.
Kinds of what breaks in our own house are `HOUSE`; those of the venue are `local.hyperliquid.draws.KINDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any

from local.hyperliquid.config import Switches
from local.hyperliquid.draws import ENDS_SIGNER, draw_fault, draw_switches
from local.simulation.desks import ACCOUNTS, AUTHORS
from local.simulation.prices import MARKETS, Path, draw_path

TAIL_S = 75 * 60  # of calm prices after the busy time: more than a run ever lasts


class What(StrEnum):
    """What a step does."""

    POST = "post"
    CONTROL = "control"
    RESUME = "resume"
    EXIT = "exit by a person"
    ROTATE = "signer rotated"
    FUNDING = "funding rate"
    VENUE = "venue fault"
    HOUSE = "house fault"


class House(StrEnum):
    """What breaks on our side, and where."""

    KILLED = "process_killed"
    STALLED = "process_stalled"
    CONNECTION_DROPPED = "connection_dropped"
    COMMIT_UNANSWERED = "commit_unanswered"
    LOCKED = "lock_timeout"
    CONFLICT = "serialization_failure"
    DATABASE_CRASHED = "database_restarted"
    DAMAGED_ROW = "poison_row"
    GARBAGE = "poison_message"


_HOUSE_WEIGHTS: Mapping[House, int] = {
    House.KILLED: 14,
    House.STALLED: 5,
    House.CONNECTION_DROPPED: 4,
    House.COMMIT_UNANSWERED: 4,
    House.LOCKED: 3,
    House.CONFLICT: 4,
    House.DAMAGED_ROW: 1,
    House.GARBAGE: 1,
}
FEED_BEHIND = "fills_far_behind"
_FALLS_BEHIND = 0.15  # of the seeds
_CRASHES = 0.04  # of the seeds: a restart of Postgres costs real time
_FUNCTIONS = (
    ("execute_orders",) * 6
    + ("monitor_hyperliquid", "monitor_hyperliquid", "generate_signals")
    + (
        "classify_posts",
        "tick",
        "notify",
        "ingest_posts",
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, `at_s` seconds after the start."""

    at_s: float
    what: What
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nuisance:
    """How often the queues do, by chance, what they may: of each message a share comes twice, late, or its ring fails."""

    twins: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    refuses: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The run of one seed. `start_minute`: of the hour, so that funding may fall into the run."""

    seed: int
    accounts: int
    start_minute: int
    busy_s: int
    time_limit: str
    switches: Switches
    nuisance: Nuisance
    paths: tuple[Path, ...]
    steps: tuple[Step, ...]
    is_flattened: bool


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    random = Random(f"{seed}:plan")
    busy_s = random.randrange(6 * 60, 13 * 60)
    accounts = random.choices((1, 2, 3), (5, 3, 2))[0]
    paths = tuple(draw_path(market, random, busy_s=busy_s, lasting_s=busy_s + TAIL_S) for market in MARKETS)
    steps = [
        *_posts(random, paths, busy_s),
        *_people(random, accounts, busy_s),
        *_venue_faults(random, busy_s),
        *_house_faults(random, busy_s),
        *_late_feed(Random(f"{seed}:late feed"), busy_s),
    ]
    return Plan(
        seed=seed,
        accounts=accounts,
        start_minute=random.choice((0, 0, random.randrange(60), 50, 55)),
        busy_s=busy_s,
        time_limit=random.choice(("5m", "12m", "45m")),
        switches=draw_switches(random),
        nuisance=_nuisance(random),
        paths=paths,
        steps=tuple(sorted(steps, key=lambda step: step.at_s)),
        is_flattened=random.random() < 0.6,
    )


# ─── what people do ───────────────────────────────────────────────────────────────────────────────────────────


def _posts(random: Random, paths: tuple[Path, ...], busy_s: int) -> list[Step]:
    steps = []
    for _ in range(random.randrange(3, 9)):
        at_s = random.uniform(20, busy_s - 90)
        path = random.choices(paths, (5, 4, 2, 2))[0]
        text = _text(random, path, at_s)
        steps.append(Step(at_s, What.POST, {"author": random.choice(AUTHORS), "text": text}))
    return steps


def _text(random: Random, path: Path, at_s: float) -> str:
    """A call, as people write one: to open, with levels or without, to close, or none."""
    mark, decimals = path.at(at_s), MARKETS[path.market][1]
    side, sign = random.choice((("LONG", 1), ("SHORT", -1)))
    kind = random.choices(("levels", "stop", "bare", "close", "noise"), (5, 3, 3, 4, 1))[0]

    def away(fraction: float) -> str:
        return str((mark * Decimal(1 + sign * fraction)).quantize(Decimal(1).scaleb(-decimals)))

    match kind:
        case "levels":
            stop, near, far = (
                random.uniform(*bounds) for bounds in ((0.008, 0.03), (0.01, 0.03), (0.03, 0.08))
            )
            return f"{side} {path.market} {away(0)}, SL {away(-stop)}, TP {away(near)}/{away(far)}, 5x"
        case "stop":
            return f"{side} {path.market} {away(0)}, SL {away(-random.uniform(0.008, 0.04))}"
        case "bare":
            return f"{side} {path.market} {away(0)}"
        case "close":
            return f"closed my {path.market} {side.lower()}"
    return f"gm, {path.market} looks strange today"


def _people(random: Random, accounts: int, busy_s: int) -> list[Step]:
    """A person pauses, flattens or halts, closes by hand through us, makes a new key; the venue changes its funding."""
    steps: list[Step] = []
    for mode, chance in (("pause", 0.35), ("flatten", 0.2), ("halt", 0.12)):
        if random.random() >= chance:
            continue
        at_s = random.uniform(60, busy_s - 60)
        scope = random.choice(
            ("desk", "desk", f"account:{random.choice(ACCOUNTS[:accounts])}", "agent:runner-1")
        )
        steps.append(Step(at_s, What.CONTROL, {"mode": mode, "scope": scope}))
        steps.append(Step(at_s + random.uniform(30, 200), What.RESUME, {"scope": scope}))
    steps += [
        Step(random.uniform(90, busy_s), What.EXIT, {"pick": random.randrange(100)})
        for _ in range(random.choice((0, 0, 1, 2)))
    ]
    if random.random() < 0.15:
        steps.append(Step(random.uniform(90, busy_s), What.ROTATE, {"account": random.randrange(accounts)}))
    if random.random() < 0.5:
        rate = f"{random.uniform(-0.0005, 0.0005):.7f}"
        steps.append(Step(1, What.FUNDING, {"market": random.choice(tuple(MARKETS)), "rate": rate}))
    return steps


# ─── what breaks ──────────────────────────────────────────────────────────────────────────────────────────────


def _venue_faults(random: Random, busy_s: int) -> list[Step]:
    ends = 0
    steps = []
    for _ in range(random.choice((0, 3, 6, 10, 16))):
        body = draw_fault(random, without=ENDS_SIGNER if ends else ())
        ends += body["kind"] in ENDS_SIGNER
        steps.append(Step(random.uniform(30, busy_s), What.VENUE, body))
    return steps


def _late_feed(random: Random, busy_s: int) -> list[Step]:
    """Now and then the feed of fills falls far behind what the venue did, as while its index recovers, and answers are lost besides."""
    if random.random() >= _FALLS_BEHIND:
        return []
    lasts_ms, lag_ms = random.randrange(60_000, 150_000), random.randrange(30_000, 60_000)
    body = {"on": "venue", "do": "fills_late", "ms": lasts_ms, "lag_ms": lag_ms, "kind": FEED_BEHIND}
    at_s = random.uniform(20, busy_s / 2)
    lost = {
        "on": "exchange",
        "do": "drop_after_commit",
        "match": {"type": "order"},
        "times": 2,
        "kind": "reply_lost",
    }
    return [Step(at_s, What.VENUE, body), Step(at_s, What.VENUE, lost)]


def _house_faults(random: Random, busy_s: int) -> list[Step]:
    kinds, weights = list(_HOUSE_WEIGHTS), list(_HOUSE_WEIGHTS.values())
    drawn = random.choices(kinds, weights, k=random.choice((0, 2, 5, 9)))
    if random.random() < _CRASHES:
        drawn.append(House.DATABASE_CRASHED)
    return [
        Step(
            random.uniform(30, busy_s),
            What.HOUSE,
            {
                "kind": kind,
                "function": random.choice(_FUNCTIONS),
                "after": random.randrange(1, 60),
                "seconds": random.choice((random.uniform(1, 12), random.uniform(12, 70))),
            },
        )
        for kind in drawn
    ]


def _nuisance(random: Random) -> Nuisance:
    if random.random() < 0.35:
        return Nuisance()
    return Nuisance(
        twins=random.choice((0.0, 0.05, 0.3)),
        late=random.choice((0.0, 0.1)),
        late_s=random.uniform(1, 30),
        refuses=random.choice((0.0, 0.0, 0.03)),
    )
