"""What broke when somebody tried to break it: each case once left size at the venue without an owner, or a place taken for ever."""

import json
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from outcry.controls import operate
from outcry.orders import approval_store, store
from outcry.orders.model import ActionKind
from outcry.orders.plan import LedgerPlanner, plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.database import Address, Database
from outcry.runtime.errors import InfrastructureError, UnknownAnswer
from outcry.runtime.leases import ORDERS, claim
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from tests.orders.workshop import LIVE, MASTER, Workshop


def sl_sizes(workshop: Workshop) -> list[Decimal]:
    resting = workshop.venue.open_orders(MASTER)
    return [order.size for order in resting if order.trigger and order.trigger.kind.value == "sl"]


def lose_the_reply(workshop: Workshop) -> None:
    workshop.control("fault", on="exchange", match={"type": "order"}, do="drop_after_commit", times=1)


def settle(workshop: Workshop, *orders: UUID, rounds: int = 6) -> None:
    for _ in range(rounds):
        workshop.clock.advance(timedelta(seconds=5))
        for order_id in orders:
            workshop.advance(order_id)
        workshop.drain()


def test_a_refusal_of_the_signer_says_nothing_about_bytes_that_were_sent_before(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_reply(workshop)
    send = workshop.venue.send
    sent: list[str] = []

    def revoked_meanwhile(signed: str, *, address: str) -> Any:
        answer = send(signed, address=address)
        if '"orders"' in signed and not sent:
            sent.append(signed)
            workshop.control("agent_revoke", agent=workshop.signers.key.address)
        return answer

    monkeypatch.setattr(workshop.venue, "send", revoked_meanwhile)
    order_id = workshop.enter()
    for _ in range(3):
        workshop.clock.advance(timedelta(seconds=5))
        workshop.advance(order_id)

    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert workshop.position()["status"] == "UNMANAGED"
    assert "signers" in workshop.notices()


def test_an_entry_in_doubt_is_resolved_without_a_signer(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_reply(workshop)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()
    in_doubt = workshop.order(order_id)["status"]
    monkeypatch.setattr(workshop.signers, "active", lambda account: None)

    workshop.clock.advance(timedelta(seconds=3))
    workshop.advance(order_id)

    assert in_doubt == "UNKNOWN"
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0


def test_a_fill_that_turns_up_for_an_abandoned_position_takes_its_place_back(workshop: Workshop) -> None:
    order_id = workshop.enter()
    stops = [order for order in workshop.venue.open_orders(MASTER) if order.trigger]
    with workshop.database.transaction() as tx:
        tx.execute("delete from fills")
        tx.execute("update actions set acked_size = null")
        tx.execute(
            "update orders set finished_at = :now, status = 'REJECTED', next_ring_at = null",
            now=workshop.clock.now(),
        )
        tx.execute(
            """
            update positions set status = 'ABANDONED', size = 0, acked_size = 0, entry_price = null, stop_price = null,
                                 protected_at = null, opened_size = 0
            """
        )
        tx.execute("update reservations set released_at = :now", now=workshop.clock.now())
    for stop in stops:
        workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))
    workshop.mark("BTC", "60005")

    workshop.watch()
    workshop.mark("BTC", "60006")
    workshop.watch()

    position = workshop.position()
    assert (position["status"], position["size"]) == ("OPEN", workshop.venue_size())
    assert sl_sizes(workshop) == [position["size"]]
    assert "positions" in workshop.notices()
    assert workshop.rows("select released_at from reservations") == [{"released_at": None}]
    assert workshop.order(order_id)["filled_size"] == position["size"]


def test_whoever_reads_the_fills_first_plans_the_stop(workshop: Workshop) -> None:
    lose_the_reply(workshop)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()
    account = workshop.desk.account(LIVE)

    workshop.executor.collector.collect(account)
    workshop.drain()
    settle(workshop, order_id, rounds=2)

    position = workshop.position()
    assert workshop.order(order_id)["status"] == "FILLED"
    assert position["protected_at"] is not None
    assert sl_sizes(workshop) == [position["size"]]
    assert workshop.rows("select count(*) as n from orders where leg = 'stop'") == [{"n": 1}]


def test_an_entry_that_may_have_run_is_never_set_aside(workshop: Workshop) -> None:
    lose_the_reply(workshop)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()

    workshop.executor.give_up(order_id, RuntimeError("poison"))
    settle(workshop, order_id, rounds=2)

    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["protected_at"] is not None


