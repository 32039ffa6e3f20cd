"""One worker under load: a process (in tests a thread) with a connection of its own, which advances the orders it is handed, one at a time.

Promises: it does what `execute_orders` does, with the same parts; a failure is handed back as its kind, never swallowed; it ends when
it is told to.
"""

import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from outcry.agents import roster
from outcry.agents.model import Account
from outcry.custody.keyring import Keyring
from outcry.custody.kms import Kms
from outcry.orders.execute import Executor
from outcry.orders.ports import Desk
from outcry.orders.signers import AccountSigners
from outcry.runtime.clock import SystemClock
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Queue, Ring
from outcry.venues.hyperliquid.venue import HyperliquidVenue

_RUNS_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has everything open that it needs."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A doorbell that a worker rang."""

    queue: Queue
    order_id: str
    delay_s: int


@dataclass(frozen=True, slots=True)
class Done:
    """A message that was worked on: how long it took, and the kind of error where it failed and must come again."""

    queue: Queue
    order_id: str
    took_s: float
    error: str | None


type Said = Ready | Rung | Done


class Inbox(Protocol):
    """Where orders to advance come from, until None: a queue of processes or of threads."""

    def get(self) -> str | None: ...
    def put(self, item: str | None) -> None: ...


class Outbox(Protocol):
    """Where a worker says what it rang and did. `get` raises queue.Empty after `timeout` seconds."""

    def get(self, block: bool = True, timeout: float | None = None) -> Said: ...
    def put(self, item: Said) -> None: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """Where a worker finds everything. `kms` opens the keys; `niceness` is how far it stands back for others on this machine."""

    database_url: str
    venue_url: str
    kms: Any
    queue: Queue
    niceness: int


class _Bell:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        for ring in rings:
            self._outbox.put(Rung(queue, ring.id, delay_s))


def work_alone(setup: Setup, inbox: Inbox, outbox: Outbox) -> None:
    """Work in a process of one's own: with the setup's niceness, and without its lines in the log."""
    os.nice(setup.niceness)
    logging.getLogger("outcry").setLevel(logging.CRITICAL)
    work(setup, inbox, outbox)


def work(setup: Setup, inbox: Inbox, outbox: Outbox) -> None:
    """Work until a None comes."""
    database = Database(Address.from_url(setup.database_url), network="local")
    try:
        _work(setup, executor_of(setup, database, outbox), inbox, outbox)
    finally:
        database.close()


def _work(setup: Setup, executor: Executor, inbox: Inbox, outbox: Outbox) -> None:
    outbox.put(Ready())
    while (order_id := inbox.get()) is not None:
        began = time.perf_counter()
        error = None
        try:
            executor.advance(UUID(order_id), deadline=SystemClock().now() + _RUNS_FOR)
        except InfrastructureError as raised:
            error = type(raised).__name__
        outbox.put(Done(setup.queue, order_id, time.perf_counter() - began, error))


def executor_of(setup: Setup, database: Database, outbox: Outbox) -> Executor:
    """What the function that executes orders is made of."""
    clock = SystemClock()
    venue = HyperliquidVenue("local", setup.venue_url, clock)
    desk = Desk(
        database=database,
        clock=clock,
        doorbell=_Bell(outbox),
        venues={(venue.name, venue.network): venue},
        signers=AccountSigners(Keyring(database, Kms(setup.kms))),
        new_id=uuid4,
        pause=time.sleep,
        load_account=_account,
    )
    with database.transaction() as tx:
        desk.remember(roster.accounts(tx))
    desk.market(venue, "BTC")
    return Executor(desk)


def _account(tx: Transaction, account_id: str) -> Account:
    found = roster.account(tx, account_id)
    assert found is not None, "the desk was applied"
    return found
