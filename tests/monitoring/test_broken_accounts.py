"""One account, one answer or one market that is not as it should be stops the watch over no other."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from outcry.agents import roster
from outcry.agents.model import Account
from outcry.monitoring.monitor import Monitor
from outcry.runtime.database import Transaction
from outcry.runtime.errors import BugError, UnknownAnswer, VenueUnreachable
from outcry.venues.port import TriggerKind
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop


def watch(workshop: Workshop, accounts: Sequence[str], *, after_s: float) -> None:
    workshop.clock.advance(timedelta(seconds=after_s))
    now = workshop.clock.now()
    workshop.monitor.run(accounts, due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")
    workshop.drain()


def read(tx: Transaction, account_id: str) -> Account:
    found = roster.account(tx, account_id)
    assert found is not None
    return found


def unknown(*_: Any, **__: Any) -> Any:
    raise UnknownAnswer("hyperliquid test: KeyError 'new'", '{"new": 1}')


def unreachable(*_: Any, **__: Any) -> Any:
    raise VenueUnreachable("no answer")


def test_an_account_that_is_not_on_record_stops_the_watch_over_no_other(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    load = workshop.desk.load_account

    def recorded(tx: Transaction, account_id: str) -> Account:
        if account_id == "nobody-1":
            raise BugError("there is no account nobody-1")
        return load(tx, account_id)

    monkeypatch.setattr(workshop.desk, "load_account", recorded)

    watch(workshop, ["nobody-1", LIVE], after_s=3700)

    assert workshop.position()["exit_reason"] == "TIME_LIMIT"


def test_an_account_whose_limits_cannot_be_read_stops_the_watch_over_no_other(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute("update accounts set limits = '{}' where account_id = :id", id=PAPER_ACCOUNT)
    fresh = Monitor(
        replace(workshop.desk, load_account=read, _accounts={}),
        workshop.executor.collector,
        live=("hyperliquid", "local"),
    )
    now = workshop.clock.advance(timedelta(seconds=3700))

    fresh.run([PAPER_ACCOUNT, LIVE], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")
    workshop.drain()

    assert workshop.position()["exit_reason"] == "TIME_LIMIT"


@pytest.mark.parametrize("how", [unknown, unreachable])
def test_markets_that_cannot_be_read_hold_up_no_exit(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, how: Any
) -> None:
    workshop.watch()
    workshop.enter()
    monkeypatch.setattr(workshop.venue, "markets", how)

    watch(workshop, [LIVE, PAPER_ACCOUNT], after_s=3700)

    assert workshop.position()["exit_reason"] == "TIME_LIMIT"
    assert ("reconcile" in workshop.notices()) == (how is unknown)


def test_marks_that_are_not_understood_are_kept_and_paged_and_decide_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    monkeypatch.setattr(workshop.venue, "marks", unknown)

    with pytest.raises(VenueUnreachable):
        watch(workshop, [LIVE], after_s=3700)

    assert workshop.position()["status"] == "OPEN"
    assert workshop.rows("select raw from unknown_answers") == [{"raw": '{"new": 1}'}]
    assert "reconcile" in workshop.notices()


def test_funding_that_is_not_understood_is_paged_and_the_watch_goes_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    monkeypatch.setattr(workshop.venue, "funding", unknown)

    watch(workshop, [LIVE], after_s=3700)

    assert workshop.position()["exit_reason"] == "TIME_LIMIT"
    assert "reconcile" in workshop.notices()


def test_a_stop_that_rests_twice_after_a_lost_reply_is_taken_off_once(workshop: Workshop) -> None:
    workshop.enter()
    (stop,) = workshop.rows("select order_id from orders where leg = 'stop'")
    with (
        workshop.database.transaction() as tx
    ):  # as if the first placement had been believed void, and had rested after all
        tx.execute(
            """
            update orders set status = 'WORKING', attempt = attempt + 1, next_ring_at = :now where order_id = :id
            """,
            now=workshop.clock.now(),
            id=stop["order_id"],
        )
        tx.execute("update positions set protected_at = null, version = version + 1")
    workshop.advance(stop["order_id"])
    twice = [order for order in workshop.venue.open_orders(MASTER) if order.trigger]
    for price in ("60001", "60002", "60003", "60004", "60005"):
        workshop.mark("BTC", price)
        watch(workshop, [LIVE], after_s=15)

    resting = workshop.venue.open_orders(MASTER)
    stops = [order for order in resting if order.trigger and order.trigger.kind is TriggerKind.STOP]
    placed = workshop.rows(
        "select a.cloid from actions a join orders o using (order_id) where o.leg = 'stop' and a.attempt = 1"
    )
    assert len(twice) == 3  # two stops and a step
    assert [order.cloid for order in stops] == [placed[0]["cloid"]]
    assert workshop.order(stop["order_id"])["status"] == "RESTING"
    assert workshop.position()["protected_at"] is not None
