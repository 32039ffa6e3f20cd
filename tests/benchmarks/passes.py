"""Figures: the monitor's pass over many open positions, nothing moving and everything moving.

Counted is `Monitor.run`, from its leases to its heartbeat, on real Postgres, with the parsing of every answer. The venue answers
from memory, so its own time is nil. Passes are fifteen seconds apart on a clock that is moved by hand; every mark moves
a little in every one, since a feed that stands still is an alarm.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched
from uuid import uuid4

from outcry.monitoring.monitor import Monitor
from outcry.monitoring.tick import ACCOUNTS_PER_MESSAGE
from outcry.orders.fills import FillCollector
from outcry.orders.ports import Desk
from outcry.runtime.clock import FixedClock
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from tests.benchmarks import store
from tests.benchmarks.crowd import STILL, Crowd, Layout
from tests.benchmarks.database import Asked, CountingDatabase, Server
from tests.benchmarks.figures import COUNT, MS, Figure, Taken, drop_first, figure, own_cpu, quiet, taken
from tests.benchmarks.session import MemorySession
from tests.orders.workshop import Bells, KeySigner, TestSigners

GROUP = "monitor"
START = datetime(2026, 1, 5, 12, 1, tzinfo=UTC)
APART = timedelta(seconds=15)
LIVE = ("hyperliquid", "local")
INSIDE_BAND = (Decimal("0.0001"), Decimal("0.0002"))
AHEAD = Decimal("0.0005")  # a pass: every peak moves
FAR_AHEAD = Decimal("0.005")  # a pass: every stop is worth replacing


@dataclass(slots=True)
class Stage:
    """A crowd of accounts, and the monitor that watches them."""

    crowd: Crowd
    database: CountingDatabase
    clock: FixedClock
    desk: Desk
    venue: HyperliquidVenue
    session: MemorySession
    monitor: Monitor
    won: Decimal = Decimal(0)

    def fresh(self) -> None:
        """A monitor that remembers nothing, as after a cold start."""
        self.desk._accounts.clear()
        self.monitor = Monitor(self.desk, FillCollector(self.desk), live=LIVE)

    def run(self, *, by: Decimal, look: bool | None = None) -> Taken:
        """Move time and marks, and take the time of one pass over every account, message by message.

        `look`: whether the once-a-minute look at open orders is due in it; None: where it is, by the clock.
        """
        now = self.clock.advance(APART)
        if look is not None:
            with self.database.transaction() as tx:
                store.look_at_orders(tx, None if look else now)
        self.won += by
        self.crowd.show(now, self.won)
        deadline = now + timedelta(seconds=60)

        def work() -> None:
            for names in batched(self.crowd.accounts, ACCOUNTS_PER_MESSAGE, strict=False):
                self.monitor.run(names, due_at=now, deadline=deadline, trace_id="bench")

        with quiet():
            before = self.database.served()
            found = taken(work)
            return replace(found, served=self.database.served() - before)


@contextmanager
def stage(server: Server, layout: Layout) -> Iterator[Stage]:
    """A database with the layout's positions, and a monitor that has not run yet."""
    with server.database() as database:
        clock = FixedClock(START)
        crowd = Crowd(layout)
        with database.transaction() as tx:
            crowd.insert(tx, START - timedelta(minutes=30))
        with database.transaction() as tx:
            store.analyze(tx)
            crowd.rest(store.resting_cloids(tx))
        session = MemorySession(crowd.answer)
        venue = HyperliquidVenue("local", "http://127.0.0.1:1", clock, session=session)
        desk = Desk(
            database=database,
            clock=clock,
            doorbell=Bells(),
            venues={LIVE: venue},
            signers=TestSigners(KeySigner(7)),
            new_id=uuid4,
            pause=lambda _: None,
            load_account=lambda _, name: crowd.accounts[name],
        )
        yield Stage(
            crowd, database, clock, desk, venue, session, Monitor(desk, FillCollector(desk), live=LIVE)
        )


def figures(server: Server, *, quick: bool) -> Iterator[Figure]:
    """Still, moving, and moving so far that every stop follows."""
    yield from _still(server, runs=5 if quick else 15)
    gain = Decimal("0.04")
    follows_late = Decimal("0.9")
    wide, narrow = (10, 100) if quick else (50, 200), (40, 25) if quick else (400, 25)
    moving_target = None if quick else 500
    for accounts, markets in (wide, narrow):
        layout = Layout(accounts, markets, gain, follows_late)
        yield from _moving(server, layout, runs=3 if quick else 7, target=moving_target)
    yield from _ratchets(server, Layout(25, 8 if quick else 40, gain, Decimal("0.002"), stop_at_trail=True))


