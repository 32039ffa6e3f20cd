"""What an order may cost in the ledger: its statements and transactions are counted, so that neither grows unseen.

On a given machine these two numbers are most of an order's time (DESIGN, section 8: at most 10 ms). Whoever needs one more says so
here; whoever needs one less, too.
"""

from collections.abc import Iterator

import pytest

from outcry.runtime.database import Address
from tests.benchmarks.database import Asked, CountingDatabase
from tests.benchmarks.ledger import Bench, Spent, at_work, cycle

# in transactions and statements; the venue is asked between them, never within one
ALONE = {"enter": (11, 32), "exit": (11, 30)}
WHOLE = {
    "an entry with its stop and take-profit": (19, 47),
    "one protection": (4, 7),
    "an exit with two protections taken off": (20, 40),
}


@pytest.fixture
def traded(database_url: str) -> Iterator[Bench]:
    """A ledger that has entered, protected and closed a position, once more after the account and the market were known."""
    database = CountingDatabase(Address.from_url(database_url))
    with at_work(database) as here:
        cycle(here)
        here.wholes.clear()
        here.shares.clear()
        cycle(here)
        yield here
    database.close()


def asked(spent: list[Spent]) -> set[tuple[int, int]]:
    return {(each.asked.transactions, each.asked.statements) for each in spent}


def test_an_order_asks_the_database_no_more_than_its_budget(traded: Bench) -> None:
    own = {kind: asked(traded.shares[kind]) for kind in ALONE}

    assert own == {kind: {budget} for kind, budget in ALONE.items()}


def test_an_order_with_all_that_it_calls_keeps_its_budget_too(traded: Bench) -> None:
    whole = {name: asked(spent) for name, spent in traded.wholes.items()}

    assert whole == {name: {budget} for name, budget in WHOLE.items()}


def test_what_is_counted_is_what_was_asked(database_url: str) -> None:
    database = CountingDatabase(Address.from_url(database_url))

    with database.transaction() as tx:
        tx.one("select 1 as one")
        tx.execute("select 1")
    with database.transaction():
        pass
    database.close()

    assert (database.asked.transactions, database.asked.statements) == (2, 2)
    assert database.asked.since(Asked(1, 1)).statements == 1
