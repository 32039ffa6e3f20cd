"""A canary that fails, is interrupted or is killed: it says why, does nothing twice, and never leaves anything open."""

import json
from decimal import Decimal

import pytest

from outcry.agents import roster
from outcry.cli.canary.report import StepName
from outcry.cli.canary.run import CanaryRun
from outcry.orders import approval
from outcry.orders import canary as ledger
from outcry.runtime.database import Transaction
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.queues import Queue, Ring
from tests.cli.canary_workshop import KEY, NOTHING, Cloud, buy_by_hand, cloud, kill, meddle, row, says, steps
from tests.orders.workshop import LIVE, Workshop

__all__ = ["cloud"]


def test_a_refusal_of_the_venue_fails_the_canary_in_the_venues_words(cloud: Cloud) -> None:
    body = json.dumps({"status": "err", "response": "The moon is in the wrong house"})
    match = {"type": "order"}
    cloud.workshop.control("fault", on="exchange", match=match, do="status", status=200, body=body, times=1)

    report = cloud.run()

    assert steps(report) == [("open", False)]
    assert says(report, "open") == (
        "the entry was REJECTED: The venue refused the order. The moon is in the wrong house"
    )
    assert (report.held, cloud.workshop.venue_size()) == (NOTHING, NOTHING)


def test_a_lost_answer_is_found_out_and_the_canary_passes_all_the_same(cloud: Cloud) -> None:
    match = {"type": "order"}
    cloud.workshop.control("fault", on="exchange", match=match, do="drop_after_commit", times=1)

    report = cloud.run()

    assert report.passed
    assert "no answer came; the venue's own record settled it" in [each["says"] for each in report.answers]
    assert len({fill["oid"] for fill in cloud.workshop.venue_fills()}) == 2


def begin(tx: Transaction, shop: Workshop, *, by: str) -> list[tuple[Queue, Ring]]:
    """Plan the canary in the ledger, as the command does."""
    account = roster.account(tx, LIVE)
    assert account is not None
    market = shop.venue.markets()["BTC"]
    return ledger.begin(tx, account, shop.venue, market, Decimal(60000), key=KEY, by=by, now=shop.clock.now())


def test_a_second_run_under_the_same_key_does_nothing_twice(cloud: Cloud) -> None:
    cloud.run()
    shop = cloud.workshop
    before = shop.rows("select order_id, status, updated_at from orders order by order_id")

    with shop.database.transaction() as tx:
        rings = begin(tx, shop, by="bob")
        assert ledger.ratchet(tx, KEY, shop.venue, shop.venue.markets()["BTC"], now=shop.clock.now()) == []
        assert ledger.close(tx, KEY, now=shop.clock.now()) == []

    assert rings == []
    assert shop.rows("select order_id, status, updated_at from orders order by order_id") == before
    assert len(shop.rows("select 1 from canaries")) == 1


def test_a_crash_between_open_and_close_ends_flat_by_itself(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(cloud, monkeypatch, when=StepName.PROTECT)
    shop = cloud.workshop
    held = shop.venue_size()

    shop.watch(after_s=ledger.LASTS.total_seconds())
    shop.watch(after_s=30)

    assert held > 0
    assert shop.venue_size() == 0
    assert (shop.position()["status"], shop.position()["exit_reason"]) == ("CLOSED", "TIME_LIMIT")


@pytest.mark.parametrize("when", [StepName.PROTECT, StepName.RATCHET, StepName.CLOSE, StepName.FLAT])
def test_a_crash_at_any_step_is_carried_on_from_there_with_one_entry(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, when: StepName
) -> None:
    kill(cloud, monkeypatch, when=when)

    report = cloud.run()

    shop = cloud.workshop
    assert len(shop.rows("select 1 from orders where kind = 'enter'")) == 1
    assert len(shop.rows("select 1 from orders where leg = 'stop'")) == 2
    assert len(shop.rows("select 1 from orders where kind = 'exit'")) == 1
    assert shop.venue_size() == 0
    assert row(shop)["finished_at"] is not None
    assert report.passed is (when is not StepName.FLAT)


def test_an_interruption_closes_what_was_opened(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: CanaryRun) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(CanaryRun, "_ratchet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cloud.run()

    kept = row(cloud.workshop)
    assert (kept["passed"], kept["report"]["held"]) == (False, "0")
    assert cloud.workshop.venue_size() == 0
    assert cloud.workshop.position()["exit_reason"] == "PERSON"


def test_functions_that_never_run_fail_it_and_its_entry_can_never_be_approved_later(cloud: Cloud) -> None:
    cloud.is_up = False

    report = cloud.run()
    shop = cloud.workshop
    shop.drain()

    assert steps(report) == [("open", False)]
    assert "within 150 s" in says(report, "open")
    assert shop.rows("select status, reason from orders") == [{"status": "CANCELLED", "reason": "PERSON"}]
    assert shop.venue_fills() == []


def test_an_entry_whose_canary_is_over_is_refused(cloud: Cloud) -> None:
    shop = cloud.workshop
    with shop.database.transaction() as tx:
        begin(tx, shop, by="ann")
        tx.execute("update canaries set finished_at = :now, passed = false", now=shop.clock.now())
    order_id = shop.rows("select order_id from orders")[0]["order_id"]

    shop.advance(order_id)

    assert shop.order(order_id)["reason"] == "CANARY_MISSING"
    assert shop.venue_fills() == []


@pytest.mark.parametrize("step", [StepName.RATCHET, StepName.CLOSE])
def test_a_stop_that_is_taken_by_the_market_fails_it_and_leaves_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, step: StepName
) -> None:
    def fall() -> None:
        cloud.workshop.mark("BTC", "58000")
        cloud.workshop.watch(after_s=15)

    meddle(monkeypatch, step, first=fall)

    report = cloud.run()

    assert steps(report)[-1] == (step.value, False)
    assert (report.passed, report.held) == (False, NOTHING)


def test_what_somebody_else_holds_in_the_market_is_not_flat(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddle(monkeypatch, StepName.FLAT, first=buy_by_hand(cloud))

    report = cloud.run()

    assert steps(report)[-1] == ("flat", False)
    assert (report.passed, report.held) == (False, Decimal("0.01"))


def test_what_is_held_at_the_very_end_fails_it_also_after_six_good_steps(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddle(monkeypatch, StepName.ANSWERS, first=buy_by_hand(cloud))

    report = cloud.run()

    assert all(passed for _, passed in steps(report))
    assert (report.passed, row(cloud.workshop)["passed"]) == (False, False)


def test_functions_of_another_build_than_the_command_lines_fail_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval, "build_id", lambda: "0.2.0+another")

    report = cloud.run()

    assert steps(report)[-1] == ("answers", False)
    assert "approved by build 0.2.0+another" in says(report, "answers")
    assert (row(cloud.workshop)["build_id"], row(cloud.workshop)["passed"]) == ("0.2.0+another", False)


def test_a_key_of_another_account_is_refused_and_its_canary_left_alone(cloud: Cloud) -> None:
    cloud.run()
    shop = cloud.workshop

    with pytest.raises(ConfigurationError, match="use another key"):
        cloud.run(market="ETH")

    assert row(shop)["passed"]
