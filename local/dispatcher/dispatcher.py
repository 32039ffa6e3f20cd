"""Drives one local run: feeds the functions, and moves the served clock when there is nothing to feed them.

It is a discrete-event loop. While any function runs, time flows as it does; when nobody works and nothing is
visible in a queue, the clock jumps to the next thing that is due: a schedule, a delayed message, a message
that comes back.

Promises: a queue is asked only where its consumer has room; at most MaximumConcurrency batches of a source
are at work; what succeeded is deleted, what failed comes again after its visibility timeout; nothing visible
is jumped over.
"""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from local.clockwork import Clockwork
from local.dispatcher.blueprint import FunctionSpec, SourceSpec
from local.dispatcher.events import Received, failed_ids, schedule_event, sqs_event
from local.dispatcher.pool import Pool, Result, Sent
from local.dispatcher.queues import LARGEST_BATCH, Queues
from local.dispatcher.schedules import schedules_of

_SWEEP_EVERY_S = 0.25  # how often, in real time, every queue is asked whatever we know
_WAIT_S = 0.05


@dataclass(slots=True)
class _Feed:
    """A queue and the function that it feeds."""

    function: FunctionSpec
    source: SourceSpec
    at_work: int = 0
    may_have_more: bool = True
    batches: int = 0

    @property
    def room(self) -> int:
        return self.source.max_concurrency - self.at_work


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not succeed, for the record."""

    at: datetime
    function: str
    error: str


@dataclass(slots=True)
class Tally:
    """What ran so far."""

    runs: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    redelivered: int = 0


class Dispatcher:
    """The functions of one template at work. Call `step` until it is time to stop."""

    def __init__(
        self,
        functions: Sequence[FunctionSpec],
        queues: Queues,
        pool: Pool,
        clock: Clockwork,
        *,
        new_id: Callable[[], UUID],
        region: str,
        account: str,
        deliver_twice: bool = False,
    ) -> None:
        self.functions = {function.name: function for function in functions}
        self.tally = Tally()
        self._queues = queues
        self._pool = pool
        self._clock = clock
        self._new_id = new_id
        self._region = region
        self._account = account
        self._deliver_twice = deliver_twice
        self._feeds = [_Feed(function, source) for function in functions for source in function.sources]
        self._by_url = {queues.urls[feed.source.queue]: feed for feed in self._feeds}
        self._schedules = schedules_of(functions, clock.now())
        self._due: list[tuple[datetime, int]] = []  # when something becomes visible, and in which feed
        self._swept_s = 0.0
        pool.on_sent = self._note_sent
        pool.on_killed = self.look_everywhere

    # ─── what a run is made of

    def step(self, until: datetime) -> bool:
        """Do what there is to do now, or move towards what comes next; False once it is `until` and all is
        quiet.

        No schedule is started at or after `until`, so that what runs then can come to its end.
        """
        now = self._clock.now()
        self._run_schedules(now, until)
        self._wake_feeds(now)
        fed = self._feed()
        if self._pool.is_busy:
            self._pool.poll(0.0 if fed else self._until_next(now, until))
            return True
        self._pool.poll(0.0)
        if fed or self._pool.is_busy:
            return True
        if self._sweep():
            return True
        next_due = self._next_due(until)
        if next_due is None:
            return False
        self._clock.jump(next_due)
        return True

    def call(self, name: str, event: Any, *, timeout_s: float = 120.0) -> Any:
        """Invoke a function and wait for its answer, as a person would with `aws lambda invoke`.

        Raises FunctionError where it fails. Schedules and queues rest meanwhile.
        """
        results: list[Result] = []
        self._submit(self.functions[name], event, results.append)
        deadline_s = time.monotonic() + timeout_s
        while not results and time.monotonic() < deadline_s:
            self._pool.poll(_WAIT_S)
        if not results:
            raise FunctionError(name, f"no answer within {timeout_s:.0f} s")
        if results[0].error is not None:
            raise FunctionError(name, results[0].error)
        return results[0].answer

    def look_everywhere(self) -> None:
        """Somebody else sent messages, or died before telling: ask every queue again."""
        for feed in self._feeds:
            feed.may_have_more = True

    # ─── schedules

    def _run_schedules(self, now: datetime, until: datetime) -> None:
        for schedule in self._schedules:
            if schedule.next_at >= until:
                continue
            due = schedule.take_due(now)
            if due is not None:
                event = schedule_event(
                    event_id=self._new_id(),
                    at=due,
                    schedule=schedule.function.name,
                    region=self._region,
                    account=self._account,
                )
                self._submit(schedule.function, event, lambda _: None)

    # ─── queues

    def _note_sent(self, sent: Sent) -> None:
        feed = self._by_url.get(sent.queue_url)
        if feed is None:
            return
        if sent.delay_s == 0:
            feed.may_have_more = True
        else:
            self._expect(feed, timedelta(seconds=sent.delay_s))

    def _expect(self, feed: _Feed, after: timedelta) -> None:
        heapq.heappush(self._due, (self._clock.now() + after, self._feeds.index(feed)))

    def _wake_feeds(self, now: datetime) -> None:
        while self._due and self._due[0][0] <= now:
            _, index = heapq.heappop(self._due)
            self._feeds[index].may_have_more = True
        if self._pool.is_busy and time.monotonic() - self._swept_s > _SWEEP_EVERY_S:
            self._swept_s = time.monotonic()
            self.look_everywhere()

    def _feed(self) -> bool:
        """Hand out what is visible, exits first since they come last in the template's order of stages."""
        found = False
        for feed in reversed(self._feeds):
            while feed.may_have_more and feed.room > 0:
                found = self._take_batch(feed) or found
        return found

    def _take_batch(self, feed: _Feed) -> bool:
        size = min(feed.source.batch_size, LARGEST_BATCH)
        batch = self._queues.receive(feed.source.queue, size)
        if len(batch) < size:
            feed.may_have_more = False
        if not batch:
            return False
        self.tally.redelivered += sum(1 for message in batch if message.receives > 1)
        feed.batches += 1
        feed.at_work += 1
        event = sqs_event(batch, arn=self._queues.arns[feed.source.queue], region=self._region)
        if not self._deliver_twice:
            self._submit(feed.function, event, lambda result: self._settle(feed, batch, result))
        elif feed.batches % 2 and feed.room > 0:
            self._twice_at_once(feed, batch, event)
        else:
            self._twice_in_turn(feed, batch, event)
        return True

    def _twice_at_once(self, feed: _Feed, batch: list[Received], event: Any) -> None:
        """The same batch to two environments side by side; the first one's answer counts."""
        feed.at_work += 1

        def second_done(_: Result) -> None:
            feed.at_work -= 1

        self._submit(feed.function, event, lambda result: self._settle(feed, batch, result))
        self._submit(feed.function, event, second_done)

    def _twice_in_turn(self, feed: _Feed, batch: list[Received], event: Any) -> None:
        """The same batch again as soon as it succeeded, as if its deletion had been lost."""

        def again(first: Result) -> None:
            if first.error is not None:
                self._settle(feed, batch, first)
            else:
                self._submit(feed.function, event, lambda _: self._settle(feed, batch, first))

        self._submit(feed.function, event, again)

    def _settle(self, feed: _Feed, batch: list[Received], result: Result) -> None:
        feed.at_work -= 1
        feed.may_have_more = True
        failed: set[str] = set()
        if result.error is not None:
            failed = {message.message_id for message in batch}
        elif feed.source.reports_failures:
            failed = failed_ids(result.answer, batch)
        self._queues.delete(feed.source.queue, [m for m in batch if m.message_id not in failed])
        if failed:
            self._expect(feed, timedelta(seconds=self._queues.specs[feed.source.queue].visibility_s))
            if result.error is None:
                self._fail(result.function, f"{len(failed)} of {len(batch)} messages failed")

    # ─── the loop's own

    def _submit(self, function: FunctionSpec, event: Any, done: Callable[[Result], None]) -> None:
        def finished(result: Result) -> None:
            self.tally.runs[result.function] += 1
            self.tally.seconds[result.function] = self.tally.seconds.get(result.function, 0.0) + result.took_s
            if result.error is not None:
                self._fail(result.function, result.error)
            done(result)

        self._pool.submit(function, event, finished)

    def _fail(self, function: str, error: str) -> None:
        self.tally.failures.append(Failure(self._clock.now(), function, error))

    def _sweep(self) -> bool:
        """Before a jump, at most a few times a second: is there really nothing visible? True: there was
        something.
        """
        if time.monotonic() - self._swept_s < _SWEEP_EVERY_S:
            return False
        self._swept_s = time.monotonic()
        self.look_everywhere()
        return self._feed()

    def _next_due(self, until: datetime) -> datetime | None:
        """The next moment at which something happens by itself; None when it is `until` already."""
        now = self._clock.now()
        moments = [schedule.next_at for schedule in self._schedules if schedule.next_at < until]
        moments += [self._due[0][0]] if self._due else []
        moments.append(until)
        return None if now >= until else min(moments)

    def _until_next(self, now: datetime, until: datetime) -> float:
        """How long to wait for environments at most, in seconds, while time flows."""
        next_due = self._next_due(until)
        return _WAIT_S if next_due is None else min(_WAIT_S, max(0.0, (next_due - now).total_seconds()))


class FunctionError(Exception):
    """A function that was invoked by hand failed."""

    def __init__(self, function: str, error: str) -> None:
        super().__init__(f"{function} failed: {error}")
        self.function = function
        self.error = error
