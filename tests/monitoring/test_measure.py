"""The minute's measurement: what stands in the database is what is recorded, zero included, and a latency only once."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.monitoring import measure_store
from outcry.monitoring.measure import Measure
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.runtime import metrics
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from outcry.runtime.metrics import METRICS, Metric, Nature, Stage, Work
from tests.orders.workshop import Workshop

PER_INVOCATION = {metrics.DATABASE_CONNECT_MS, *(metric for metric in METRICS if metric.adds_up)}


@pytest.fixture(autouse=True)
def _nothing_recorded() -> Iterator[None]:
    metrics.drain()
    yield
    metrics.drain()


def measured(measure: Measure) -> dict[tuple[Any, ...], list[Any]]:
    """What one measurement records, by metric and what it is of."""
    metrics.drain()
    measure.run()
    found = {(metric, *of): values for (metric, of), values in metrics.drain().items()}
    found.pop((metrics.DATABASE_CONNECT_MS,), None)  # of the connection that the measurement opened
    return found


@pytest.fixture
def measure(workshop: Workshop) -> Measure:
    return Measure(workshop.database, workshop.clock)


def change(workshop: Workshop, sql: str, **parameters: Any) -> None:
    with workshop.database.transaction() as tx:
        tx.execute(sql, **parameters)


def test_of_a_desk_on_which_nothing_happened_every_gauge_is_zero(
    database: Database, clock: FixedClock
) -> None:
    found = measured(Measure(database, clock))

    (connected,) = found.pop((metrics.DATABASE_CONNECTIONS,))
    assert 0 < connected < 100
    assert found.pop((metrics.HEARTBEAT_AGE_S, Stage.MONITOR_HYPERLIQUID)) == [0]
    assert {tuple(values) for values in found.values()} == {(0,)}
    assert {key[0] for key in found} == {
        *(metrics.OPEN_POSITIONS, metrics.EXPOSURE_USD, metrics.REALISED_PNL_USD),
        *(metrics.UNPROTECTED_POSITIONS, metrics.UNPROTECTED_OVERDUE_S, metrics.UNKNOWN_ORDERS),
        *(metrics.UNKNOWN_AGE_S, metrics.QUARANTINED_ROWS, metrics.NOTICES_UNTOLD),
        *(metrics.PAGE_UNTOLD_AGE_S, metrics.WAITING_AGE_S),
    }
    assert {key[1:] for key in found if key[0] is metrics.WAITING_AGE_S} == {(work,) for work in Work}


def test_a_position_counts_for_its_own_nature_at_its_entry_price(
    workshop: Workshop, measure: Measure
) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")

    found = measured(measure)

    for nature, account in ((Nature.LIVE, "live-1"), (Nature.PAPER, "paper-1")):
        position = workshop.position(account=account)
        assert found[metrics.OPEN_POSITIONS, nature] == [1]
        assert found[metrics.EXPOSURE_USD, nature] == [position["size"] * position["entry_price"]]


def test_latencies_are_recorded_once(workshop: Workshop, measure: Measure) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=20))

    first = measured(measure)
    workshop.clock.advance(timedelta(minutes=1))
    second = measured(measure)

    assert [len(first[key,]) for key in (metrics.POST_TO_FILL_MS, metrics.FILL_TO_STOP_MS)] == [1, 1]
    assert (metrics.POST_TO_FILL_MS,) not in second
    assert (metrics.FILL_TO_STOP_MS,) not in second


def test_the_way_of_a_post_begins_with_its_publication(workshop: Workshop, measure: Measure) -> None:
    workshop.enter()
    change(workshop, "update posts set created_at = created_at - interval '42 seconds'")
    workshop.clock.advance(timedelta(seconds=20))

    ((took_ms,),) = [v for k, v in measured(measure).items() if k == (metrics.POST_TO_FILL_MS,)]

    assert 42_000 <= took_ms < 50_000


def test_a_stop_that_follows_the_price_is_no_new_protection(workshop: Workshop, measure: Measure) -> None:
    workshop.enter()
    workshop.drain()
    workshop.clock.advance(timedelta(seconds=20))
    measured(measure)
    workshop.mark("BTC", "61500")
    for _ in range(4):
        workshop.watch()

    stops = workshop.rows("select sequence from orders where leg = 'stop'")
    found = measured(measure)

    assert len(stops) > 1
    assert (metrics.FILL_TO_STOP_MS,) not in found


def test_a_position_without_a_stop_is_overdue_from_its_deadline_on(
    workshop: Workshop, measure: Measure
) -> None:
    workshop.enter()
    change(workshop, "update positions set protected_at = null, protect_by = :by", by=workshop.clock.now())

    before = measured(measure)
    workshop.clock.advance(timedelta(seconds=90))
    after = measured(measure)

    for found, overdue_s in ((before, 0), (after, 90)):
        assert found[metrics.UNPROTECTED_POSITIONS,] == [1]
        assert found[metrics.UNPROTECTED_OVERDUE_S,] == [overdue_s]


def test_an_order_is_unknown_since_its_request_was_sent_however_often_it_is_asked_about(
    workshop: Workshop, measure: Measure
) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do="drop_before_commit", times=1000)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1000)
    order_id = workshop.enter()
    (asked,) = workshop.rows(
        "select min(sent_at) as at from actions where order_id = :id and kind = 'place'", id=order_id
    )
    for _ in range(3):
        workshop.clock.advance(timedelta(seconds=20))
        workshop.advance(order_id)
    order = workshop.order(order_id)

    found = measured(measure)

    assert (order["status"], found[metrics.UNKNOWN_ORDERS,]) == ("UNKNOWN", [1])
    assert found[metrics.UNKNOWN_AGE_S,] == [(workshop.clock.now() - asked["at"]).total_seconds()] >= [60]


@pytest.mark.parametrize("table", ["posts", "calls", "orders"])
def test_what_was_set_aside_is_counted_and_waits_no_longer(
    workshop: Workshop, measure: Measure, table: str
) -> None:
    workshop.plan_entry()
    change(workshop, f"update {table} set quarantined_at = :now", now=workshop.clock.now())
    workshop.clock.advance(timedelta(seconds=30))

    found = measured(measure)

    assert found[metrics.QUARANTINED_ROWS,] == [1]
    assert found[metrics.WAITING_AGE_S, Work.ENTRIES] == [0 if table == "orders" else 30]


@pytest.mark.parametrize(
    ("work", "sql"),
    [
        (Work.POSTS, "update posts set next_ring_at = :now"),
        (Work.CALLS, "update calls set next_ring_at = :now"),
        (Work.ENTRIES, "update orders set next_ring_at = :now where kind = 'enter'"),
    ],
)
def test_waiting_begins_with_the_row_and_not_with_its_last_ring(
    workshop: Workshop, measure: Measure, work: Work, sql: str
) -> None:
    workshop.plan_entry()
    workshop.clock.advance(timedelta(minutes=7))
    change(workshop, sql, now=workshop.clock.now() + timedelta(minutes=5))

    assert measured(measure)[metrics.WAITING_AGE_S, work] == [420]


def test_a_stop_that_rests_waits_for_nothing_and_an_exit_waits_until_it_ends(
    workshop: Workshop, measure: Measure
) -> None:
    workshop.enter()
    workshop.drain()
    workshop.clock.advance(timedelta(minutes=5))

    found = measured(measure)

    assert found[metrics.WAITING_AGE_S, Work.PROTECTIONS] == [0]
    assert found[metrics.WAITING_AGE_S, Work.EXITS] == [0]


def test_a_page_that_nobody_was_told_grows_old_and_other_notices_do_not(
    workshop: Workshop, measure: Measure
) -> None:
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        for level, age_s in ((Level.INFO, 900), (Level.PAGE, 600), (Level.PAGE, 60)):
            at = now - timedelta(seconds=age_s)
            tell(tx, level=level, topic="t", subject="s", text="", dedupe_key=f"{level}{age_s}", now=at)

    found = measured(measure)

    assert found[metrics.NOTICES_UNTOLD,] == [3]
    assert found[metrics.PAGE_UNTOLD_AGE_S,] == [600]
    assert found[metrics.WAITING_AGE_S, Work.NOTICES] == [900]


def test_profit_of_today_begins_at_midnight_utc(workshop: Workshop, measure: Measure) -> None:
    workshop.enter()
    midnight = workshop.clock.now().replace(hour=0, minute=0, second=0)
    sql = "update positions set status = 'CLOSED', realised_pnl_usd = -12.5, closed_at = :at"

    change(workshop, sql, at=midnight)
    today = measured(measure)
    change(workshop, sql, at=midnight - timedelta(seconds=1))
    yesterday = measured(measure)

    assert today[metrics.REALISED_PNL_USD, Nature.LIVE] == [Decimal("-12.5")]
    assert yesterday[metrics.REALISED_PNL_USD, Nature.LIVE] == [0]


def test_a_stage_is_as_old_as_its_last_beat_and_one_that_never_ran_is_missing(
    workshop: Workshop, measure: Measure
) -> None:
    workshop.watch()
    workshop.clock.advance(timedelta(seconds=100))

    found = measured(measure)

    assert found[metrics.HEARTBEAT_AGE_S, Stage.MONITOR_HYPERLIQUID] == [100]
    assert (metrics.HEARTBEAT_AGE_S, Stage.INGEST_POSTS) not in found


def test_every_gauge_is_measured_here(workshop: Workshop, measure: Measure) -> None:
    workshop.enter()
    workshop.watch()
    workshop.clock.advance(timedelta(seconds=20))

    found: set[Metric] = {key[0] for key in measured(measure)}

    assert set(METRICS) - found == PER_INVOCATION | {metrics.FEED_REQUESTS_LEFT}


@pytest.fixture
def strangers(database: Database) -> Iterator[tuple[str, str]]:
    """Two roles without any right, neither a member of the other."""
    names = ("asker", "stranger")
    with database.transaction() as tx:
        for name in names:
            tx.script(f"create role {name} login")
    yield names
    with database.transaction() as tx:
        for name in names:
            tx.script(f"drop role {name}")


def test_connections_of_roles_that_the_asker_is_no_member_of_are_counted(
    database_url: str, strangers: tuple[str, str]
) -> None:
    others, address = 60, Address.from_url(database_url)
    asker, stranger = (replace(address, user=name) for name in strangers)

    def percent(asking: Database) -> Decimal:
        with asking.transaction() as tx:
            return Decimal(measure_store.connections_percent(tx)["percent"])

    with ExitStack() as held:
        asking = held.enter_context(closing(Database(asker, network="local")))
        alone = percent(asking)
        for _ in range(others):
            with held.enter_context(closing(Database(stranger, network="local"))).transaction() as tx:
                tx.execute("select 1")
        crowded = percent(asking)

    allowed = 100 - 3  # what the local server is set to, without what it keeps for its superuser
    of_the_server = 3  # autovacuum may begin or end in between
    assert abs((crowded - alone) * allowed / 100 - others) <= of_the_server
