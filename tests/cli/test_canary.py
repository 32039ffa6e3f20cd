"""A canary is opened, protected, ratcheted, closed and judged; and what stands in the way of entries, and of it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from outcry.agents import roster
from outcry.controls import operate
from outcry.orders import approval
from outcry.runtime.version import build_id
from tests.cli.canary_workshop import ALL, NOTHING, Cloud, cloud, row, says, steps
from tests.orders.workshop import LIVE, MASTER, Workshop

__all__ = ["cloud"]

# ─── it passes ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_canary_opens_protects_ratchets_and_closes_the_smallest_trade(cloud: Cloud) -> None:
    report = cloud.run()

    shop = cloud.workshop
    fills = shop.venue_fills()
    stops = shop.rows("select trigger_price, status from orders where leg = 'stop' order by sequence")
    assert steps(report) == [(name, True) for name in ALL]
    assert report.passed
    assert shop.venue_size() == 0
    assert not shop.venue.open_orders(MASTER)
    assert len({fill["oid"] for fill in fills}) == 2
    assert [(stop["trigger_price"], stop["status"]) for stop in stops] == [
        (Decimal(58201), "CANCELLED"),
        (Decimal(58801), "CANCELLED"),
    ]
    position = shop.position()
    assert (position["origin"], position["status"], position["exit_reason"]) == ("PERSON", "CLOSED", "PERSON")
    assert position["leverage"] == 1
    assert Decimal(10) <= position["opened_size"] * position["entry_price"] < Decimal("12.5")
    assert report.cost_usd is not None
    assert Decimal(0) < report.cost_usd < Decimal("0.10")


def test_the_verdict_is_kept_with_the_build_that_approved_it(cloud: Cloud) -> None:
    report = cloud.run()

    kept = row(cloud.workshop)
    assert (kept["passed"], kept["build_id"], kept["started_by"]) == (True, build_id(), "ann")
    assert kept["report"] == report.document()
    assert {each["fault"] for each in kept["report"]["answers"]} == {None}
    assert len(kept["report"]["answers"]) >= 5


def test_entries_are_refused_until_a_canary_has_passed(cloud: Cloud) -> None:
    shop = cloud.workshop

    before = shop.order(shop.enter(market="ETH"))
    cloud.run()
    after = shop.order(shop.enter(market="ETH"))

    assert (before["status"], before["reason"]) == ("SKIPPED", "CANARY_MISSING")
    assert f"outcry canary --network local --account {LIVE}" in before["detail"]
    assert after["status"] != "SKIPPED"


def test_an_account_on_paper_or_on_a_network_without_real_money_needs_none(workshop: Workshop) -> None:
    live = workshop.order(workshop.enter())
    paper = workshop.order(workshop.enter(deployment="runner-paper"))

    assert "SKIPPED" not in {live["status"], paper["status"]}
    assert workshop.desk.needs_canary == {"mainnet", "testnet"}


def test_another_build_needs_a_canary_of_its_own_and_exits_need_none(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = cloud.workshop
    cloud.run()
    shop.enter(market="ETH")
    shop.drain()
    monkeypatch.setattr(approval, "build_id", lambda: "0.2.0+another")

    refused = shop.order(shop.enter(market="SOL"))
    shop.mark("ETH", "1")
    shop.watch()
    shop.watch(after_s=60)

    assert refused["reason"] == "CANARY_MISSING"
    assert "0.2.0+another" in refused["detail"]
    assert shop.position("ETH")["status"] == "CLOSED"


# ─── controls ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_desk_lets_a_canary_through_and_nothing_else(cloud: Cloud) -> None:
    shop = cloud.workshop
    with shop.database.transaction() as tx:
        operate.ensure_started_paused(tx, shop.clock.now())

    report = cloud.run()
    call = shop.order(shop.enter(market="ETH"))

    assert report.passed
    assert report.despite == ["pause of desk"]
    assert (call["status"], call["reason"]) == ("SKIPPED", "PAUSED")


@pytest.mark.parametrize(("stop", "reason"), [(operate.halt, "halted"), (operate.flatten, "flattened")])
def test_a_halt_or_a_flatten_refuses_a_canary_too(
    cloud: Cloud, stop: Callable[..., bool], reason: str
) -> None:
    with cloud.workshop.database.transaction() as tx:
        stop(tx, "desk", "enough", "ann", cloud.workshop.clock.now())

    report = cloud.run()

    assert steps(report) == [("open", False)]
    assert reason in says(report, "open")
    assert (report.passed, report.held, row(cloud.workshop)["passed"]) == (False, NOTHING, False)


def test_a_lock_refuses_a_canary_also_on_a_paused_desk(cloud: Cloud) -> None:
    shop = cloud.workshop
    with shop.database.transaction() as tx:
        operate.ensure_started_paused(tx, shop.clock.now())
        tx.execute(
            """
            insert into locks (scope, protection, reason, locked_at, locked_until)
            values ('market:BTC', 'guard', 'three stops', :now, :until)
            """,
            now=shop.clock.now(),
            until=shop.clock.now() + timedelta(hours=1),
        )

    report = cloud.run()

    assert steps(report) == [("open", False)]
    assert "three stops" in says(report, "open")


def test_a_restored_database_that_nobody_has_seen_refuses_a_canary(cloud: Cloud) -> None:
    shop = cloud.workshop
    with shop.database.transaction() as tx:
        operate.ensure_started_paused(tx, shop.clock.now())
        tx.execute("update database_identity set identity = 'another'")

    report = cloud.run()

    assert steps(report) == [("open", False)]
    assert "the database was restored" in says(report, "open")


def test_a_canary_keeps_its_deployment_out_of_the_desk_file_and_switched_off(cloud: Cloud) -> None:
    cloud.run()

    with cloud.workshop.database.transaction() as tx:
        exported = roster.desk_in_force(tx, "export")
        own = roster.deployment(tx, f"outcry-canary-{LIVE}")
    assert own is not None
    assert (own.state, own.agent.is_active) == ("HALTED", False)
    assert [each.deployment_id for each in exported.deployments] == ["runner-live", "runner-paper"]