def test_a_stale_answer_without_our_position_changes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.watch()
    empty = workshop.venue.account(MASTER)
    workshop.clock.advance(timedelta(seconds=5))
    workshop.enter()
    account = workshop.venue.account
    monkeypatch.setattr(workshop.venue, "account", lambda address: empty)
    workshop.mark("BTC", "60001")
    workshop.watch(after_s=200)
    during = workshop.position()["status"]
    monkeypatch.setattr(workshop.venue, "account", account)

    workshop.watch(after_s=3700)

    assert during == "OPEN"
    assert workshop.position()["exit_reason"] == "TIME_LIMIT"


def test_a_position_that_was_taken_for_gone_is_watched_again(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute("update positions set status = 'CLOSE_PENDING', version = version + 1")

    workshop.watch()
    again = workshop.position()["status"]
    workshop.watch(after_s=3700)

    assert again == "OPEN"
    assert workshop.position()["exit_reason"] == "TIME_LIMIT"


def test_a_wake_up_is_not_lost_to_a_worker_that_gives_the_order_back(workshop: Workshop) -> None:
    workshop.enter()
    (stop,) = workshop.rows("select order_id from orders where leg = 'stop'")
    now = workshop.clock.now()
    with workshop.database.transaction() as tx:
        (held,) = claim(tx, ORDERS, [stop["order_id"]], token=uuid4(), now=now, lasting=timedelta(seconds=30))
        tx.execute("update orders set next_ring_at = :now where order_id = :id", now=now, id=stop["order_id"])
        store.give_back(tx, held, next_ring_at=None, error=None)

    assert workshop.order(stop["order_id"])["next_ring_at"] == now


def test_a_revoked_signer_never_brings_a_closed_position_back(workshop: Workshop) -> None:
    workshop.enter()
    workshop.control("agent_revoke", agent=workshop.signers.key.address)
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="t")
    workshop.advance(exit_id)
    workshop.control(
        "trade_by_hand",
        user=MASTER,
        coin="BTC",
        is_buy=False,
        sz=str(workshop.venue_size()),
        reduce_only=True,
    )

    for _ in range(4):
        workshop.clock.advance(timedelta(seconds=61))
        workshop.advance(exit_id)
    workshop.bells.rung.clear()
    workshop.watch(after_s=61)

    assert workshop.position()["status"] == "CLOSED"
    assert workshop.rows("select count(*) as n from orders where kind = 'exit'") == [{"n": 1}]
    assert not workshop.rows("select 1 from orders where finished_at is null")


def test_a_close_call_waits_for_an_entry_that_is_just_being_approved(workshop: Workshop) -> None:
    order_id = workshop.plan_entry()
    with workshop.database.transaction() as tx:
        claim(tx, ORDERS, [order_id], token=uuid4(), now=workshop.clock.now(), lasting=timedelta(seconds=60))

    with pytest.raises(InfrastructureError), workshop.database.transaction() as tx:
        LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.LONG,
            now=workshop.clock.now(),
            trace_id="t",
        )


def test_two_approvals_of_one_agent_on_two_accounts_wait_for_each_other(
    workshop: Workshop, database_url: str
) -> None:
    other = Database(Address.from_url(database_url), network="local", lock_timeout_s=0.5)
    refused: list[Exception] = []

    def second() -> None:
        try:
            with other.transaction() as tx:
                approval_store.lock_scopes(tx, "paper-1", "runner-paper")
        except InfrastructureError as error:
            refused.append(error)

    with workshop.database.transaction() as tx:
        approval_store.lock_scopes(tx, LIVE, "runner-live")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(5)
    other.close()

    assert len(refused) == 1


def test_every_request_that_closes_is_reduce_only(workshop: Workshop) -> None:
    workshop.enter()
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="t")
    workshop.advance(exit_id)

    sent = workshop.rows(
        """
        select o.kind, a.payload from actions a join orders o using (order_id)
         where a.kind = 'place' and o.kind in ('exit', 'protect')
        """
    )
    flags = {(row["kind"], order["r"]) for row in sent for order in json.loads(row["payload"])["orders"]}
    assert flags == {("exit", True), ("protect", True)}


