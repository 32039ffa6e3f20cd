"""What a desk costs a month, by size and database: the prices, the assumptions and the arithmetic. Prints the tables of docs/costs.md.

    costs.py            the three tables, as they stand in docs/costs.md

Promises: pure and the same on every machine; every figure is a price of PRICES times a quantity that is named here. List prices
of us-east-1, free allowances not taken off. Durations and habits are assumptions, written down as such; nothing asks AWS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

HOURS = 730  # of a month, as AWS counts it
MINUTES = HOURS * 60
MILLION = 1_000_000

# ─── what is deployed: held against template.yaml, infra/ and the registry of metrics by tests/toolchain/test_costs.py ────────
MEMORY_MB: Mapping[str, int] = {
    **dict.fromkeys(("ingest_posts", "classify_posts", "generate_signals", "monitor_hyperliquid"), 512),
    **dict.fromkeys(("tick", "notify", "api"), 512),
    "execute_orders": 1024,
}
QUEUES_WITH_CONSUMERS = 6
SCHEDULES = 2  # each once a minute
BEATS_A_MINUTE = 4  # of the monitor
ACCOUNTS_A_MESSAGE = 25
MOST_SERIES = 60
MOST_ALARMS = 45
DASHBOARDS = 2
SYMMETRIC_KEYS = 2  # the signing key and the alarms' key
LEAST_ACU = Decimal("0.5")

# ─── what is assumed ─────────────────────────────────────────────────────────────────────────────────────────────────────
POSTS_A_DAY = 15  # of one author, without replies and reposts
AUTHORS_A_SEARCH = 25
CALL_SHARE = Decimal("0.2")  # of posts
HELD_HOURS = 6  # one position
RUNS_A_POSITION = 20  # of execute_orders: entry, stop, targets, moves of the stop, exit
SIGNATURES_A_POSITION = 15
NOTICES_A_POSITION = 3
POLLS_A_MINUTE = 15  # of one queue by Lambda: five pollers, each asking for 20 s
LOG_KB_A_RUN = 2
ENVIRONMENTS = 3000  # that Lambda starts a month; each reads two secrets
IO_A_RUN = 5  # requests of Aurora to its storage
NAT_KB_A_PASS = 100
NAT_KB_A_RUN = 5
TRACED_TICKS = Decimal("0.05")
TOKENS_IN, TOKENS_OUT = 760, 80  # of a model, one post


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one unit. `seen`: the month of the page it was compared with; empty if with none."""

    usd: Decimal
    unit: str
    free: str
    seen: str


def _price(usd: str, unit: str, free: str = "", seen: str = "") -> Price:
    return Price(Decimal(usd), unit, free, seen)


