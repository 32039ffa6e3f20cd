"""The dispatcher does what Lambda's pollers and schedules do, on real queues and a served clock."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from local.aws import ACCOUNT, REGION, LocalAws
from local.clock_file import ClockFile
from local.clockwork import Clockwork
from local.dispatcher.blueprint import FunctionSpec, QueueSpec, SourceSpec
from local.dispatcher.dispatcher import Dispatcher, FunctionError
from local.dispatcher.pool import Pool
from local.dispatcher.queues import Queues, sqs_client
from tests.local.dispatcher.made import function, written

MINUTE = timedelta(minutes=1)
VISIBILITY_S = 90
QUEUES = (
    QueueSpec("Dead", "work-dead", {}, 30, None, None),
    QueueSpec("Work", "work", {"VisibilityTimeout": str(VISIBILITY_S)}, VISIBILITY_S, "Dead", 2),
)


class Bench:
    """A dispatcher over one queue and one function, and the notes that the function left."""

    def __init__(
        self, aws: LocalAws, clock: Clockwork, folder: Path, worker: FunctionSpec, *, twice: bool
    ) -> None:
        self.clock = clock
        self.notes_file = folder / "notes"
        self.queues = Queues(sqs_client(aws.endpoint_url, REGION), QUEUES)
        variables = {**aws.environment, "NOTES": str(self.notes_file), "QUEUE": self.queues.urls["Work"]}
        self.pool = Pool(variables, folder, uuid4, lambda _: None, lambda: None)
        self.dispatcher = Dispatcher(
            [worker],
            self.queues,
            self.pool,
            clock,
            new_id=uuid4,
            region=REGION,
            account=ACCOUNT,
            deliver_twice=twice,
        )

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.queues.send("Work", f'{{"do": "{body}"}}')

    def run(self, market_time: timedelta, wait_s: float = 60.0) -> None:
        """Run for so long on the served clock."""
        until = self.clock.now() + market_time
        deadline_s = time.monotonic() + wait_s
        while self.dispatcher.step(until):
            assert time.monotonic() < deadline_s, "the run did not come to its end"

    def notes(self) -> list[list[str]]:
        """What the handler noted: process, message id or "schedule", body or time, receive count."""
        if not self.notes_file.exists():
            return []
        return [
            line.split(" ", 2)[:2] + line.rsplit(" ", 1)[1:]
            for line in self.notes_file.read_text().splitlines()
        ]


Make = Callable[..., Bench]


@pytest.fixture
def make(aws: LocalAws, aws_clock: ClockFile, tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def one(
        *,
        concurrency: int = 2,
        batch: int = 1,
        reports: bool = True,
        twice: bool = False,
        every: timedelta | None = None,
    ) -> Bench:
        worker = function(
            written(tmp_path / "worker"),
            timeout_s=2,
            sources=(SourceSpec("Work", batch, concurrency, reports),),
            schedules=(every,) if every else (),
        )
        made.append(Bench(aws, Clockwork(aws_clock), tmp_path, worker, twice=twice))
        return made[-1]

    yield one
    for bench in made:
        bench.pool.close()


def test_what_succeeds_is_deleted_and_never_comes_again(make: Make) -> None:
    bench = make()
    bench.send("hello", "hello", "hello")

    bench.run(timedelta(minutes=5))

    assert len(bench.notes()) == 3
    assert {receives for *_, receives in bench.notes()} == {"1"}
    assert bench.queues.depth("Work") == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert bench.dispatcher.tally.failures == []


def test_what_fails_comes_again_after_its_visibility_timeout_then_lies_in_the_dead_letter_queue(
    make: Make,
) -> None:
    bench = make()
    bench.send("raise")
    began = bench.clock.now()

    bench.run(timedelta(seconds=VISIBILITY_S / 2))
    in_between = len(bench.notes())
    bench.run(timedelta(minutes=8))

    assert in_between == 1
    assert [receives for *_, receives in bench.notes()] == ["1", "2"]
    second = bench.dispatcher.tally.failures[1].at - began
    assert timedelta(seconds=VISIBILITY_S) <= second < timedelta(seconds=VISIBILITY_S + 10)
    assert bench.queues.dead_letters() == {"work-dead": 1}


def test_of_a_batch_only_the_named_messages_come_again(make: Make) -> None:
    bench = make(batch=10)
    bench.send("fail", "hello", "hello")

    bench.run(timedelta(seconds=VISIBILITY_S + 20))

    receives = Counter(count for *_, count in bench.notes())
    assert receives == {"1": 3, "2": 1}


def test_without_partial_answers_an_answer_that_names_failures_deletes_the_batch(make: Make) -> None:
    bench = make(reports=False)
    bench.send("fail")

    bench.run(timedelta(minutes=5))

    assert len(bench.notes()) == 1


def test_an_environment_that_is_killed_leaves_its_message_to_another(make: Make) -> None:
    bench = make()
    bench.send("hang")

    bench.run(timedelta(seconds=VISIBILITY_S + 20))

    assert [receives for *_, receives in bench.notes()] == ["1", "2"]
    assert [failure.error for failure in bench.dispatcher.tally.failures] == [
        "killed at its limit of 2 s"
    ] * 2


def test_no_more_batches_are_at_work_than_the_source_allows(make: Make) -> None:
    bench = make(concurrency=2)
    bench.send(*["sleep"] * 6)

    bench.run(timedelta(seconds=20))

    assert len(bench.notes()) == 6
    assert len({process for process, *_ in bench.notes()}) == 2


def test_a_message_that_a_function_delays_is_not_jumped_over(make: Make) -> None:
    bench = make()
    bench.send("ring later")
    began = bench.clock.now()
    seen: list[datetime] = []

    until = began + timedelta(minutes=3)
    while bench.dispatcher.step(until):
        if len(bench.notes()) == 2 and not seen:
            seen.append(bench.clock.now())

    assert timedelta(seconds=30) <= seen[0] - began < timedelta(seconds=40)


def test_a_schedule_runs_once_an_interval_in_little_real_time(make: Make) -> None:
    bench = make(every=MINUTE)
    began_s = time.monotonic()

    bench.run(timedelta(minutes=30))

    times = [line.split(" ")[2] for line in bench.notes_file.read_text().splitlines()]
    assert len(times) in {30, 31}
    assert len(set(times)) == len(times)
    assert time.monotonic() - began_s < 30


def test_f01_delivering_twice_runs_every_message_twice_in_both_ways(make: Make) -> None:
    bench = make(twice=True)
    bench.send("sleep", "sleep", "sleep", "sleep")

    bench.run(timedelta(seconds=30))

    runs = Counter(message for _, message, _ in bench.notes())
    assert set(runs.values()) == {2}
    assert len(runs) == 4
    assert bench.queues.depth("Work")["visible"] == 0


def test_a_function_can_be_invoked_by_hand(make: Make) -> None:
    bench = make()

    assert bench.dispatcher.call("worker", {"do": "hello"}) == "hello"
    with pytest.raises(FunctionError, match="worker failed: ValueError: as asked"):
        bench.dispatcher.call("worker", {"do": "raise"})
    with pytest.raises(FunctionError, match="no answer within 0 s"):
        bench.dispatcher.call("worker", {"do": "sleep"}, timeout_s=0.01)


def test_time_does_not_jump_while_a_function_works(make: Make) -> None:
    bench = make()
    bench.send("sleep")
    began, began_s = bench.clock.now(), time.monotonic()

    while bench.dispatcher.step(began + timedelta(minutes=1)) and not bench.dispatcher.tally.runs:
        pass

    assert bench.clock.now() - began < timedelta(seconds=time.monotonic() - began_s + 0.5)
