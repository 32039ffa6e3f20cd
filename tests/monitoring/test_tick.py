"""The minute's tick: what is due is found, exits first, and the monitors are rung once."""

from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any
from uuid import UUID

import pytest

from outcry.controls import operate
from outcry.monitoring.tick import Tick
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.database import Database
from outcry.runtime.queues import Queue, Ring, messages
from outcry.runtime.reasons import Reason
from outcry.runtime.version import build_id
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Bells, Workshop

numbers = count(1)


def tick(workshop: Workshop, bells: Bells | None = None) -> dict[str, int]:
    return Tick(
        workshop.database, workshop.clock, bells or workshop.bells, lambda: UUID(int=next(numbers))
    ).run()


def rung(workshop: Workshop, *queues: Queue) -> list[tuple[Queue, Ring, int]]:
    return [bell for bell in workshop.bells.rung if bell[0] in queues]


def plan_closing(workshop: Workshop) -> UUID:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        return plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="test")


def add_accounts(database: Database, how_many: int, now: datetime) -> None:
    with database.transaction() as tx:
        tx.execute(
            """
            insert into accounts (account_id, venue, network, address, paper_balance_usd, created_at, updated_at)
            select 'many-' || lpad(cast(n as text), 3, '0'), 'paper', 'paper', 'many-' || n, 1000, :now, :now
              from generate_series(1, cast(:n as integer)) as n
            """,
            n=how_many,
            now=now,
        )


def test_a_row_whose_doorbell_was_lost_is_found_and_carried_on(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    at_once = tick(workshop)
    workshop.clock.advance(timedelta(seconds=21))

    later = tick(workshop)

    assert (at_once["entries"], later["entries"]) == (0, 1)
    found = [ring for _, ring, _ in rung(workshop, Queue.ENTRIES)]
    assert [(ring.id, ring.trace_id, ring.ring) for ring in found] == [(str(order_id), "test", 1)]
    workshop.advance(UUID(found[0].id))
    assert workshop.order(order_id)["status"] == "FILLED"


def test_exits_are_rung_before_entries(workshop: Workshop) -> None:
    workshop.enter()
    entry, exit_id = workshop.plan_entry(market="ETH"), plan_closing(workshop)
    workshop.bells.rung.clear()
    workshop.clock.advance(timedelta(seconds=21))

    tick(workshop)

    order = [ring.id for _, ring, _ in rung(workshop, Queue.EXITS, Queue.ENTRIES)]
    assert order == [str(exit_id), str(entry)]


def test_f21_a_row_that_nobody_answers_is_rung_ever_more_rarely(workshop: Workshop) -> None:
    order_id = workshop.plan_entry(good_for=timedelta(hours=2))
    with workshop.database.transaction() as tx:
        tx.execute("update orders set attempts = 6 where order_id = :id", id=order_id)
    workshop.clock.advance(timedelta(seconds=21))
    first = tick(workshop)["entries"]

    rings = []
    for _ in range(20):
        workshop.clock.advance(timedelta(minutes=1))
        rings.append(tick(workshop)["entries"])

    assert first == 1
    assert sum(rings) == 1


def test_a_row_that_is_held_or_set_aside_is_not_rung(workshop: Workshop) -> None:
    held, aside = workshop.plan_entry(), workshop.plan_entry(market="ETH")
    workshop.executor.give_up(aside, RuntimeError("poison"))
    with workshop.database.transaction() as tx:
        tx.execute(
            "update orders set claim_token = gen_random_uuid(), claimed_until = :until where order_id = :id",
            until=workshop.clock.now() + timedelta(minutes=5),
            id=held,
        )
    workshop.clock.advance(timedelta(seconds=21))

    tick(workshop)
    at_first = rung(workshop, Queue.ENTRIES)
    workshop.clock.advance(timedelta(minutes=5))
    tick(workshop)

    assert at_first == []
    assert [ring.id for _, ring, _ in rung(workshop, Queue.ENTRIES)] == [str(held)]


def test_two_ticks_in_a_minute_ring_the_monitors_once(workshop: Workshop) -> None:
    first = tick(workshop)["ticks"]
    workshop.clock.advance(timedelta(seconds=39))
    second = tick(workshop)["ticks"]
    workshop.clock.advance(timedelta(seconds=21))
    third = tick(workshop)["ticks"]

    assert (first, second, third) == (4, 0, 4)


@pytest.mark.parametrize(
    "jitter_ms",
    [
        (-300, 300, -300, 300, -300, 300),
        (300, -300, 300, -300, 300, -300),
        (-10, -300, 5, 300, 0, -1),
        (300, 300, -300, -300, 0, 0),
    ],
    ids=str,
)
def test_f22_no_beat_is_left_out_where_the_schedule_trembles_about_the_full_minute(
    workshop: Workshop, jitter_ms: tuple[int, ...]
) -> None:
    full = workshop.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)

    for minute, early_or_late in enumerate(jitter_ms):
        at = full + timedelta(minutes=minute, milliseconds=early_or_late)
        workshop.clock.advance(at - workshop.clock.now())
        tick(workshop)

    rings = [ring for _, ring, _ in rung(workshop, Queue.TICKS_HYPERLIQUID) if ring.extra]
    beats = sorted(datetime.fromisoformat(ring.extra["due_at"]) for ring in rings if ring.extra)
    assert len(beats) == 4 * len(jitter_ms)
    assert max(later - earlier for earlier, later in pairwise(beats)) <= timedelta(seconds=16)
    assert min(later - earlier for earlier, later in pairwise(beats)) >= timedelta(seconds=14)


