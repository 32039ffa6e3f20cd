"""The one place where the parts are put together: a cached builder for each function's use case.

Promises: what a builder needs is imported inside of it, so that a function loads only its own room's SDKs; everything is made
once per process, at first use; settings are checked before anything is opened. Never decides anything.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from outcry.runtime import deliveries, emission
from outcry.runtime import settings as models
from outcry.runtime.address import address_of, place_of
from outcry.runtime.clock import Clock, clock_from
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.errors import BugError
from outcry.runtime.observability import logger
from outcry.runtime.queues import Doorbell, Message, SqsDoorbell
from outcry.runtime.secrets import SecretStore

if TYPE_CHECKING:
    from decimal import Decimal

    from outcry.agents.model import Account
    from outcry.calls.classify import Classifier, ClassifyPosts
    from outcry.custody.keyring import CreatedSigner
    from outcry.custody.kms import Kms
    from outcry.monitoring.measure import Measure
    from outcry.monitoring.monitor import Monitor
    from outcry.monitoring.tick import Tick
    from outcry.orders.execute import Executor
    from outcry.orders.ports import Desk, Signers
    from outcry.posts.ingest import Ingested
    from outcry.runtime.leases import Claimable
    from outcry.signals.generate import SignalGenerator
    from outcry.venues.port import Venue
    from outcry.venues.weights import Weights

# of a function's time limit, kept for writing down where the work stands
DEADLINE_MARGIN = timedelta(seconds=2)
LONGEST_RUN = timedelta(seconds=60)  # the longest time limit of a function whose claims are of fixed length
MOST_POST_AGE = timedelta(hours=6)  # a post is not read any more; agents act on far younger ones
PAPER_SLIPPAGE_BPS = 5

# ─── what every function has ──────────────────────────────────────────────────────────────────────────────────


@cache
def settings_of[S: models.Settings](model: type[S]) -> S:
    """The function's settings. Raises ConfigurationError."""
    return models.read(model, os.environ)


@cache
def clock() -> Clock:
    """The clock of this process."""
    common = settings_of(models.Settings)
    found = clock_from(common.network.value, common.clock_file)
    emission.follow(found)
    return found


@cache
def secrets() -> SecretStore:
    """The secrets of this process, read at first use."""
    return SecretStore()


@cache
def plain_database(statement_timeout_s: float = 10.0) -> Database:
    """The process's connection, whatever schema is behind it."""
    common = settings_of(models.Settings)
    return Database(
        _address(),
        network=common.network.value,
        statement_timeout_s=statement_timeout_s,
        application=_function(),
        renew=lambda: _address(anew=True),
    )


@cache
def database() -> Database:
    """The process's connection. Raises SchemaMismatch where the schema is older than this build needs, and ConfigurationError
    where the database serves another network.

    A function also looks, once, whether the database is the one that ran before, and pauses the desk where it is not.
    """
    from outcry.controls import restored
    from outcry.runtime.migrations import require_schema

    found = plain_database()
    require_schema(found)
    with found.transaction() as tx:
        restored.require_network(tx, settings_of(models.Settings).network.value)
        if _is_function():
            restored.recognise(tx, address=_place(), now=clock().now())
    return found


def deadline(remaining_ms: int) -> datetime:
    """When an invocation that has this much time left must have come to an end."""
    return clock().now() + timedelta(milliseconds=remaining_ms) - DEADLINE_MARGIN


def answer(
    event: Mapping[str, Any], work: Callable[[Message], object], give_up: Callable[[Message, Exception], None]
) -> dict[str, list[dict[str, str]]]:
    """Work on each doorbell of an SQS event and answer with those that must come again."""
    return deliveries.answer(event, work, give_up, last_receive=settings_of(models.Settings).last_receive)


def set_aside(what: "Claimable", message: Message, error: Exception) -> None:
    """Quarantine a row on the last delivery of its message, and page a person: a redrive clears it."""
    from outcry.notices import aside

    with database().transaction() as tx:
        aside.set_aside(tx, what, int(message.id), error, now=clock().now(), trace_id=message.trace_id)


# ─── posts, calls, signals, notices ──────────────────────────────────────────────────────────────────────────


