"""Flattening: what a scope holds is closed, whatever the venue answers, and what it does not cover is left alone."""

from datetime import timedelta
from uuid import UUID

import pytest

from outcry.controls import operate
from outcry.orders.flatten import flatten_standing
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, KeySigner, Workshop

ORDER = {"type": "order"}
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there


def order_a_flatten(workshop: Workshop, scope: str = "desk") -> list[UUID]:
    with workshop.database.transaction() as tx:
        operate.flatten(tx, scope, "enough", "tester", workshop.clock.now())
    return sweep(workshop)


def sweep(workshop: Workshop) -> list[UUID]:
    with workshop.database.transaction() as tx:
        return [UUID(ring.id) for ring in flatten_standing(tx, now=workshop.clock.now())]


def answer_next_order(workshop: Workshop, body: str, times: int = 1) -> None:
    workshop.control("fault", on="exchange", match=ORDER, do="status", status=200, body=body, times=times)


def refused(text: str) -> str:
    return f'{{"status":"err","response":"{text}"}}'


def is_closed(workshop: Workshop) -> bool:
    position = workshop.position()
    return workshop.venue_size() == 0 and (position["status"], position["exit_reason"]) == (
        "CLOSED",
        "FLATTEN",
    )


def test_without_a_flatten_nothing_is_closed(workshop: Workshop) -> None:
    workshop.enter()

    assert sweep(workshop) == []
    assert workshop.position()["status"] == "OPEN"


@pytest.mark.parametrize("scope", [f"account:{LIVE}", "deployment:runner-live"])
def test_a_flatten_closes_its_own_scope_and_no_other(workshop: Workshop, scope: str) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    mine, theirs = (
        workshop.plan_entry(market="ETH"),
        workshop.plan_entry(market="ETH", deployment="runner-paper"),
    )

    for exit_id in order_a_flatten(workshop, scope):
        workshop.advance(exit_id)
    workshop.drain()

    assert is_closed(workshop)
    assert workshop.position(account=PAPER_ACCOUNT)["status"] == "OPEN"
    assert (workshop.order(mine)["status"], workshop.order(mine)["reason"]) == ("CANCELLED", "FLATTEN")
    assert workshop.order(theirs)["status"] == "PLANNED"


def test_a_flatten_by_agent_closes_all_of_its_accounts(workshop: Workshop) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")

    for exit_id in order_a_flatten(workshop, "agent:runner"):
        workshop.advance(exit_id)
    workshop.drain()

    assert is_closed(workshop)
    assert workshop.position(account=PAPER_ACCOUNT)["status"] == "CLOSED"


def test_a_flatten_that_stands_finds_the_entry_that_was_in_flight_when_it_was_ordered(
    workshop: Workshop,
) -> None:
    workshop.control("fault", on="exchange", match=ORDER, do="drop_after_commit", times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    workshop.enter()
    in_flight = workshop.position()["status"]

    for exit_id in order_a_flatten(workshop):
        workshop.advance(exit_id)
    for _ in range(8):
        workshop.clock.advance(timedelta(seconds=3))
        if workshop.bells.rung:
            workshop.drain_once()
        for exit_id in sweep(workshop):
            workshop.advance(exit_id)
    workshop.drain()

    assert in_flight == "OPENING"
    assert workshop.venue_size() == 0
    assert workshop.position()["status"] == "CLOSED"
    assert not workshop.rows("select 1 from orders where finished_at is null")


def test_a_flatten_that_is_repeated_plans_one_exit(workshop: Workshop) -> None:
    workshop.enter()

    first = order_a_flatten(workshop)
    second = sweep(workshop)

    assert len(first) == 1
    assert second == []
    assert workshop.rows("select count(*) as n from orders where kind = 'exit'") == [{"n": 1}]


def test_an_approved_entry_that_was_not_sent_is_killed_by_the_exit_of_its_place(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    monkeypatch.setattr("outcry.orders.execute.MOST_STEPS", 1)
    workshop.advance(order_id)
    monkeypatch.undo()
    approved = workshop.order(order_id)["status"]

    for exit_id in order_a_flatten(workshop):
        workshop.advance(exit_id)
    workshop.drain()

    assert approved == "APPROVED"
    assert workshop.order(order_id)["status"] == "CANCELLED"
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.venue_fills()
    assert not workshop.rows("select 1 from reservations where released_at is null")
    assert not workshop.rows("select 1 from orders where finished_at is null")


# ─── whatever the venue answers ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Too many cumulative requests sent (1 > 0) for cumulative volume traded $0.0.",
        "Trading is halted.",
        "Price too far from oracle",
    ],
)
def test_an_exit_that_is_refused_for_now_comes_again_in_seconds(workshop: Workshop, text: str) -> None:
    workshop.enter()
    (exit_id,) = order_a_flatten(workshop)
    answer_next_order(workshop, refused(text))

    workshop.advance(exit_id)
    waits = workshop.order(exit_id)["next_ring_at"] - workshop.clock.now()
    workshop.drain()

    assert waits == timedelta(seconds=5)
    assert is_closed(workshop)


