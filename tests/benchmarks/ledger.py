"""Figures: what one order costs in the ledger, from its claim to its recorded end, without the venue's own time.

Counted is `Executor.advance` on real Postgres against the local Hyperliquid, with real signatures and real HTTP; the time between
handing a request to the socket and holding its answer is subtracted. An entry places its stop and take-profit in the same
invocation, and an exit takes them off: so the whole is given, and each order's own share, without what it called.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from local.hyperliquid.config import build_config
from local.hyperliquid.server import HyperliquidServer
from outcry.monitoring import store
from outcry.orders.execute import Executor
from outcry.orders.plan import plan_exit, plan_protection
from outcry.positions import store as positions_store
from outcry.runtime.clock import FixedClock
from outcry.runtime.reasons import Reason
from outcry.venues.port import TriggerKind
from tests.benchmarks.database import Asked, CountingDatabase, Server
from tests.benchmarks.figures import COUNT, MS, Figure, drop_first, figure, quiet, timed
from tests.benchmarks.session import CountedSession
from tests.orders.workshop import NOON, Workshop

GROUP = "ledger"
TARGET_MS = 10
BETWEEN = timedelta(seconds=130)  # longer than the overlap with which fills are read again


@dataclass(slots=True)
class Spent:
    """What something took: our own seconds, and what it asked of the database."""

    ours: float
    venue: float
    asked: Asked


@dataclass(slots=True)
class Meter:
    """Our own time by the wall, by the venue, and by the database, at any moment."""

    database: CountingDatabase
    session: CountedSession

    def now(self) -> Spent:
        return Spent(
            time.perf_counter() - self.session.seconds, self.session.seconds, self.database.asked.copy()
        )

    def since(self, earlier: Spent) -> Spent:
        now = self.now()
        return Spent(now.ours - earlier.ours, now.venue - earlier.venue, now.asked.since(earlier.asked))


class MeteredExecutor(Executor):
    """The real executor, which also notes each order's own share: without the orders that it carried out in between."""

    def __init__(self, here: Workshop, meter: Meter) -> None:
        super().__init__(here.desk)
        self._meter = meter
        self._inner: list[Spent] = [_nothing()]
        self.shares: list[tuple[UUID, Spent]] = []

    def _advance(self, order_id: UUID, deadline: datetime, budget: list[int]) -> None:
        began = self._meter.now()
        self._inner.append(_nothing())
        try:
            super()._advance(order_id, deadline, budget)
        finally:
            whole = self._meter.since(began)
            inner = self._inner.pop()
            self.shares.append((order_id, _less(whole, inner)))
            self._inner[-1] = _plus(self._inner[-1], whole)


@dataclass(slots=True)
class Bench:
    """A workshop whose time is taken."""

    shop: Workshop
    meter: Meter
    executor: MeteredExecutor
    wholes: dict[str, list[Spent]] = field(default_factory=dict)
    shares: dict[str, list[Spent]] = field(default_factory=dict)

    def advance(self, name: str, order_id: UUID) -> None:
        """Advance an order, and keep what it took under this name."""
        self.executor.shares.clear()
        with quiet():
            began = self.meter.now()
            self.shop.advance(order_id)
            self.wholes.setdefault(name, []).append(self.meter.since(began))
        for each, spent in self.executor.shares:
            order = self.shop.order(each)
            self.shares.setdefault(_called(order["kind"], order["leg"]), []).append(spent)


@contextmanager
def bench(server: Server) -> Iterator[Bench]:
    """A ledger at work on a database of its own."""
    with server.database() as database, at_work(database) as here:
        yield here


@contextmanager
def at_work(database: CountingDatabase) -> Iterator[Bench]:
    """A ledger at work on a local Hyperliquid, with BTC at 60,000 and nothing entered yet."""
    clock = FixedClock(NOON)
    with HyperliquidServer(clock, config=build_config({"switches": {"ip_limit": False}})) as venue:
        shop = Workshop(database, venue, clock)
        shop.mark("BTC", "60000")
        session = CountedSession()
        shop.venue._client._session = session
        meter = Meter(database, session)
        executor = MeteredExecutor(shop, meter)
        shop.executor = executor
        yield Bench(shop, meter, executor)
        session.close()


