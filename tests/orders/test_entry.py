"""Entries: from a plan to a protected position, once, whatever the venue answers or fails to answer."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from outcry.controls import operate
from outcry.orders import actions_store
from outcry.orders.model import ActionKind
from outcry.runtime.leases import ORDERS, claim
from outcry.runtime.side import Side
from tests.orders.workshop import LIVE, MASTER, Workshop


def test_an_entry_becomes_a_position_with_its_stop_and_its_target_at_the_venue(workshop: Workshop) -> None:
    order_id = workshop.enter()

    position = workshop.position()
    assert workshop.order(order_id)["status"] == "FILLED"
    assert position["status"] == "OPEN"
    assert position["size"] == workshop.venue_size() > 0
    assert position["protected_at"] is not None
    resting = {
        (order.trigger.kind.value, order.size)
        for order in workshop.venue.open_orders(MASTER)
        if order.trigger
    }
    assert ("sl", position["size"]) in resting
    assert Decimal(0) < min(size for kind, size in resting if kind == "tp") <= position["size"] / 2


def test_a_short_mirrors_a_long(workshop: Workshop) -> None:
    workshop.enter(side=Side.SHORT)

    position = workshop.position()
    assert workshop.venue_size() == -position["size"] < 0
    assert position["stop_price"] > position["entry_price"]
    assert position["protected_at"] is not None


def test_f1_the_same_order_advanced_three_times_is_executed_once(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()

    for _ in range(3):
        workshop.advance(order_id)

    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_f4_an_order_that_somebody_holds_is_left_alone(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    with workshop.database.transaction() as tx:
        claim(tx, ORDERS, [order_id], token=uuid4(), now=workshop.clock.now(), lasting=timedelta(seconds=60))

    workshop.advance(order_id)

    assert workshop.order(order_id)["status"] == "PLANNED"
    assert not workshop.venue_fills()


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_lost_reply_makes_one_fill_that_is_tracked_and_protected(workshop: Workshop, fault: str) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do=fault, times=1)

    order_id = workshop.enter()
    workshop.drain()

    position = workshop.position()
    assert workshop.order(order_id)["status"] == "FILLED"
    assert position["size"] == workshop.venue_size() > 0
    assert position["protected_at"] is not None
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


@pytest.mark.parametrize("body", [{"do": "status", "status": 502}, {"do": "html"}, {"do": "truncate"}])
def test_f51_an_unreadable_answer_is_never_taken_for_success_or_failure(
    workshop: Workshop, body: dict[str, object]
) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, times=1, commit=True, **body)

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_a_request_that_expired_unseen_is_proven_never_to_have_run_and_the_entry_ends(
    workshop: Workshop,
) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do="drop_before_commit", times=1000)
    order_id = workshop.enter(good_for=timedelta(seconds=20))

    for _ in range(12):
        workshop.clock.advance(timedelta(seconds=5))
        workshop.bells.rung.clear()
        workshop.advance(order_id)

    assert workshop.order(order_id)["status"] in {"EXPIRED", "REJECTED"}
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.venue_fills()
    assert not workshop.rows("select 1 from reservations where released_at is null")


def test_a_thin_book_gives_a_position_of_what_was_filled_and_nothing_goes_after_the_rest(
    workshop: Workshop,
) -> None:
    workshop.control("book", market="BTC", bids=[["59999", "10"]], asks=[["60001", "0.01"]])

    order_id = workshop.enter()

    position = workshop.position()
    assert workshop.order(order_id)["status"] == "PARTIAL_DONE"
    assert position["size"] == workshop.venue_size() == Decimal("0.01")
    assert position["protected_at"] is not None
    reserved = workshop.rows("select notional_usd from reservations where released_at is null")[0][
        "notional_usd"
    ]
    assert reserved < 700


def test_an_empty_book_ends_the_entry_and_gives_its_place_back(workshop: Workshop) -> None:
    workshop.control("book", market="BTC", bids=[], asks=[])

    order_id = workshop.enter()

    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == (
        "REJECTED",
        "VENUE_NO_LIQUIDITY",
    )
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.rows("select 1 from reservations where released_at is null")


def test_f41_a_pause_stops_an_entry_before_it_is_approved_and_before_it_is_prepared(
    workshop: Workshop,
) -> None:
    planned = workshop.plan_entry()
    with workshop.database.transaction() as tx:
        operate.pause(tx, "desk", "a person looks", "tester", workshop.clock.now())

    workshop.advance(planned)

    assert (workshop.order(planned)["status"], workshop.order(planned)["reason"]) == ("SKIPPED", "PAUSED")
    assert not workshop.venue_fills()


def test_f50_a_signer_that_the_venue_does_not_know_halts_the_account_and_pages(workshop: Workshop) -> None:
    workshop.control("agent_revoke", agent=workshop.signers.key.address)

    order_id = workshop.enter()

    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == (
        "REJECTED",
        "SIGNER_INVALID",
    )
    assert workshop.rows("select state from deployments where account_id = :a", a=LIVE) == [
        {"state": "HALTED"}
    ]
    assert "signers" in workshop.notices()
    assert workshop.position()["status"] == "ABANDONED"


def test_f8_two_entries_for_one_place_take_it_once(workshop: Workshop) -> None:
    first, second = workshop.plan_entry(), workshop.plan_entry()

    workshop.advance(first)
    workshop.advance(second)

    assert workshop.order(first)["status"] == "FILLED"
    assert (workshop.order(second)["status"], workshop.order(second)["reason"]) == ("SKIPPED", "PLACE_TAKEN")
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_an_opposite_entry_is_refused_while_the_place_is_held(workshop: Workshop) -> None:
    workshop.enter()

    second = workshop.enter(side=Side.SHORT)

    assert workshop.order(second)["reason"] == "OPPOSITE_POSITION"


def test_f39_a_place_that_somebody_else_holds_is_not_entered(workshop: Workshop) -> None:
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.01")

    order_id = workshop.enter()

    assert workshop.order(order_id)["reason"] == "FOREIGN_POSITION"
    assert workshop.venue_size() == Decimal("0.01")


def test_a_mark_that_ran_away_is_not_chased(workshop: Workshop) -> None:
    order_id = workshop.plan_entry(reference="59000")

    workshop.advance(order_id)

    assert workshop.order(order_id)["reason"] == "MARK_RAN_AWAY"


def test_f21_an_entry_that_is_too_old_ends_instead_of_being_tried_for_ever(workshop: Workshop) -> None:
    order_id = workshop.plan_entry(good_for=timedelta(seconds=5))
    workshop.clock.advance(timedelta(seconds=6))

    workshop.advance(order_id)

    assert workshop.order(order_id)["reason"] == "ENTRY_TOO_LATE"
    assert workshop.order(order_id)["next_ring_at"] is None


def test_f30_an_account_that_is_too_small_is_skipped_and_never_rounded_up(workshop: Workshop) -> None:
    workshop.control("transfer", user=MASTER, usdc="-9995")

    order_id = workshop.enter()

    order = workshop.order(order_id)
    assert order["status"] == "SKIPPED"
    assert order["reason"] in {"SIZE_BELOW_MINIMUM", "MARGIN_TOO_LOW"}
    assert not workshop.venue_fills()


def test_a_cap_counts_what_is_reserved_and_names_itself(workshop: Workshop) -> None:
    workshop.enter()
    workshop.mark("ETH", "3000")
    with workshop.database.transaction() as tx:
        tx.execute(
            """
            update accounts set limits = limits || jsonb_build_object('per_account_usd',
                   (select to_jsonb(cast(sum(notional_usd) + 5 as text)) from reservations)) where account_id = :a
            """,
            a=LIVE,
        )

    second = workshop.enter(market="ETH")

    assert workshop.order(second)["reason"] == "CAP_PER_ACCOUNT"


def test_f47_the_exact_bytes_nonce_and_client_id_are_stored_before_the_venue_hears_of_them(
    workshop: Workshop,
) -> None:
    order_id = workshop.enter()

    with workshop.database.transaction() as tx:
        action = actions_store.action(tx, order_id, 0, ActionKind.PLACE)
    assert action is not None
    assert action.signed is not None
    assert str(action.nonce) in action.signed
    assert str(action.cloid) in action.signed
    assert action.sends == 1