PRICES: Mapping[str, Price] = {
    "Lambda, requests": _price("0.20", "million", "1 million", "March 2026"),
    "Lambda, x86": _price("0.0000166667", "GB-second", "400,000", "March 2026"),
    "SQS, requests": _price("0.40", "million", "1 million", "March 2026"),
    "Scheduler": _price("1.00", "million", "14 million", "March 2026"),
    "HTTP API": _price("1.00", "million"),
    "X-Ray": _price("5.00", "million traces", "100,000"),
    "Logs, taken in": _price("0.50", "GB", "5 GB", "June 2026"),
    "Logs, kept": _price("0.03", "GB and month", "5 GB"),
    "Metrics": _price("0.30", "series", "10", "February 2026"),
    "Alarms": _price("0.10", "alarm", "10"),
    "Dashboards": _price("3.00", "dashboard", "3", "June 2026"),
    "KMS, keys": _price("1.00", "key", "", "March 2026"),
    "KMS, symmetric": _price("0.03", "10,000", "20,000", "March 2026"),
    "KMS, elliptic curves": _price("0.15", "10,000", "", "June 2026"),
    "Secrets": _price("0.40", "secret"),
    "Secrets, reads": _price("0.05", "10,000"),
    "NAT gateway": _price("0.045", "hour", "", "February 2026"),
    "NAT gateway, data": _price("0.045", "GB", "", "February 2026"),
    "IPv4 address": _price("0.005", "hour", "", "February 2026"),
    "Aurora, capacity": _price("0.12", "unit and hour", "", "June 2026"),
    "Aurora, storage": _price("0.10", "GB and month", "", "May 2026"),
    "Aurora, I/O": _price("0.20", "million", "", "May 2026"),
    "Aurora, backups": _price("0.021", "GB and month", "the size of the database"),
    "RDS db.t4g.small": _price("0.032", "hour"),
    "RDS storage, gp3": _price("0.115", "GB and month"),
    "X, posts read": _price("0.005", "post", "", "August 2026"),
    "Model, in": _price("0.20", "million tokens", "", "2026, gpt-5.4-nano"),
    "Model, out": _price("1.25", "million tokens", "", "2026, gpt-5.4-nano"),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """How large a desk is. `open_positions` and `capacity` (Aurora's units of about 2 GiB) are means over the month."""

    name: str
    authors: int
    open_positions: int
    accounts: int
    capacity: Decimal
    stored_gb: int

    @property
    def posts(self) -> int:
        return self.authors * POSTS_A_DAY * HOURS // 24

    @property
    def positions(self) -> int:
        """Opened in a month."""
        return self.open_positions * HOURS // HELD_HOURS

    @property
    def passes(self) -> int:
        """Of the monitor."""
        return BEATS_A_MINUTE * MINUTES * ceil(self.accounts / ACCOUNTS_A_MESSAGE)


DESKS = (
    Desk("small", authors=5, open_positions=1, accounts=1, capacity=LEAST_ACU, stored_gb=1),
    Desk("middle", authors=50, open_positions=10, accounts=5, capacity=Decimal("0.75"), stored_gb=5),
    Desk("large", authors=500, open_positions=100, accounts=20, capacity=Decimal("1.5"), stored_gb=40),
)


def runs(desk: Desk) -> dict[str, tuple[int, Decimal]]:
    """By function: runs a month, and how long one is assumed to take, in seconds."""
    searches = ceil(desk.authors / AUTHORS_A_SEARCH)
    return {
        "ingest_posts": (MINUTES, Decimal("0.3") + Decimal("0.4") * searches),
        "classify_posts": (desk.posts, Decimal("0.3")),
        "generate_signals": (int(desk.posts * CALL_SHARE), Decimal("0.2")),
        "execute_orders": (desk.positions * RUNS_A_POSITION, Decimal(1)),
        "monitor_hyperliquid": (desk.passes, Decimal("0.5") + Decimal("0.2") * desk.accounts),
        "tick": (MINUTES, Decimal("0.4")),
        "notify": (desk.positions * NOTICES_A_POSITION, Decimal("0.1")),
        "api": (MINUTES, Decimal("0.1")),  # one look at /ready a minute
    }


def gb_seconds(desk: Desk) -> Decimal:
    """What Lambda bills for time and memory."""
    return sum(
        (count * seconds * MEMORY_MB[name] / 1024 for name, (count, seconds) in runs(desk).items()),
        Decimal(0),
    )


def all_runs(desk: Desk) -> int:
    return sum(count for count, _ in runs(desk).values())


def _messages(desk: Desk) -> int:
    counts = runs(desk)
    return sum(counts[name][0] for name in counts if name not in {"ingest_posts", "tick", "api"})


def _log_gb(desk: Desk) -> Decimal:
    return Decimal(all_runs(desk) * LOG_KB_A_RUN) / MILLION


def _nat_gb(desk: Desk) -> Decimal:
    return Decimal(desk.passes * NAT_KB_A_PASS + all_runs(desk) * NAT_KB_A_RUN) / MILLION


def _of(name: str, quantity: Decimal | int, per: int = 1) -> Decimal:
    return PRICES[name].usd * quantity / per


def _lambda(desk: Desk) -> Decimal:
    return _of("Lambda, requests", all_runs(desk), MILLION) + _of("Lambda, x86", gb_seconds(desk))


def _queues(desk: Desk) -> Decimal:
    polls = QUEUES_WITH_CONSUMERS * POLLS_A_MINUTE * MINUTES
    return _of("SQS, requests", polls + 3 * _messages(desk), MILLION)


def _calls(desk: Desk) -> Decimal:
    traces = desk.posts + desk.positions + int(TRACED_TICKS * MINUTES)
    schedules = _of("Scheduler", SCHEDULES * MINUTES, MILLION)
    return schedules + _of("HTTP API", MINUTES, MILLION) + _of("X-Ray", traces, MILLION)


def _seen(desk: Desk) -> Decimal:
    return _of("Metrics", MOST_SERIES) + _of("Alarms", MOST_ALARMS) + _of("Dashboards", DASHBOARDS)


def _logs(desk: Desk) -> Decimal:
    return _of("Logs, taken in", _log_gb(desk)) + _of("Logs, kept", _log_gb(desk))


def _keys(desk: Desk) -> Decimal:
    opened = desk.positions * RUNS_A_POSITION // 10  # an opened key is kept while its environment lives
    return _of("KMS, keys", SYMMETRIC_KEYS) + _of("KMS, symmetric", opened, 10_000)


def _secrets(desk: Desk) -> Decimal:
    return _of("Secrets", 2) + _of("Secrets, reads", ENVIRONMENTS * 2, 10_000)


def _x(desk: Desk) -> Decimal:
    return _of("X, posts read", desk.posts)


def _byo(desk: Desk) -> Decimal:
    server = _of("RDS db.t4g.small", HOURS) + _of("RDS storage, gp3", max(20, desk.stored_gb))
    return server + _of("IPv4 address", HOURS)


def _aurora(desk: Desk) -> Decimal:
    stored = _of("Aurora, storage", desk.stored_gb) + _of("Aurora, backups", desk.stored_gb)
    return (
        _of("Aurora, capacity", desk.capacity * HOURS)
        + stored
        + _of("Aurora, I/O", all_runs(desk) * IO_A_RUN, MILLION)
    )


def _nat(desk: Desk) -> Decimal:
    gateway = _of("NAT gateway", HOURS) + _of("IPv4 address", HOURS)
    return gateway + _of("NAT gateway, data", _nat_gb(desk))


def _model(desk: Desk) -> Decimal:
    longer = desk.posts * Decimal("2.7") * MEMORY_MB["classify_posts"] / 1024  # 3 s instead of 0.3 s
    tokens = _of("Model, in", desk.posts * TOKENS_IN, MILLION) + _of(
        "Model, out", desk.posts * TOKENS_OUT, MILLION
    )
    return tokens + _of("Lambda, x86", longer) + _of("Secrets", 1)


def _kms_custody(desk: Desk) -> Decimal:
    signed = _of("KMS, elliptic curves", desk.positions * SIGNATURES_A_POSITION, 10_000)
    return _of("KMS, keys", desk.accounts) + signed


Item = Callable[[Desk], Decimal]
ALWAYS: Mapping[str, Item] = {
    "Lambda": _lambda,
    "SQS": _queues,
    "Scheduler, HTTP API, X-Ray": _calls,
    "metrics, alarms, dashboards": _seen,
    "logs": _logs,
    "KMS": _keys,
    "Secrets Manager": _secrets,
    "X, posts read": _x,
}
BYO: Mapping[str, Item] = {"a Postgres of your own, for example": _byo}
AURORA: Mapping[str, Item] = {"Aurora Serverless v2": _aurora, "NAT gateway and its address": _nat}
OPTIONS: Mapping[str, Item] = {
    "with `Classifier=llm`, more": _model,
    "with `custody=kms`, more": _kms_custody,
}


def total(desk: Desk, *parts: Mapping[str, Item]) -> Decimal:
    """US dollars a month: each line rounded to a cent first, so that the lines of a table sum to it."""
    return sum((_cents(item(desk)) for part in parts for item in part.values()), Decimal(0))


def _sum_with(part: Mapping[str, Item]) -> Item:
    return lambda desk: total(desk, ALWAYS, part)


def _cents(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.01"))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _money(name: str, item: Item, bold: bool = False) -> str:
    cells = [f"{_cents(item(desk)):,}" for desk in DESKS]
    mark = "**" if bold else ""
    return _row(*(f"{mark}{cell}{mark}" for cell in (name, *cells)))


def cost_table() -> list[str]:
    """US dollars a month: every item by size of desk, and the sum for both databases."""
    lines = [_row("USD a month", *(desk.name for desk in DESKS)), "| --- | ---: | ---: | ---: |"]
    lines += [_money(name, item) for name, item in ALWAYS.items()]
    for mode, part in (("byo", BYO), ("aurora", AURORA)):
        lines += [_money(name, item) for name, item in part.items()]
        lines.append(_money(f"sum with `DatabaseMode={mode}`", _sum_with(part), bold=True))
    return lines + [_money(name, item) for name, item in OPTIONS.items()]


def _runs_of(function: str) -> Callable[[Desk], int]:
    return lambda desk: runs(desk)[function][0]


def quantity_table() -> list[str]:
    """What is counted, a month."""
    rows: list[tuple[str, Callable[[Desk], Decimal | int]]] = [
        ("authors", lambda desk: desk.authors),
        ("open positions at a time", lambda desk: desk.open_positions),
        ("live accounts", lambda desk: desk.accounts),
        ("posts read", lambda desk: desk.posts),
        ("positions opened", lambda desk: desk.positions),
        *((f"runs of {name}", _runs_of(name)) for name in MEMORY_MB),
        ("GB-seconds of Lambda", lambda desk: round(gb_seconds(desk))),
        (
            "requests to SQS",
            lambda desk: QUEUES_WITH_CONSUMERS * POLLS_A_MINUTE * MINUTES + 3 * _messages(desk),
        ),
        ("GB of logs", lambda desk: _log_gb(desk).quantize(Decimal("0.1"))),
        ("GB through the NAT gateway", lambda desk: _nat_gb(desk).quantize(Decimal("0.1"))),
        ("capacity units of Aurora", lambda desk: desk.capacity),
    ]
    head = [_row("a month", *(desk.name for desk in DESKS)), "| --- | ---: | ---: | ---: |"]
    return head + [_row(name, *(f"{count(desk):,}" for desk in DESKS)) for name, count in rows]


def price_table() -> list[str]:
    """Each price, what is free of it a month and account, and when it was last compared with a published one."""
    head = [_row("", "USD", "for a", "free a month", "compared"), "| --- | ---: | --- | --- | --- |"]
    return head + [
        _row(name, str(price.usd), price.unit, price.free, price.seen or "as of our knowledge, check")
        for name, price in PRICES.items()
    ]


TABLES: Mapping[str, Callable[[], list[str]]] = {
    "costs": cost_table,
    "quantities": quantity_table,
    "prices": price_table,
}


if __name__ == "__main__":
    print("\n\n".join("\n".join(table()) for table in TABLES.values()))
