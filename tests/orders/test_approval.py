"""Approval: a reading that is too old is read again, and each thing that forbids an entry names itself."""

import json
from datetime import timedelta
from uuid import UUID

import pytest

from outcry.runtime.clock import to_milliseconds
from outcry.runtime.queues import Queue
from outcry.venues.port import AccountMode, AccountSnapshot, Marks, Resting
from tests.orders.workshop import LIVE, MASTER, KeySigner, Workshop


def why(workshop: Workshop, order_id: UUID) -> tuple[str, str | None]:
    order = workshop.order(order_id)
    return order["status"], order["reason"]


def fill_behind_the_snapshot(workshop: Workshop) -> None:
    """The venue shows the account as it was before its second fill, for two seconds more."""
    workshop.clock.advance(timedelta(seconds=5))
    for market in ("SOL", "ETH"):
        workshop.enter(market=market)
        workshop.clock.advance(timedelta(seconds=1))


@pytest.mark.parametrize("venue_changes", [{"switches": {"ip_limit": False, "state_lag_ms": 4000}}])
def test_a_snapshot_older_than_the_last_fill_is_not_used_and_the_entry_waits(workshop: Workshop) -> None:
    fill_behind_the_snapshot(workshop)
    workshop.bells.rung.clear()

    order_id = workshop.enter()
    waiting = why(workshop, order_id)
    rung = [(queue, delay) for queue, ring, delay in workshop.bells.rung if ring.id == str(order_id)]
    workshop.drain()

    assert waiting == ("PLANNED", None)
    assert rung == [(Queue.ENTRIES, 5)]
    assert why(workshop, order_id) == ("FILLED", None)


@pytest.mark.parametrize("venue_changes", [{"switches": {"ip_limit": False, "state_lag_ms": 4000}}])
def test_a_snapshot_that_stays_too_old_until_the_entry_is_too_late_ends_it(workshop: Workshop) -> None:
    fill_behind_the_snapshot(workshop)
    order_id = workshop.enter(good_for=timedelta(seconds=2))

    workshop.drain()

    assert why(workshop, order_id) == ("SKIPPED", "ENTRY_TOO_LATE")
    assert workshop.order(order_id)["next_ring_at"] is None


def test_a_snapshot_that_went_stale_while_it_was_read_is_read_again_in_the_same_invocation(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    account, readings = workshop.venue.account, []

    def slow_at_first(address: str) -> AccountSnapshot:
        found = account(address)
        readings.append(found)
        if len(readings) == 1:
            workshop.clock.advance(timedelta(seconds=11))
        return found

    monkeypatch.setattr(workshop.venue, "account", slow_at_first)
    workshop.advance(order_id)

    assert why(workshop, order_id) == ("FILLED", None)
    assert len(readings) == 2


@pytest.mark.parametrize("mode", ["unifiedAccount", "portfolioMargin"])
def test_an_account_whose_margin_is_counted_otherwise_is_not_traded(workshop: Workshop, mode: str) -> None:
    workshop.control("abstraction", user=MASTER, mode=mode)

    order_id = workshop.enter()

    assert why(workshop, order_id) == ("SKIPPED", "ACCOUNT_MODE_UNKNOWN")
    assert not workshop.venue_fills()


def test_an_account_in_a_mode_that_nobody_has_catalogued_is_not_traded_and_its_entry_is_set_aside(
    workshop: Workshop,
) -> None:
    workshop.control("abstraction", user=MASTER, mode="aModeOfTomorrow")

    order_id = workshop.enter()

    assert workshop.order(order_id)["quarantined_at"] is not None
    assert not workshop.venue_fills()
    assert workshop.rows("select 1 as one from positions") == []


@pytest.mark.parametrize(
    "venue_changes",
    [
        {
            "switches": {"ip_limit": False},
            "markets": {"OLD": {"sz_decimals": 2, "max_leverage": 5, "initial_mark": "10", "delisted": True}},
        }
    ],
)
@pytest.mark.parametrize("market", ["OLD", "NEVER"])
def test_f46_a_market_that_is_not_traded_is_named_and_skipped_for_good(
    workshop: Workshop, market: str
) -> None:
    order_id = workshop.plan_entry(market=market, reference="10")

    workshop.advance(order_id)

    assert why(workshop, order_id) == ("SKIPPED", "MARKET_NOT_LISTED")
    assert market in workshop.order(order_id)["detail"]
    assert workshop.order(order_id)["next_ring_at"] is None


def test_f39_a_market_in_which_somebody_else_has_an_order_is_not_entered(workshop: Workshop) -> None:
    stranger = KeySigner(11)
    workshop.control("approve_agent", master=MASTER, agent=stranger.address, name="other")
    order = {"a": 0, "b": True, "p": "50000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    payload = json.dumps({"type": "order", "orders": [order], "grouping": "na"}, separators=(",", ":"))
    nonce = to_milliseconds(workshop.clock.now())
    signed = workshop.venue.sign(payload, nonce=nonce, expires_at=None, signer=stranger)
    placed = workshop.venue.send(signed, address=MASTER).outcome
    assert isinstance(placed, Resting)

    order_id = workshop.enter()
    elsewhere = workshop.enter(market="ETH")

    assert why(workshop, order_id) == ("SKIPPED", "FOREIGN_ORDER")
    assert why(workshop, elsewhere) == ("FILLED", None)


@pytest.mark.parametrize("state", ["REDUCING", "HALTED"])
def test_a_deployment_that_is_not_active_enters_nothing(workshop: Workshop, state: str) -> None:
    with workshop.database.transaction() as tx:
        tx.execute("update deployments set state = :state where account_id = :a", state=state, a=LIVE)

    order_id = workshop.enter()

    assert why(workshop, order_id) == ("SKIPPED", "DEPLOYMENT_NOT_ACTIVE")


def test_f36_an_entry_without_a_mark_waits_and_is_never_sized_by_anything_else(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry(reference="60000")
    marks = workshop.venue.marks

    def without_btc() -> Marks:
        found = marks()
        return Marks({k: v for k, v in found.prices.items() if k != "BTC"}, found.received_at)

    with monkeypatch.context() as patch:
        patch.setattr(workshop.venue, "marks", without_btc)
        workshop.advance(order_id)
        waiting = why(workshop, order_id)
    workshop.drain()

    assert waiting == ("PLANNED", None)
    assert why(workshop, order_id) == ("FILLED", None)


def test_the_account_s_mode_is_asked_for_at_most_every_ten_minutes(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode, asked = workshop.venue.account_mode, []

    def counted(address: str) -> AccountMode:
        asked.append(address)
        return mode(address)

    monkeypatch.setattr(workshop.venue, "account_mode", counted)
    workshop.enter()
    workshop.enter(market="ETH")
    workshop.clock.advance(timedelta(minutes=11))
    workshop.enter(market="SOL")

    assert asked == [MASTER, MASTER]
