"""`outcry canary`: what it needs, says and refuses; and what names the accounts that still need one."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from outcry.cli.canary import command
from outcry.cli.canary.report import StepName
from outcry.controls import operate
from outcry.monitoring.tick import Tick
from outcry.runtime.version import build_id
from tests.cli.canary_workshop import KEY, Cloud, cloud, kill
from tests.cli.conftest import Outcry
from tests.orders.workshop import LIVE, Workshop

__all__ = ["cloud"]

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
    assert found[0]["fix"] == f"`outcry canary --network testnet --account {LIVE}`"


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
