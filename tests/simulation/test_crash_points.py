"""Each scenario, killed at some of the things that it does: a fixed draw. `make crash` plays them all."""

import ast
import logging
from collections.abc import Iterator
from functools import cache

import pytest

from local.crash.cases import Again, Case, Kill, cases_of, read_case, select
from local.crash.place import place
from local.crash.playing import Verdict, play, record
from local.crash.process import in_a_process
from local.crash.scenarios import BY_NAME
from local.crash.transactions import ROOMS, beginners
from local.simulation.world import Site as Place
from outcry.orders import carry
from outcry.orders.lifecycle import Takeover, take_over
from outcry.orders.model import ActionStatus
from outcry.runtime import edges
from outcry.runtime.database import Database
from outcry.runtime.edges import Edge
from tests.architecture.sources import core

OF_EACH = 4
SEED = 7
DEATH = "after a death or a doubt alone: `make crash` and `make sim` come to it"
ODD = "the venue answers what no scenario has it answer: held by tests/orders and tests/monitoring"
RICH = (
    "no scenario uses up its requests to the venue: held by tests/orders and tests/monitoring/test_weights.py"
)
# Functions with a transaction that no scenario comes to while nobody dies, and why.
UNREACHED = {
    "monitoring.act.Actor._has_requests": RICH,
    "monitoring.act.Actor.tell_no_mark": ODD,
    "monitoring.inspect.Inspector.page_unread_venue": ODD,
    "monitoring.measure.Measure.run": "reads only, after a tick has rung everything: tests/monitoring/test_measure.py",
    "monitoring.standing.Standing._hear": ODD,
    "orders.approval.Approver.approve": RICH,
    "orders.cancel.CancelStep._go_on": DEATH,
    "orders.cancel.CancelStep._has_ended": DEATH,
    "orders.cancel.CancelStep._refused": ODD,
    "orders.carry.Carrier._is_forbidden": DEATH,
    "orders.carry.Carrier._is_signed": DEATH,
    "orders.carry.Carrier._let_expire": DEATH,
    "orders.entry.EntryStep._next_attempt": DEATH,
    "orders.execute.Executor._ring_later": "no scenario has more steps than one invocation may do: tests/orders/test_execute.py",
    "orders.execute.Executor._set_aside": ODD,
    "orders.exit.ExitStep._is_in_flight": DEATH,
    "orders.exit.ExitStep._learn": ODD,
    "orders.exit.ExitStep._patiently": ODD,
    "orders.ports.Desk.book_weights": "books request weight once there is enough of it: tests/venues/test_weights.py",
    "orders.protect.ProtectStep._refused": ODD,
    "orders.protect.ProtectStep._refused_for_good": ODD,
    "orders.protect.ProtectStep._rests": DEATH,
    "orders.protect.ProtectStep._set": DEATH,
    "orders.protect.ProtectStep._take_off": "a stop comes to rest after its position is gone: tests/orders/test_protect.py",
    "orders.resolve.Resolver._admit_doubt": DEATH,
    "orders.resolve.Resolver._keep_unknown": ODD,
    "orders.resolve.Resolver._void": DEATH,
}


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    """Postgres for this module's runs, of which nobody needs the log."""
    logger = logging.getLogger("outcry")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with place() as made:
        yield made
    logger.setLevel(before)


@cache
def recorded(here: Place, name: str) -> Verdict:
    """The scenario, undisturbed."""
    return record(here, BY_NAME[name])


def drawn(here: Place, name: str, most: int) -> list[Case]:
    """Some of the scenario's cases."""
    return select(cases_of(name, recorded(here, name).sites), most, SEED)


@pytest.mark.parametrize("name", BY_NAME)
def test_f4_a_process_that_dies_anywhere_leaves_what_the_next_one_ends_well(here: Place, name: str) -> None:
    undisturbed = recorded(here, name)

    played = [play(here, case) for case in drawn(here, name, OF_EACH)]

    assert undisturbed.complaints == ()
    assert {str(verdict.case): verdict.complaints for verdict in played if verdict.complaints} == {}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_process_that_is_killed_for_real_comes_to_the_same_end(here: Place, name: str) -> None:
    (case,) = drawn(here, name, 1)
    invocation = recorded(here, name).sites[case.site - 1].invocation

    in_threads = play(here, case)
    in_processes = play(here, case, in_a_process(invocation))

    assert in_processes.complaints == ()
    assert in_processes.end == in_threads.end


def test_f4_a_takeover_that_sends_afresh_is_noticed(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = recorded(here, "entry").sites
    sends = [site for site in sites if site.what == "hyperliquid exchange"]

    def afresh(status: ActionStatus, *, is_expired: bool) -> Takeover:
        sent = status in {ActionStatus.SENT, ActionStatus.UNKNOWN}
        return Takeover.LET_EXPIRE if sent else take_over(status, is_expired=is_expired)

    monkeypatch.setattr(carry, "take_over", afresh)
    verdicts = [play(here, Case("entry", site.number, Kill.BEFORE_REPLY, Again.ONCE)) for site in sends]

    assert any("FILL_SETS" in what for verdict in verdicts for what in verdict.complaints)


def test_a_case_that_names_nothing_that_was_done_is_no_success(here: Place) -> None:
    verdict = play(here, Case("opposite", 999, Kill.AFTER_COMMIT, Again.ONCE))

    assert any("999" in complaint for complaint in verdict.complaints)


def test_every_function_with_a_transaction_is_come_to_or_says_why_not(here: Place) -> None:
    reached = {name for scenario in BY_NAME for name in recorded(here, scenario).reached}

    assert beginners() - reached - set(UNREACHED) == set()
    assert set(UNREACHED) - beginners() == set()
    assert {name for name in UNREACHED if name in reached} == set()


def test_no_room_reaches_postgres_past_the_one_transaction_that_passes_the_hook() -> None:
    of_rooms = [source for source in core() if source.path.parent.name in ROOMS]

    direct = {
        source.name
        for source in of_rooms
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Import) and any(name.name.startswith("pg8000") for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pg8000"))
    }

    assert of_rooms
    assert direct == set()


def test_a_transaction_passes_an_edge_before_it_begins_before_it_commits_and_after(
    database: Database,
) -> None:
    passed: list[tuple[Edge, str]] = []

    edges.watch(lambda edge, what: passed.append((edge, what)))
    with database.transaction() as tx:
        tx.all("select 1")
    edges.watch(None)

    assert passed == [(edge, "database") for edge in (Edge.BEGIN, Edge.BEFORE_COMMIT, Edge.AFTER_COMMIT)]


def test_a_selection_leaves_out_no_kill_and_no_redelivery(here: Place) -> None:
    chosen = drawn(here, "entry", 8)

    assert {case.kill for case in chosen} == set(Kill)
    assert {case.again for case in chosen} == set(Again)
    assert chosen == drawn(here, "entry", 8)


@pytest.mark.parametrize(
    "word", ["entry", "entry:x:once:twice", "entry:1:gently:once", "entry:1:after_commit:often"]
)
def test_a_case_is_read_from_its_word_and_a_wrong_one_is_refused(word: str) -> None:
    case = Case("entry", 17, Kill.BEFORE_COMMIT, Again.TWICE)

    assert read_case(str(case)) == case
    with pytest.raises(ValueError, match=word):
        read_case(word)
