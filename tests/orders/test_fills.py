"""Fills and funding: booked once, given to whom they belong, and the only source of profit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.agents import roster
from outcry.orders import fills_store
from outcry.orders.fills import rebook
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.positions.model import GONE, PositionStatus
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.venues.port import FundingPayment, VenueFill
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop

UNTOUCHED_BY_FUNDING = {"realised_pnl_usd", "funding_usd", "version", "updated_at"}


def collect(workshop: Workshop) -> int:
    with workshop.database.transaction() as tx:
        account = roster.account(tx, LIVE)
    assert account is not None
    return workshop.executor.collector.collect(account).new_fills


def collect_funding(workshop: Workshop, payments: Sequence[FundingPayment] | None = None) -> None:
    """Read the venue's funding; or, where payments are given, let the venue list those."""
    with workshop.database.transaction() as tx:
        account = roster.account(tx, LIVE)
    assert account is not None
    if payments is None:
        workshop.executor.collector.collect_funding(account, workshop.venue)
        return
    listed = list(payments)

    def listing(address: str, since: datetime) -> list[FundingPayment]:
        return listed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workshop.venue, "funding", listing)
        workshop.executor.collector.collect_funding(account, workshop.venue)


def close(workshop: Workshop) -> None:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="test")
    workshop.advance(exit_id)
    workshop.drain()


def sell_by_hand(workshop: Workshop, size: Decimal, *, reduce_only: bool = True) -> None:
    workshop.control(
        "trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz=f"{size:f}", reduce_only=reduce_only
    )


def foreign(workshop: Workshop) -> list[dict[str, Any]]:
    return workshop.rows("select position_id, quarantine from fills where order_id is null order by fill_key")


def test_a_fill_is_booked_once_however_often_it_is_read(workshop: Workshop) -> None:
    workshop.enter()
    booked = workshop.rows("select * from fills order by fill_key")
    position = workshop.position()

    again = [collect(workshop) for _ in range(3)]

    assert again == [0, 0, 0]
    assert workshop.rows("select * from fills order by fill_key") == booked
    assert workshop.position()["size"] == position["size"]


def test_f13_a_close_by_hand_in_several_pieces_is_ours_to_the_last_one(workshop: Workshop) -> None:
    workshop.enter()
    size = workshop.venue_size()
    third = (size / 3).quantize(Decimal("0.00001"))
    workshop.control(
        "book", market="BTC", bids=[["60100", str(third)], ["59900", "10"]], asks=[["60200", "10"]]
    )
    sell_by_hand(workshop, size)

    collect(workshop)

    position = workshop.position()
    pieces = [f for f in workshop.venue_fills() if f["side"] == "A"]
    earned = sum(
        (Decimal(f["px"]) * Decimal(f["sz"]) * (1 if f["side"] == "A" else -1) - Decimal(f["fee"]))
        for f in workshop.venue_fills()
    )
    assert len(pieces) == 2
    assert [row["quarantine"] for row in foreign(workshop)] == [None, None]
    assert {row["position_id"] for row in foreign(workshop)} == {position["position_id"]}
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "CLOSED_ELSEWHERE")
    assert position["realised_pnl_usd"] == earned


def test_f19_a_sale_out_of_a_place_that_holds_more_than_ours_is_not_taken_for_ours(
    workshop: Workshop,
) -> None:
    workshop.enter()
    before = workshop.position()
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.05")
    sell_by_hand(workshop, Decimal("0.05"))

    collect(workshop)

    after = workshop.position()
    assert [row["position_id"] for row in foreign(workshop)] == [None, None]
    assert all(row["quarantine"] for row in foreign(workshop))
    assert (after["size"], after["status"]) == (before["size"], "OPEN")


def test_a_fill_in_a_market_that_was_never_ours_is_kept_and_marked(workshop: Workshop) -> None:
    workshop.control("trade_by_hand", user=MASTER, coin="ETH", is_buy=True, sz="1")
    workshop.control("trade_by_hand", user=MASTER, coin="ETH", is_buy=False, sz="1")

    new = collect(workshop)

    assert new == 2
    assert [row["quarantine"] for row in foreign(workshop)] == ["no order of ours explains it"] * 2
    assert workshop.rows("select 1 from positions") == []


