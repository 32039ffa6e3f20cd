"""Many at once on one ledger: sixteen workers on one signer and on many, two monitors, late ticks. Real Postgres, real requests.

`make load` is the same with processes, 10,000 orders and figures; nothing here judges speed.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from local.hyperliquid.config import build_config
from local.hyperliquid.journal import Journal
from local.hyperliquid.server import HyperliquidServer
from local.load.crew import crew_of
from local.load.desks import Place, places
from local.load.rounds import Driver
from local.load.stage import Stage, set_up
from local.load.verify import verify
from local.simulation.keys import LocalKms
from outcry.monitoring.monitor import LATE, Monitor
from outcry.orders.fills import FillCollector
from outcry.runtime.clock import SystemClock
from outcry.runtime.database import Address, Database
from outcry.runtime.queues import Queue
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from tests.orders.conftest import venue_changes, workshop
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Workshop

__all__ = ["venue_changes", "workshop"]

WORKERS = 16
CALM = {"switches": {"ip_limit": False, "address_limit": False}, "book_refill_ms": 1}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Each order is a line of the log; here they are many."""
    logger = logging.getLogger("outcry")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.fixture
def stage_with(database: Database, database_url: str, tmp_path: Path) -> Iterator[Callable[[int], Stage]]:
    """Makes a desk with so many accounts, each with a signer, on a venue of real time."""
    journal = tmp_path / "journal.jsonl"
    with HyperliquidServer(SystemClock(), config=build_config(CALM), journal=Journal(journal)) as server:
        venue = HyperliquidVenue("local", server.url, SystemClock())

        def made(accounts: int) -> Stage:
            kms = LocalKms(Random(1))
            stage = Stage(database_url, server.url, journal, database, kms, dict(venue.marks().prices))
            set_up(stage, accounts, venue)
            return stage

        yield made


def drive(stage: Stage, where: list[Place], *, orders: int, twice: float = 0.2) -> dict[str, int]:
    """Rounds of entry and exit through sixteen workers; what was counted of the messages."""
    setups = stage.setups(Queue.EXITS, WORKERS)
    with crew_of(
        setups, shared=True, random=Random(7), twice=twice, database=stage.database, as_threads=True
    ) as crew:
        until = crew.started + 120
        Driver(stage, crew, until).rounds(where, orders=orders, at_once=WORKERS)
    return dict(crew.counts)


def test_sixteen_workers_on_one_signer_lose_no_order_and_use_no_nonce_twice(
    stage_with: Callable[[int], Stage],
) -> None:
    stage = stage_with(1)

    counts = drive(stage, places(1), orders=40)

    found = verify(stage)
    assert found.faults == ()
    assert (found.signers, found.by_end["enter FILLED"]) == (1, found.by_end["exit FILLED"])
    assert found.by_end["enter FILLED"] >= 10
    assert found.orders >= 40
    assert counts["delivered twice"] > 0


def test_sixteen_workers_on_many_signers_lose_no_order_and_use_no_nonce_twice(
    stage_with: Callable[[int], Stage],
) -> None:
    stage = stage_with(8)

    counts = drive(stage, places(8, ("BTC", "ETH", "SOL")), orders=80)

    found = verify(stage)
    assert found.faults == ()
    assert found.signers == 8
    assert found.by_end["enter FILLED"] == found.by_end["exit FILLED"] >= 20
    assert counts["delivered twice"] > 0


def test_two_workers_with_the_same_message_make_one_fill(stage_with: Callable[[int], Stage]) -> None:
    stage = stage_with(2)

    drive(stage, places(2, ("BTC",)), orders=8, twice=1.0)

    found = verify(stage)
    assert found.faults == ()
    assert found.by_end["enter FILLED"] >= 2


def test_the_check_notices_a_nonce_that_was_used_twice_and_an_order_that_was_lost(
    stage_with: Callable[[int], Stage],
) -> None:
    stage = stage_with(1)
    drive(stage, places(1, ("BTC",)), orders=4, twice=0)
    with stage.database.transaction() as tx:
        tx.execute("drop index one_request_per_nonce")
        tx.execute("update actions set nonce = (select min(nonce) from actions)")
        tx.execute(
            "update orders set status = 'WORKING', finished_at = null where order_id ="
            " (select order_id from orders where kind = 'enter' limit 1)"
        )

    faults = " ".join(verify(stage).faults)

    assert "1 orders are lost" in faults
    assert "1 nonces were used twice" in faults


# ─── monitors ───────────────────────────────────────────────────────────────────────────────────────────────


def monitors(workshop: Workshop, url: str, count: int) -> Iterator[tuple[Monitor, Database]]:
    """Monitors of other processes: each with a connection, a memory and a desk of its own."""
    for _ in range(count):
        database = Database(Address.from_url(url), network="local")
        desk = replace(workshop.desk, database=database, _markets={}, _accounts={})
        yield Monitor(desk, FillCollector(desk), live=("hyperliquid", "local")), database


def together(tasks: list[Callable[[], int]]) -> list[int]:
    """Run all of them at once; what each gave. Raises what one of them raised."""
    gate = threading.Barrier(len(tasks))

    def run(task: Callable[[], int]) -> int:
        gate.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def test_two_monitors_at_once_plan_one_exit_for_a_position(workshop: Workshop, database_url: str) -> None:
    workshop.enter()
    workshop.enter(market="ETH", deployment="runner-paper")
    workshop.clock.advance(timedelta(hours=1, seconds=1))  # the time limit of both
    both = list(monitors(workshop, database_url, 2))
    now = workshop.clock.now()

    def a_pass(monitor: Monitor) -> Callable[[], int]:
        return lambda: monitor.run(
            [LIVE, PAPER_ACCOUNT], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick"
        )

    for _ in range(3):
        together([a_pass(monitor) for monitor, _ in both])
    workshop.drain()
    for _, database in both:
        database.close()

    exits = workshop.rows("select account_id, status from orders where kind = 'exit' order by 1")
    assert exits == [
        {"account_id": LIVE, "status": "FILLED"},
        {"account_id": PAPER_ACCOUNT, "status": "FILLED"},
    ]
    assert workshop.venue_size() == 0


def test_a_late_tick_beside_one_in_time_does_nothing(workshop: Workshop, database_url: str) -> None:
    workshop.enter()
    both = list(monitors(workshop, database_url, 2))
    now = workshop.clock.now()
    late, in_time = now - LATE - timedelta(seconds=1), now

    looked_at = together(
        [
            lambda: both[0][0].run(
                [LIVE], due_at=late, deadline=now + timedelta(seconds=30), trace_id="late"
            ),
            lambda: both[1][0].run(
                [LIVE], due_at=in_time, deadline=now + timedelta(seconds=30), trace_id="tick"
            ),
        ]
    )
    for _, database in both:
        database.close()

    assert sorted(looked_at) == [0, 1]
    assert workshop.rows("select held_until from leases where name like 'monitor:%'") == []
