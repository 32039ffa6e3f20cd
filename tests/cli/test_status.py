"""`outcry status`: everything that needs a person is said, and nothing else."""

from datetime import timedelta
from typing import Any

from outcry.controls import operate
from outcry.notices.model import Level
from outcry.notices.tell import tell
from outcry.orders import unknown_store
from outcry.runtime.errors import UnknownAnswer
from tests.cli.conftest import Outcry
from tests.orders.workshop import Workshop


def beat(workshop: Workshop, stage: str, *, ago_s: int = 0) -> None:
    with workshop.database.transaction() as tx:
        tx.execute(
            "insert into heartbeats (stage, beat_at) values (:stage, :at)",
            stage=stage,
            at=workshop.clock.now() - timedelta(seconds=ago_s),
        )


def change(workshop: Workshop, sql: str, **parameters: Any) -> None:
    with workshop.database.transaction() as tx:
        tx.execute(sql, **parameters)


def make_well(workshop: Workshop) -> None:
    for stage in ("tick", "ingest_posts", "monitor_hyperliquid"):
        beat(workshop, stage, ago_s=20)


def test_a_desk_that_is_well_says_so(workshop: Workshop, outcry: Outcry) -> None:
    make_well(workshop)

    text = outcry("status").out

    assert "Entries may go ahead: no control and no lock stands." in text
    assert "Nothing needs a person: all is protected, known, told, and on time." in text
    assert "20 s ago" in text


def test_a_stage_that_never_ran_or_fell_silent_is_late(workshop: Workshop, outcry: Outcry) -> None:
    beat(workshop, "tick", ago_s=181)
    beat(workshop, "monitor_hyperliquid", ago_s=59)
    beat(workshop, "generate_signals", ago_s=90_000)

    beats = {each["stage"]: each for each in outcry("status", "--json").json["heartbeats"]}
    text = outcry("status").out

    assert {stage: each["is_late"] for stage, each in beats.items()} == {
        "tick": True,
        "ingest_posts": True,
        "monitor_hyperliquid": False,
        "generate_signals": False,
    }
    assert beats["tick"]["age_s"] == 181
    assert beats["ingest_posts"]["age_s"] is None
    assert "LATE: tick does not run when it should" in text
    assert "never" in text


def test_the_monitor_is_late_where_one_account_is_not_watched(workshop: Workshop, outcry: Outcry) -> None:
    workshop.watch()
    for stage in ("tick", "ingest_posts"):
        beat(workshop, stage)
    well = outcry("status").out
    change(
        workshop,
        "update snapshots set watched_at = :at where account_id = 'paper-1'",
        at=workshop.clock.now() - timedelta(seconds=61),
    )

    beats = {each["stage"]: each for each in outcry("status", "--json").json["heartbeats"]}
    text = outcry("status").out

    assert "LATE" not in well
    assert (beats["monitor_hyperliquid"]["age_s"], beats["monitor_hyperliquid"]["is_late"]) == (61, True)
    assert "LATE: monitor_hyperliquid does not run when it should" in text


def test_controls_and_locks_that_stand_come_first(workshop: Workshop, outcry: Outcry) -> None:
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        operate.pause(tx, "desk", "looking at it", "ann", now)
        tx.execute(
            """
            insert into locks (scope, protection, reason, locked_at, locked_until)
            values ('market:BTC', 'stop_guard', 'three stops in an hour', :now, :until)
            """,
            now=now,
            until=now + timedelta(hours=1),
        )

    text = outcry("status").out
    found = outcry("status", "--json").json

    assert "PAUSE of desk: looking at it (ann, 0 s ago)" in text
    assert "LOCK of market:BTC: three stops in an hour (stop_guard, until" in text
    assert [(each["scope"], each["mode"]) for each in found["controls"]] == [("desk", "pause")]
    assert [each["scope"] for each in found["locks"]] == ["market:BTC"]