def test_a_fill_after_the_position_was_closed_is_not_booked_on_it(workshop: Workshop) -> None:
    workshop.enter()
    close(workshop)
    closed = workshop.position()
    workshop.clock.advance(timedelta(seconds=5))
    sell_by_hand(workshop, Decimal("0.01"), reduce_only=False)

    collect(workshop)

    assert [row["position_id"] for row in foreign(workshop)] == [None]
    assert workshop.position() == closed


def test_more_closed_than_opened_pages_once_and_the_size_stays_at_zero(workshop: Workshop) -> None:
    workshop.enter()
    position = workshop.position()
    stop = workshop.rows("select a.cloid from actions a join orders o using (order_id) where o.leg = 'stop'")[
        0
    ]
    too_much = VenueFill(
        fill_id="too-much",
        market="BTC",
        is_buy=False,
        price=Decimal(58700),
        size=position["size"] * 2,
        fee_usd=Decimal(1),
        venue_pnl_usd=Decimal(0),
        size_before=position["size"],
        venue_order_id="1",
        cloid=stop["cloid"],
        is_liquidation=False,
        filled_at=workshop.clock.now(),
    )

    with workshop.database.transaction() as tx:
        fills_store.insert_new(tx, LIVE, "hyperliquid", "local", [too_much], now=workshop.clock.now())
        for _ in range(2):
            rebook(tx, position["position_id"], now=workshop.clock.now())

    after = workshop.position()
    assert (after["size"], after["status"], after["exit_reason"]) == (0, "CLOSED", "STOP_LOSS")
    assert after["closed_size"] == after["opened_size"] * 2
    assert workshop.notices().count("positions") == 1


def test_f19_an_entry_that_met_size_of_others_holds_what_the_venue_shows(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = workshop.venue.send

    def after_a_hand(signed: str, *, address: str) -> Any:
        if '"orders"' in signed and not workshop.venue_fills():
            workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz="0.005")
        return send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", after_a_hand)
    workshop.enter()
    workshop.drain()
    held = (workshop.position()["size"], workshop.venue_size())
    close(workshop)
    workshop.drain()

    assert held[0] == held[1] > 0
    assert (workshop.position()["status"], workshop.venue_size()) == ("CLOSED", Decimal(0))


def test_f19_an_entry_that_only_closed_what_others_held_holds_nothing_and_people_are_told(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = workshop.venue.send

    def after_a_hand(signed: str, *, address: str) -> Any:
        if '"orders"' in signed and not workshop.venue_fills():
            workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz="0.5")
        return send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", after_a_hand)
    workshop.enter()
    for _ in range(6):
        workshop.drain()
        workshop.watch()

    ours = workshop.rows("select status, size, acked_size from positions where is_owned")
    kept = workshop.rows("select position_id, quarantine from fills where order_id is not null")
    assert [(PositionStatus(row["status"]) in GONE, row["size"], row["acked_size"]) for row in ours] == [
        (True, 0, 0)
    ], ours
    assert [(row["position_id"], row["quarantine"] is not None) for row in kept] == [(None, True)]
    assert workshop.venue_size() < 0
    assert "positions" in workshop.notices()


def test_f19_a_sale_by_hand_of_more_than_was_brought_takes_the_rest_from_ours(workshop: Workshop) -> None:
    workshop.enter()
    ours = workshop.position()["size"]
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.005")
    sell_by_hand(workshop, Decimal("0.015"))

    collect(workshop)

    after = workshop.position()
    assert after["size"] == workshop.venue_size() == ours - Decimal("0.010")
    assert after["status"] == "OPEN"


@pytest.mark.parametrize(
    "venue_changes", [{"switches": {"ip_limit": False, "liquidation_before_triggers": True}}]
)
def test_f38_a_liquidation_at_the_venue_closes_the_book_with_its_own_reason(workshop: Workshop) -> None:
    workshop.enter(side=Side.SHORT)
    workshop.mark("BTC", "200000")
    workshop.watch()

    position = workshop.position()
    assert workshop.server.engine.journal.of("liquidated")
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "LIQUIDATED")
    assert position["realised_pnl_usd"] < 0
    assert not workshop.rows("select 1 from orders where finished_at is null")
    assert not workshop.rows("select 1 from reservations where released_at is null")


