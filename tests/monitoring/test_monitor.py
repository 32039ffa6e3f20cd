"""Monitors side by side, late ticks, and marks that are missing, old or frozen: no decision without a fresh one."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.monitoring.monitor import Monitor
from outcry.orders.fills import FillCollector
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import VenueUnreachable
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import FundingPayment, Marks, OpenOrder
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Workshop

WAIT_S = 20
MARKS = {"type": "metaAndAssetCtxs"}


class GatedVenue(HyperliquidVenue):
    """The venue of a monitor that is held up while it reads the marks."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reached, self.go_on = threading.Event(), threading.Event()

    def marks(self) -> Marks:
        self.reached.set()
        assert self.go_on.wait(WAIT_S), "the test never let the monitor go on"
        return super().marks()


class CountingVenue(HyperliquidVenue):
    """The venue of a monitor of which it is counted what it reads besides marks and accounts."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.read: list[str] = []

    def open_orders(self, address: str) -> Sequence[OpenOrder]:
        self.read.append("open orders")
        return super().open_orders(address)

    def funding(self, address: str, since: datetime) -> Sequence[FundingPayment]:
        self.read.append("funding")
        return super().funding(address, since)


Make = Callable[[type[HyperliquidVenue]], tuple[Monitor, HyperliquidVenue]]


@pytest.fixture
def make_monitor(workshop: Workshop, database_url: str) -> Iterator[Make]:
    """The monitor of another process, with a connection and a venue of its own."""
    opened: list[Database] = []

    def make(kind: type[HyperliquidVenue]) -> tuple[Monitor, HyperliquidVenue]:
        opened.append(Database(Address.from_url(database_url), network="local"))
        venue = kind("local", workshop.server.url, workshop.clock)
        venues = {("hyperliquid", "local"): venue}
        desk = replace(workshop.desk, database=opened[-1], venues=venues, _markets={}, _accounts={})
        return Monitor(desk, FillCollector(desk), live=("hyperliquid", "local")), venue

    yield make
    for connection in opened:
        connection.close()


def run(workshop: Workshop, monitor: Monitor | None = None, *, late_s: float = 0) -> int:
    now = workshop.clock.now()
    return (monitor or workshop.monitor).run(
        [LIVE],
        due_at=now - timedelta(seconds=late_s),
        deadline=now + timedelta(seconds=30),
        trace_id="tick",
    )


def reads_of(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The accounts that the workshop's monitor reads from now on."""
    account, read = workshop.venue.account, []

    def counted(address: str) -> Any:
        read.append(address)
        return account(address)

    monkeypatch.setattr(workshop.venue, "account", counted)
    return read


def change_marks(
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Mapping[str, Decimal]], Mapping[str, Decimal]],
    *,
    old_s: float = 0,
) -> None:
    marks = workshop.venue.marks

    def changed() -> Marks:
        found = marks()
        return Marks(change(found.prices), found.received_at - timedelta(seconds=old_s))

    monkeypatch.setattr(workshop.venue, "marks", changed)


def exits(workshop: Workshop) -> list[str]:
    return [
        row["reason"]
        for row in workshop.rows("select plan ->> 'reason' as reason from orders where kind = 'exit'")
    ]


# ─── one at a time ──────────────────────────────────────────────────────────────────────────────────────────


def test_f9_two_monitors_at_once_over_one_account_make_one_pass(
    workshop: Workshop, make_monitor: Make
) -> None:
    workshop.enter()
    (slow, gate), (quick, _) = make_monitor(GatedVenue), make_monitor(HyperliquidVenue)
    assert isinstance(gate, GatedVenue)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, workshop, slow)
        try:
            assert gate.reached.wait(WAIT_S)
            looked_at = run(workshop, quick)
        finally:
            gate.go_on.set()
        looked_at_first = first.result(timeout=60)
    afterwards = run(workshop, quick)

    assert (looked_at_first, looked_at, afterwards) == (1, 0, 1)
    assert workshop.rows("select name from leases where name like 'monitor:%'") == []


def test_f3_two_monitors_that_see_one_stop_crossed_plan_one_exit(
    workshop: Workshop, make_monitor: Make
) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(hours=2))
    workshop.mark("BTC", "60010")
    monitors = [make_monitor(HyperliquidVenue)[0] for _ in range(2)]
    start = threading.Barrier(2)

    def work(monitor: Monitor) -> int:
        start.wait(WAIT_S)
        return run(workshop, monitor)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, monitors, timeout=60))
    workshop.drain()

    assert exits(workshop) == ["TIME_LIMIT"]
    assert workshop.venue_size() == 0
    assert len({fill["oid"] for fill in workshop.venue_fills() if fill["side"] == "A"}) == 1


def test_a_monitor_that_died_blocks_its_accounts_no_longer_than_its_deadline(
    workshop: Workshop,
) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute(
            "insert into leases (name, holder, held_until) values (:name, gen_random_uuid(), :until)",
            name=f"monitor:{LIVE}",
            until=workshop.clock.now() + timedelta(seconds=30),
        )

    while_held = run(workshop)
    workshop.clock.advance(timedelta(seconds=30))

    assert (while_held, run(workshop)) == (0, 1)


