"""An account that is not watched is seen to be so, whatever goes on beside it: in the figure, its alarm and what people ask."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

from local.dispatcher.cloudformation import Resolver, load
from local.stack.alarms import alarm_from, points_of, verdicts
from outcry.console.health import missing_for_work
from outcry.controls import operate
from outcry.monitoring import measure_store, silence
from outcry.monitoring import tick as ticking
from outcry.monitoring.measure import Measure
from outcry.runtime import emission, metrics
from outcry.runtime.clock import SystemClock
from outcry.runtime.metrics import Stage
from outcry.runtime.queues import Queue
from tests.orders.workshop import LIVE, PAPER_ACCOUNT, Workshop

TEMPLATE = load(Path(__file__).resolve().parents[2] / "infra" / "observability.yaml")
MINUTE = timedelta(minutes=1)
STATE, ORDERS, FILLS = "clearinghouseState", "frontendOpenOrders", "userFillsByTime"


@pytest.fixture(autouse=True)
def _emission_follows_the_desk(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OUTCRY_STACK_NAME", "desk")
    emission.follow(workshop.clock)
    metrics.drain()
    yield
    metrics.drain()
    emission.follow(SystemClock())


class Minutes:
    """The desk's minutes: the tick, its measurement, and the four beats of each message, of which some may fail."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop, self.failed = workshop, 0
        self.measure = Measure(workshop.database, workshop.clock)
        self.tick = ticking.Tick(workshop.database, workshop.clock, workshop.bells, workshop.desk.new_id)

    def run(self, minutes: int) -> None:
        for _ in range(minutes):
            ends = self.workshop.clock.now() + MINUTE
            self.workshop.bells.rung.clear()
            self.tick.run()
            self.measure.run()
            emission.flush()
            beats = [ring for queue, ring, _ in self.workshop.bells.rung if queue is Queue.TICKS_HYPERLIQUID]
            for extra in sorted(
                (ring.extra for ring in beats if ring.extra), key=lambda each: each["due_at"]
            ):
                self._beat(extra["accounts"], datetime.fromisoformat(extra["due_at"]))
            self.workshop.clock.advance(ends - self.workshop.clock.now())

    def _beat(self, accounts: list[str], due_at: datetime) -> None:
        clock = self.workshop.clock
        clock.advance(max(due_at - clock.now(), timedelta(0)))
        try:
            self.workshop.monitor.run(
                accounts, due_at=due_at, deadline=due_at + timedelta(seconds=30), trace_id="tick"
            )
        except DatabaseError:
            self.failed += 1


def ages_and_alarm(written: str, since: datetime, until: datetime) -> tuple[list[int], int]:
    """What was measured each minute, and how often MonitorSilent would have gone off."""
    resolver = Resolver(TEMPLATE, {"StackName": "desk", "AlarmTopicArn": "arn:aws:sns:::alarms"}, {}, {})
    alarm = alarm_from("MonitorSilent", resolver.value(TEMPLATE["Resources"]["MonitorSilent"]["Properties"]))
    points = [point for point in points_of(written.splitlines()) if point.series == alarm.series]
    (verdict,) = verdicts([alarm], points, since=since, until=until)
    return [int(point.value) for point in points], len(verdict.fired_at)


def break_passes_over(workshop: Workshop, account_id: str) -> None:
    """Let whatever is concluded about an account be refused by the database, with everything of its message."""
    with workshop.database.transaction() as tx:
        tx.script(
            f"""
            create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'this account is broken'; end $$;
            create trigger refuse before insert or update on snapshots for each row
              when (new.account_id = '{account_id}') execute function refuse();
            """
        )


def age_s(workshop: Workshop) -> int:
    """What is measured now."""
    metrics.drain()
    Measure(workshop.database, workshop.clock).run()
    (value,) = metrics.drain()[metrics.HEARTBEAT_AGE_S, (Stage.MONITOR_HYPERLIQUID,)]
    return int(value)


