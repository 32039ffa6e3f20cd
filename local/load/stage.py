"""What a load run needs: a real Postgres with fsync on, the local venue in a process of its own, a desk, and a signer for each account.

Promises: everything that was started is gone when the block ends, whatever happened in it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

from local.load import store
from local.load.desks import AUTHOR, FUNDS_USD, Place, desk_text, entry
from local.load.worker import Setup
from local.postgres import temporary_postgres
from local.processes import temporary_directory
from local.servers import ask_venue, serve
from local.simulation.keys import KEY_ARN, LocalKms
from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.agents.model import Deployment
from outcry.controls import operate
from outcry.controls.model import DESK
from outcry.controls.restored import claim_network
from outcry.custody.keyring import activate_as_confirmed, create_signer
from outcry.custody.kms import Kms
from outcry.orders.plan import LedgerPlanner
from outcry.runtime.clock import SystemClock
from outcry.runtime.database import Address, Database
from outcry.runtime.migrations import migrate
from outcry.runtime.queues import Queue
from outcry.runtime.side import Side
from outcry.venues.hyperliquid.venue import HyperliquidVenue

_CONFIG = '{"switches": {"ip_limit": false, "address_limit": false}, "book_refill_ms": 1}'
_TRACE = "load"


@dataclass(slots=True)
class Stage:
    """A desk that is ready to be traded, and short ways to plan on it."""

    url: str
    venue_url: str
    journal: Path
    database: Database
    kms: LocalKms
    marks: dict[str, Decimal]
    clock: SystemClock = field(default_factory=SystemClock)
    _deployments: dict[str, Deployment] = field(default_factory=dict)

    def setups(self, queue: Queue, count: int, *, niceness: int = 0) -> list[Setup]:
        """So many workers of one queue."""
        return [Setup(self.url, self.venue_url, self.kms, queue, niceness)] * count

    def plan_entries(self, wanted: Sequence[Place]) -> list[str]:
        """Plan an entry in each of these places, as the signals stage would; returns the orders."""
        now = self.clock.now()
        planned: list[str] = []
        with self.database.transaction() as tx:
            signals = store.insert_signals(tx, wanted, now=now)
            for place, signal_id in zip(wanted, signals, strict=True):
                deployment = self._deployments.get(place.deployment)
                if deployment is None:
                    deployment = roster.deployment(tx, place.deployment)
                    assert deployment is not None, "the desk was applied"
                    self._deployments[place.deployment] = deployment
                plan = entry(place, deployment, signal_id=signal_id, mark=self.marks[place.market], now=now)
                made = LedgerPlanner().plan_entry(tx, plan, deployment, now=now, trace_id=_TRACE)
                assert made is not None, "each signal is new"
                planned.append(str(made.order_id))
        return planned

    def plan_exit(self, place: Place) -> list[str]:
        """Plan the exit of a place on a CLOSE call of the author; returns the orders."""
        with self.database.transaction() as tx:
            planned, _ = LedgerPlanner().plan_exit_on_call(
                tx,
                agent_id=place.agent,
                author_id=AUTHOR,
                market=place.market,
                side=Side.LONG,
                now=self.clock.now(),
                trace_id=_TRACE,
            )
        return [str(each.order_id) for each in planned]


@contextmanager
def stage_of(accounts: int, *, random: Random) -> Iterator[Stage]:
    """A stage with so many accounts, each funded, with a signer that the venue confirmed."""
    with temporary_directory("load") as directory, temporary_postgres() as server:
        url = server.create_database("load")
        config, journal = directory / "venue.json", directory / "journal.jsonl"
        config.write_text(_CONFIG)
        process, venue_url = serve(
            "hyperliquid", ["--config", config, "--journal", journal], log=directory / "venue.log"
        )
        database = Database(Address.from_url(url), network="local")
        try:
            clock, kms = SystemClock(), LocalKms(random)
            venue = HyperliquidVenue("local", venue_url, clock)
            stage = Stage(url, venue_url, journal, database, kms, dict(venue.marks().prices))
            set_up(stage, accounts, venue)
            yield stage
        finally:
            database.close()
            process.stop(grace_s=5.0)


def set_up(stage: Stage, accounts: int, venue: HyperliquidVenue) -> None:
    """Apply the desk, fund its accounts, give each a signer, and let entries in."""
    now = stage.clock.now()
    migrate(stage.database, now=now)
    with stage.database.transaction() as tx:
        roster.apply_desk(tx, parse_desk(desk_text(accounts), "load.yaml"), now)
        claim_network(tx, "local")
    for number in range(1, accounts + 1):
        place = Place(number, "")
        ask_venue(stage.venue_url, "fund", {"user": place.address, "usdc": str(FUNDS_USD)})
        made = create_signer(
            *(stage.database, Kms(stage.kms), place.account, 1), key_arn=KEY_ARN, clock=stage.clock
        )
        approval = {"master": place.address, "agent": made.address, "name": "outcry-1"}
        ask_venue(stage.venue_url, "approve_agent", approval)
        activate_as_confirmed(
            stage.database, venue, made.signer_id, master=place.address, now=stage.clock.now()
        )
    with stage.database.transaction() as tx:
        operate.resume(tx, DESK, "load", stage.clock.now())
