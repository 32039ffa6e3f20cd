"""What a canary says in the end: one verdict a key, of its own position, and none that looks better than what happened."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from outcry.agents import roster
from outcry.cli.canary import command
from outcry.cli.canary.report import Report, Step, StepName
from outcry.cli.canary.run import CanaryRun
from outcry.controls import operate
from outcry.orders import canary as ledger
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.reasons import Reason
from outcry.venues.port import OpenOrder
from tests.cli.canary_workshop import KEY, Cloud, buy_by_hand, cloud, kill, meddle, row, says, steps
from tests.cli.conftest import Outcry
from tests.orders.workshop import LIVE, Workshop

__all__ = ["cloud"]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def told(report: Report) -> str:
    """What the command says of it."""
    return " ".join(command._words(report.document(), report.passed))


# ─── one verdict ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_verdict_that_stands_is_given_to_whoever_finishes_later(cloud: Cloud) -> None:
    cloud.run()
    shop = cloud.workshop
    before = row(shop)

    with shop.database.transaction() as tx:
        stands = ledger.finish(tx, KEY, passed=False, report={"mine": True}, now=shop.clock.now())

    assert (stands["passed"], stands["report"]) == (True, before["report"])
    assert row(shop) == before


def test_two_terminals_with_one_key_tell_one_verdict(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = cloud.workshop
    runs = [cloud.prepare(), cloud.prepare()]
    second = iter(runs[1:])
    work = CanaryRun._flat

    def flat(run: CanaryRun) -> str:
        for other in second:
            other.run()
        return work(run)

    monkeypatch.setattr(CanaryRun, "_flat", flat)
    runs[0].run()

    verdicts = [run.stands and run.stands["passed"] for run in runs]
    assert verdicts == [row(shop)["passed"]] * 2


def test_the_command_tells_the_verdict_that_stands_and_not_its_own(
    outcry: Outcry, environment: pytest.MonkeyPatch, workshop: Workshop
) -> None:
    def overtaken(run: CanaryRun) -> Report:
        run.stands = {"passed": True, "report": finished().document()}
        return replace(finished(), trouble="it came too late")

    environment.setenv("OUTCRY_HYPERLIQUID_URL", workshop.server.url)
    environment.setattr(CanaryRun, "run", overtaken)

    answer = outcry("canary", "--network", "local", "--account", LIVE, "--key", KEY, "--by", "ann")

    assert (answer.code, f"The canary {KEY} passed" in answer.out) == (0, True)


# ─── ours and not ours ──────────────────────────────────────────────────────────────────────────────────────


def test_what_somebody_else_holds_is_never_called_the_canarys(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddle(monkeypatch, StepName.FLAT, first=buy_by_hand(cloud))

    report = cloud.run()

    assert (report.held, report.ours) == (Decimal("0.01"), Decimal(0))
    assert "The canary holds nothing. The venue also shows 0.01 BTC, which is not the canary's" in told(
        report
    )
    assert "exit is planned" not in told(report)


def test_what_the_canary_holds_and_what_is_not_its_own_are_told_apart(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go() -> None:
        buy_by_hand(cloud)()
        cloud.is_up = False

    meddle(monkeypatch, StepName.CLOSE, first=go)

    report = cloud.run()

    assert report.ours is not None
    assert report.ours > 0
    assert f"THE CANARY STILL HOLDS {report.document()['ours']} BTC. Its exit is planned" in told(report)
    assert "The venue also shows 0.01 BTC, which is not the canary's" in told(report)


def test_where_the_entry_may_still_be_filled_nothing_is_called_foreign() -> None:
    report = replace(finished(), held=Decimal("0.0002"), ours=None)

    assert "whether that is the canary's is not known" in told(report)


# ─── what fails it ──────────────────────────────────────────────────────────────────────────────────────────


def finished() -> Report:
    good = [Step(name, True, "", NOON, 1) for name in StepName]
    return Report(KEY, LIVE, "local", "BTC", "0.1.0+x", NOON, steps=good, held=Decimal(0), ours=Decimal(0))


def test_six_good_steps_with_nothing_held_and_no_trouble_pass() -> None:
    assert finished().passed


@pytest.mark.parametrize("held", [None, Decimal("0.01"), Decimal("-0.01")])
def test_what_the_venue_shows_or_does_not_say_at_the_end_fails_it(held: Decimal | None) -> None:
    assert not replace(finished(), held=held).passed


def test_trouble_at_the_end_fails_it_after_six_good_steps() -> None:
    assert not replace(finished(), trouble="the verdict could not be written down").passed


def test_fills_that_do_not_add_up_fail_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_a_part() -> None:
        with cloud.workshop.database.transaction() as tx:
            tx.execute("update fills set size = size / 2 where not is_buy")

    meddle(monkeypatch, StepName.ANSWERS, first=lose_a_part)

    report = cloud.run()

    assert steps(report)[-1] == ("answers", False)
    assert "the fills say" in says(report, "answers")


def test_an_exit_for_another_reason_than_the_persons_fails_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = cloud.workshop

    def decide() -> None:
        position_id = shop.position()["position_id"]
        with shop.database.transaction() as tx:
            position = positions_store.load(tx, position_id)
            assert position is not None
            plan_exit(tx, position, Reason.TIME_LIMIT, now=shop.clock.now(), trace_id="test")

    meddle(monkeypatch, StepName.CLOSE, first=decide)

    report = cloud.run()

    assert steps(report)[-1] == ("close", False)
    assert "something else closed the rest" in says(report, "close")


@pytest.mark.parametrize("step", [StepName.PROTECT, StepName.RATCHET])
def test_a_stop_that_rests_at_another_price_than_was_planned_fails_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, step: StepName
) -> None:
    def shift() -> None:
        resting = CanaryRun._resting

        def elsewhere(run: CanaryRun) -> list[OpenOrder]:
            return [
                replace(order, trigger=order.trigger and replace(order.trigger, price=Decimal(50000)))
                for order in resting(run)
            ]

        monkeypatch.setattr(CanaryRun, "_resting", elsewhere)

    meddle(monkeypatch, step, first=shift)

    report = cloud.run()

    assert steps(report)[-1] == (step.value, False)
    assert (report.passed, cloud.workshop.venue_size()) == (False, Decimal(0))


# ─── what bounds it ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_canary_may_hold_one_position_of_the_smallest_size(cloud: Cloud) -> None:
    cloud.run()

    with cloud.workshop.database.transaction() as tx:
        own = roster.deployment(tx, f"outcry-canary-{LIVE}")
    assert own is not None
    assert own.limits.max_open_positions == 1
    assert own.limits.per_trade_usd == own.limits.per_account_usd
    assert own.limits.per_trade_usd < Decimal(13)


def test_a_canary_that_is_left_over_closes_by_itself_under_a_halt_too(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(cloud, monkeypatch, when=StepName.PROTECT)
    shop = cloud.workshop
    with shop.database.transaction() as tx:
        operate.halt(tx, "desk", "something is odd", "ann", shop.clock.now())

    shop.watch(after_s=ledger.LASTS.total_seconds())
    shop.watch(after_s=30)

    assert (shop.position()["status"], shop.position()["exit_reason"]) == ("CLOSED", "TIME_LIMIT")
    assert shop.venue_size() == 0


@pytest.mark.parametrize("key", ["My Key", "-first", "ä", "x" * 64, "first\n"])
def test_a_key_that_cannot_be_one_is_refused_in_a_sentence(outcry: Outcry, key: str) -> None:
    answer = outcry("canary", "--network", "local", "--account", LIVE, f"--key={key}")

    assert answer.code == 2
    assert "write 1 to 63 of a-z, 0-9, - and _" in answer.sentence


def test_a_command_line_that_cannot_know_its_build_makes_no_canary(
    outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setattr(command, "is_known", lambda: False)

    answer = outcry("canary", "--network", "local", "--account", LIVE)

    assert (answer.code, "run that of the checkout that was deployed" in answer.sentence) == (2, True)