def test_f41_a_pause_between_approval_and_placement_stops_the_entry(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    send = workshop.venue.send

    def pausing(signed: str, *, address: str) -> Any:
        answer = send(signed, address=address)
        with workshop.database.transaction() as tx:
            operate.pause(tx, "desk", "a person looks", "tester", workshop.clock.now())
        return answer

    monkeypatch.setattr(workshop.venue, "send", pausing)
    workshop.advance(order_id)

    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == ("CANCELLED", "PAUSED")
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.venue_fills()
    assert not workshop.rows("select 1 from actions where kind = :kind", kind=ActionKind.PLACE.value)


def test_a_snapshot_that_is_older_than_the_last_reservation_sizes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = workshop.venue.account(MASTER)
    workshop.clock.advance(timedelta(seconds=2))
    workshop.enter(market="ETH")
    monkeypatch.setattr(workshop.venue, "account", lambda address: old)

    order_id = workshop.enter()

    assert workshop.order(order_id)["status"] == "PLANNED"
    assert workshop.order(order_id)["next_ring_at"] is not None
    assert {fill["coin"] for fill in workshop.venue_fills()} == {"ETH"}


def test_a_flip_by_hand_costs_us_only_our_share(workshop: Workshop) -> None:
    workshop.enter()
    ours = workshop.position()["size"]
    fees = workshop.position()["fees_usd"]
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=False, sz=str(ours * 2))

    workshop.watch()

    closing = workshop.rows("select size, fee_usd, our_size from fills where not is_buy")
    share = sum(
        (row["fee_usd"] * row["our_size"] / row["size"] for row in closing if row["our_size"]), Decimal(0)
    )
    assert workshop.position()["closed_size"] == ours
    assert workshop.position()["fees_usd"] == fees + share


def test_a_refusal_that_is_not_about_the_price_does_not_widen_the_exit(workshop: Workshop) -> None:
    workshop.enter()
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="t")
    busy = '{"status":"err","response":"Only post-only orders allowed immediately after network upgrade"}'
    workshop.control(
        "fault", on="exchange", match={"type": "order"}, do="status", status=200, body=busy, times=2
    )

    workshop.advance(exit_id)
    workshop.drain()

    bounds = [
        Decimal(json.loads(row["payload"])["orders"][0]["p"])
        for row in workshop.rows(
            "select payload from actions where order_id = :id order by attempt", id=exit_id
        )
    ]
    assert len(bounds) == 3
    assert len(set(bounds)) == 1
    assert workshop.venue_size() == 0


def test_a_take_profit_step_that_vanished_is_placed_again_and_taken_where_it_is_crossed(
    workshop: Workshop,
) -> None:
    workshop.enter()
    step = next(o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind.value == "tp")
    workshop.control("cancel_by_hand", user=MASTER, oid=int(step.venue_order_id))
    for price in ("60010", "60020", "60030", "60040", "60050", "60060", "60070", "60080", "60090", "60100"):
        workshop.mark("BTC", price)
        workshop.watch()
    again = [o.size for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind.value == "tp"]
    opened = workshop.position()["size"]
    workshop.mark("BTC", "61900")
    workshop.watch()

    assert again == [step.size]
    assert workshop.position()["size"] == opened - step.size == workshop.venue_size()
    assert workshop.position()["targets_hit"] == 1


def test_an_account_that_answers_what_nobody_knows_stops_no_other_account_s_watch(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    workshop.enter(deployment="runner-paper")
    readable = workshop.venue.account

    def unknown(address: str) -> Any:
        if address == MASTER:
            raise UnknownAnswer("hyperliquid clearinghouseState: a new field", "{}")
        return readable(address)

    monkeypatch.setattr(workshop.venue, "account", unknown)
    workshop.clock.advance(timedelta(seconds=3700))
    now = workshop.clock.now()
    workshop.monitor.run([LIVE, "paper-1"], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")
    for _ in range(3):
        workshop.drain_once()

    assert workshop.position(account="paper-1")["exit_reason"] == "TIME_LIMIT"
    assert {"reconcile", "exits"} <= set(workshop.notices())
    assert workshop.rows("select status from positions where account_id = :a", a=LIVE) == [
        {"status": "CLOSING"}
    ]


def test_fills_that_are_listed_one_after_the_other_are_not_taken_for_the_whole(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.control("book", market="BTC", bids=[["59999", "10"]], asks=[["60001", "0.02"], ["60002", "10"]])
    lose_the_reply(workshop)
    fills, asked = workshop.venue.fills, [0]

    def one_first(address: str, since: Any) -> Any:
        asked[0] += 1
        listed = list(fills(address, since))
        return listed[:1] if asked[0] == 1 else listed

    monkeypatch.setattr(workshop.venue, "fills", one_first)
    order_id = workshop.enter()
    workshop.drain()

    position = workshop.position()
    assert workshop.order(order_id)["status"] == "FILLED"
    assert position["size"] == workshop.venue_size() > Decimal("0.02")
    assert sl_sizes(workshop) == [position["size"]]
