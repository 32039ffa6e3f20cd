"""A restored database: known from the one that ran before, closed to entries before anybody noticed, and paused once noticed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.postgres import Postgres
from outcry.controls import operate, restored
from outcry.controls.gate import standing_controls, standing_entry
from outcry.controls.model import Standing
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.migrations import bundled, migrate
from outcry.runtime.reasons import Reason

HERE = "db.example:5432/outcry"

Copy = Callable[[], Database]


def forbidden(tx: Transaction, clock: FixedClock) -> Standing | None:
    return standing_entry(
        tx,
        account_id="main",
        deployment_id="alpha-main",
        agent_id="alpha",
        author_id=None,
        market="BTC",
        now=clock.now(),
    )


def forbidden_to_a_canary(tx: Transaction, clock: FixedClock) -> Standing | None:
    return standing_entry(
        tx,
        account_id="main",
        deployment_id="outcry-canary-main",
        agent_id="outcry-canary",
        author_id=None,
        market="BTC",
        now=clock.now(),
        despite_pause=True,
    )


def topics(tx: Transaction) -> list[tuple[str, str]]:
    rows = tx.all("select level, subject from notices order by notice_id")
    return [(row["level"], row["subject"]) for row in rows]


@pytest.fixture
def noted(database: Database, clock: FixedClock) -> Database:
    """A database that has run: its identity is noted, its first pause was lifted."""
    with database.transaction() as tx:
        operate.ensure_started_paused(tx, clock.now(), address=HERE)
        operate.resume(tx, "desk", "ann", clock.now())
        tx.execute("delete from notices")
    return database


@pytest.fixture
def copy(postgres: Postgres, noted: Database, database_url: str) -> Iterator[Database]:
    """The same rows in another database, as a restore leaves them."""
    noted.close()
    name = Address.from_url(database_url).database
    made = Database(
        Address.from_url(postgres.create_database(f"{name}_copy", template=name)), network="local"
    )
    yield made
    made.close()
    postgres.drop_database(f"{name}_copy")


def test_a_database_that_stays_where_it_is_is_never_taken_for_a_restored_one(
    noted: Database, clock: FixedClock
) -> None:
    with noted.transaction() as tx:
        assert not restored.recognise(tx, address=HERE, now=clock.now())
        assert not restored.recognise(tx, address=None, now=clock.now())

        assert forbidden(tx, clock) is None
        assert standing_controls(tx) == []


def test_a_restored_database_takes_no_entry_before_anybody_has_noticed(
    copy: Database, clock: FixedClock
) -> None:
    with copy.transaction() as tx:
        found = forbidden(tx, clock)

        assert found is not None
        assert found.reason is Reason.PAUSED
        assert "the database was restored" in found.detail
        assert [control.reason for control in standing_controls(tx)] == [
            "the database was restored, and nobody has looked at it yet"
        ]


def test_a_restored_database_is_paused_and_paged_about_once(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        first = restored.recognise(tx, address=None, now=clock.now())
        again = restored.recognise(tx, address=None, now=clock.advance(timedelta(minutes=1)))

        assert (first, again) == (True, False)
        assert [control.reason for control in standing_controls(tx)] == [restored.REASON]
        assert topics(tx) == [("page", "The database was restored: no new entries")]
        assert forbidden(tx, clock) is not None


def test_a_restored_database_goes_on_once_a_person_has_resumed_it(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        restored.recognise(tx, address=None, now=clock.now())
        operate.resume(tx, "desk", "ann", clock.now())

        assert forbidden(tx, clock) is None
        assert not restored.recognise(tx, address=None, now=clock.now())


def test_whoever_resumes_a_restored_desk_has_looked_at_it(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        operate.resume(tx, "desk", "ann", clock.now())

        assert forbidden(tx, clock) is None
        assert ("page", "The database was restored: no new entries") in topics(tx)


def test_resuming_a_part_of_a_restored_desk_leaves_the_desk_paused(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        tx.execute(
            "insert into agents (agent_id, name, strategy, created_at, updated_at) values ('alpha', 'A', '{}', :now, :now)",
            now=clock.now(),
        )
        operate.resume(tx, "agent:alpha", "ann", clock.now())

        assert [control.reason for control in standing_controls(tx)] == [restored.REASON]


@pytest.mark.parametrize("was_paused", [False, True])
def test_a_canary_waits_for_a_person_too_before_and_after_a_restored_database_was_noticed(
    copy: Database, clock: FixedClock, was_paused: bool
) -> None:
    with copy.transaction() as tx:
        if was_paused:
            operate.pause(tx, "desk", "holiday", "ann", clock.now())

        unnoticed = forbidden_to_a_canary(tx, clock)
        restored.recognise(tx, address=None, now=clock.now())
        noticed = forbidden_to_a_canary(tx, clock)
        operate.resume(tx, "desk", "ann", clock.now())

        assert unnoticed is not None
        assert noticed is not None
        assert "nobody has looked at it yet" in noticed.detail
        assert forbidden_to_a_canary(tx, clock) is None


def test_only_who_resumes_the_whole_desk_has_looked_at_a_restored_one(
    copy: Database, clock: FixedClock
) -> None:
    with copy.transaction() as tx:
        tx.execute(
            "insert into agents (agent_id, name, strategy, created_at, updated_at) values ('alpha', 'A', '{}', :now, :now)",
            now=clock.now(),
        )
        restored.recognise(tx, address=None, now=clock.now())
        operate.resume(tx, "agent:alpha", "ann", clock.now())

        assert forbidden_to_a_canary(tx, clock) is not None


@pytest.mark.parametrize(
    ("address", "is_restored"), [("db2.example:5432/outcry", True), (HERE, False), (None, False)]
)
def test_the_same_cluster_at_another_address_is_a_restored_one(
    noted: Database, clock: FixedClock, address: str | None, is_restored: bool
) -> None:
    with noted.transaction() as tx:
        assert restored.recognise(tx, address=address, now=clock.now()) is is_restored
        assert (forbidden(tx, clock) is not None) is is_restored


def test_an_address_that_was_not_known_yet_is_noted_and_nothing_else(
    database: Database, clock: FixedClock
) -> None:
    with database.transaction() as tx:
        restored.recognise(tx, address=None, now=clock.now())
        first_said = restored.recognise(tx, address=HERE, now=clock.now())
        moved = restored.recognise(tx, address="another:5432/outcry", now=clock.now())

        assert (first_said, moved) == (False, True)


def test_a_deploy_onto_a_restored_database_pauses_it(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        assert operate.ensure_started_paused(tx, clock.now(), address=HERE)
        assert not operate.ensure_started_paused(tx, clock.now(), address=HERE)


def test_a_server_that_does_not_even_tell_the_owner_its_cluster_is_known_by_its_database(
    database: Database,
) -> None:
    def identity(tx: Transaction) -> Any:
        row = tx.one("select identity_of_this_database() as said")
        return row and row["said"]

    with database.transaction() as tx:
        open_handed = identity(tx)
        tx.script(
            "create role plain; revoke execute on function pg_control_system(), pg_current_wal_lsn() from public;"
            "alter function identity_of_this_database() owner to plain"
        )
        tight_lipped = identity(tx)
        tx.script("alter function identity_of_this_database() owner to current_user; drop role plain")

    assert "unknown" not in open_handed
    assert tight_lipped.startswith("cluster unknown timeline unknown database ")
    assert open_handed.split(" database ")[1] == tight_lipped.split(" database ")[1]


# ─── the network ────────────────────────────────────────────────────────────────────────────────────────────


def test_f56_a_database_serves_the_network_that_claimed_it_first(noted: Database) -> None:
    with noted.transaction() as tx:
        restored.require_network(tx, "mainnet")
        restored.claim_network(tx, "testnet")
        restored.claim_network(tx, "testnet")

        restored.require_network(tx, "testnet")
        with pytest.raises(ConfigurationError, match="this database serves testnet"):
            restored.require_network(tx, "mainnet")
        with pytest.raises(ConfigurationError, match="this database serves testnet"):
            restored.claim_network(tx, "mainnet")


@pytest.mark.parametrize("known", [0, 3, 5])
def test_f56_a_schema_that_cannot_say_its_network_serves_none_yet(
    empty_database_url: str, clock: FixedClock, known: int
) -> None:
    database = Database(Address.from_url(empty_database_url), network="local")
    if known:
        migrate(database, now=clock.now(), migrations=bundled()[:known])

    with database.transaction() as tx:
        restored.require_network(tx, "mainnet")
    database.close()


def test_a_restored_database_serves_the_network_that_it_served(copy: Database, clock: FixedClock) -> None:
    with copy.transaction() as tx:
        restored.claim_network(tx, "testnet")
        restored.recognise(tx, address=HERE, now=clock.now())

        with pytest.raises(ConfigurationError):
            restored.require_network(tx, "mainnet")
