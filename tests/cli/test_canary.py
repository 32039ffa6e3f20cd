"""A canary over the ledger and the local Hyperliquid: opened, protected, ratcheted, closed, and judged; and never left open."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from outcry.agents import roster
from outcry.cli.canary import command
from outcry.cli.canary.report import Report, StepName
from outcry.cli.canary.run import CanaryRun, Tools
from outcry.controls import operate
from outcry.monitoring.tick import Tick
from outcry.orders import approval
from outcry.orders import canary as ledger
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.version import build_id
from tests.cli.conftest import Outcry
from tests.orders.workshop import LIVE, MASTER, Workshop

KEY = "first"
NOTHING = Decimal(0)
ALL = [name.value for name in StepName]


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass
class Cloud:
    """The deployed functions, which go on whenever the canary waits; `at` does something at the n-th look."""

    workshop: Workshop
    looks: int = 0
    at: dict[int, Callable[[], object]] = field(default_factory=dict)
    is_up: bool = True

    def pause(self, seconds: float) -> None:
        self.looks += 1
        self.at.pop(self.looks, lambda: None)()
        self.workshop.clock.advance(timedelta(seconds=seconds))
        if self.is_up and self.workshop.bells.rung:
            self.workshop.drain_once()
        if self.is_up and self.looks % 15 == 0:
            self.workshop.watch(after_s=0)

    def run(self, key: str = KEY, market: str = "BTC") -> Report:
        shop = self.workshop
        with shop.database.transaction() as tx:
            account = roster.account(tx, LIVE)
        assert account is not None
        report = Report(key, LIVE, "local", market, build_id(), shop.clock.now())
        tools = Tools(shop.database, shop.clock, shop.venue, shop.bells, self.pause)
        return CanaryRun(tools, account, shop.venue.markets()[market], report, by="ann").run()


@pytest.fixture
def cloud(workshop: Workshop) -> Cloud:
    """A desk whose live account needs a canary."""
    workshop.desk.needs_canary = frozenset({"local"})
    return Cloud(workshop)


def steps(report: Report) -> list[tuple[str, bool]]:
    return [(step.name.value, step.passed) for step in report.steps]


def row(workshop: Workshop, key: str = KEY) -> dict[str, Any]:
    return workshop.rows("select * from canaries where idempotency_key = :key", key=key)[0]


def says(report: Report, name: str) -> str:
    return next(step.says for step in report.steps if step.name.value == name)


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


# ─── it fails, and nothing stays open ───────────────────────────────────────────────────────────────────────


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


def test_a_second_run_under_the_same_key_does_nothing_twice(cloud: Cloud) -> None:
    cloud.run()
    shop = cloud.workshop
    before = shop.rows("select order_id, status, updated_at from orders order by order_id")

    with shop.database.transaction() as tx:
        account = roster.account(tx, LIVE)
        assert account is not None
        rings = ledger.begin(
            tx,
            account,
            shop.venue,
            shop.venue.markets()["BTC"],
            Decimal(60000),
            key=KEY,
            by="bob",
            now=shop.clock.now(),
        )
        assert ledger.ratchet(tx, KEY, shop.venue, shop.venue.markets()["BTC"], now=shop.clock.now()) == []
        assert ledger.close(tx, KEY, now=shop.clock.now()) == []

    assert rings == []
    assert shop.rows("select order_id, status, updated_at from orders order by order_id") == before
    assert len(shop.rows("select 1 from canaries")) == 1


def kill(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *, when: StepName) -> None:
    """Run until the step and die there, as a process dies: without a word."""
    work = f"_{when.value}"

    def die(self: CanaryRun) -> str:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(CanaryRun, work, die)
        patched.setattr(CanaryRun, "_end_safely", lambda self: None)
        with pytest.raises(Killed):
            cloud.run()


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
        account = roster.account(tx, LIVE)
        assert account is not None
        ledger.begin(
            tx,
            account,
            shop.venue,
            shop.venue.markets()["BTC"],
            Decimal(60000),
            key=KEY,
            by="ann",
            now=shop.clock.now(),
        )
        tx.execute("update canaries set finished_at = :now, passed = false", now=shop.clock.now())
    order_id = shop.rows("select order_id from orders")[0]["order_id"]

    shop.advance(order_id)

    assert shop.order(order_id)["reason"] == "CANARY_MISSING"
    assert shop.venue_fills() == []


def meddle(monkeypatch: pytest.MonkeyPatch, step: StepName, *, first: Callable[[], object]) -> None:
    """Let something happen just before a step."""
    work = getattr(CanaryRun, f"_{step.value}")

    def then_work(run: CanaryRun) -> str:
        first()
        return str(work(run))

    monkeypatch.setattr(CanaryRun, f"_{step.value}", then_work)


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


def buy_by_hand(cloud: Cloud) -> Callable[[], object]:
    body = {"user": MASTER, "coin": "BTC", "is_buy": True, "sz": "0.01"}
    return lambda: cloud.workshop.control("trade_by_hand", **body)


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


# ─── the command ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command_line(cloud: Cloud, outcry: Outcry, environment: pytest.MonkeyPatch) -> Outcry:
    """The command over the same desk; while it sleeps, the tick and the functions run."""
    shop = cloud.workshop
    environment.setenv("OUTCRY_HYPERLIQUID_URL", shop.server.url)

    def sleep(seconds: float) -> None:
        Tick(shop.database, shop.clock, shop.bells, shop.desk.new_id).run()
        shop.bells.rung = [each for each in shop.bells.rung if each[0].value in {"entries", "exits"}]
        shop.clock.advance(timedelta(seconds=10))
        cloud.pause(seconds)

    environment.setattr(command, "time", SimpleNamespace(sleep=sleep))

    def run(*arguments: Any, **how: Any) -> Any:
        return outcry("canary", "--network", "local", "--account", LIVE, "--by", "ann", *arguments, **how)

    return run


def test_the_command_needs_no_queue_and_says_what_happened(command_line: Outcry) -> None:
    answer = command_line("--key", KEY)

    assert answer.code == 0
    assert f"The canary {KEY} passed: {LIVE} on local with build {build_id()}; it cost $0.0" in answer.out
    assert "the stop rests at 58,801" in answer.out or "the stop rests at 58801" in answer.out


def test_where_queues_are_known_the_command_rings_them(
    command_line: Outcry, environment: pytest.MonkeyPatch, kms_key: str
) -> None:
    sqs: Any = boto3.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("entries", "exits")}
    for name, url in urls.items():
        environment.setenv(f"OUTCRY_QUEUE_{name.upper()}", url)

    answer = command_line()

    rung = {
        name: len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))
        for name, url in urls.items()
    }
    assert answer.code == 0
    assert rung == {"entries": 1, "exits": 2}  # the ratchet, and the exit


def test_the_same_key_again_tells_the_same_verdict_and_trades_nothing(
    command_line: Outcry, cloud: Cloud
) -> None:
    first = command_line("--key", KEY, "--json")
    fills = len(cloud.workshop.venue_fills())

    again = command_line("--key", KEY, "--json")

    assert (first.code, again.code) == (0, 0)
    assert again.json == first.json
    assert len(cloud.workshop.venue_fills()) == fills


def test_a_failed_canary_ends_with_1_also_when_it_is_asked_for_again(
    command_line: Outcry, cloud: Cloud
) -> None:
    with cloud.workshop.database.transaction() as tx:
        operate.halt(tx, "desk", "enough", "ann", cloud.workshop.clock.now())

    first = command_line("--key", KEY, "--json")
    again = command_line("--key", KEY)

    assert (first.code, again.code) == (1, 1)
    assert first.json["passed"] is False
    assert f"The canary {KEY} FAILED" in again.out
    assert "The venue shows nothing of it." in again.out


def test_without_a_key_an_unfinished_canary_is_carried_on(
    command_line: Outcry, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(cloud, monkeypatch, when=StepName.RATCHET)

    answer = command_line("--json")

    assert answer.json["key"] == KEY
    assert answer.json["passed"]


def test_another_canary_of_the_account_is_refused_while_one_is_under_way(
    command_line: Outcry, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(cloud, monkeypatch, when=StepName.RATCHET)

    answer = command_line("--key", "second")

    assert (answer.code, "run again without --key" in answer.sentence) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--network", "testnet"), "this installation trades on local"),
        (("--account", "nobody"), f"use one of: {LIVE}, paper-1"),
        (("--account", "paper-1"), "a paper account needs no canary"),
        (("--market", "MOON"), "it does not trade at the venue"),
    ],
)
def test_what_cannot_be_begun_ends_with_2_and_plans_nothing(
    command_line: Outcry, cloud: Cloud, arguments: tuple[str, str], says: str
) -> None:
    answer = command_line(*arguments)

    assert (answer.code, says in answer.sentence) == (2, True)
    assert cloud.workshop.rows("select 1 from canaries") == cloud.workshop.rows("select 1 from orders") == []


def test_functions_of_another_build_are_not_judged_by_this_command_line(
    command_line: Outcry, cloud: Cloud
) -> None:
    with cloud.workshop.database.transaction() as tx:
        tx.execute(
            "insert into heartbeats (stage, beat_at, detail) values ('tick', :now, '{\"build\": \"0.0.9+old\"}')",
            now=cloud.workshop.clock.now(),
        )

    answer = command_line()

    assert answer.code == 2
    assert "the functions run 0.0.9+old: use the command line of that build" in answer.sentence


def test_f56_on_mainnet_it_has_to_be_confirmed(
    outcry: Outcry, workshop: Workshop, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(command, "network", lambda: "mainnet")
    with workshop.database.transaction() as tx:
        tx.execute("update accounts set network = 'mainnet' where account_id = :id", id=LIVE)

    answer = outcry("canary", "--network", "mainnet", "--account", LIVE)

    assert answer.code == 2
    assert "confirm a trade with real money" in answer.sentence
    assert workshop.rows("select 1 from canaries") == []


# ─── who still needs one ────────────────────────────────────────────────────────────────────────────────────


def on_testnet(workshop: Workshop) -> None:
    with workshop.database.transaction() as tx:
        tx.execute("update accounts set network = 'testnet' where account_id = :id", id=LIVE)


def test_status_and_doctor_name_accounts_that_need_a_canary(workshop: Workshop, outcry: Outcry) -> None:
    before = outcry("status").out
    on_testnet(workshop)

    status = outcry("status")
    doctor = outcry("doctor", "--only", "canaries", "--json").json["findings"]

    assert "CANARY" not in before
    assert f"CANARY: {LIVE} takes no entries: none has passed with build {build_id()}" in status.out
    found = [each for each in doctor if each["check"] == "canaries"]
    assert [(each["subject"], each["verdict"]) for each in found] == [(LIVE, "bad")]
    assert found[0]["fix"] == f"outcry canary --network testnet --account {LIVE}"


def test_an_account_whose_canary_has_passed_is_not_named(workshop: Workshop, outcry: Outcry) -> None:
    on_testnet(workshop)
    with workshop.database.transaction() as tx:
        tx.execute(
            """
            insert into canaries (idempotency_key, account_id, network, market, build_id, started_by, started_at, finished_at, passed)
            values ('one', :id, 'testnet', 'BTC', :build, 'ann', :now, :now, true)
            """,
            id=LIVE,
            build=build_id(),
            now=workshop.clock.now(),
        )

    assert "CANARY" not in outcry("status").out
    found = outcry("doctor", "--only", "canaries", "--json").json["findings"]
    assert [each["verdict"] for each in found if each["check"] == "canaries"] == ["ok"]
