"""A desk at work in one process: the venue, the queues, the processes, one virtual clock, and whatever is to go wrong.

    with site() as place, World(place, seed=7, desk=DESK) as world:
        world.publish(1001, "LONG BTC 60k, SL 58.9k")
        world.run_until(world.now + timedelta(minutes=5))      # everything by itself, as the template has it
        letter = world.queues.visible(Queue.EXITS)[0]           # or step by step
        world.deliver(letter, world.worker("execute_orders"), kill_at=3)

Promises: everything that happens follows from the seed and from what its owner does, so that it can be played again; `trace` is the
whole of it. Time is virtual and shared by us and the venue, but for `skew_s`. Each environment is one process: a thread, a connection
and caches of its own. Whoever calls is the outside world; nothing runs while it does not wait in `run_until`, `settle` or `deliver`.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from local.hyperliquid.clockwork import PriceEvent
from local.hyperliquid.config import VenueConfig
from local.hyperliquid.engine import Engine
from local.postgres import Postgres
from local.simulation import functions
from local.simulation.ground import Ground, ground
from local.simulation.keys import KEY_ARN, LocalKms
from local.simulation.publications import Publications
from local.simulation.queues import Letter, Mishaps, NoMishaps, Queues
from local.simulation.service import RUNNING, Delivery, Environment, Service
from local.simulation.workers import Crew, Worker
from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.controls import operate
from outcry.controls.model import DESK
from outcry.controls.restored import claim_network
from outcry.custody.approval import LISTED, Standing, Verdict
from outcry.custody.keyring import activate_signer, create_signer
from outcry.custody.kms import Kms
from outcry.runtime import edges, metrics
from outcry.runtime.clock import Clock, FixedClock, to_milliseconds
from outcry.runtime.edges import Edge
from outcry.runtime.queues import Queue

NOON = datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
SIGNER_LASTS = timedelta(days=90)
FUNDS_USD = 10_000
_SCHEDULED = ("tick", "ingest_posts")
_MOST_ROUNDS = 200_000  # of one run: a world that never comes to rest is an error, not a hang


@dataclass(frozen=True, slots=True)
class Site:
    """What is made once and serves one world after another: the database."""

    ground: Ground


@contextmanager
def site(make: Callable[[Postgres], Ground] = Ground) -> Iterator[Site]:
    """Postgres for as long as the block runs."""
    with ground(make) as made:
        yield Site(made)


@dataclass(slots=True)
class Skewed:
    """The venue's clock: ours, and a bit off."""

    clock: Clock
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by


