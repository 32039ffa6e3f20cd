"""Readiness names what is missing, and tells nothing that is nobody's business."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from outcry.console.health import NO_DATABASE, NO_SCHEMA, NOT_CONFIGURED, SET_ASIDE, missing_for_work
from outcry.monitoring.silence import LATE_AFTER
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from outcry.runtime.errors import ConfigurationError, DatabaseUnavailable, SchemaMismatch

JUST_BEFORE = timedelta(seconds=1)


def beat(database: Database, stage: str, at: datetime) -> None:
    with database.transaction() as tx:
        tx.execute(
            """
            insert into heartbeats (stage, beat_at) values (:stage, :at)
            on conflict (stage) do update set beat_at = excluded.beat_at
            """,
            stage=stage,
            at=at,
        )


def add_account(database: Database, clock: FixedClock) -> None:
    with database.transaction() as tx:
        tx.execute(
            """
            insert into accounts (account_id, venue, network, address, created_at, updated_at)
            values ('secret-name', 'hyperliquid', 'local', :address, :now, :now)
            """,
            address="0x" + "a" * 40,
            now=clock.now(),
        )


def missing(database: Database, clock: FixedClock) -> list[str]:
    return missing_for_work(lambda: database, lambda: clock)


def fails(error: Exception) -> Callable[[], Database]:
    def open_database() -> Database:
        raise error

    return open_database


def test_a_desk_whose_stages_ran_lately_is_ready(database: Database, clock: FixedClock) -> None:
    add_account(database, clock)
    beat(database, "tick", clock.now() - LATE_AFTER["tick"])
    beat(database, "monitor_hyperliquid", clock.now() - LATE_AFTER["monitor_hyperliquid"])

    assert missing(database, clock) == []


def test_f56_a_stage_that_never_ran_or_fell_silent_is_named(database: Database, clock: FixedClock) -> None:
    add_account(database, clock)
    beat(database, "monitor_hyperliquid", clock.now() - LATE_AFTER["monitor_hyperliquid"] - JUST_BEFORE)

    assert missing(database, clock) == ["monitor_hyperliquid has not run lately", "tick has never run"]


def test_without_an_account_no_monitor_has_to_run(database: Database, clock: FixedClock) -> None:
    beat(database, "tick", clock.now())

    assert missing(database, clock) == []


@pytest.mark.parametrize("stage", ["posts", "calls", "orders", "notices"])
def test_a_row_that_was_set_aside_makes_the_desk_not_ready(
    database: Database, clock: FixedClock, stage: str
) -> None:
    beat(database, "tick", clock.now())
    with database.transaction() as tx:
        tx.script(
            f"drop table {stage} cascade; create table {stage} (quarantined_at text); insert into {stage} values ('x')"
        )

    assert missing(database, clock) == [SET_ASIDE]


def test_a_fill_of_the_owners_own_does_not_make_the_desk_not_ready_for_good(
    database: Database, clock: FixedClock
) -> None:
    beat(database, "tick", clock.now())
    with database.transaction() as tx:
        tx.script(
            "drop table fills cascade; create table fills (quarantine text); insert into fills values ('not ours')"
        )

    assert missing(database, clock) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigurationError("OUTCRY_NETWORK", None, "set it"), NOT_CONFIGURED),
        (SchemaMismatch("the schema is at 1"), NO_SCHEMA),
        (DatabaseUnavailable("password of db.internal refused"), NO_DATABASE),
    ],
)
def test_f57_what_cannot_be_read_is_one_plain_reason_without_the_errors_words(
    clock: FixedClock, error: Exception, reason: str
) -> None:
    found = missing_for_work(fails(error), lambda: clock)

    assert found == [reason]
    assert str(error) not in " ".join(found)


def test_f57_no_reason_names_an_account(database: Database, clock: FixedClock) -> None:
    add_account(database, clock)

    assert "secret-name" not in " ".join(missing(database, clock))


def test_a_bug_is_raised_and_not_called_a_missing_database(clock: FixedClock) -> None:
    with pytest.raises(ZeroDivisionError):
        missing_for_work(fails(ZeroDivisionError()), lambda: clock)
