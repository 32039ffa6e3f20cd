"""Claims on rows and leases on names: one holder at a time, taken over when lapsed, raced by two connections."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from outcry.runtime.database import Database
from outcry.runtime.leases import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    MAX_RINGS_PER_SWEEP,
    NOTICES,
    Claim,
    claim,
    due,
    end_lease,
    quarantine,
    redrive,
    release,
    try_lease,
)

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OURS, THEIRS = UUID(int=1), UUID(int=2)


class Rows:
    """Notices as an example of rows that are claimed."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, count: int = 1, *, due_at: datetime | None = NOON, attempts: int = 0) -> list[int]:
        """Insert rows that wait for work, and return their keys."""
        with self.database.transaction() as tx:
            rows = tx.all(
                """
                insert into notices (level, topic, subject, text, dedupe_key, created_at, next_ring_at, attempts)
                select 'info', 'test', 'x', 'x', gen_random_uuid(), :now, :due_at, :attempts
                  from generate_series(1, :count)
                returning notice_id
                """,
                now=NOON,
                due_at=due_at,
                attempts=attempts,
                count=count,
            )
        return [row["notice_id"] for row in rows]

    def claim(self, keys: list[int], token: UUID = OURS, *, at: datetime = NOON) -> list[Claim]:
        with self.database.transaction() as tx:
            return claim(tx, NOTICES, keys, token=token, now=at, lasting=MINUTE)

    def release(self, held: Claim, **how: Any) -> bool:
        with self.database.transaction() as tx:
            return release(tx, NOTICES, held, **how)

    def quarantine(self, key: int, error: str = "it is broken") -> bool:
        with self.database.transaction() as tx:
            return quarantine(tx, NOTICES, key, now=NOON, error=error)

    def due(self, at: datetime = NOON, **how: Any) -> list[int]:
        with self.database.transaction() as tx:
            return due(tx, NOTICES, now=at, **how)

    def row(self, key: int) -> dict[str, Any]:
        with self.database.transaction() as tx:
            row = tx.one("select * from notices where notice_id = :key", key=key)
        assert row is not None
        return dict(row)


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


# ─── claims ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_f3_a_row_is_claimed_by_one_at_a_time(rows: Rows) -> None:
    (key,) = rows.add()

    (held,) = rows.claim([key])

    assert held == Claim(key, OURS, NOON + MINUTE, 1)
    assert rows.claim([key], THEIRS, at=NOON + MINUTE - timedelta(microseconds=1)) == []
    assert rows.claim([key], OURS) == []


def test_f4_a_lapsed_claim_is_taken_over_and_counted(rows: Rows) -> None:
    (key,) = rows.add()
    rows.claim([key])

    (taken,) = rows.claim([key], THEIRS, at=NOON + MINUTE)

    assert taken == Claim(key, THEIRS, NOON + 2 * MINUTE, 2)


def test_only_those_of_several_rows_that_are_free_are_claimed(rows: Rows) -> None:
    free, held, broken = rows.add(3)
    rows.claim([held], THEIRS)
    rows.quarantine(broken)

    assert [one.key for one in rows.claim([free, held, broken, 999_999])] == [free]


def test_a_row_that_is_done_is_not_due_and_forgets_its_attempts(rows: Rows) -> None:
    (key,) = rows.add()
    (held,) = rows.claim([key])

    assert rows.release(held)

    row = rows.row(key)
    assert (row["claim_token"], row["claimed_until"], row["next_ring_at"]) == (None, None, None)
    assert (row["attempts"], row["last_error"]) == (0, None)


def test_a_row_given_back_with_an_error_keeps_it_and_its_attempts(rows: Rows) -> None:
    (key,) = rows.add()
    (held,) = rows.claim([key])

    assert rows.release(held, next_ring_at=NOON + MINUTE, error="the venue is away")

    row = rows.row(key)
    assert (row["attempts"], row["last_error"]) == (1, "the venue is away")
    assert row["next_ring_at"] == NOON + MINUTE


