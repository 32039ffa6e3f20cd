"""What may happen to an exit on its way: refused for good, beside size of others, raced by a step, a person, a liquidation."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.orders.test_exit import is_flat_and_clean, plan
from tests.orders.workshop import MASTER, Workshop

ORDER = {"type": "order"}
TOO_SMALL = (
    '{"status":"ok","response":{"type":"order","data":{"statuses":'
    '[{"error":"Order must have minimum value of $10. asset=0"}]}}}'
)
BUSY = '{"status":"err","response":"Only post-only orders allowed immediately after network upgrade"}'


def sold(workshop: Workshop, order_id: UUID) -> Decimal:
    """What the venue executed for the exit's attempts."""
    cloids = {
        row["cloid"] for row in workshop.rows("select cloid from actions where order_id = :id", id=order_id)
    }
    mine = [fill for fill in workshop.venue_fills() if fill.get("cloid") in cloids]
    return sum((Decimal(fill["sz"]) for fill in mine), Decimal(0))


def before_the_exit_is_sent(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let something happen at the venue while the exit's first attempt is on its way."""
    send = workshop.venue.send
    pending = [happens]

    def racing(signed: str, *, address: str) -> Any:
        if '"orders"' in signed and pending:
            pending.pop()()
        return send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", racing)


@pytest.mark.parametrize(
    ("answer", "waits", "topic"),
    [
        (TOO_SMALL, [15, 30, 60, 120, 240, 300, 300], "orders"),
        (BUSY, [5, 10, 20, 40, 80, 160, 300, 300], "exits"),
    ],
)
def test_an_exit_that_the_venue_goes_on_refusing_is_tried_ever_more_rarely_and_says_why_each_hour(
    workshop: Workshop, answer: str, waits: list[int], topic: str
) -> None:
    workshop.enter()
    exit_id = plan(workshop)
    workshop.control("fault", on="exchange", match=ORDER, do="status", status=200, body=answer, times=1000)

    workshop.advance(exit_id)
    delays: list[int] = []
    for _ in waits:
        delays.append(max(delay for _, _, delay in workshop.bells.rung))
        workshop.drain_once()
    first_hour = workshop.notices().count(topic)
    for _ in range(12):
        workshop.drain_once()
    refused = workshop.order(exit_id)
    workshop.control("fault", clear=True)
    workshop.drain()

    assert delays == waits
    assert (first_hour, workshop.notices().count(topic)) == (1, 2)
    assert refused["finished_at"] is None
    assert refused["detail"] in answer
    assert is_flat_and_clean(workshop)


def test_f19_an_exit_whose_fill_is_listed_late_does_not_go_on_to_sell_what_others_hold(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    ours = workshop.venue_size()
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.05")
    exit_id = plan(workshop)
    fills = workshop.venue.fills
    known = len(fills(MASTER, workshop.clock.now() - timedelta(hours=1)))
    workshop.control("fault", on="exchange", match=ORDER, do="drop_after_commit", times=1)

    with monkeypatch.context() as lagging:
        lagging.setattr(workshop.venue, "order", lambda address, cloid: None)
        lagging.setattr(workshop.venue, "fills", lambda address, since: list(fills(address, since))[:known])
        workshop.advance(exit_id)
        for _ in range(12):
            workshop.drain_once()
    waiting = workshop.order(exit_id)["status"]
    workshop.drain()

    assert waiting == "UNKNOWN"
    assert workshop.venue_size() == Decimal("0.05")
    assert sold(workshop, exit_id) == ours
    assert workshop.position()["status"] == "CLOSED"


def test_a_take_profit_step_that_is_taken_while_the_exit_is_on_its_way_leaves_it_the_rest(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    exit_id = plan(workshop)
    before_the_exit_is_sent(workshop, monkeypatch, lambda: workshop.mark("BTC", "61900"))

    workshop.advance(exit_id)
    workshop.drain()

    position = workshop.position()
    assert is_flat_and_clean(workshop)
    assert (position["status"], position["closed_size"], position["targets_hit"]) == ("CLOSED", opened, 1)
    assert 0 < sold(workshop, exit_id) < opened


def test_a_person_who_closes_by_hand_while_the_exit_is_on_its_way_ends_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    size = str(workshop.venue_size())
    exit_id = plan(workshop)
    by_hand = {"user": MASTER, "coin": "BTC", "is_buy": False, "sz": size, "reduce_only": True}
    before_the_exit_is_sent(workshop, monkeypatch, lambda: workshop.control("trade_by_hand", **by_hand))

    workshop.advance(exit_id)
    workshop.drain()

    assert is_flat_and_clean(workshop)
    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == (
        "CLOSED",
        "CLOSED_ELSEWHERE",
    )
    assert workshop.position()["realised_pnl_usd"] is not None
    assert sold(workshop, exit_id) == 0


def test_a_liquidation_while_the_exit_is_on_its_way_ends_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    for stop in workshop.venue.open_orders(MASTER):
        workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))
    exit_id = plan(workshop)
    before_the_exit_is_sent(workshop, monkeypatch, lambda: workshop.mark("BTC", "40000"))

    workshop.advance(exit_id)
    workshop.drain()

    assert is_flat_and_clean(workshop)
    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == ("CLOSED", "LIQUIDATED")
    assert sold(workshop, exit_id) == 0


def test_a_signer_that_is_revoked_while_the_exit_is_sent_does_not_hide_what_it_sold(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    opened = workshop.venue_size()
    exit_id = plan(workshop)
    workshop.control("fault", on="exchange", match=ORDER, do="drop_after_commit", times=1)
    send, sent = workshop.venue.send, [0]

    def revoked_after(signed: str, *, address: str) -> Any:
        answer = send(signed, address=address)
        sent[0] += 1
        if sent[0] == 1:
            workshop.control("agent_revoke", agent=workshop.signers.key.address)
        return answer

    monkeypatch.setattr(workshop.venue, "send", revoked_after)
    workshop.advance(exit_id)
    workshop.drain()

    assert workshop.venue_size() == 0
    assert sold(workshop, exit_id) == opened
    assert workshop.position()["status"] == "CLOSED"
    assert workshop.order(exit_id)["status"] == "FILLED"
