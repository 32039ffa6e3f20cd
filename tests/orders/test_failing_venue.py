"""Failures that really happened elsewhere, made to happen at the local venue: what the desk makes of each."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.clock import to_milliseconds
from outcry.runtime.reasons import Reason
from tests.orders.workshop import LIVE, MASTER, KeySigner, Workshop

ORDER = {"type": "order"}
STATE, ORDERS = {"type": "clearinghouseState"}, {"type": "frontendOpenOrders"}


@pytest.fixture(autouse=True)
def _every_fault_struck(workshop: Workshop) -> Iterator[None]:
    """A test whose fault meets no request shows nothing."""
    yield
    script = workshop.server.engine.faults
    assert set(script.waiting) <= set(script.counts)


def on_the_wire(workshop: Workshop, do: str, *, match: dict[str, str] = ORDER, **how: Any) -> None:
    on = "info" if match in (STATE, ORDERS) else "exchange"
    workshop.control("fault", on=on, match=match, do=do, **how)


def at_the_venue(workshop: Workshop, do: str, **how: Any) -> None:
    workshop.control("fault", on="venue", do=do, **how)


def close(workshop: Workshop, reason: Reason = Reason.PERSON) -> UUID:
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, reason, now=workshop.clock.now(), trace_id="test")
    workshop.advance(exit_id)
    return exit_id


def fill_sets(workshop: Workshop, side: str) -> int:
    return len({fill["oid"] for fill in workshop.venue_fills() if fill["side"] == side})


def sold(workshop: Workshop) -> Decimal:
    return sum((Decimal(f["sz"]) for f in workshop.venue_fills() if f["side"] == "A"), Decimal(0))


def stops(workshop: Workshop) -> list[Decimal]:
    return [
        o.trigger.price
        for o in workshop.venue.open_orders(MASTER)
        if o.trigger and o.trigger.kind.value == "sl"
    ]


def in_step(workshop: Workshop) -> bool:
    """The book holds what the venue holds, under one stop over all of it."""
    rests = [o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind.value == "sl"]
    held = workshop.venue_size()
    return workshop.position()["size"] == held > 0 and [o.size for o in rests] == [held]


def until(workshop: Workshop, done: Callable[[], bool], *, passes: int = 20) -> bool:
    """Watch a market that moves a little until `done`."""
    for number in range(passes):
        if done():
            return True
        workshop.mark("BTC", str(60_001 + number % 7))
        workshop.watch()
    return done()


# ─── once, whatever comes twice or late ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reply", ["first", "second", "none"])
@pytest.mark.parametrize("again_ms", [0, 3_000])
def test_f1_what_the_network_delivers_twice_is_executed_once(
    workshop: Workshop, reply: str, again_ms: int
) -> None:
    on_the_wire(workshop, "deliver_twice", reply=reply, ms=again_ms)

    workshop.enter()
    workshop.drain()

    assert fill_sets(workshop, "B") == 1
    assert until(workshop, lambda: in_step(workshop))


def test_f4_an_entry_that_the_venue_carries_out_late_is_found_and_protected(workshop: Workshop) -> None:
    on_the_wire(workshop, "commit_later", ms=4_000, times=1)

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.order(order_id)["status"] == "FILLED"
    assert fill_sets(workshop, "B") == 1
    assert until(workshop, lambda: in_step(workshop))


def test_f4_an_entry_that_reaches_the_venue_after_its_expiry_never_becomes_a_position(
    workshop: Workshop,
) -> None:
    on_the_wire(workshop, "commit_later", ms=300_000, times=1_000)

    order_id = workshop.enter(good_for=timedelta(seconds=30))
    workshop.drain()
    workshop.watch(after_s=400)

    assert workshop.order(order_id)["status"] in {"EXPIRED", "REJECTED"}
    assert (workshop.position()["status"], workshop.venue_fills()) == ("ABANDONED", [])


@pytest.mark.parametrize("late_ms", [2_000, 9_000, 300_000])
def test_f10_a_close_that_may_still_arrive_is_never_followed_by_a_second_one(
    workshop: Workshop, late_ms: int
) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    on_the_wire(workshop, "commit_later", ms=late_ms, times=1)

    close(workshop)
    workshop.drain()
    workshop.clock.advance(timedelta(minutes=10))
    workshop.watch()

    assert (sold(workshop), workshop.venue_size()) == (opened, Decimal(0))
    assert workshop.position()["status"] == "CLOSED"


@pytest.mark.parametrize("skew_ms", [-2_000, 2_000])
def test_f48_a_venue_clock_two_seconds_away_from_ours_takes_our_nonces(
    workshop: Workshop, skew_ms: int
) -> None:
    workshop.control("switch", clock_skew_ms=skew_ms)

    workshop.enter()
    close(workshop)
    workshop.drain()

    nonces = [row["nonce"] for row in workshop.rows("select nonce from actions order by nonce")]
    assert len(set(nonces)) == len(nonces)
    assert workshop.server.engine.journal.of("refused") == []
    assert (workshop.position()["status"], workshop.venue_size()) == ("CLOSED", Decimal(0))


# ─── snapshots that are old, or lack something ──────────────────────────────────────────────────────────────


def test_f16_a_state_of_before_the_entry_does_not_close_the_position(workshop: Workshop) -> None:
    workshop.clock.advance(timedelta(seconds=60))
    workshop.enter()
    on_the_wire(workshop, "stale", match=STATE, ms=40_000, times=4)

    shown = []
    for number in range(6):
        workshop.mark("BTC", str(60_001 + number))
        workshop.watch()
        shown.append(workshop.position()["status"])

    assert shown == ["OPEN"] * 6
    assert sold(workshop) == 0
    assert in_step(workshop)


def test_f15_a_state_that_lacks_our_position_once_closes_nothing(workshop: Workshop) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=60))
    on_the_wire(workshop, "omit", match=STATE)

    workshop.watch()
    missed = workshop.position()

    assert missed["realised_pnl_usd"] is None
    assert missed["status"] != "CLOSED"
    assert until(workshop, lambda: workshop.position()["status"] == "OPEN")
    assert sold(workshop) == 0
    assert in_step(workshop)


def test_f15_open_orders_that_lack_our_stop_once_leave_one_stop_in_the_end(workshop: Workshop) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=60))
    for pick in range(2):
        on_the_wire(workshop, "omit", match=ORDERS, pick=pick)

    for number in range(12):
        workshop.mark("BTC", str(60_001 + number))
        workshop.watch()

    assert workshop.position()["status"] == "OPEN"
    assert in_step(workshop)


# ─── profit, price, size: from fills alone ──────────────────────────────────────────────────────────────────


def test_f17_a_close_of_ours_earns_what_the_venue_paid(workshop: Workshop) -> None:
    workshop.enter()
    workshop.mark("BTC", "60600")

    close(workshop)
    workshop.drain()

    paid = sum((Decimal(f["closed_pnl"]) - Decimal(f["fee"]) for f in workshop.venue_fills()), Decimal(0))
    assert workshop.position()["realised_pnl_usd"] == paid > 0


def test_f20_a_close_keeps_the_average_price_of_its_fills(workshop: Workshop) -> None:
    workshop.enter()
    size = workshop.venue_size()
    half = (size / 2).quantize(Decimal("0.00001"))
    workshop.control("book", market="BTC", bids=[["59990", str(half)], ["59980", "10"]])

    close(workshop)
    workshop.drain()

    rest = size - half
    assert workshop.position()["exit_price"] == pytest.approx((59_990 * half + 59_980 * rest) / size)


@pytest.mark.parametrize("word", ["filled", "canceled"])
def test_f51_a_part_of_an_entry_whose_reply_was_lost_is_booked_as_that_part(
    workshop: Workshop, word: str
) -> None:
    workshop.control("switch", partial_ioc_status=word)
    workshop.control("book", market="BTC", asks=[["60010", "0.01"]])
    on_the_wire(workshop, "drop_after_commit")

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.venue_size() == Decimal("0.01")
    assert workshop.order(order_id)["status"] == "PARTIAL_DONE"
    assert until(workshop, lambda: in_step(workshop))


def test_f51_a_part_of_a_close_leaves_the_rest_ours_until_it_is_sold(workshop: Workshop) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    workshop.control("book", market="BTC", bids=[["59990", "0.01"]])

    close(workshop)
    part = (workshop.position()["status"], workshop.venue_size())
    workshop.control("book", market="BTC")
    workshop.drain()

    assert part == ("CLOSING", opened - Decimal("0.01"))
    assert (workshop.position()["status"], sold(workshop)) == ("CLOSED", opened)


# ─── bounds and levels, as they reach the venue ─────────────────────────────────────────────────────────────


def test_f29_an_entry_takes_nothing_beyond_its_slippage(workshop: Workshop) -> None:
    workshop.control("book", market="BTC", asks=[["60200", "0.01"], ["60310", "10"]])

    workshop.enter(reference="60000")

    # half a percent from the mark of 60,000, once
    assert [fill["px"] for fill in workshop.venue_fills()] == ["60200.0"]
    [placed] = workshop.rows("select payload from actions where kind = 'place' order by nonce limit 1")
    assert '"p":"60300"' in placed["payload"]


def test_f37_the_agents_own_stop_rests_at_the_venue(workshop: Workshop) -> None:
    workshop.enter()

    entry = workshop.position()["entry_price"]
    assert stops(workshop) == [(entry * Decimal("0.98")).quantize(Decimal(1))]


def test_f38_the_stop_works_while_nobody_watches(workshop: Workshop) -> None:
    workshop.enter()

    workshop.mark("BTC", "58000")

    assert workshop.venue_size() == 0
    assert workshop.position()["status"] == "OPEN"
    workshop.watch()
    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == ("CLOSED", "STOP_LOSS")


def test_f38_a_stop_that_was_triggered_and_found_nobody_is_followed_by_an_exit(workshop: Workshop) -> None:
    workshop.enter()
    at_the_venue(workshop, "stop_unfilled", ms=1_000)
    workshop.mark("BTC", "58500")
    left = workshop.venue_size()

    for price in ("58490", "58480", "58470", "58460", "58450"):
        workshop.watch()
        workshop.mark("BTC", price)

    assert left > 0
    assert workshop.venue_size() == 0
    assert workshop.position()["status"] == "CLOSED"


def test_f38_a_stop_that_its_owner_took_away_is_placed_again(workshop: Workshop) -> None:
    workshop.enter()
    at_the_venue(workshop, "hand", act="cancel_stops", coin="BTC")
    bare = stops(workshop)

    assert until(workshop, lambda: in_step(workshop))
    assert bare == []


def test_f39_a_position_that_its_owner_brought_beside_ours_is_left_to_its_owner(workshop: Workshop) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=30))
    at_the_venue(workshop, "hand", act="buy", coin="BTC", usd="600")

    close(workshop)
    workshop.drain()
    workshop.watch()

    assert workshop.position()["status"] == "CLOSED"
    assert workshop.venue_size() == Decimal("0.01")
    assert fill_sets(workshop, "A") == 1


# ─── limits and signers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("commit", [False, True])
def test_f49_a_429_on_an_order_is_a_question_and_never_a_second_order(
    workshop: Workshop, commit: bool
) -> None:
    on_the_wire(workshop, "status", status=429, commit=commit, times=2)

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.order(order_id)["status"] == "FILLED"
    assert fill_sets(workshop, "B") == 1
    assert until(workshop, lambda: in_step(workshop))


def test_f49_an_exit_waits_for_an_exhausted_budget_and_closes(workshop: Workshop) -> None:
    workshop.enter()
    at_the_venue(workshop, "budget_exhausted", ms=300_000)

    close(workshop)
    workshop.drain()

    assert (workshop.position()["status"], workshop.venue_size()) == ("CLOSED", Decimal(0))


@pytest.mark.parametrize("orders", ["kept", "cancelled"])
def test_f18_f50_a_signer_that_the_venue_forgot_ends_entries_and_pages_with_what_is_still_held(
    workshop: Workshop, orders: str
) -> None:
    workshop.enter()
    at_the_venue(workshop, "agent_pruned", orders=orders)

    close(workshop)

    assert workshop.position()["status"] == "UNMANAGED"
    assert "signers" in workshop.notices()
    assert workshop.rows("select state from deployments where account_id = :a", a=LIVE) == [
        {"state": "HALTED"}
    ]
    workshop.signers.key = KeySigner(9)
    workshop.control("approve_agent", master=MASTER, agent=workshop.signers.key.address, name="next")
    workshop.drain()
    assert (workshop.position()["status"], workshop.venue_size()) == ("CLOSED", Decimal(0))


def test_f48_two_requests_of_one_moment_have_two_nonces(workshop: Workshop) -> None:
    workshop.enter()

    nonces = [row["nonce"] for row in workshop.rows("select nonce from actions order by nonce")]
    assert len(set(nonces)) == len(nonces) >= 3
    assert nonces[0] >= to_milliseconds(workshop.clock.now()) - 60_000
