"""The registry of metrics: every figure that is ever emitted, with its unit, its meaning and the values its dimensions may take.

Promises:
- Closed: dimension values are enums, never an account, an author, an agent or a market (those figures live in Postgres). At
  most 60 series in all, which a test counts; CloudWatch bills each of them.
- Recording costs about a microsecond and touches nothing outside of this process; it never raises and never decides. What was
  recorded is written once per invocation, by `runtime/emission.py`.
- Counters add up within an invocation and are read by their sum. Gauges and durations keep each value.

A redelivery may count an event twice and a killed process loses its counts: books are kept in Postgres, not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import product

from aws_lambda_powertools.metrics import MetricUnit

from outcry.runtime.reason_groups import ReasonGroup

NAMESPACE = "Outcry"
STACK = "stack"  # the dimension that every series has: which deployment it is about
MOST_SERIES = 60

Number = int | float | Decimal
Of = tuple[StrEnum, ...]


class Outcome(StrEnum):
    """What reading a post gave."""

    CLASSIFIED = "classified"
    NOT_A_CALL = "not_a_call"
    UNCLASSIFIED = "unclassified"


class Nature(StrEnum):
    """Whether the money is real. Nothing adds paper to live."""

    LIVE = "live"
    PAPER = "paper"


class Work(StrEnum):
    """What rows wait for."""

    POSTS = "posts"
    CALLS = "calls"
    ENTRIES = "entries"
    EXITS = "exits"
    PROTECTIONS = "protections"
    NOTICES = "notices"


class Stage(StrEnum):
    """Stages that must run by themselves, whether or not there is work."""

    TICK = "tick"
    INGEST_POSTS = "ingest_posts"
    MONITOR_HYPERLIQUID = "monitor_hyperliquid"


class VenueName(StrEnum):
    """Venues that are reached over a network."""

    HYPERLIQUID = "hyperliquid"


class VenueError(StrEnum):
    """How a venue failed us. A refusal is no error."""

    UNREACHABLE = "unreachable"  # a read without a complete answer, or a send that never connected
    AMBIGUOUS = "ambiguous"  # a send whose answer never came: the order is UNKNOWN until it was asked about
    LIMITED = "limited"  # HTTP 429: our request weight is used up
    UNKNOWN_ANSWER = "unknown_answer"  # an answer that is not in the catalogue


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One figure. `adds_up`: values of one invocation are summed; otherwise each is kept."""

    name: str
    unit: MetricUnit
    meaning: str
    adds_up: bool = False
    dimensions: tuple[tuple[str, type[StrEnum]], ...] = ()

    def record(self, value: Number = 1, *of: StrEnum) -> None:
        """Note a value of the series that `of` names, one member for each dimension."""
        values = _pending.setdefault((self, of), [])
        if self.adds_up and values:
            values[0] = float(values[0]) + float(value)  # of whatever kind: adding must not raise
        elif len(values) < _MOST_VALUES:
            values.append(value)

    def may_be_of(self, of: Of) -> bool:
        """Whether `of` names a series of this metric."""
        kinds = [kind for _, kind in self.dimensions]
        return [type(each) for each in of] == kinds

    def series(self) -> Iterator[dict[str, str]]:
        """The dimensions of each series, without the stack's name."""
        names = [name for name, _ in self.dimensions]
        for values in product(*(kind for _, kind in self.dimensions)):
            yield dict(zip(names, (each.value for each in values), strict=True))


_MOST_VALUES = 99  # of one series in one line: CloudWatch takes at most a hundred
_pending: dict[tuple[Metric, Of], list[Number]] = {}


def drain() -> dict[tuple[Metric, Of], list[Number]]:
    """Everything that was recorded since the last time, which is forgotten with this."""
    taken = dict(_pending)
    _pending.clear()
    return taken


def _counter(name: str, meaning: str, **dimensions: type[StrEnum]) -> Metric:
    return Metric(name, MetricUnit.Count, meaning, adds_up=True, dimensions=tuple(dimensions.items()))


def _gauge(name: str, unit: MetricUnit, meaning: str, **dimensions: type[StrEnum]) -> Metric:
    return Metric(name, unit, meaning, dimensions=tuple(dimensions.items()))


# ─── the desk: what it hears, decides, does and holds ───────────────────────────────────────────────────────