class World:
    """One run. `prices` are played by the venue as the clock passes them."""

    def __init__(
        self,
        place: Site,
        seed: int,
        *,
        desk: str,
        config: VenueConfig | None = None,
        prices: Iterable[PriceEvent] = (),
        skew_s: float = 0,
        mishaps: Mishaps | None = None,
        start: datetime = NOON,
    ) -> None:
        self.seed = seed
        self.clock = FixedClock(start)
        self.trace: list[tuple[int, str, str]] = []
        self._place = place
        self._queue_random, self._ids = self.random("queues"), self.random("ids")
        self._latency = self.random("latency")
        self.engine = Engine(Skewed(self.clock, timedelta(seconds=skew_s)), config=config, prices=prices)
        self.queues = Queues(functions.template()[0], self.clock, self._queue_random, mishaps or NoMishaps())
        self.crew = Crew(self.clock, self.random("turns"), self._horizon)
        self.service = Service(
            self.clock, self.crew, self.queues, self.random("order"), make=self._environment, note=self.note
        )
        self.crew.hooks.append(self._take_time)
        self.feed = Publications(self.clock)
        self._names = count(1)
        self._events: list[tuple[datetime, int, str, Callable[[], None]]] = []
        self._numbers = count(1)
        place.ground.reset(seed)
        self.database = place.ground.connect("world")
        self._set_up(desk)
        for function in _SCHEDULED:
            self._schedule(function, start)

    # ─── set-up ─────────────────────────────────────────────────────────────────────────────────────────────

    def random(self, of_what: str) -> Random:
        """A source of chance of its own for each matter, so that one more draw of one leaves the others as they were."""
        return Random(f"{self.seed}:{of_what}")

    def new_id(self) -> UUID:
        return UUID(int=self._ids.getrandbits(128), version=4)

    def _set_up(self, desk: str) -> None:
        """The desk is applied, its accounts are funded, their signers made, approved and active, and entries let in."""
        self.kms = Kms(LocalKms(self._ids))
        parsed = parse_desk(desk, "desk.yaml")
        now = self.now
        with self.database.transaction() as tx:
            roster.apply_desk(tx, parsed, now)
            claim_network(tx, "local")
        for account in parsed.accounts:
            self.control("fund", user=account.address, usdc=str(FUNDS_USD))
            self.give_signer(account.account_id, account.address, 1)
        with self.database.transaction() as tx:
            operate.resume(tx, DESK, "simulation", now)

    def give_signer(self, account_id: str, address: str, slot: int) -> str:
        """Make a signer, have it approved at the venue and let it sign; returns its id."""
        made = create_signer(
            self.database,
            self.kms,
            account_id,
            slot,
            key_arn=KEY_ARN,
            clock=self.clock,
            random_bytes=self._ids.randbytes,
        )
        until = self.now + SIGNER_LASTS
        self.control(
            "approve_agent",
            master=address,
            agent=made.address,
            name=f"outcry-{slot}",
            valid_until_ms=to_milliseconds(until),
        )
        with self.database.transaction() as tx:
            verdict = Verdict(Standing.NAMED, until, LISTED, "the owner just approved it")
            activate_signer(tx, made.signer_id, verdict, now=self.now)
        return made.signer_id

    # ─── the outside world ──────────────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def control(self, name: str, /, **body: Any) -> Any:
        """One of the venue's `/_sim` controls."""
        return self.engine.control(name, body)

    def publish(self, author_id: int, text: str) -> int:
        """An author posts now; returns the post's id. It is heard by the next run of ingest_posts."""
        post_id = self.feed.publish(author_id, text)
        self.note("world", f"post {post_id} by {author_id}: {text}")
        return post_id

    def at(self, moment: datetime, what: str, action: Callable[[], None]) -> None:
        """Have something happen in the outside world at a moment."""
        heapq.heappush(self._events, (moment, next(self._numbers), what, action))

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """What the database holds."""
        with self.database.transaction() as tx:
            return [dict(row) for row in tx.all(sql, **parameters)]

    def note(self, who: str, what: str) -> None:
        """A line of the trace."""
        self.trace.append((to_milliseconds(self.now), who, what))

    # ─── processes ──────────────────────────────────────────────────────────────────────────────────────────

    def worker(self, function: str) -> Environment:
        """A new execution environment of a function, named as its folder is: with empty caches and a connection of its own."""
        return self.service.new(function)

    def _environment(self, function: str) -> Environment:
        name = f"{function} {next(self._names)}"
        database = self._place.ground.connect(name)
        parts = functions.Parts(
            database=database,
            clock=self.clock,
            doorbell=self.queues,
            engine=self.engine,
            kms=self.kms,
            feed=self.feed,
            new_id=self.new_id,
            pause=self.crew.pause,
        )
        return Environment(function, Worker(name), database, functions.build(function, parts))

    def _take_time(self, worker: Worker, edge: Edge, what: str) -> None:
        """A request to the venue takes a while on its way in and on its way back."""
        if what.startswith("hyperliquid"):
            least, most = (0.004, 0.03) if edge is Edge.BEFORE_SEND else (0.004, 0.12)
            self.crew.pause(self._latency.uniform(least, most))

    def deliver(
        self, letters: Letter | Sequence[Letter], worker: Environment, *, kill_at: int | None = None
    ) -> Delivery:
        """Deliver these messages to this environment and come back when it has answered, or has died at its edge of number
        `kill_at`, counted from 1. A message that it did not answer is visible again after its queue's timeout.
        """
        return self.deliver_together([(letters, worker, kill_at)])[0]

    def deliver_together(
        self, parts: Sequence[tuple[Letter | Sequence[Letter], Environment, int | None]]
    ) -> list[Delivery]:
        """Several deliveries at once, interleaved as the seed has it; comes back when all have answered or died."""
        begun = [
            self.service.begin(
                worker, [letters] if isinstance(letters, Letter) else list(letters), kill_at=kill_at
            )
            for letters, worker, kill_at in parts
        ]
        while any(each.outcome == RUNNING for each in begun):
            self._turn(until=None, dispatches=False)
        return begun

    def invoke(self, worker: Environment, *, kill_at: int | None = None) -> Delivery:
        """Run a scheduled function once, and come back when it is done."""
        begun = self.service.begin(worker, [], kill_at=kill_at)
        while begun.outcome == RUNNING:
            self._turn(until=None, dispatches=False)
        return begun

    # ─── time ───────────────────────────────────────────────────────────────────────────────────────────────

    def run_until(self, moment: datetime) -> None:
        """Let everything happen up to a moment: schedules, deliveries, what was arranged by `at`, and the venue's own events."""
        for _ in range(_MOST_ROUNDS):
            if not self._turn(until=moment, dispatches=True):
                self.engine.advance()
                return
        raise AssertionError("the simulation never came to the end of its time")

    def settle(self, *, longest: timedelta = timedelta(minutes=30)) -> bool:
        """Run on until no message but ticks is left and no order is under way; False where that is not so after `longest`."""
        end = self.now + longest
        while self.now < end:
            self.run_until(self.now + MINUTE)
            if not self.service.running and not self._is_work_left():
                return True
        return False

    def _is_work_left(self) -> bool:
        queues = [queue for queue in Queue if queue is not Queue.TICKS_HYPERLIQUID]
        if self.queues.waiting(*queues):
            return True
        return bool(
            self.rows(
                """
                select 1 from orders
                 where finished_at is null and status <> 'RESTING' and quarantined_at is null limit 1
                """
            )
        )

    def _turn(self, *, until: datetime | None, dispatches: bool) -> bool:
        """Do what can be done now, or move the clock to the next moment at which something can. False: none up to `until`."""
        self._fire()
        if dispatches:
            self.service.dispatch()
        self.crew.run()
        self.service.gather()
        if dispatches and self._is_anything_due():
            return True
        moments = [
            m for m in (self.crew.next_wake(), self._horizon() if dispatches else None) if m is not None
        ]
        following = min(moments, default=None)
        if until is not None and (following is None or following > until):
            self.clock.advance(max(until - self.now, timedelta(0)))
            return False
        if following is not None and following > self.now:
            self.clock.advance(following - self.now)
        return True

    def _horizon(self) -> datetime | None:
        """When the outside world has something to do next."""
        moments = [self._events[0][0]] if self._events else []
        for function, feeding in functions.sources().items():
            for queue in feeding:
                visible_at = self.queues.next_visible(queue)
                if visible_at is not None and self.service.has_room(function):
                    moments.append(visible_at)
        return min(moments, default=None)

    def _is_anything_due(self) -> bool:
        horizon = self._horizon()
        return horizon is not None and horizon <= self.now

    def _fire(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            _, _, what, action = heapq.heappop(self._events)
            if what:
                self.note("world", what)
            action()

    def _schedule(self, function: str, moment: datetime) -> None:
        def run() -> None:
            self._schedule(function, moment + MINUTE)
            free = self.service.free(function)
            if free is not None:
                self.service.begin(free, [])

        self.at(moment, "", run)

    # ─── the end ────────────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """End every process. The database keeps what it holds until the next world."""
        self.crew.close()
        for environment in self.service.environments:
            environment.close()
        self.database.close()
        self.engine.journal.close()
        metrics.drain()

    def __enter__(self) -> Self:
        edges.watch(self.crew.passed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        edges.watch(None)
        self.close()
