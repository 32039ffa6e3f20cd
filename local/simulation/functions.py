"""What each deployed function does with an event, built for one process of a simulation: the use cases are the real ones.

Promises: each environment has a connection, caches and venue client of its own, as an execution environment of Lambda has; messages are
answered by `runtime.deliveries`, and given up as `functions/*/app.py` give them up. The figures of functions and queues are the
template's. What `wiring` builds once per process is built here once per environment, out of parts that follow from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import requests

from local.dispatcher.blueprint import Blueprint, FunctionSpec, QueueSpec
from local.hyperliquid import in_process
from local.hyperliquid.engine import Engine
from outcry.agents import roster
from outcry.agents.model import Account
from outcry.calls.classify import ClassifyPosts, GrammarClassifier, StoredTickerBook
from outcry.custody.keyring import Keyring
from outcry.custody.kms import Kms
from outcry.monitoring.monitor import Monitor
from outcry.monitoring.tick import Tick
from outcry.notices import aside
from outcry.notices.channels import CountingChannel
from outcry.notices.channels import deliver as tell_notices
from outcry.orders.execute import Executor
from outcry.orders.fills import FillCollector
from outcry.orders.plan import LedgerPlanner
from outcry.orders.ports import Desk, NoSigners, Signers
from outcry.orders.signers import AccountSigners
from outcry.posts.feed import Feed
from outcry.posts.ingest import ingest
from outcry.runtime.clock import Clock
from outcry.runtime.database import Database, Transaction
from outcry.runtime.errors import BugError
from outcry.runtime.leases import CALLS, NOTICES, POSTS, Claimable
from outcry.runtime.queues import Doorbell, Message, Queue
from outcry.signals.generate import SignalGenerator
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.wiring import DEADLINE_MARGIN, LONGEST_RUN, MOST_POST_AGE

VENUE = ("hyperliquid", "local")
MARGIN = DEADLINE_MARGIN
NEVER_S = 60  # a real timeout that only a hanging simulation runs into
_ROOT = Path(__file__).resolve().parents[2]
_ARN = "arn:aws:local"

Work = Callable[[Message, datetime], object]
GiveUp = Callable[[Message, Exception], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an environment is built of. `pause` waits on the virtual clock."""

    database: Database
    clock: Clock
    doorbell: Doorbell
    engine: Engine
    kms: Kms
    feed: Feed
    new_id: Callable[[], UUID]
    pause: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Built:
    """One function in one environment: `work` and `give_up` for a queue's messages, or `run` for a schedule."""

    work: Work | None = None
    give_up: GiveUp | None = None
    run: Callable[[], object] | None = None
    close: Callable[[], None] = lambda: None


@cache
def template() -> tuple[tuple[QueueSpec, ...], dict[str, FunctionSpec]]:
    """The queues and the functions of template.yaml, these by name."""
    given = {"Network": "local", "LocalHyperliquidUrl": "-", "LocalXUrl": "-", "Classifier": "grammar"}
    blueprint = Blueprint(
        _ROOT / "template.yaml",
        {**given, "XSecretArn": _ARN, "DatabaseSecretArn": _ARN},
        region="us-east-1",
        account="0" * 12,
    )
    queues = blueprint.queues()
    resources = [*(spec.logical_id for spec in queues), *blueprint.key_ids()]
    attributes = {name: {"Ref": name, "Arn": f"{_ARN}:{name}"} for name in resources}
    return tuple(queues), {function.name: function for function in blueprint.functions(attributes)}


@cache
def sources() -> dict[str, dict[Queue, tuple[int, int]]]:
    """For each function the queues that feed it, with batch size and how many may run at once."""
    queues, functions = template()
    names = {spec.logical_id: spec.name.removeprefix("outcry-") for spec in queues}
    return {
        name: {
            Queue(names[source.queue]): (source.batch_size, source.max_concurrency)
            for source in function.sources
        }
        for name, function in functions.items()
    }


def last_receive() -> int:
    """On which delivery a message is given up: what the template tells the functions."""
    return int(template()[1]["execute_orders"].variables["OUTCRY_LAST_RECEIVE"])