def _layout(layout: Layout) -> str:
    messages = -(-layout.accounts // ACCOUNTS_PER_MESSAGE)
    return (
        f"{layout.accounts} accounts with {layout.markets} positions each, {messages} message(s);"
        " snapshots parsed, the venue's time is nil"
    )


def _still(server: Server, *, runs: int) -> Iterator[Figure]:
    layout = Layout(25, 40, *STILL)
    said = _layout(layout)
    with stage(server, layout) as here:
        here.run(by=INSIDE_BAND[0])  # the markets, which are read once an hour, and the prepared statements
        with here.database.transaction() as tx:
            written = store.row_versions(tx)
        samples: dict[tuple[bool, bool], list[Taken]] = {}
        asked: dict[bool, Asked] = {}
        number = 0
        for cold, look in ((True, False), (True, True), (False, False), (False, True)):
            before = here.database.asked.copy()
            for _ in range(runs if cold else 2 * runs):
                if cold:
                    here.fresh()
                samples.setdefault((cold, look), []).append(here.run(by=_inside(number), look=look))
                number += 1
            asked[look] = here.database.asked.since(before)
        with here.database.transaction() as tx:
            assert store.moved(tx, START) == (0, 0), "a still pass plans nothing"
            assert store.row_versions(tx) == written, "a still pass writes no position and no order"
    name = f"{layout.positions:,} still, "
    for what, key, counted, target in (
        ("cold", (True, False), "nothing kept in the process: accounts and rows are read", 25),
        (
            "cold, with the look",
            (True, True),
            "likewise, and open orders of every account read and parsed",
            None,
        ),
        (
            "warm",
            (False, False),
            "versions of all rows re-read; not the once-a-minute look at open orders",
            10,
        ),
        ("warm, with the look", (False, True), "open orders of every account are read and parsed", None),
    ):
        yield _pass(f"{name}{what}", samples[key], f"{said}; {counted}", target)
    for what, look in (("statements", False), ("statements, with the look", True)):
        passes, counted_in = 2 * runs, asked[look]
        yield figure(
            GROUP,
            f"{name}{what}",
            COUNT,
            [counted_in.statements / passes - 1],
            f"mean of {passes} warm passes; {counted_in.transactions / passes - 1:.1f} transactions; without the one in which"
            " the benchmark says whether the look is due",
        )


def _pass(name: str, samples: Sequence[Taken], said: str, target: float | None = None) -> Figure:
    walls = [each.wall for each in samples]
    return figure(GROUP, name, MS, walls, f"{said}; {own_cpu(samples)}", target=target)


def _inside(number: int) -> Decimal:
    """To and fro within the band."""
    return INSIDE_BAND[0] if number % 2 else -INSIDE_BAND[0]


def _moving(server: Server, layout: Layout, *, runs: int, target: float | None) -> Iterator[Figure]:
    with stage(server, layout) as here:
        seconds, written = _passes(here, runs + 1, by=AHEAD, after=lambda _: None)
        assert written == [(layout.positions, 0)] * (runs + 1), (
            f"every peak moves and no stop follows: {written}"
        )
    yield _pass(
        f"{layout.positions:,} moving, {layout.accounts} accounts",
        drop_first(seconds),
        f"{_layout(layout)}; every peak and trail moves and is written; no stop is worth replacing; a few passes hold the look",
        target,
    )


def _ratchets(server: Server, layout: Layout) -> Iterator[Figure]:
    def settle(here: Stage) -> None:
        with here.database.transaction() as tx:
            store.settle_stops(tx, here.clock.now())

    with stage(server, layout) as here:
        seconds, written = _passes(here, 4, by=FAR_AHEAD, after=settle)
        assert written == [(layout.positions, layout.positions)] * 4, f"every stop follows: {written}"
    yield _pass(
        f"{layout.positions:,} moving, stops follow",
        drop_first(seconds),
        f"{_layout(layout)}; every peak and trail moves, and for each position a nearer stop is planned",
    )


def _passes(
    here: Stage, count: int, *, by: Decimal, after: Callable[[Stage], None]
) -> tuple[list[Taken], list[tuple[int, int]]]:
    """Passes of which each moves everything, and what each has written."""
    seconds: list[Taken] = []
    written: list[tuple[int, int]] = []
    for _ in range(count):
        seconds.append(here.run(by=by))
        with here.database.transaction() as tx:
            written.append(store.moved(tx, here.clock.now()))
        after(here)
    return seconds, written