def ingest_posts() -> "Ingested":
    """Hear the followed authors once."""
    from outcry.posts.ingest import ingest

    own = settings_of(models.IngestPosts)
    return ingest(database(), _feed(), _doorbell(own.queues), clock=clock(), new_trace_id=lambda: uuid4().hex)


@cache
def _feed() -> Any:
    from outcry.posts.x_client import XFeed

    own = settings_of(models.IngestPosts)
    bearer = secrets().read(own.x_secret_arn, "bearer_token")["bearer_token"]
    return XFeed(bearer) if own.x_url is None else XFeed(bearer, base_url=own.x_url)


@cache
def classify_posts() -> "ClassifyPosts":
    """Reads posts with the one classifier that is configured."""
    from outcry.calls.classify import ClassifyPosts

    own = settings_of(models.ClassifyPosts)
    return ClassifyPosts(
        database(),
        clock(),
        _doorbell(own.queues),
        _classifier(own),
        new_token=uuid4,
        max_age=MOST_POST_AGE,
        lease=LONGEST_RUN + 2 * DEADLINE_MARGIN,
    )


def _classifier(own: models.ClassifyPosts) -> "Classifier":
    from outcry.calls.classify import GrammarClassifier, StoredTickerBook

    book = StoredTickerBook(database(), clock())
    if own.classifier == "grammar":
        return GrammarClassifier(book)
    from outcry.calls.llm import LlmClassifier, LlmSettings

    assert own.llm_base_url, "checked with the settings"
    assert own.llm_model, "checked with the settings"
    assert own.llm_secret_arn, "checked with the settings"
    key = secrets().read(own.llm_secret_arn, "api_key")["api_key"]
    return LlmClassifier(LlmSettings(own.llm_base_url, own.llm_model, key), book, new_id=lambda: uuid4().hex)


@cache
def generate_signals() -> "SignalGenerator":
    """Decides about calls, and plans entries and exits in the ledger."""
    from outcry.orders.plan import LedgerPlanner
    from outcry.signals.generate import SignalGenerator

    own = settings_of(models.GenerateSignals)
    return SignalGenerator(
        database(), clock(), LedgerPlanner(), _doorbell(own.queues), new_token=uuid4, lasting=LONGEST_RUN
    )


def tell_notice(notice_id: int) -> None:
    """Tell one notice through every channel: the log, and the count that an alarm watches."""
    from outcry.notices.channels import Channel, CountingChannel, LogChannel, deliver

    log: Any = logger  # Powertools' logger passes on what it does not name itself
    channels: list[Channel] = [LogChannel(log), CountingChannel()]
    deliver(database(), channels, [notice_id], clock=clock(), new_token=uuid4, lasting=LONGEST_RUN)


# ─── orders and monitoring ───────────────────────────────────────────────────────────────────────────────────


@cache
def execute_orders() -> "Executor":
    """Carries orders out. The only builder that is given a way to open signing keys."""
    from outcry.custody.keyring import Keyring
    from outcry.orders.execute import Executor
    from outcry.orders.signers import AccountSigners

    own = settings_of(models.ExecuteOrders)
    keyring = Keyring(database(), _kms())
    return Executor(_desk(own, AccountSigners(keyring), carries_orders=True))


@cache
def monitor_hyperliquid() -> "Monitor":
    """Watches the accounts on Hyperliquid, and those on paper, whose marks are Hyperliquid's."""
    from outcry.monitoring.monitor import Monitor
    from outcry.orders.fills import FillCollector
    from outcry.orders.ports import NoSigners

    own = settings_of(models.MonitorHyperliquid)
    desk = _desk(own, NoSigners(), carries_orders=False)
    return Monitor(desk, FillCollector(desk), live=("hyperliquid", own.network.value))


@cache
def tick() -> "Tick":
    """Rings whatever is due."""
    from outcry.monitoring.tick import Tick

    return Tick(database(), clock(), _doorbell(settings_of(models.Tick).queues), uuid4)


@cache
def measure() -> "Measure":
    """Measures how the desk stands."""
    from outcry.monitoring.measure import Measure

    return Measure(database(), clock())