def build(function: str, parts: Parts) -> Built:
    """The function of this name, as `wiring` would build it."""
    match function:
        case "ingest_posts":
            return Built(run=lambda: _ingest(parts))
        case "classify_posts":
            return _classify(parts)
        case "generate_signals":
            return _generate(parts)
        case "execute_orders":
            return _execute(parts)
        case "monitor_hyperliquid":
            return _monitor(parts)
        case "tick":
            return Built(run=Tick(parts.database, parts.clock, parts.doorbell, parts.new_id).run)
        case "notify":
            return _notify(parts)
    raise AssertionError(f"no function {function} is simulated")


def _ingest(parts: Parts) -> object:
    return ingest(
        parts.database,
        parts.feed,
        parts.doorbell,
        clock=parts.clock,
        new_trace_id=lambda: parts.new_id().hex,
    )


def _classify(parts: Parts) -> Built:
    classify = ClassifyPosts(
        parts.database,
        parts.clock,
        parts.doorbell,
        GrammarClassifier(StoredTickerBook(parts.database, parts.clock)),
        new_token=parts.new_id,
        max_age=MOST_POST_AGE,
        lease=LONGEST_RUN + 2 * DEADLINE_MARGIN,
    )
    return Built(lambda message, _: classify(int(message.id)), _setting_aside(parts, POSTS))


def _generate(parts: Parts) -> Built:
    generator = SignalGenerator(
        parts.database,
        parts.clock,
        LedgerPlanner(),
        parts.doorbell,
        new_token=parts.new_id,
        lasting=LONGEST_RUN,
    )
    return Built(lambda message, _: generator.generate(int(message.id)), _setting_aside(parts, CALLS))


def _execute(parts: Parts) -> Built:
    desk, session = _desk(parts, AccountSigners(Keyring(parts.database, parts.kms)))
    executor = Executor(desk)
    return Built(
        lambda message, deadline: executor.advance(UUID(message.id), deadline=deadline),
        lambda message, error: executor.give_up(UUID(message.id), error),
        close=session.close,
    )


def _monitor(parts: Parts) -> Built:
    desk, session = _desk(parts, NoSigners())
    monitor = Monitor(desk, FillCollector(desk), live=VENUE)

    def watch(message: Message, deadline: datetime) -> object:
        return monitor.run(
            [str(account) for account in message.body["accounts"]],
            due_at=datetime.fromisoformat(message.body["due_at"]),
            deadline=deadline,
            trace_id=message.trace_id,
        )

    return Built(watch, lambda message, error: None, close=session.close)


def _notify(parts: Parts) -> Built:
    def tell(message: Message, deadline: datetime) -> object:
        return tell_notices(
            parts.database,
            [CountingChannel()],
            [int(message.id)],
            clock=parts.clock,
            new_token=parts.new_id,
            lasting=LONGEST_RUN,
        )

    return Built(tell, _setting_aside(parts, NOTICES))


def _setting_aside(parts: Parts, what: Claimable) -> GiveUp:
    def give_up(message: Message, error: Exception) -> None:
        with parts.database.transaction() as tx:
            aside.set_aside(
                tx, what, int(message.id), error, now=parts.clock.now(), trace_id=message.trace_id
            )

    return give_up


def _desk(parts: Parts, signers: Signers) -> tuple[Desk, requests.Session]:
    session = in_process.session(parts.engine)
    venue = HyperliquidVenue(
        "local",
        in_process.URL,
        parts.clock,
        connect_timeout_s=NEVER_S,
        read_timeout_s=NEVER_S,
        session=session,
    )
    desk = Desk(
        database=parts.database,
        clock=parts.clock,
        doorbell=parts.doorbell,
        venues={VENUE: venue},
        signers=signers,
        new_id=parts.new_id,
        pause=parts.pause,
        load_account=_account,
    )
    return desk, session


def _account(tx: Transaction, account_id: str) -> Account:
    found = roster.account(tx, account_id)
    if found is None:
        raise BugError(f"there is no account {account_id}")
    return found


def time_limit(function: str) -> timedelta:
    """How long one run of the function may take."""
    return timedelta(seconds=template()[1][function].timeout_s)