def test_an_exit_that_is_refused_in_unknown_words_pages_a_person_and_goes_on(workshop: Workshop) -> None:
    workshop.enter()
    (exit_id,) = order_a_flatten(workshop)
    answer_next_order(workshop, refused("The moon is full."))

    workshop.advance(exit_id)
    paged = workshop.rows("select text from notices where topic = 'orders'")
    workshop.drain()

    assert "The moon is full." in paged[0]["text"]
    assert is_closed(workshop)


def test_f50_an_exit_whose_signer_is_refused_pages_and_closes_with_the_next_signer(
    workshop: Workshop,
) -> None:
    workshop.enter()
    (exit_id,) = order_a_flatten(workshop)
    workshop.control("agent_revoke", agent=workshop.signers.key.address)

    workshop.advance(exit_id)
    unmanaged = (workshop.position()["status"], workshop.order(exit_id)["finished_at"])
    stop_rests = any(order.trigger for order in workshop.venue.open_orders(MASTER))
    workshop.signers.key = KeySigner(9)
    workshop.control("approve_agent", master=MASTER, agent=workshop.signers.key.address, name="next")
    workshop.drain()

    assert unmanaged == ("UNMANAGED", None)
    assert stop_rests
    assert workshop.notices().count("signers") == 1
    assert workshop.signers.forgotten == [LIVE]
    assert workshop.rows("select state from deployments where account_id = :a", a=LIVE) == [
        {"state": "HALTED"}
    ]
    assert is_closed(workshop)


def test_an_exit_that_found_no_connection_sends_the_same_bytes_later(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    (exit_id,) = order_a_flatten(workshop)
    send = workshop.venue.send

    def misled(signed: str, *, address: str) -> object:
        workshop.venue._client._base_url = NOBODY
        try:
            return send(signed, address=address)
        finally:
            workshop.venue._client._base_url = workshop.server.url

    with monkeypatch.context() as patch:
        patch.setattr(workshop.venue, "send", misled)
        workshop.advance(exit_id)
    kept = workshop.rows("select status, signed from actions where order_id = :id", id=exit_id)
    workshop.drain()

    first = workshop.rows(
        "select status, signed, sends from actions where order_id = :id order by attempt limit 1", id=exit_id
    )[0]
    assert [row["status"] for row in kept] == ["SIGNED"]
    assert (first["status"], first["signed"], first["sends"]) == ("ACKED", kept[0]["signed"], 2)
    assert is_closed(workshop)


def test_f16_a_place_that_is_empty_before_its_fills_are_listed_waits_for_them(workshop: Workshop) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=20))
    workshop.control("switch", fills_lag_ms=6000)
    size = str(workshop.venue_size())
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz=size, reduce_only=True)
    (exit_id,) = order_a_flatten(workshop)

    workshop.advance(exit_id)
    waiting = workshop.position()
    workshop.drain()

    done = workshop.position()
    assert (waiting["status"], waiting["realised_pnl_usd"]) == ("CLOSE_PENDING", None)
    assert (done["status"], done["exit_reason"]) == ("CLOSED", "CLOSED_ELSEWHERE")
    assert done["realised_pnl_usd"] is not None
    assert (workshop.order(exit_id)["status"], workshop.order(exit_id)["reason"]) == (
        "CANCELLED",
        "NO_LONGER_NEEDED",
    )
    assert workshop.rows("select 1 from actions where order_id = :id", id=exit_id) == []


def test_an_exit_without_a_mark_waits_for_one_and_guesses_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    (exit_id,) = order_a_flatten(workshop)
    marks = workshop.venue.marks

    with monkeypatch.context() as patch:
        patch.setattr(
            workshop.venue,
            "marks",
            lambda: type(marks())({"ETH": marks().prices["ETH"]}, workshop.clock.now()),
        )
        workshop.advance(exit_id)
    waiting = workshop.rows("select 1 from actions where order_id = :id", id=exit_id)
    workshop.drain()

    assert waiting == []
    assert is_closed(workshop)
