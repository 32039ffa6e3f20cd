"""Pause, flatten, halt and resume on a real Postgres, and what an approval in the same moment sees."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from outcry.controls import operate
from outcry.controls.gate import flatten_scopes, standing_controls, standing_entry
from outcry.controls.model import ControlMode, Standing, UnknownScope
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Address, Database, Transaction
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.reasons import Reason

Setter = Callable[..., bool]


@pytest.fixture(autouse=True)
def desk(database: Database, clock: FixedClock) -> None:
    """One agent at work on one account."""
    with database.transaction() as tx:
        tx.execute(
            """
            insert into agents (agent_id, name, strategy, created_at, updated_at)
            values ('alpha', 'Alpha', '{}', :now, :now)
            """,
            now=clock.now(),
        )
        tx.execute(
            """
            insert into accounts (account_id, venue, network, address, paper_balance_usd,
                                  created_at, updated_at)
            values ('main', 'paper', 'paper', '0x01', 1000, :now, :now)
            """,
            now=clock.now(),
        )
        tx.execute(
            """
            insert into deployments (deployment_id, agent_id, account_id, created_at, updated_at)
            values ('alpha-main', 'alpha', 'main', :now, :now)
            """,
            now=clock.now(),
        )


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[..., Database]]:
    """More connections to the same database, as other processes have."""
    opened: list[Database] = []

    def make(**settings: float) -> Database:
        opened.append(Database(Address.from_url(database_url), network="local", **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()


def entry(tx: Transaction, clock: FixedClock) -> Standing | None:
    return standing_entry(
        tx,
        account_id="main",
        deployment_id="alpha-main",
        agent_id="alpha",
        author_id=42,
        market="BTC",
        now=clock.now(),
    )


def reason(database: Database, clock: FixedClock) -> Reason | None:
    with database.transaction() as tx:
        found = entry(tx, clock)
    return found.reason if found else None


def notices(database: Database) -> list[tuple[str, str]]:
    with database.transaction() as tx:
        return [
            (row["level"], row["subject"])
            for row in tx.all("select level, subject from notices order by notice_id")
        ]


def wait_for_a_waiter(database: Database) -> None:
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        with database.transaction() as tx:
            if tx.all("select 1 as found from pg_locks where locktype = 'advisory' and not granted"):
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the lock")


@pytest.mark.parametrize("scope", ["desk", "account:main", "deployment:alpha-main", "agent:alpha"])
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (operate.pause, Reason.PAUSED),
        (operate.flatten, Reason.FLATTENING),
        (operate.halt, Reason.HALTED),
    ],
)
def test_f41_a_person_stops_entries_in_a_scope_and_lets_them_go_again(
    database: Database, clock: FixedClock, act: Setter, expected: Reason, scope: str
) -> None:
    with database.transaction() as tx:
        assert act(tx, scope, "fat finger", "ana", clock.now())
    assert reason(database, clock) is expected

    with database.transaction() as tx:
        assert len(operate.resume(tx, scope, "ana", clock.now())) == 1
    assert reason(database, clock) is None


def test_doing_it_twice_is_doing_it_once_and_tells_once(database: Database, clock: FixedClock) -> None:
    with database.transaction() as tx:
        assert operate.pause(tx, "desk", "first", "ana", clock.now())
    with database.transaction() as tx:
        assert not operate.pause(tx, "desk", "second", "bob", clock.now())
        assert [(control.reason, control.set_by) for control in standing_controls(tx)] == [("first", "ana")]

    assert notices(database) == [("warning", "No new entries: desk")]


def test_resuming_lifts_every_mode_of_exactly_that_scope(database: Database, clock: FixedClock) -> None:
    with database.transaction() as tx:
        for act in (operate.pause, operate.flatten, operate.halt):
            act(tx, "account:main", "storm", "ana", clock.now())
        operate.pause(tx, "agent:alpha", "review", "ana", clock.now())

    with database.transaction() as tx:
        lifted = operate.resume(tx, "account:main", "bob", clock.now())
        again = operate.resume(tx, "account:main", "bob", clock.now())

    assert lifted == (ControlMode.PAUSE, ControlMode.FLATTEN, ControlMode.HALT)
    assert again == ()
    assert reason(database, clock) is Reason.PAUSED
    assert notices(database) == [
        ("warning", "No new entries: account:main"),
        ("page", "Everything is being closed: account:main"),
        ("page", "Nothing but protective exits: account:main"),
        ("warning", "No new entries: agent:alpha"),
        ("warning", "Resumed: account:main"),
    ]


def test_a_scope_can_be_paused_again_after_it_was_resumed(database: Database, clock: FixedClock) -> None:
    for _ in range(2):
        with database.transaction() as tx:
            assert operate.pause(tx, "desk", "storm", "ana", clock.now())
        with database.transaction() as tx:
            assert operate.resume(tx, "desk", "ana", clock.now()) == (ControlMode.PAUSE,)

    assert len(notices(database)) == 4


def test_a_control_that_was_rolled_back_was_neither_set_nor_told(
    database: Database, clock: FixedClock
) -> None:
    def halt_and_fail() -> None:
        with database.transaction() as tx:
            operate.halt(tx, "desk", "storm", "ana", clock.now())
            raise RuntimeError("the process gave up")

    with pytest.raises(RuntimeError, match="gave up"):
        halt_and_fail()

    assert reason(database, clock) is None
    assert notices(database) == []


@pytest.mark.parametrize("act", [operate.pause, operate.flatten, operate.halt])
@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ("account:mian", "there is no account 'mian'; known: main"),
        ("deployment:beta-main", "there is no deployment 'beta-main'; known: alpha-main"),
        ("agent:main", "there is no agent 'main'; known: alpha"),
        ("everything", "'everything' is no scope: write desk, account:ID"),
    ],
)
def test_a_scope_that_names_nothing_is_refused_with_what_it_could_name(
    database: Database, clock: FixedClock, act: Setter, scope: str, message: str
) -> None:
    with pytest.raises(UnknownScope, match=message), database.transaction() as tx:
        act(tx, scope, "storm", "ana", clock.now())
    with pytest.raises(UnknownScope, match=message), database.transaction() as tx:
        operate.resume(tx, scope, "ana", clock.now())


@pytest.mark.parametrize(("why", "who"), [(" ", "ana"), ("storm", "")])
def test_a_control_says_why_and_who(database: Database, clock: FixedClock, why: str, who: str) -> None:
    with pytest.raises(ValueError, match=r"say wh[yo]"), database.transaction() as tx:
        operate.pause(tx, "desk", why, who, clock.now())


def test_the_scopes_that_are_being_flattened_are_listed(database: Database, clock: FixedClock) -> None:
    with database.transaction() as tx:
        operate.pause(tx, "desk", "storm", "ana", clock.now())
        operate.flatten(tx, "agent:alpha", "storm", "ana", clock.now())
        operate.flatten(tx, "account:main", "storm", "ana", clock.now())

        assert flatten_scopes(tx) == ["agent:alpha", "account:main"]


def test_a_running_lock_forbids_an_entry_and_an_ended_or_lifted_one_does_not(
    database: Database, clock: FixedClock
) -> None:
    with database.transaction() as tx:
        tx.execute(
            """
            insert into locks (scope, protection, reason, locked_at, locked_until, lifted_at)
            values ('author:42', 'loss streak', 'three losses', :now, :until, null),
                   ('market:BTC', 'cool down', 'just left it', :now, :later, :now),
                   ('market:ETH', 'cool down', 'just left it', :now, :later, null)
            """,
            now=clock.now(),
            until=clock.now() + timedelta(minutes=5),
            later=clock.now() + timedelta(hours=5),
        )

    assert reason(database, clock) is Reason.LOCKED
    clock.advance(timedelta(minutes=5))
    assert reason(database, clock) is None


# a new database


def test_a_new_database_starts_paused_once(database: Database, clock: FixedClock) -> None:
    with database.transaction() as tx:
        assert operate.ensure_started_paused(tx, clock.now())
        assert not operate.ensure_started_paused(tx, clock.now())
    assert reason(database, clock) is Reason.PAUSED

    with database.transaction() as tx:
        operate.resume(tx, "desk", "ana", clock.now())
        assert not operate.ensure_started_paused(tx, clock.now())
    assert reason(database, clock) is None


def test_two_starts_at_once_pause_once(
    database: Database, connect: Callable[..., Database], clock: FixedClock
) -> None:
    def start(connection: Database) -> bool:
        with connection.transaction() as tx:
            return operate.ensure_started_paused(tx, clock.now())

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(start, (connect(), connect()))) == [False, True]
    assert len(notices(database)) == 1


# a pause and an approval in the same moment


def test_an_approval_waits_for_a_pause_that_is_being_committed_and_sees_it(
    database: Database, connect: Callable[..., Database], clock: FixedClock
) -> None:
    person, approver = connect(), connect()

    with ThreadPoolExecutor(1) as pool:
        with person.transaction() as tx:
            operate.pause(tx, "desk", "storm", "ana", clock.now())
            approval = pool.submit(reason, approver, clock)
            wait_for_a_waiter(database)
            assert not approval.done()

        assert approval.result(timeout=5) is Reason.PAUSED


def test_a_pause_waits_for_an_approval_that_did_not_see_it_and_no_later_one_misses_it(
    database: Database, connect: Callable[..., Database], clock: FixedClock
) -> None:
    person, approver = connect(), connect()

    def pause() -> None:
        with person.transaction() as tx:
            operate.pause(tx, "desk", "storm", "ana", clock.now())

    with ThreadPoolExecutor(1) as pool:
        with approver.transaction() as tx:
            assert entry(tx, clock) is None
            pausing = pool.submit(pause)
            wait_for_a_waiter(database)
            assert not pausing.done()

        pausing.result(timeout=5)
    assert reason(approver, clock) is Reason.PAUSED


def test_approvals_do_not_wait_for_one_another(connect: Callable[..., Database], clock: FixedClock) -> None:
    first, second = connect(), connect(lock_timeout_s=0.2)

    with first.transaction() as held, second.transaction() as tx:
        assert entry(held, clock) is None
        assert entry(tx, clock) is None


def test_a_pause_that_waits_too_long_fails_and_changes_nothing(
    connect: Callable[..., Database], clock: FixedClock
) -> None:
    person, approver = connect(lock_timeout_s=0.2), connect()

    with approver.transaction() as held:
        assert entry(held, clock) is None
        with pytest.raises(InfrastructureError), person.transaction() as tx:
            operate.pause(tx, "desk", "storm", "ana", clock.now())

    assert reason(approver, clock) is None
