"""Whoever ends a canary and whoever approves its entry never wait for each other in a circle."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

from outcry.agents import roster
from outcry.orders import approval_store, canary_store
from outcry.orders import canary as ledger
from outcry.runtime.database import Address, Database
from tests.orders.workshop import LIVE, Workshop

KEY = "first"
WAITING = "select 1 as found from pg_locks where not granted"


def test_finishing_a_canary_while_its_entry_is_approved_waits_and_comes_through(
    workshop: Workshop, database_url: str
) -> None:
    with workshop.database.transaction() as tx:
        account = roster.account(tx, LIVE)
        assert account is not None
        market = workshop.venue.markets()["BTC"]
        now = workshop.clock.now()
        ledger.begin(tx, account, workshop.venue, market, Decimal(60000), key=KEY, by="ann", now=now)
    entry = workshop.rows("select order_id, deployment_id from orders")[0]
    other = Database(Address.from_url(database_url), network="local")

    def finish() -> bool:
        with other.transaction() as tx:
            return bool(ledger.finish(tx, KEY, passed=False, report={}, now=now)["passed"])

    with closing(other), ThreadPoolExecutor(1) as terminal:
        with workshop.database.transaction() as tx:
            approval_store.lock_scopes(tx, LIVE, entry["deployment_id"])
            finished = terminal.submit(finish)
            deadline = time.monotonic() + 10
            while not tx.one(WAITING) and time.monotonic() < deadline:
                time.sleep(0.02)

            assert canary_store.note_build(tx, entry["order_id"], "0.1.0+x")
        assert finished.result(timeout=10) is False
