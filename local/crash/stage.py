"""A desk on which one scenario is played: the simulation's world, driven step by step, with one account and one market that matters.

Promises: nothing happens here but what a scenario or `settle` asks for; time passes in `wait`, `beat` and `settle` alone. Each minute
ticks and each quarter of it watches, as the template's schedule has it; where all is quiet and only a late message is waited for, the
beats between are left out, because they could change nothing.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from types import TracebackType
from typing import Any, Self

from local.crash.aftermath import Aftermath, read_aftermath
from local.crash.executioner import Executioner
from local.hyperliquid.config import build_config
from local.hyperliquid.engine import Engine
from local.simulation.functions import Built
from local.simulation.queues import Letter
from local.simulation.service import Environment
from local.simulation.workers import Worker
from local.simulation.world import Site, World
from outcry.custody.kms import Kms
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database
from outcry.runtime.queues import Queue

SEED = 4
AUTHOR = 1001
MASTER = "0x" + "ab" * 20
ACCOUNT, DEPLOYMENT = "live-1", "runner-live"
DESK = f"""
authors:
  - {{ username: caller, author_id: {AUTHOR} }}
agents:
  - id: runner
    name: Runner
    follows: [{{ author: caller, weight: 100 }}]
    strategy:
      min_conviction: 0.1
      min_score: 0.1
      max_call_age: 10m
      evidence_window: 30m
      sides: [LONG, SHORT]
      venues: [hyperliquid]
      sizing: {{ risk_frac: 1%, min_stop_frac: 1%, max_leverage: 5, max_slippage_frac: 0.5%, max_chase_frac: 1% }}
      exits:
        stop_frac: 2%
        take_profits: [{{ at_frac: 3%, share: 50% }}]
        trailing: {{ activation_frac: 2%, distance_frac: 1%, step_frac: 0.2% }}
        time_limit: 1h
        liquidation_buffer_frac: 0.5%
        follow_close_calls: true
accounts:
  - id: {ACCOUNT}
    venue: hyperliquid
    network: local
    address: "{MASTER}"
    limits: {{ per_trade_usd: 5000, per_account_usd: 20000, max_open_positions: 5 }}
deployments:
  - {{ id: {DEPLOYMENT}, agent: runner, account: {ACCOUNT} }}
"""
BEAT, MINUTE = timedelta(seconds=15), timedelta(minutes=1)
BEATS_OF_PEACE = 5  # a tick, and the passes that it rings
WORKING = (Queue.EXITS, Queue.ENTRIES, Queue.CALLS, Queue.POSTS)
FED = {
    Queue.EXITS: "execute_orders",
    Queue.ENTRIES: "execute_orders",
    Queue.CALLS: "generate_signals",
    Queue.POSTS: "classify_posts",
    Queue.TICKS_HYPERLIQUID: "monitor_hyperliquid",
    Queue.NOTICES: "notify",
}
_PERSON = "signers"  # a function with a time limit, and with no queue that the world would feed it from
LONGEST = timedelta(minutes=20)  # of virtual time, until a run has to have come to rest
_MARKETS = {"BTC": {"initial_mark": 60000}}
_SWITCHES = {"ip_limit": False}


@dataclass(frozen=True, slots=True)
class Hands:
    """What a person's process has: a connection, KMS, a clock, and the account's owner, who approves addresses at the venue."""

    database: Database
    kms: Kms
    clock: Clock
    engine: Engine
    approve: Callable[[str], None]


Person = Callable[[Hands], object]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a function: of a message, or for its schedule, or what a person does."""

    function: str
    letter: Letter | None = None
    does: Person | None = None


class Unrest(Exception):
    """The run never came to rest; the message says what was left."""


