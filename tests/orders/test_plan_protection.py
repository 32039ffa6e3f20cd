"""The first protections of a position: planned from the actual fill, in the transaction that learns of it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.orders.plan_protection import estimated_liquidation, plan_first_protections
from outcry.positions import store as positions_store
from outcry.runtime.clock import FixedClock
from outcry.runtime.database import Database
from outcry.runtime.side import Side
from outcry.signals.exit_rules import AtPrice, ExitPlan, FractionOfEntry, Target
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Filled, Market
from tests.orders.workshop import DESK

BTC = Market("BTC", asset=0, size_decimals=5, max_leverage=40)
PLAN = ExitPlan(
    stop=FractionOfEntry(Decimal("0.02")),
    own_stop_frac=Decimal("0.02"),
    targets=(
        Target(FractionOfEntry(Decimal("0.03")), Decimal("0.5")),
        Target(FractionOfEntry(Decimal("0.06")), Decimal("0.25")),
    ),
    own_targets=(),
    trailing=None,
    time_limit=None,
    liquidation_buffer_frac=Decimal("0.005"),
    follow_close_calls=True,
)
FILLED = Filled(Decimal("0.1"), Decimal(60000), "77")


class Ledger:
    """A desk of one account, and short ways to protect a position on it and to read what was planned."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self.venue = HyperliquidVenue("local", "http://127.0.0.1:9", clock)  # only its rules are asked
        with database.transaction() as tx:
            roster.apply_desk(tx, parse_desk(DESK, "desk.yaml"), clock.now())

    def protect(
        self, side: Side, filled: Filled = FILLED, *, plan: ExitPlan = PLAN, leverage: int = 5
    ) -> list[dict[str, Any]]:
        """Open a position with this fill; returns the orders that protect it, in their order."""
        now = self.clock.now()
        with self.database.transaction() as tx:
            position_id = positions_store.insert_opening(
                tx,
                deployment_id="runner-live",
                place=("live-1", "hyperliquid", "local", "BTC", "BTC"),
                side=side,
                plan=plan,
                leverage=Decimal(leverage),
                origin="SIGNAL",
                now=now,
                trace_id="test",
            )
            position = positions_store.load(tx, position_id)
            assert position is not None
            planned = plan_first_protections(
                tx,
                position,
                filled,
                market=BTC,
                venue=self.venue,
                leverage=Decimal(leverage),
                now=now,
                protect_by=now + timedelta(seconds=20),
            )
            rows = {row["order_id"]: dict(row) for row in tx.all("select * from orders")}
        return [rows[order_id] for order_id in planned]

    def only(self, table: str) -> dict[str, Any]:
        with self.database.transaction() as tx:
            row = tx.one(f"select * from {table}")
        assert row is not None
        return dict(row)


@pytest.fixture
def ledger(database: Database, clock: FixedClock) -> Ledger:
    return Ledger(database, clock)


@pytest.mark.parametrize(("side", "stop"), [(Side.LONG, "58800"), (Side.SHORT, "61200")])
def test_f31_a_fill_is_given_a_stop_over_all_of_it_first_of_all(
    ledger: Ledger, side: Side, stop: str
) -> None:
    first, *steps = ledger.protect(side)

    assert (first["leg"], first["kind"], first["status"]) == ("stop", "protect", "APPROVED")
    assert first["trigger_price"] == Decimal(stop)
    assert first["size"] == FILLED.size
    assert all(one["reduce_only"] and one["not_after"] is None for one in [first, *steps])
    assert [one["plan"]["reason"] for one in [first, *steps]] == ["STOP_LOSS", "TAKE_PROFIT", "TAKE_PROFIT"]


@pytest.mark.parametrize(
    ("side", "prices"), [(Side.LONG, ["61800", "63600"]), (Side.SHORT, ["58200", "56400"])]
)
def test_the_steps_of_the_ladder_lie_ahead_of_the_fill_and_leave_the_rest_to_the_stop(
    ledger: Ledger, side: Side, prices: list[str]
) -> None:
    _, *steps = ledger.protect(side)

    assert [(one["leg"], str(one["trigger_price"]), one["size"]) for one in steps] == [
        ("tp1", prices[0], Decimal("0.05")),
        ("tp2", prices[1], Decimal("0.025")),
    ]