def figures(server: Server, *, quick: bool) -> Iterator[Figure]:
    """Entry, protection and exit, over and over in one market."""
    cycles = 4 if quick else 16
    with bench(server) as here:
        commits = _commits(here.meter.database, 20 if quick else 60)
        statements = _statements(here.meter.database, 60 if quick else 300)
        for _ in range(cycles):
            cycle(here)
        assert len(here.shop.venue_fills()) == 2 * cycles, "one fill set for each entry and each exit"
    yield figure(
        GROUP, "a bare commit", MS, commits, "one row written and committed: what each transaction waits for"
    )
    yield figure(
        GROUP,
        "a bare statement",
        MS,
        statements,
        "one value asked for and read: what each statement waits for at least",
    )
    for name, said, target in (
        ("one protection", "a further take-profit: claim, prepare, sign, send, rest, give back", TARGET_MS),
        ("an entry with its stop and take-profit", "approval, leverage, entry, two protections, fills", None),
        (
            "an exit with two protections taken off",
            "fills, entry killed, close, fills again, two cancels",
            None,
        ),
    ):
        spent = drop_first(here.wholes[name])
        yield _times(name, [each.ours for each in spent], f"{said}; {_asked(spent)}", target)
        yield figure(
            GROUP,
            f"{name.split(' with')[0]}: statements",
            COUNT,
            [each.asked.statements for each in spent],
            "of the whole",
        )
    for kind in sorted(here.shares):
        spent = drop_first(here.shares[kind])
        said = f"{_both(kind)}; {_asked(spent)}"
        yield _times(f"own share: {kind}", [each.ours for each in spent], said, TARGET_MS)


def _times(name: str, seconds: list[float], said: str, target: float | None) -> Figure:
    return figure(GROUP, name, MS, seconds, f"{said}; the venue's time is subtracted", target=target)


def _both(kind: str) -> str:
    return "placed and taken off alike" if kind.startswith("protect") else "without the orders that it called"


def _called(kind: str, leg: str) -> str:
    """A protection by its leg; a cancel, whose leg is what it cancels, and all others by their kind."""
    return f"{kind} {leg}" if kind == "protect" else kind


def _asked(spent: Sequence[Spent]) -> str:
    def median(of: Callable[[Spent], float]) -> float:
        return sorted(of(each) for each in spent)[len(spent) // 2]

    here = median(lambda s: s.ours - s.asked.seconds - s.asked.commit_seconds)
    return (
        f"{median(lambda s: s.asked.statements):.0f} statements {median(lambda s: s.asked.seconds) * 1000:.1f} ms,"
        f" {median(lambda s: s.asked.transactions):.0f} commits {median(lambda s: s.asked.commit_seconds) * 1000:.1f} ms,"
        f" all else in this process {here * 1000:.1f} ms, the venue {median(lambda s: s.venue) * 1000:.1f} ms"
    )


def cycle(here: Bench) -> None:
    """An entry with its stop and take-profit, one more take-profit, and the exit that closes it all."""
    shop = here.shop
    shop.clock.advance(BETWEEN)
    here.advance("an entry with its stop and take-profit", shop.plan_entry())
    position_id = shop.position()["position_id"]
    assert shop.position()["protected_at"] is not None, "the entry left a protected position"
    shop.clock.advance(timedelta(seconds=5))
    here.advance("one protection", _plan_target(shop, position_id))
    shop.clock.advance(timedelta(seconds=5))
    with shop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        order_id = plan_exit(tx, position, Reason.TIME_LIMIT, now=shop.clock.now(), trace_id="bench")
    here.advance("an exit with two protections taken off", order_id)
    shop.drain()
    assert shop.position()["status"] == "CLOSED", "the exit closed the position"


def _plan_target(shop: Workshop, position_id: UUID) -> UUID:
    with shop.database.transaction() as tx:
        position = positions_store.load(tx, position_id, lock=True)
        assert position is not None
        return plan_protection(
            tx,
            position,
            leg="tp2",
            kind=TriggerKind.TAKE_PROFIT,
            trigger_price=Decimal(66000),
            size=Decimal("0.001"),
            now=shop.clock.now(),
            trace_id="bench",
            cause=Reason.TAKE_PROFIT,
        )


def _commits(database: CountingDatabase, runs: int) -> list[float]:
    def work() -> None:
        with database.transaction() as tx:
            store.beat(tx, "bench", now=NOON, detail={})

    return [timed(work) for _ in range(runs)]


def _statements(database: CountingDatabase, runs: int) -> list[float]:
    with database.transaction() as tx:
        tx.one("select cast(:one as integer) as one", one=1)
        return [timed(lambda: tx.one("select cast(:one as integer) as one", one=1)) for _ in range(runs)]


def _nothing() -> Spent:
    return Spent(0.0, 0.0, Asked())


def _plus(one: Spent, other: Spent) -> Spent:
    return Spent(one.ours + other.ours, one.venue + other.venue, one.asked.plus(other.asked))


def _less(one: Spent, other: Spent) -> Spent:
    return Spent(one.ours - other.ours, one.venue - other.venue, one.asked.since(other.asked))
