"""A position's own words: which states give the place back, and what is held."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from outcry.positions.model import GONE, Position, PositionStatus
from outcry.runtime.side import Side
from outcry.signals.exit_rules import ExitPlan, FractionOfEntry

PLAN = ExitPlan(
    stop=FractionOfEntry(Decimal("0.02")),
    own_stop_frac=Decimal("0.02"),
    targets=(),
    own_targets=(),
    trailing=None,
    time_limit=None,
    liquidation_buffer_frac=Decimal("0.01"),
    follow_close_calls=True,
)
POSITION = Position(
    position_id=UUID(int=1),
    deployment_id="one-live",
    account_id="live",
    venue="hyperliquid",
    network="local",
    position_key="BTC",
    market="BTC",
    side=Side.LONG,
    status=PositionStatus.OPEN,
    size=Decimal("0.5"),
    acked_size=Decimal(0),
    opened_size=Decimal("0.5"),
    entry_price=Decimal(60_000),
    plan=PLAN,
    stop_price=None,
    liquidation_price=None,
    peak=None,
    trail_price=None,
    targets_hit=0,
    crossed_since=None,
    protect_by=None,
    protected_at=None,
    exit_reason=None,
    opened_at=None,
    version=0,
    trace_id="trace",
)


@pytest.mark.parametrize(
    ("size", "acked", "held"),
    [("0.5", "0", "0.5"), ("0", "0.5", "0.5"), ("0.5", "-0.2", "0.3"), ("0.5", "-0.7", "0")],
)
def test_what_is_held_is_what_was_filled_and_what_was_acknowledged_but_not_yet_listed(
    size: str, acked: str, held: str
) -> None:
    position = replace(POSITION, size=Decimal(size), acked_size=Decimal(acked))

    assert position.held == Decimal(held)


def test_only_a_closed_or_an_abandoned_position_gives_its_place_back() -> None:
    assert {PositionStatus.CLOSED, PositionStatus.ABANDONED} == GONE