def test_f32_f13_the_position_opens_at_the_price_of_its_fill_and_its_peak_is_that_price(
    ledger: Ledger,
) -> None:
    ledger.protect(Side.LONG, replace(FILLED, average_price=Decimal("60012.5")))

    position = ledger.only("positions")
    assert position["status"] == "OPEN"
    assert position["entry_price"] == position["peak"] == Decimal("60012.5")
    assert position["trail_price"] is None
    assert (position["acked_size"], position["size"]) == (FILLED.size, 0)
    assert position["opened_at"] == ledger.clock.now()
    assert position["protected_at"] is None
    assert position["protect_by"] == ledger.clock.now() + timedelta(seconds=20)


@pytest.mark.parametrize("side", list(Side))
def test_f38_the_stop_is_before_liquidation_at_any_leverage(ledger: Ledger, side: Side) -> None:
    wide = replace(PLAN, stop=FractionOfEntry(Decimal("0.1")), own_stop_frac=Decimal("0.1"))

    stop, *_ = ledger.protect(side, plan=wide, leverage=20)

    position = ledger.only("positions")
    assert (stop["trigger_price"] - position["liquidation_price"]) * side.sign > 0
    assert (FILLED.average_price - stop["trigger_price"]) * side.sign > 0
    assert position["stop_price"] == stop["trigger_price"]
    assert "liquidation buffer" in ledger.only("notices")["text"]


def test_without_leverage_there_is_no_liquidation_to_reckon_with(ledger: Ledger) -> None:
    ledger.protect(Side.LONG, leverage=1)

    assert ledger.only("positions")["liquidation_price"] is None


@pytest.mark.parametrize("side", list(Side))
def test_f43_triggers_are_rounded_to_what_the_venue_takes_and_towards_less_risk(
    ledger: Ledger, side: Side
) -> None:
    filled = replace(FILLED, average_price=Decimal("60001.7"))

    stop, first, _ = ledger.protect(side, filled)

    exact_stop = filled.average_price * (1 - Decimal("0.02") * side.sign)
    exact_step = filled.average_price * (1 + Decimal("0.03") * side.sign)
    assert 0 <= (stop["trigger_price"] - exact_stop) * side.sign < 2
    assert 0 <= (exact_step - first["trigger_price"]) * side.sign < 2


def test_a_ladder_too_small_for_the_venue_is_not_planned_and_the_stop_still_is(ledger: Ledger) -> None:
    planned = ledger.protect(Side.LONG, replace(FILLED, size=Decimal("0.0002")))

    assert [one["leg"] for one in planned] == ["stop"]
    assert planned[0]["size"] == Decimal("0.0002")


def test_f33_a_stated_stop_that_the_fill_made_impossible_is_replaced_and_told(ledger: Ledger) -> None:
    plan = replace(PLAN, stop=AtPrice(Decimal(60500)))

    stop, *_ = ledger.protect(Side.LONG, plan=plan)

    assert stop["trigger_price"] == 58800
    assert "60500" in ledger.only("notices")["text"]


# ─── where a position is liquidated ─────────────────────────────────────────────────────────────────────────

leverages = st.integers(2, 50)


@given(
    st.sampled_from(Side),
    st.decimals(min_value=Decimal("0.01"), max_value=Decimal(100_000), places=2),
    leverages,
    leverages,
)
def test_f38_at_its_liquidation_price_the_margin_left_is_the_maintenance_margin(
    side: Side, entry: Decimal, leverage: int, more: int
) -> None:
    highest = max(leverage, more)

    found = Fraction(estimated_liquidation(entry, side, Decimal(leverage), highest))

    # equity of one coin at that price = the margin put up + the profit so far; maintenance is charged on the price there
    equity = Fraction(entry) / leverage + (found - Fraction(entry)) * side.sign
    assert abs(equity - found / (2 * highest)) < Fraction(1, 10**15)
    assert (Fraction(entry) - found) * side.sign > 0


@given(st.sampled_from(Side), st.integers(2, 49))
def test_f38_more_leverage_is_liquidated_nearer(side: Side, leverage: int) -> None:
    nearer, farther = (
        estimated_liquidation(Decimal(60_000), side, Decimal(chosen), 50)
        for chosen in (leverage + 1, leverage)
    )

    assert (nearer - farther) * side.sign > 0