@pytest.mark.parametrize(("late_s", "looked_at"), [(0, 1), (20, 1), (20.001, 0), (90, 0)])
def test_a_tick_that_is_more_than_twenty_seconds_late_is_dropped(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, late_s: float, looked_at: int
) -> None:
    workshop.enter()
    read = reads_of(workshop, monkeypatch)

    assert run(workshop, late_s=late_s) == looked_at
    assert len(read) == looked_at


def test_what_one_process_has_read_another_does_not_ask_for_again_before_its_time(
    workshop: Workshop, make_monitor: Make
) -> None:
    workshop.enter()
    other, venue = make_monitor(CountingVenue)
    assert isinstance(venue, CountingVenue)
    workshop.clock.advance(timedelta(minutes=1))
    run(workshop)  # reads the open orders, and the hour's funding

    read = []
    for after_s in (15, 45, 15):
        workshop.clock.advance(timedelta(seconds=after_s))
        venue.read.clear()
        run(workshop, other)
        read.append(list(venue.read))

    assert read == [[], ["open orders"], []]


# ─── marks ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_answer_about_marks_is_raised_and_the_next_pass_is_not_locked_out(workshop: Workshop) -> None:
    workshop.enter()
    workshop.control("fault", on="info", match=MARKS, do="status", status=502, times=1)

    with pytest.raises(VenueUnreachable):
        run(workshop)

    assert run(workshop) == 1


def test_f36_a_position_without_a_mark_pages_once_and_nothing_is_decided(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    before = workshop.position()
    change_marks(workshop, monkeypatch, lambda prices: {k: v for k, v in prices.items() if k != "BTC"})
    workshop.clock.advance(timedelta(hours=2))  # past its time limit: a mark alone is missing

    for _ in range(3):
        run(workshop)

    assert workshop.notices().count("marks") == 1
    assert exits(workshop) == []
    assert (workshop.position()["peak"], workshop.position()["status"]) == (before["peak"], "OPEN")


def test_f35_an_old_mark_is_no_mark_and_the_entry_price_never_stands_in_for_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    before = workshop.position()
    workshop.mark("BTC", "61500")
    change_marks(workshop, monkeypatch, dict, old_s=11)

    run(workshop)

    assert workshop.notices().count("marks") == 1
    assert (workshop.position()["peak"], workshop.position()["trail_price"]) == (
        before["peak"],
        before["trail_price"],
    )


def test_a_mark_that_comes_back_is_decided_on_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    with monkeypatch.context() as patch:
        change_marks(workshop, patch, lambda prices: {k: v for k, v in prices.items() if k != "BTC"})
        run(workshop)
    workshop.mark("BTC", "61500")

    workshop.watch()

    assert workshop.position()["trail_price"] == Decimal(61500) * Decimal("0.99")


def test_f36_marks_that_stand_still_page_once_and_nothing_is_decided_until_they_move(
    workshop: Workshop,
) -> None:
    workshop.enter()
    for _ in range(3):
        workshop.watch()
    quiet = workshop.notices().count("marks")
    workshop.clock.advance(timedelta(minutes=30))
    for _ in range(3):
        workshop.watch()
    frozen = (workshop.notices().count("marks"), exits(workshop))
    workshop.clock.advance(timedelta(minutes=45))
    workshop.mark("ETH", str(workshop.venue.marks().prices["ETH"] + 1))
    workshop.watch()

    assert quiet == 0
    assert frozen == (1, [])
    assert exits(workshop) == ["TIME_LIMIT"]


def test_f36_standing_marks_page_nobody_while_nothing_is_held(workshop: Workshop) -> None:
    for _ in range(6):
        workshop.watch()

    assert workshop.notices() == []


# ─── what is watched ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        "update agents set strategy = jsonb_set(strategy, '{venues}', '[]')",
        "update agents set is_active = false",
        "update deployments set state = 'HALTED'",
        "update deployments set state = 'REDUCING'",
        "delete from follows",
    ],
)
def test_f40_an_open_position_is_watched_whatever_its_agent_and_deployment_are_now(
    workshop: Workshop, change: str
) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    with workshop.database.transaction() as tx:
        tx.execute(change)
    workshop.mark("BTC", "58700")

    workshop.watch()

    for account in (LIVE, PAPER_ACCOUNT):
        position = workshop.position(account=account)
        assert (position["status"], position["exit_reason"]) == ("CLOSED", "STOP_LOSS")


def test_f15_an_account_that_cannot_be_read_is_not_taken_for_an_empty_one(workshop: Workshop) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    workshop.control("fault", on="info", match={"type": "clearinghouseState"}, do="status", status=502)
    workshop.mark("BTC", "60010")

    workshop.watch()

    assert workshop.position()["status"] == "OPEN"
    beat = workshop.rows("select detail from heartbeats where stage = 'monitor_hyperliquid'")[0]["detail"]
    assert beat == {"accounts": 2, "seen": 1, "positions": 2}