def test_f4_whoever_lost_its_claim_gives_nothing_back(rows: Rows) -> None:
    (key,) = rows.add()
    (lapsed,) = rows.claim([key])
    (held,) = rows.claim([key], THEIRS, at=NOON + MINUTE)

    assert not rows.release(lapsed, next_ring_at=NOON)
    assert not rows.release(replace(held, token=uuid4()))

    assert rows.row(key)["claim_token"] == THEIRS
    assert rows.release(held)
    assert not rows.release(held)


def race(one: Callable[[], Any], other: Callable[[], Any]) -> list[Any]:
    """Run both in threads of their own that start together."""
    ready = threading.Barrier(2)

    def start(work: Callable[[], Any]) -> Any:
        ready.wait(timeout=10)
        return work()

    with ThreadPoolExecutor(2) as pool:
        return [future.result(timeout=30) for future in [pool.submit(start, one), pool.submit(start, other)]]


def test_f1_f3_two_connections_that_race_never_claim_the_same_row(
    rows: Rows, connect: Callable[..., Database]
) -> None:
    keys = rows.add(40)
    other = Rows(connect())

    for number in range(10):
        at = NOON + number * MINUTE
        ours, theirs = race(
            lambda at=at: rows.claim(keys, OURS, at=at),  # type: ignore[misc]
            lambda at=at: other.claim(keys, THEIRS, at=at),  # type: ignore[misc]
        )
        claimed = [one.key for one in [*ours, *theirs]]
        assert len(claimed) == len(set(claimed))
        holders = {key: rows.row(key)["claim_token"] for key in keys[:5]}
        assert all(holders[one.key] == one.token for one in [*ours, *theirs] if one.key in holders)


def test_f1_of_two_connections_that_race_for_one_row_one_wins(
    rows: Rows, connect: Callable[..., Database]
) -> None:
    other = Rows(connect())
    wins = []
    for key in rows.add(20):
        ours, theirs = race(
            lambda key=key: rows.claim([key], OURS),  # type: ignore[misc]
            lambda key=key: other.claim([key], THEIRS),  # type: ignore[misc]
        )
        wins.append(len(ours) + len(theirs))

    assert set(wins) == {1}


# ─── quarantine ─────────────────────────────────────────────────────────────────────────────────────────────


def test_f21_a_broken_row_is_set_aside_once_and_stays_out_of_the_way(rows: Rows) -> None:
    (key,) = rows.add()
    rows.claim([key])

    assert rows.quarantine(key, "x" * 5000)
    assert not rows.quarantine(key, "again")

    row = rows.row(key)
    assert row["claim_token"] is None
    assert row["last_error"] == "x" * 2000
    assert rows.claim([key], at=NOON + 10 * MINUTE) == []
    assert rows.due(NOON + 10 * MINUTE) == []


def test_a_person_makes_set_aside_rows_due_again_and_no_others(rows: Rows) -> None:
    broken, healthy = rows.add(2, due_at=None, attempts=7)
    rows.quarantine(broken)

    with rows.database.transaction() as tx:
        assert redrive(tx, NOTICES, [broken, healthy], now=NOON) == 1

    assert rows.due() == [broken]
    assert rows.row(broken)["attempts"] == 0
    assert rows.row(healthy)["next_ring_at"] is None


# ─── sweeps ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_due_is_rung_and_what_is_not_is_left(rows: Rows) -> None:
    (waiting,) = rows.add(due_at=NOON)
    (later,) = rows.add(due_at=NOON + timedelta(microseconds=1))
    (done,) = rows.add(due_at=None)

    assert rows.due() == [waiting]
    assert rows.due(NOON + timedelta(microseconds=1)) == [later]
    assert rows.row(done)["next_ring_at"] is None