# ─── a message that always fails ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("broken", [LIVE, PAPER_ACCOUNT])
def test_f22_a_message_that_always_fails_is_silent_while_another_goes_on(
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str,
) -> None:
    monkeypatch.setattr(ticking, "ACCOUNTS_PER_MESSAGE", 1)
    minutes, since = Minutes(workshop), workshop.clock.now()
    minutes.run(1)
    break_passes_over(workshop, broken)

    minutes.run(5)

    ages, alarms = ages_and_alarm(capsys.readouterr().out, since, workshop.clock.now())
    assert minutes.failed == 5 * 4
    assert ages == [0, 15, 75, 135, 195, 255]
    assert alarms == 1
    with workshop.database.transaction() as tx:  # the beat of all messages together hides it
        assert measure_store.heartbeats(tx, now=workshop.clock.now())["monitor_hyperliquid"] == 15


@pytest.mark.parametrize("paused", [False, True])
def test_a_desk_that_is_watched_is_never_silent_paused_or_not(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], paused: bool
) -> None:
    monkeypatch.setattr(ticking, "ACCOUNTS_PER_MESSAGE", 1)
    if paused:
        with workshop.database.transaction() as tx:
            operate.pause(tx, "desk", "a holiday", "tester", workshop.clock.now())
    minutes, since = Minutes(workshop), workshop.clock.now()

    minutes.run(5)

    ages, alarms = ages_and_alarm(capsys.readouterr().out, since, workshop.clock.now())
    assert (minutes.failed, ages, alarms) == (0, [0, 15, 15, 15, 15], 0)


# ─── an account that is not really seen ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "do", [{"status": 502}, {"status": 200, "body": '{"odd": 1}'}], ids=["down", "unknown"]
)
def test_f15_an_account_that_cannot_be_read_was_not_watched(
    workshop: Workshop, do: dict[str, int | str]
) -> None:
    workshop.watch()
    workshop.control("fault", on="info", match={"type": STATE}, do="status", times=1000, **do)

    for _ in range(4):
        workshop.watch()

    assert age_s(workshop) == 60


def test_f15_an_account_whose_open_orders_cannot_be_read_was_not_watched(workshop: Workshop) -> None:
    workshop.enter()
    workshop.watch()
    workshop.control("fault", on="info", match={"type": ORDERS}, do="status", status=502, times=1000)
    workshop.watch(after_s=61)

    workshop.watch()

    assert age_s(workshop) == 76


def test_f15_an_account_whose_fills_cannot_be_read_was_not_watched(workshop: Workshop) -> None:
    workshop.watch()
    workshop.enter()
    before = age_s(workshop)
    workshop.control("fault", on="info", match={"type": FILLS}, do="status", status=502, times=1000)
    workshop.mark("BTC", "58700")  # the stop fills at the venue

    now = workshop.clock.advance(timedelta(seconds=15))
    everyone = [LIVE, PAPER_ACCOUNT]
    workshop.monitor.run(everyone, due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")

    assert workshop.position()["status"] == "OPEN"
    assert age_s(workshop) == before + 15


def test_an_account_that_is_read_again_is_watched_again(workshop: Workshop) -> None:
    workshop.watch()
    workshop.control("fault", on="info", match={"type": STATE}, do="status", status=502, times=1000)
    workshop.watch()
    workshop.control("fault", clear=True)

    workshop.watch()

    assert age_s(workshop) == 0


# ─── an account that was just added ─────────────────────────────────────────────────────────────────────────


def test_an_account_that_was_just_added_is_due_with_the_next_minute(workshop: Workshop) -> None:
    workshop.clock.advance(MINUTE)
    at_first = age_s(workshop)
    workshop.clock.advance(3 * MINUTE)

    assert (at_first, age_s(workshop)) == (0, 180)


# ─── what people see of it ──────────────────────────────────────────────────────────────────────────────────


def test_f56_readiness_names_the_monitor_where_one_account_is_not_watched(workshop: Workshop) -> None:
    minutes = Minutes(workshop)
    minutes.run(1)
    break_passes_over(workshop, PAPER_ACCOUNT)
    before = missing_for_work(lambda: workshop.database, lambda: workshop.clock)

    minutes.run(1)
    after = missing_for_work(lambda: workshop.database, lambda: workshop.clock)

    assert (before, after) == ([], [f"{silence.MONITOR} has not run lately"])