def test_positions_without_a_stop_are_named(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    change(workshop, "update positions set protected_at = null")
    workshop.clock.advance(timedelta(seconds=7))

    (found,) = outcry("status", "--json").json["unprotected"]

    assert (found["market"], found["account_id"]) == ("BTC", "live-1")
    assert "UNPROTECTED: BTC LONG" in outcry("status").out


def test_protected_positions_are_no_worry(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()

    assert outcry("status", "--json").json["unprotected"] == []


def test_unknown_orders_and_rows_set_aside_are_named(workshop: Workshop, outcry: Outcry) -> None:
    order_id = workshop.plan_entry()
    now = workshop.clock.now()
    change(workshop, "update orders set status = 'UNKNOWN'")
    change(
        workshop, "update calls set quarantined_at = :now, last_error = 'cannot' || chr(10) || 'be'", now=now
    )
    change(workshop, "update posts set quarantined_at = :now", now=now)

    text = outcry("status").out
    found = outcry("status", "--json").json

    assert f"UNKNOWN: enter entry BTC LONG on live-1, for 0 s, order {order_id}" in text
    assert "QUARANTINED: calls 1, 0 s ago: cannot be" in text
    assert "no error was noted" in text
    assert {each["table_name"] for each in found["quarantined"]} == {"posts", "calls"}


def test_what_was_asked_about_a_request_in_doubt_and_what_it_waits_for_is_said(
    workshop: Workshop, outcry: Outcry
) -> None:
    order = {"type": "order"}
    workshop.control("fault", on="exchange", match=order, do="drop_after_commit", times=1)
    workshop.control("fault", on="exchange", match=order, do="drop_before_commit", times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=9)
    order_id = workshop.enter()
    workshop.clock.advance(timedelta(seconds=4))

    text = " ".join(outcry("status").out.split())
    (found,) = outcry("status", "--json").json["unknown_orders"]

    assert (
        f"asked 1 time, last 4 s ago (ConnectionError); it waits for an answer from the venue, order {order_id}"
        in text
    )
    assert (found["request"], found["sends"], found["asked"]) == ("place", 2, 1)


def test_answers_that_nobody_has_catalogued_are_named(workshop: Workshop, outcry: Outcry) -> None:
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        for _ in range(2):
            unknown_store.keep(
                tx, "hyperliquid", "local", UnknownAnswer("hyperliquid meta: KeyError", "{}"), now=now
            )
    workshop.clock.advance(timedelta(seconds=5))

    assert "NOT UNDERSTOOD: hyperliquid meta: KeyError (local), 2 times, last 5 s ago" in outcry("status").out


def test_untold_notices_are_counted_and_pages_come_first(workshop: Workshop, outcry: Outcry) -> None:
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        for number in range(12):
            level = Level.PAGE if number == 11 else Level.INFO
            tell(
                tx,
                level=level,
                topic="t",
                subject=f"number {number}",
                text="x",
                dedupe_key=str(number),
                now=now,
            )

    found = outcry("status", "--json").json["notices_untold"]
    text = outcry("status").out

    assert found["total"] == 12
    assert found["first"][0]["subject"] == "number 11"
    assert "UNTOLD page (t): number 11" in text
    assert "UNTOLD: 2 more notices" in text


def test_stages_say_what_came_and_what_waits(workshop: Workshop, outcry: Outcry) -> None:
    workshop.plan_entry()
    change(workshop, "update posts set next_ring_at = received_at")
    workshop.clock.advance(timedelta(minutes=5))

    stages = {(each["stage"], each["status"]): each for each in outcry("status", "--json").json["stages"]}
    text = outcry("status").out

    assert stages["posts", "HEARD"]["waiting"] == 1
    assert stages["signals", "TAKEN"]["last_day"] == 1
    assert stages["orders", "PLANNED"]["last_day"] == 1
    assert "5 min" in text


def test_looking_changes_nothing(workshop: Workshop, outcry: Outcry) -> None:
    workshop.enter()
    before = workshop.rows("select xmin, * from orders order by order_id")

    outcry("status")
    outcry("positions")
    outcry("orders")

    assert workshop.rows("select xmin, * from orders order by order_id") == before
