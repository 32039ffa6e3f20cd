"""A restored database is noticed by whatever runs first: a tick, or the start of a function; and by no other spelling of its address."""

from collections.abc import Iterator
from itertools import count
from uuid import UUID

import pytest

from outcry import wiring
from outcry.controls import operate, restored
from outcry.controls.gate import standing_controls
from outcry.monitoring.tick import Tick
from outcry.runtime.address import place_of
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database
from tests.orders.workshop import Bells

POOLER = Address(user="outcry", database="outcry", host="pooler.example", port=6432)


@pytest.fixture
def moved(database: Database, clock: FixedClock) -> Database:
    """A database that was resumed, and whose rows then turn out to have been written in another."""
    with database.transaction() as tx:
        operate.ensure_started_paused(tx, clock.now())
        operate.resume(tx, "desk", "ann", clock.now())
        tx.execute("update database_identity set identity = 'another'")
    return database


def reasons(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [control.reason for control in standing_controls(tx)]


def forget() -> None:
    for part in vars(wiring).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a function on this test's database."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "execute_orders")
    monkeypatch.setenv("OUTCRY_NETWORK", "local")
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    monkeypatch.delenv("OUTCRY_DATABASE_SECRET_ARN", raising=False)
    forget()
    yield monkeypatch
    if wiring.plain_database.cache_info().currsize:
        wiring.plain_database().close()
    forget()


def test_a_tick_notices_it(moved: Database, clock: FixedClock) -> None:
    numbers = count(1)

    Tick(moved, clock, Bells(), lambda: UUID(int=next(numbers))).run()

    assert reasons(moved) == [restored.REASON]


def test_a_function_that_starts_notices_it(moved: Database, function: pytest.MonkeyPatch) -> None:
    wiring.database()

    assert reasons(moved) == [restored.REASON]


def test_a_persons_command_that_only_looks_does_not(moved: Database, function: pytest.MonkeyPatch) -> None:
    function.delenv("AWS_LAMBDA_FUNCTION_NAME")

    wiring.database()

    assert restored.REASON not in reasons(moved)


@pytest.mark.parametrize(("own", "says"), [("", place_of(POOLER)), ("true", None)])
def test_a_function_with_a_secret_of_its_own_says_nothing_of_the_address(
    function: pytest.MonkeyPatch, own: str, says: str | None
) -> None:
    function.setenv("OUTCRY_DATABASE_ADDRESS_IS_OWN", own)
    function.setattr(wiring, "_address", lambda: POOLER)

    assert wiring._place() == says