def _desk(
    own: "models.ExecuteOrders | models.MonitorHyperliquid", signers: "Signers", *, carries_orders: bool
) -> "Desk":
    from outcry.orders.ports import Desk
    from outcry.venues.weights import Weights

    weights = Weights(
        clock(),
        venue="hyperliquid",
        egress=own.egress,
        per_minute=own.venue_weight,
        carries_orders=carries_orders,
    )
    return Desk(
        database=database(),
        clock=clock(),
        doorbell=_doorbell(own.queues),
        venues=_venues(own.network.value, own.hyperliquid_url, weights),
        signers=signers,
        new_id=uuid4,
        pause=time.sleep,
        load_account=_account,
        weights=weights,
    )


def _account(tx: Transaction, account_id: str) -> "Account":
    from outcry.agents import roster

    found = roster.account(tx, account_id)
    if found is None:
        raise BugError(f"there is no account {account_id}")
    return found


def _venues(network: str, hyperliquid_url: str, weights: "Weights") -> "dict[tuple[str, str], Venue]":
    """The venues of this process by name and network. Paper trades at the marks of the live one."""
    from decimal import Decimal

    from outcry.venues.hyperliquid.venue import HyperliquidVenue
    from outcry.venues.paper.venue import PaperVenue

    live = HyperliquidVenue(network, hyperliquid_url, clock(), weights=weights)
    paper = PaperVenue(
        database(),
        live,
        clock(),
        slippage_bps=Decimal(PAPER_SLIPPAGE_BPS),
        taker_fee_frac=live.taker_fee_frac,
        opening_usd=_PaperBalances(),
    )
    return {(venue.name, venue.network): venue for venue in (live, paper)}


class _PaperBalances(Mapping[str, "Decimal"]):
    """What paper accounts begin with, by address, read when it is asked for: a desk may be applied at any time."""

    def __getitem__(self, address: str) -> "Decimal":
        return self._read()[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> "dict[str, Decimal]":
        from outcry.agents import roster

        with database().transaction() as tx:
            accounts = roster.accounts(tx)
        return {
            each.address: each.paper_balance_usd for each in accounts if each.paper_balance_usd is not None
        }


# ─── what people see ─────────────────────────────────────────────────────────────────────────────────────────


def missing_for_work() -> list[str]:
    """Why the desk is not ready, in words for anybody; an empty list where it is."""
    from outcry.console.health import missing_for_work

    return missing_for_work(database, clock)


# ─── custody and schema ──────────────────────────────────────────────────────────────────────────────────────


def create_signer(account_id: str, slot: int, custody: object = "envelope") -> "CreatedSigner":
    """Make a signer, its key kept as `custody` says; its address is what the account's owner approves at the venue."""
    from outcry.custody.making import make_signer

    return make_signer(database, settings_of(models.Signers), account_id, slot, custody, clock=clock())


def migrate() -> list[str]:
    """Bring the database to this build's schema; a new or restored one starts paused. Returns what was applied.

    Raises ConfigurationError, with nothing done at all, where it serves another network.
    """
    from outcry.controls.operate import ensure_started_paused
    from outcry.controls.restored import claim_network, require_network
    from outcry.runtime import migrations

    found = plain_database(statement_timeout_s=90.0)
    network = settings_of(models.Settings).network.value
    applied = migrations.migrate(found, now=clock().now(), first=lambda tx: require_network(tx, network))
    with found.transaction() as tx:
        ensure_started_paused(tx, clock().now(), address=_place())
        claim_network(tx, network)
    return applied


# ─── where things are ────────────────────────────────────────────────────────────────────────────────────────


def _address(*, anew: bool = False) -> Address:
    return address_of(settings_of(models.Settings), secrets(), anew=anew)


def _place() -> str | None:
    """Where this function reaches the database. Nothing is said of a person's machine, which may use a tunnel, nor by a function with
    a secret of its own, which may name the same database by another name: those of the common secret look."""
    if not _is_function() or settings_of(models.Settings).database_address_is_own:
        return None
    return place_of(_address())


def _kms() -> "Kms":
    from outcry.custody.kms import Kms

    return Kms()


def _doorbell(queues: Mapping[Any, str]) -> Doorbell:
    return SqsDoorbell(queues)


def _is_function() -> bool:
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def _function() -> str:
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "outcry")