class Stage(AbstractContextManager["Stage"]):
    """One run's desk."""

    def __init__(
        self, place: Site, executioner: Executioner, switches: dict[str, Any], *, tells: bool = False
    ) -> None:
        config = build_config({"markets": _MARKETS, "switches": {**_SWITCHES, **switches}})
        self.world = World(place, SEED, desk=DESK, config=config)
        self.executioner = executioner
        self.world.crew.hooks.append(executioner)
        self.working = (*WORKING, Queue.NOTICES) if tells else WORKING
        self.stands_still = False
        self.place = place
        self._people = count(1)
        self._began = self.world.now
        self._beats = 0
        self._kept: dict[str, Environment] = {}

    def __enter__(self) -> Self:
        self.world.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.world.__exit__(kind, error, trace)

    # ─── the outside world ──────────────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> datetime:
        return self.world.now

    def mark(self, price: str, market: str = "BTC") -> None:
        """The venue's mark moves."""
        self.world.control("mark", market=market, mark=price)

    def say(self, text: str) -> None:
        """An author posts; the post is heard, read and decided on. What that plans waits in its queue."""
        self.world.publish(AUTHOR, text)
        self.world.invoke(self.environment("ingest_posts"))
        self.pump(Queue.POSTS, Queue.CALLS)

    def approve(self, address: str) -> None:
        """The account's owner approves an address at the venue, where that was not done."""
        venue = self.world.engine.venue
        if venue.agents.master_of(address, venue.now_ms) is None:
            self.world.control("approve_agent", master=MASTER, agent=address, name="outcry-2")

    # ─── invocations ────────────────────────────────────────────────────────────────────────────────────────

    def environment(self, function: str, *, fresh: bool = False) -> Environment:
        """The environment of a function that is warm, or a new one where there is none or the last one died."""
        kept = self._kept.get(function)
        if fresh or kept is None or kept.worker.is_dead:
            kept = self._kept[function] = self.world.worker(function)
        return kept

    def hands(self, database: Database) -> Hands:
        """What a person's process works with."""
        world = self.world
        return Hands(database, world.kms, world.clock, self.world.engine, self.approve)

    def cold(self, invocation: Invocation) -> Environment:
        """A new environment for an invocation; a person's has a connection of its own and can die like any other."""
        does = invocation.does
        if does is None:
            return self.world.worker(invocation.function)
        name = f"person {next(self._people)}"
        database = self.place.ground.connect(name)
        made = Environment(_PERSON, Worker(name), database, Built(run=lambda: does(self.hands(database))))
        self.world.service.environments.append(made)
        return made

    def warm(self, invocation: Invocation) -> Environment:
        """The environment that is warm, where there is one."""
        return self.cold(invocation) if invocation.does else self.environment(invocation.function)

    def run(self, invocation: Invocation, environment: Environment) -> None:
        """Have an environment do an invocation."""
        if invocation.letter is None:
            self.world.invoke(environment)
        else:
            self.deliver(invocation.letter, environment)

    def pump(self, *queues: Queue) -> None:
        """Deliver what is visible in these queues, one by one, until nothing is."""
        while letter := self.next_letter(queues):
            self.deliver(letter, self.environment(FED[letter.queue]))

    def deliver(self, letter: Letter, environment: Environment) -> None:
        """Deliver a message, for the first time or again; too often received, it goes to the dead letters instead."""
        if letter.receives == 0 or self.world.queues.take(letter):
            self.world.deliver(letter, environment)

    def next_letter(self, queues: Sequence[Queue]) -> Letter | None:
        """The first visible message of these queues, in their order."""
        for queue in queues:
            seen = self.world.queues.visible(queue)
            if seen:
                return seen[0]
        return None

    # ─── time ───────────────────────────────────────────────────────────────────────────────────────────────

    def wait(self, seconds: float) -> None:
        """Time passes, and nothing of ours happens in it."""
        self.world.clock.advance(timedelta(seconds=max(seconds, 0)))
        self.world.engine.advance()

    def wait_until(self, moment: datetime) -> None:
        """Time passes up to a moment."""
        self.wait((moment - self.now).total_seconds())

    def wait_for(self, queues: Sequence[Queue], within: timedelta) -> None:
        """Time passes until one of these queues has a message, where that is soon."""
        moment = self._next_message(queues)
        if moment is not None and moment - self.now <= within:
            self.wait_until(moment)

    def quarter(self) -> bool:
        """Time passes to the next quarter of a minute, and the marks move a little. Whether it is a full minute."""
        self.wait_until(self._next_beat())
        self._beats += 1
        if not self.stands_still:
            self.mark(str(3000 + self._beats % 7), "ETH")
        return (self.now - self._began) % MINUTE < BEAT

    def full_minute(self) -> None:
        """Time passes to the next full minute."""
        while not self.quarter():
            pass

    def beat(self) -> None:
        """The next quarter of a minute, with what is due then: the tick, the passes, whatever waits."""
        if self.quarter():
            self.world.invoke(self.environment("tick"))
        self.pump(Queue.TICKS_HYPERLIQUID, *self.working)

    def lapses_at(self) -> datetime:
        """When the last claim or lease lapses that anybody holds; now, where nobody holds any."""
        (row,) = self.world.rows(
            """
            select max(until) as until from (
                select claimed_until as until from orders union all select claimed_until from calls
                union all select claimed_until from posts union all select claimed_until from notices
                union all select held_until from leases where name like 'monitor:%') as held
            """
        )
        return max(row["until"] or self.now, self.now) + timedelta(milliseconds=1)

    def as_of_now(self, letter: Letter) -> str:
        """A message's body; a tick's says that it is due now, because a late one is dropped."""
        if letter.queue is not Queue.TICKS_HYPERLIQUID:
            return letter.body
        return json.dumps({**json.loads(letter.body), "due_at": self.now.isoformat()})

    def _next_beat(self) -> datetime:
        return self._began + (int((self.now - self._began) / BEAT) + 1) * BEAT

    def _next_message(self, queues: Sequence[Queue]) -> datetime | None:
        moments = [self.world.queues.next_visible(queue) for queue in queues]
        return min((moment for moment in moments if moment is not None), default=None)

    def settle(self) -> None:
        """Go on until nothing is under way and no message is left, and a whole minute brings nothing new. Raises Unrest."""
        end = self.now + LONGEST
        while self.now < end:
            self._come_to_rest(end)
            for _ in range(BEATS_OF_PEACE):
                self.beat()
            if self._is_quiet() and self._next_message(self.working) is None:
                return
        raise Unrest("; ".join(self.aftermath().unfinished) or "messages keep coming")

    def _come_to_rest(self, end: datetime) -> None:
        self.pump(*self.working)
        while self.now < end:
            late = self._next_message(self.working)
            if self._is_quiet():
                if late is None:
                    return
                self.wait_until(late)
            elif late is not None and late < self._next_beat():
                self.wait_until(late)
            else:
                self.beat()
            self.pump(*self.working)

    def _is_quiet(self) -> bool:
        return not self.world.rows(
            """
            select 1 from orders where (finished_at is null and quarantined_at is null and (kind <> 'protect' or status <> 'RESTING'))
                                    or claimed_until > :now
            union all select 1 from positions where status in ('OPENING', 'CLOSING', 'CLOSE_PENDING')
                                                 or (is_owned and status = 'OPEN' and protected_at is null)
            union all select 1 from leases where held_until > :now and name like 'monitor:%'
            limit 1
            """,
            now=self.now,
        )

    # ─── what there is ──────────────────────────────────────────────────────────────────────────────────────

    def size(self, market: str = "BTC") -> Decimal:
        """What the venue shows the account to hold."""
        return self.aftermath().size(market)

    def aftermath(self) -> Aftermath:
        """Both sides as they are now."""
        dead = [f"{letter.queue} {letter.row}" for queue in Queue for letter in self.world.queues.dead(queue)]
        return read_aftermath(
            self.world.database,
            self.world.engine.journal.records,
            address=MASTER,
            dead_letters=dead,
            until=self.now,
        )