# ─── funding ────────────────────────────────────────────────────────────────────────────────────────────────


def test_funding_is_booked_once_however_often_it_is_read(workshop: Workshop) -> None:
    workshop.control("funding_rate", market="BTC", rate="0.0001")
    workshop.enter()
    workshop.clock.advance(timedelta(hours=1))

    for _ in range(3):
        collect_funding(workshop)

    paid = [Decimal(event["usdc"]) for event in workshop.server.engine.journal.of("funding")]
    booked = workshop.rows("select amount_usd, position_id from funding_payments")
    assert len(paid) == 1
    assert booked == [{"amount_usd": paid[0], "position_id": workshop.position()["position_id"]}]
    close(workshop)
    position = workshop.position()
    assert position["funding_usd"] == paid[0] < 0


def test_f13_funding_that_is_listed_late_changes_the_profit_of_a_closed_position_and_nothing_else(
    workshop: Workshop,
) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(minutes=10))
    paid_at = workshop.clock.now()
    workshop.clock.advance(timedelta(minutes=10))
    close(workshop)
    before = workshop.position()
    orders = workshop.rows("select * from orders order by order_id")
    late = FundingPayment("BTC", Decimal("-1.25"), paid_at)

    for _ in range(2):
        collect_funding(workshop, [late])

    after = workshop.position()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= UNTOUCHED_BY_FUNDING
    assert after["realised_pnl_usd"] == before["realised_pnl_usd"] - Decimal("1.25")
    assert after["funding_usd"] == Decimal("-1.25")
    assert not after["pnl_is_final"]
    assert workshop.rows("select * from orders order by order_id") == orders
    assert workshop.bells.rung == []


def test_f13_funding_for_size_that_others_hold_beside_ours_is_not_ours(workshop: Workshop) -> None:
    workshop.control("funding_rate", market="BTC", rate="0.0001")
    workshop.enter()
    ours = workshop.venue_size()
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz=str(ours * 3))
    workshop.clock.advance(timedelta(hours=1))

    collect_funding(workshop)
    close(workshop)

    (paid,) = [Decimal(event["usdc"]) for event in workshop.server.engine.journal.of("funding")]
    assert workshop.position()["funding_usd"] == round(paid / 4, 8) < 0


def test_funding_outside_of_a_position_s_life_is_recorded_and_given_to_none(workshop: Workshop) -> None:
    before_it = workshop.clock.now() - timedelta(hours=1)
    workshop.enter()
    workshop.clock.advance(timedelta(minutes=10))
    close(workshop)
    pnl = workshop.position()["realised_pnl_usd"]
    after_it = workshop.clock.now() + timedelta(minutes=1)

    collect_funding(
        workshop,
        [FundingPayment("BTC", Decimal(-5), before_it), FundingPayment("BTC", Decimal(-7), after_it)],
    )

    assert workshop.rows("select position_id from funding_payments") == [{"position_id": None}] * 2
    assert workshop.position()["realised_pnl_usd"] == pnl


def test_f26_a_payment_of_one_account_never_touches_the_position_of_another(workshop: Workshop) -> None:
    workshop.enter(deployment="runner-paper")
    workshop.clock.advance(timedelta(minutes=1))

    collect_funding(workshop, [FundingPayment("BTC", Decimal(-5), workshop.clock.now())])

    assert workshop.rows("select position_id from funding_payments") == [{"position_id": None}]
    assert workshop.position(account=PAPER_ACCOUNT)["funding_usd"] == 0


def test_the_profit_is_final_a_funding_period_after_the_close(workshop: Workshop) -> None:
    workshop.enter()
    close(workshop)
    position_id: UUID = workshop.position()["position_id"]
    provisional = workshop.position()["pnl_is_final"]

    workshop.watch(after_s=71 * 60)

    assert not provisional
    assert workshop.rows("select pnl_is_final from positions where position_id = :id", id=position_id) == [
        {"pnl_is_final": True}
    ]