def test_the_monitors_are_rung_four_times_a_minute_each_time_for_its_own_moment(workshop: Workshop) -> None:
    now = workshop.clock.now()

    tick(workshop)

    bells = rung(workshop, Queue.TICKS_HYPERLIQUID)
    assert [delay for _, _, delay in bells] == [0, 15, 30, 45]
    for _, ring, delay in bells:
        assert ring.extra is not None
        assert datetime.fromisoformat(ring.extra["due_at"]) == now + timedelta(seconds=delay)
        assert ring.extra["accounts"] == [LIVE, PAPER_ACCOUNT]


@pytest.mark.parametrize(("more", "chunks"), [(0, [2]), (23, [25]), (24, [25, 1]), (60, [25, 25, 12])])
def test_f40_every_account_is_in_exactly_one_chunk_of_at_most_twenty_five(
    workshop: Workshop, more: int, chunks: list[int]
) -> None:
    add_accounts(workshop.database, more, workshop.clock.now())

    tick(workshop)

    told = [ring.extra["accounts"] for _, ring, delay in workshop.bells.rung if delay == 15 and ring.extra]
    named = [account for chunk in told for account in chunk]
    assert [len(chunk) for chunk in told] == chunks
    assert len(set(named)) == len(named) == more + 2


def test_f45_what_the_tick_writes_is_what_the_monitor_s_message_is_read_as(workshop: Workshop) -> None:
    tick(workshop)
    _, ring, _ = rung(workshop, Queue.TICKS_HYPERLIQUID)[1]

    record: dict[str, Any] = {"messageId": "1", "body": ring.body(), "attributes": {}}
    (message,) = messages({"Records": [record]})

    assert set(message.body) == {"id", "ring", "trace_id", "accounts", "due_at"}
    assert (message.id, message.trace_id) == (ring.id, ring.trace_id)
    assert message.body["accounts"] == [LIVE, PAPER_ACCOUNT]


def test_a_flatten_that_stands_is_carried_out(workshop: Workshop) -> None:
    workshop.enter()
    waiting = workshop.plan_entry(market="ETH")
    workshop.bells.rung.clear()
    with workshop.database.transaction() as tx:
        operate.flatten(tx, "desk", "enough", "tester", workshop.clock.now())

    counts = [tick(workshop)["exits"], tick(workshop)["exits"]]
    workshop.bells.rung = rung(workshop, Queue.EXITS)
    workshop.drain()

    assert counts == [1, 0]
    assert workshop.order(waiting)["reason"] == "FLATTEN"
    assert workshop.position()["exit_reason"] == "FLATTEN"
    assert workshop.venue_size() == 0


def test_f22_each_tick_says_that_it_ran_and_what_it_rang(workshop: Workshop) -> None:
    workshop.plan_entry()
    workshop.clock.advance(timedelta(seconds=21))

    counts = tick(workshop)

    beat = workshop.rows("select beat_at, detail from heartbeats where stage = 'tick'")
    assert beat == [{"beat_at": workshop.clock.now(), "detail": {**counts, "build": build_id()}}]
    assert set(counts) == {"exits", "entries", "calls", "posts", "notices", "ticks"}


def test_ticks_leave_one_lease_behind_however_many_they_are(workshop: Workshop) -> None:
    for _ in range(10):
        tick(workshop)
        workshop.clock.advance(timedelta(minutes=1))

    assert [row["name"] for row in workshop.rows("select name from leases")] == ["tick"]
