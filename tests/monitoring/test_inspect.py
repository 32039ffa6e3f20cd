"""What the monitor concludes from what a venue shows: nothing from silence, foreign size only after two sightings."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.agents import roster
from outcry.agents.desk import parse_desk
from outcry.runtime.queues import Queue
from tests.orders.workshop import DESK, LIVE, MASTER, Workshop


def by_hand(workshop: Workshop, coin: str, size: str, *, buys: bool = True, reduces: bool = False) -> None:
    workshop.control("trade_by_hand", user=MASTER, coin=coin, is_buy=buys, sz=size, reduce_only=reduces)


def passes(workshop: Workshop, how_many: int, *, after_s: float = 15) -> None:
    """Passes over a market that moves, so that its marks are not taken for frozen ones."""
    for number in range(how_many):
        workshop.mark("BTC", str(60001 + number))
        workshop.watch(after_s=after_s)


def look(workshop: Workshop, *, after_s: float = 0) -> None:
    """One pass whose doorbells are left unanswered."""
    workshop.clock.advance(timedelta(seconds=after_s))
    now = workshop.clock.now()
    workshop.monitor.run([LIVE], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")


def discovered(workshop: Workshop) -> list[dict[str, Any]]:
    return workshop.rows(
        "select market, side, size, status from positions where origin = 'DISCOVERED' order by created_at, market"
    )


def test_f5_every_foreign_holding_is_recorded_and_none_stands_in_the_way_of_another(
    workshop: Workshop,
) -> None:
    for coin in ("ETH", "SOL"):
        by_hand(workshop, coin, "1")
    by_hand(workshop, "BTC", "0.01", buys=False)

    passes(workshop, 3)

    found = [(row["market"], row["side"], row["size"]) for row in discovered(workshop)]
    assert sorted(found) == [("BTC", "SHORT", Decimal("0.01")), ("ETH", "LONG", 1), ("SOL", "LONG", 1)]
    assert workshop.notices().count("reconcile") == 3


def test_f8_a_holding_of_an_account_with_two_deployments_is_found_once(workshop: Workshop) -> None:
    agent = DESK[DESK.index("  - id: runner\n") : DESK.index("accounts:")]
    second = agent.replace("id: runner", "id: walker").replace("name: Runner", "name: Walker")
    desk = DESK.replace("accounts:", f"{second}accounts:").replace(
        "deployments:", f"deployments:\n  - {{ id: walker-live, agent: walker, account: {LIVE} }}"
    )
    with workshop.database.transaction() as tx:
        roster.apply_desk(tx, parse_desk(desk, "desk.yaml"), workshop.clock.now())
    by_hand(workshop, "ETH", "1")

    passes(workshop, 3)
    by_hand(workshop, "ETH", "1", buys=False, reduces=True)
    passes(workshop, 2)

    assert [(row["market"], row["status"]) for row in discovered(workshop)] == [("ETH", "CLOSED")]
    assert len(workshop.rows("select 1 from deployments where account_id = :a", a=LIVE)) == 2


def test_f6_a_foreign_holding_that_comes_back_gets_a_record_of_its_own(workshop: Workshop) -> None:
    by_hand(workshop, "ETH", "1")
    passes(workshop, 2)
    by_hand(workshop, "ETH", "1", buys=False, reduces=True)
    passes(workshop, 2)
    gone = [row["status"] for row in discovered(workshop)]
    by_hand(workshop, "ETH", "2")
    passes(workshop, 2)

    assert gone == ["CLOSED"]
    assert [(row["status"], row["size"]) for row in discovered(workshop)] == [("CLOSED", 1), ("OPEN", 2)]


@pytest.mark.parametrize(("apart_s", "found"), [(9, 0), (10, 1)])
def test_a_foreign_holding_is_believed_after_two_sightings_ten_seconds_apart(
    workshop: Workshop, apart_s: int, found: int
) -> None:
    by_hand(workshop, "ETH", "1")
    look(workshop)

    look(workshop, after_s=apart_s)

    assert len(discovered(workshop)) == found


def test_a_foreign_holding_that_changes_between_sightings_is_not_believed_yet(workshop: Workshop) -> None:
    by_hand(workshop, "ETH", "1")
    look(workshop)
    by_hand(workshop, "ETH", "1")

    look(workshop, after_s=15)

    assert discovered(workshop) == []


def test_f15_fills_that_could_not_be_read_conclude_nothing(workshop: Workshop) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=10))
    by_hand(workshop, "BTC", str(workshop.venue_size()), buys=False, reduces=True)
    workshop.control("fault", on="info", match={"type": "userFillsByTime"}, do="status", status=502, times=1)

    look(workshop, after_s=15)
    unread = workshop.position()["status"]
    passes(workshop, 1)

    assert unread == "OPEN"
    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == (
        "CLOSED",
        "CLOSED_ELSEWHERE",
    )


def test_f13_a_position_that_is_gone_without_fills_has_no_profit_and_pages_after_five_minutes(
    workshop: Workshop,
) -> None:
    workshop.enter()
    workshop.clock.advance(timedelta(seconds=10))
    workshop.control("switch", fills_lag_ms=3_600_000)
    by_hand(workshop, "BTC", str(workshop.venue_size()), buys=False, reduces=True)

    passes(workshop, 2)
    pending = workshop.position()
    passes(workshop, 20, after_s=16)
    paged = workshop.notices().count("reconcile")
    workshop.control("switch", fills_lag_ms=0)
    passes(workshop, 1)

    assert (pending["status"], pending["realised_pnl_usd"]) == ("CLOSE_PENDING", None)
    assert paged == 1
    assert workshop.position()["status"] == "CLOSED"
    assert workshop.position()["realised_pnl_usd"] is not None


def test_open_orders_that_could_not_be_read_are_read_in_the_next_pass(workshop: Workshop) -> None:
    workshop.enter()
    stop = next(o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind.value == "sl")
    workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))
    workshop.control(
        "fault", on="info", match={"type": "frontendOpenOrders"}, do="status", status=502, times=1
    )

    look(workshop, after_s=15)
    unread = list(workshop.bells.rung)
    passes(workshop, 3)

    assert unread == []
    assert workshop.position()["protected_at"] is not None
    assert (
        sum(
            o.trigger is not None and o.trigger.kind.value == "sl" for o in workshop.venue.open_orders(MASTER)
        )
        == 1
    )


def test_f31_a_position_whose_levels_were_never_worked_out_is_closed(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute(
            "update orders set status = 'CANCELLED', finished_at = :now where leg = 'stop'",
            now=workshop.clock.now(),
        )
        tx.execute("update positions set protected_at = null, stop_price = null, version = version + 1")

    passes(workshop, 1)

    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == ("CLOSED", "UNPROTECTED")
    assert workshop.venue_size() == 0


def test_a_stop_that_is_being_placed_is_rung_and_not_planned_twice(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute("update orders set status = 'APPROVED', attempt = 1 where leg = 'stop'")
        tx.execute("update positions set protected_at = null, version = version + 1")
    stop = workshop.rows("select order_id from orders where leg = 'stop'")[0]["order_id"]
    workshop.bells.rung.clear()

    look(workshop, after_s=6)

    rung = {(queue, ring.id) for queue, ring, _ in workshop.bells.rung}
    assert (Queue.EXITS, str(stop)) in rung
    assert workshop.rows("select count(*) as n from orders where leg = 'stop'") == [{"n": 1}]


def test_funding_is_asked_for_once_an_hour_and_again_where_it_was_not_answered(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter()
    funding, asked = workshop.venue.funding, []

    def counted(*what: Any) -> Any:
        asked.append(workshop.clock.now().hour)
        return funding(*what)

    monkeypatch.setattr(workshop.venue, "funding", counted)
    workshop.control("fault", on="info", match={"type": "userFunding"}, do="status", status=502, times=1)
    for _ in range(3):
        look(workshop, after_s=15)
    look(workshop, after_s=3600)

    assert asked == [12, 12, 13]