POSTS_HEARD = _counter(
    "PostsHeard", "Posts of followed authors that were new; 0 where a reading brought none."
)
POSTS_READ = _counter("PostsRead", "Posts that a classifier was done with.", outcome=Outcome)
CALLS_READ = _counter("CallsRead", "Calls that were decided about, by all agents.")
SIGNALS_TAKEN = _counter("SignalsTaken", "Decisions of an agent to act on a call.")
SIGNALS_SKIPPED = _counter("SignalsSkipped", "Decisions of an agent not to act on a call.")
REFUSALS = _counter(
    "Refusals", "Skipped signals and refused entries, by what stood in the way.", group=ReasonGroup
)
ORDERS_APPROVED = _counter("OrdersApproved", "Entries that passed every limit and took their place.")
ORDERS_REFUSED = _counter("OrdersRefused", "Entries that were skipped by us or rejected by the venue.")
ORDERS_FILLED = _counter("OrdersFilled", "Orders of any kind that ended with something executed.")
ORDERS_UNKNOWN = _counter(
    "OrdersUnknown", "Orders that an invocation had to leave without knowing what became of them."
)
FILLS = _counter("Fills", "Fills that the venue listed and that were new.")
OPEN_POSITIONS = _gauge(
    "OpenPositions", MetricUnit.Count, "Owned positions that hold something.", nature=Nature
)
EXPOSURE_USD = _gauge(
    "ExposureUsd", MetricUnit.NoUnit, "What these hold, at their entry prices.", nature=Nature
)
REALISED_PNL_USD = _gauge(
    "RealisedPnlUsd", MetricUnit.NoUnit, "Profit of the positions closed since midnight UTC, fees and funding in it.",
    nature=Nature,
)  # fmt: skip
POST_TO_FILL_MS = _gauge(
    "PostToFill", MetricUnit.Milliseconds, "From a post's publication to its entry's first fill."
)
FILL_TO_STOP_MS = _gauge(
    "FillToStop", MetricUnit.Milliseconds, "From a position's first fill to its stop at the venue."
)

# ─── what needs a person ────────────────────────────────────────────────────────────────────────────────────

UNPROTECTED_POSITIONS = _gauge(
    "UnprotectedPositions",
    MetricUnit.Count,
    "Owned positions that hold something and have no stop at the venue.",
)
UNPROTECTED_OVERDUE_S = _gauge(
    "UnprotectedOverdue",
    MetricUnit.Seconds,
    "How long the worst of these is past its protect deadline; 0 before it.",
)
UNKNOWN_ORDERS = _gauge("UnknownOrders", MetricUnit.Count, "Orders that are UNKNOWN now.")
UNKNOWN_AGE_S = _gauge(
    "UnknownAge", MetricUnit.Seconds, "Since the request of the oldest of these was sent; 0 for none."
)
QUARANTINED_ROWS = _gauge(
    "QuarantinedRows", MetricUnit.Count, "Posts, calls, orders and notices that were set aside."
)
NOTICES_UNTOLD = _gauge("NoticesUntold", MetricUnit.Count, "Notices that no channel has taken yet.")
PAGE_UNTOLD_AGE_S = _gauge(
    "PageUntoldAge", MetricUnit.Seconds, "Age of the oldest page that was not told; 0 for none."
)
PAGES_TOLD = _counter("PagesTold", "Notices of the level `page` that were told.")

# ─── the machine ────────────────────────────────────────────────────────────────────────────────────────────

WAITING_AGE_S = _gauge(
    "WaitingAge", MetricUnit.Seconds, "Age of the oldest row that waits for this work; 0 for none.", work=Work
)
HEARTBEAT_AGE_S = _gauge(
    "HeartbeatAge",
    MetricUnit.Seconds,
    "Since the stage last ran to its end; of the monitor, for every account.",
    stage=Stage,
)
MESSAGES_FAILED = _counter("MessagesFailed", "Doorbells whose work raised; each comes again.")
CLAIMS_LAPSED = _counter(
    "ClaimsLapsed", "Rows taken over from a process that did not give them back in time."
)
DATABASE_CONNECT_MS = _gauge(
    "DatabaseConnect", MetricUnit.Milliseconds, "How long it took to open a connection."
)
DATABASE_CONNECTIONS = _gauge(
    "DatabaseConnections", MetricUnit.Percent, "Connections in use, of those that the database allows."
)
VENUE_ERRORS = _counter("VenueErrors", "How often a venue failed us.", venue=VenueName, kind=VenueError)
VENUE_WEIGHT = _counter(
    "VenueWeight", "Request weight used; Hyperliquid allows 1200 a minute and address.", venue=VenueName
)
FEED_REQUESTS_LEFT = _gauge("FeedRequestsLeft", MetricUnit.Count, "What X's limit leaves of its window.")

METRICS: tuple[Metric, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