def test_a_row_that_somebody_works_on_is_not_rung_until_its_claim_lapses(rows: Rows) -> None:
    (key,) = rows.add()
    rows.claim([key])

    assert rows.due(NOON + MINUTE - timedelta(seconds=1)) == []
    assert rows.due(NOON + MINUTE) == [key]


def test_the_longest_waiting_is_rung_first(rows: Rows) -> None:
    moments = [NOON - timedelta(seconds=seconds) for seconds in (5, 50, 1, 500, 20)]
    keys = [rows.add(due_at=moment)[0] for moment in moments]

    assert rows.due() == [key for _, key in sorted(zip(moments, keys, strict=True))]


def test_the_callers_own_order_and_condition_hold(rows: Rows) -> None:
    keys = rows.add(30)

    assert rows.due(first="notice_id desc", where=f"notice_id <> {keys[4]}") == [
        key for key in reversed(keys) if key != keys[4]
    ]


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, FIRST_BACKOFF_S), (1, 30), (3, 120), (6, LONGEST_BACKOFF_S), (400, LONGEST_BACKOFF_S)],
)
def test_f21_a_row_that_keeps_failing_is_rung_ever_later_up_to_a_bound(
    rows: Rows, attempts: int, seconds: int
) -> None:
    (key,) = rows.add(attempts=attempts)

    assert rows.due() == [key]

    assert rows.row(key)["next_ring_at"] == NOON + timedelta(seconds=seconds)
    assert rows.due() == []


def test_f21_a_sweep_rings_at_most_five_hundred_and_the_next_takes_the_rest(rows: Rows) -> None:
    keys = rows.add(MAX_RINGS_PER_SWEEP + 20)

    first, second = rows.due(), rows.due()

    assert (len(first), len(second)) == (500, 20)
    assert {*first, *second} == set(keys)


def test_two_sweeps_that_race_never_ring_the_same_row(rows: Rows, connect: Callable[..., Database]) -> None:
    keys = rows.add(200)
    other = Rows(connect())

    ours, theirs = race(rows.due, other.due)

    assert not set(ours) & set(theirs)
    assert {*ours, *theirs, *rows.due()} == set(keys)


# ─── leases ─────────────────────────────────────────────────────────────────────────────────────────────────


def lease(database: Database, holder: UUID, *, at: datetime = NOON, name: str = "tick") -> bool:
    with database.transaction() as tx:
        return try_lease(tx, name, holder=holder, now=at, lasting=MINUTE)


def test_f3_a_lease_has_one_holder_until_it_lapses(database: Database) -> None:
    assert lease(database, OURS)
    assert not lease(database, THEIRS)
    assert not lease(database, OURS)
    assert lease(database, THEIRS, name="another")

    assert not lease(database, THEIRS, at=NOON + MINUTE - timedelta(microseconds=1))
    assert lease(database, THEIRS, at=NOON + MINUTE)
    assert not lease(database, OURS, at=NOON + MINUTE)


def test_a_lease_is_given_back_by_its_holder_alone(database: Database) -> None:
    lease(database, OURS)

    with database.transaction() as tx:
        end_lease(tx, "tick", holder=THEIRS)
    assert not lease(database, THEIRS)

    with database.transaction() as tx:
        end_lease(tx, "tick", holder=OURS)
    assert lease(database, THEIRS)


def test_f3_of_two_that_race_for_a_lease_one_gets_it(
    database: Database, connect: Callable[..., Database]
) -> None:
    other = connect()

    results = [
        sorted(
            race(
                lambda name=name: lease(database, OURS, name=name),  # type: ignore[misc]
                lambda name=name: lease(other, THEIRS, name=name),  # type: ignore[misc]
            )
        )
        for name in map(str, range(15))
    ]

    assert results == [[False, True]] * 15


def test_urgent_rows_are_never_pushed_back_beyond_their_own_limit(rows: Rows) -> None:
    (key,) = rows.add(attempts=9)

    rows.due(NOON, longest_s=30)

    assert rows.row(key)["next_ring_at"] == NOON + timedelta(seconds=30)
