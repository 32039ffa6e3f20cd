"""Figures: how a pass grows with the book, from 100 to 50,000 open positions.

Counted is what `passes` counts, over all accounts of the desk, message by message in one process; in the cloud messages are shared out.
Beside each time stand what the pass asked of the database and of the venue, the rows that it wrote, and what the process keeps in
memory afterwards.
"""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tests.benchmarks import store
from tests.benchmarks.crowd import STILL, Layout
from tests.benchmarks.database import Server
from tests.benchmarks.figures import MS, Figure, Taken, figure, own_cpu, quiet
from tests.benchmarks.passes import AHEAD, INSIDE_BAND, Stage, stage

GROUP = "scaling"
PER_ACCOUNT = 20
SIZES = (100, 1_000, 5_000, 10_000, 50_000)
QUICK_SIZES = (100, 1_000)
MOVING = (Decimal("0.04"), Decimal("0.9"))
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What one pass over the whole desk asked for and wrote."""

    statements: int
    transactions: int
    requests: int
    weight: int
    positions: int
    others: int

    def said(self) -> str:
        return (
            f"{self.statements} statements in {self.transactions} transactions, {self.requests} requests of weight {self.weight};"
            f" written: {self.positions} positions, {self.others} other rows"
        )


def figures(server: Server, *, quick: bool) -> Iterator[Figure]:
    """Still, cold and warm, and moving, for each size."""
    for size in QUICK_SIZES if quick else SIZES:
        runs = 3 if size > 10_000 else 5
        accounts = size // PER_ACCOUNT
        with stage(server, Layout(accounts, PER_ACCOUNT, *STILL)) as here:
            yield from _still(here, size, runs)
        with stage(server, Layout(accounts, PER_ACCOUNT, *MOVING)) as here:
            here.run(by=AHEAD, look=False)
            yield _figure(here, f"{size:,} moving", AHEAD, runs)


def _still(here: Stage, size: int, runs: int) -> Iterator[Figure]:
    here.run(by=INSIDE_BAND[0], look=False)
    yield _figure(here, f"{size:,} still, cold", INSIDE_BAND[0], runs, cold=True)
    yield _figure(here, f"{size:,} still, warm", INSIDE_BAND[0], runs, said=f"; {_memory(here)}")
    yield _figure(here, f"{size:,} still, warm, with the look", INSIDE_BAND[0], runs, look=True)


def _figure(
    here: Stage,
    name: str,
    by: Decimal,
    runs: int,
    *,
    cold: bool = False,
    look: bool = False,
    said: str = "",
) -> Figure:
    samples: list[Taken] = []
    sign = 1
    for _ in range(runs):
        if cold:
            here.fresh()
        samples.append(here.run(by=by * sign, look=look))
        sign = -sign if by == INSIDE_BAND[0] else sign
    if cold:
        here.fresh()
    cost = _cost(here, by * sign, look=look)
    layout = f"{here.crowd.layout.accounts} accounts with {here.crowd.layout.markets} each"
    return figure(
        GROUP,
        name,
        MS,
        [each.wall for each in samples],
        f"{layout}; {cost.said()}{said}; {own_cpu(samples)}",
    )


def _cost(here: Stage, by: Decimal, *, look: bool) -> Cost:
    """Run one more pass, and count."""
    with here.database.transaction() as tx:
        store.look_at_orders(tx, None if look else here.clock.now())
    before_rows = _written(here)
    asked, reads, weight = here.database.asked.copy(), here.session.reads, here.venue.weight_used
    here.run(by=by)
    used = here.database.asked.since(asked)
    after_rows = _written(here)
    return Cost(
        used.statements,
        used.transactions,
        here.session.reads - reads,
        here.venue.weight_used - weight,
        after_rows[0] - before_rows[0],
        after_rows[1] - before_rows[1],
    )


def _written(here: Stage) -> tuple[int, int]:
    with here.database.transaction() as tx:
        store.flush_statistics(tx)
    with here.database.transaction() as tx:
        return store.rows_written(tx)


def _memory(here: Stage) -> str:
    """What a pass needs at most, and what the process keeps of it."""
    here.fresh()
    with quiet():
        tracemalloc.start()
        here.run(by=INSIDE_BAND[0], look=False)
        kept, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    here.run(by=-INSIDE_BAND[0], look=False)
    return f"{kept / _MEGABYTE:.1f} MB kept, {most / _MEGABYTE:.1f} MB at most, beside the parsed code"
