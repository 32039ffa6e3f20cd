"""What the tests of signals share: an agent, an account, a call, and the places where it trades."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.agents.model import (
    Account,
    Agent,
    Deployment,
    ExitRules,
    Limits,
    Sizing,
    Strategy,
    TakeProfitStep,
    Trailing,
)
from outcry.runtime.side import Side
from outcry.signals.model import Call

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def rules() -> ExitRules:
    """A stop at 4 %, a ladder of two steps, a trail and a time limit."""
    return ExitRules(
        stop_frac=Decimal("0.04"),
        take_profits=(
            TakeProfitStep(Decimal("0.05"), Decimal("0.5")),
            TakeProfitStep(Decimal("0.10"), Decimal("0.25")),
        ),
        trailing=Trailing(Decimal("0.03"), Decimal("0.01"), Decimal("0.0025")),
        time_limit=timedelta(hours=1),
        liquidation_buffer_frac=Decimal("0.01"),
        follow_close_calls=True,
    )


@pytest.fixture
def agent(rules: ExitRules) -> Agent:
    """An agent that trades both sides on Hyperliquid."""
    sizing = Sizing(Decimal("0.005"), Decimal("0.01"), 5, Decimal("0.005"), Decimal("0.01"))
    strategy = Strategy(
        min_conviction=Decimal("0.5"),
        min_score=Decimal("0.3"),
        max_call_age=timedelta(minutes=10),
        evidence_window=timedelta(hours=2),
        sides=frozenset(Side),
        venues=("hyperliquid",),
        sizing=sizing,
        exits=rules,
    )
    return Agent("one", "One", strategy, True)


@pytest.fixture
def account() -> Account:
    """A live account on the local venue."""
    address = "0x" + "ab" * 20
    return Account(
        "live", "hyperliquid", "local", address, None, "observe", Limits(Decimal(1000), Decimal(5000))
    )


@pytest.fixture
def deployment(agent: Agent, account: Account) -> Deployment:
    return Deployment("one-live", agent, account, "ACTIVE", account.limits)


@pytest.fixture
def make_call() -> Callable[..., Call]:
    """A LONG call on BTC, spoken at noon; any field can be another."""

    def make(**changes: Any) -> Call:
        call = Call(
            call_id=1,
            post_id=101,
            author_id=11,
            token="BTC",
            side=Side.LONG,
            is_close=False,
            conviction=Decimal("0.8"),
            entry_low=None,
            entry_high=None,
            stop=None,
            targets=(),
            leverage=None,
            spoken_at=NOON,
            heard_at=NOON + timedelta(seconds=5),
            is_decided=False,
            trace_id="trace",
        )
        return replace(call, **changes)

    return make
