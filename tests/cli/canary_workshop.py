"""A canary over the ledger and the local Hyperliquid, with the deployed functions going on beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.agents import roster
from outcry.cli.canary.report import Report, StepName
from outcry.cli.canary.run import CanaryRun, Tools
from outcry.runtime.version import build_id
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
        return self.prepare(key, market).run()

    def prepare(self, key: str = KEY, market: str = "BTC") -> CanaryRun:
        """What one terminal does, before it does it."""
        shop = self.workshop
        with shop.database.transaction() as tx:
            account = roster.account(tx, LIVE)
        assert account is not None
        report = Report(key, LIVE, "local", market, build_id(), shop.clock.now())
        tools = Tools(shop.database, shop.clock, shop.venue, shop.bells, self.pause)
        return CanaryRun(tools, account, shop.venue.markets()[market], report, by="ann")


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


def meddle(monkeypatch: pytest.MonkeyPatch, step: StepName, *, first: Callable[[], object]) -> None:
    """Let something happen just before a step."""
    work = getattr(CanaryRun, f"_{step.value}")

    def then_work(run: CanaryRun) -> str:
        first()
        return str(work(run))

    monkeypatch.setattr(CanaryRun, f"_{step.value}", then_work)


def buy_by_hand(cloud: Cloud) -> Callable[[], object]:
    """Something that another hand trades on the canary's account and in its market."""
    body = {"user": MASTER, "coin": "BTC", "is_buy": True, "sz": "0.01"}
    return lambda: cloud.workshop.control("trade_by_hand", **body)
