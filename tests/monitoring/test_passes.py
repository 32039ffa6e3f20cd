"""The monitor's passes: each exit rule closes its position, through the ledger, on the local venue."""

from datetime import timedelta
from decimal import Decimal

import pytest

from outcry.controls import operate
from outcry.orders.fills import rebook
from outcry.orders.plan import LedgerPlanner
from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop


def test_the_stop_at_the_venue_closes_the_position_and_the_book_learns_why(workshop: Workshop) -> None:
    workshop.enter()
    workshop.mark("BTC", "58700")

    workshop.watch()

    position = workshop.position()
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "STOP_LOSS")
    assert workshop.venue_size() == 0
    assert position["realised_pnl_usd"] < 0
    assert not list(workshop.venue.open_orders(MASTER))
    assert not workshop.rows("select 1 from orders where finished_at is null")


def test_a_take_profit_step_is_booked_and_the_rest_goes_on(workshop: Workshop) -> None:
    workshop.enter()
    opened = workshop.position()["size"]
    workshop.mark("BTC", "61850")

    workshop.watch()

    position = workshop.position()
    assert position["status"] == "OPEN"
    assert position["targets_hit"] == 1
    assert Decimal(0) < position["size"] < opened
    assert position["size"] == workshop.venue_size()


def test_the_trail_moves_the_stop_up_and_closes_behind_the_peak(workshop: Workshop) -> None:
    workshop.enter()
    workshop.mark("BTC", "61500")
    workshop.watch()
    trailed = workshop.position()
    stops = [
        order.trigger.price
        for order in workshop.venue.open_orders(MASTER)
        if order.trigger and order.trigger.kind == "sl"
    ]
    workshop.mark("BTC", "60800")
    workshop.watch()

    position = workshop.position()
    assert trailed["trail_price"] == Decimal(61500) * Decimal("0.99")
    assert stops == [trailed["stop_price"]]
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "TRAILING_STOP")
    assert position["realised_pnl_usd"] > 0


def test_a_position_past_its_time_limit_is_closed(workshop: Workshop) -> None:
    workshop.enter()

    workshop.watch(after_s=timedelta(hours=1, seconds=1).total_seconds())

    position = workshop.position()
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "TIME_LIMIT")
    assert workshop.venue_size() == 0


def test_a_paper_position_lives_and_ends_by_the_same_rules(workshop: Workshop) -> None:
    workshop.enter(deployment="runner-paper")
    opened = workshop.position(account=PAPER_ACCOUNT)
    workshop.mark("BTC", "58700")

    workshop.watch()

    position = workshop.position(account=PAPER_ACCOUNT)
    assert opened["protected_at"] is not None
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "STOP_LOSS")
    assert not workshop.venue_fills()


def test_the_marks_of_the_live_venue_are_kept_for_paper_too(workshop: Workshop) -> None:
    workshop.watch()

    kept = workshop.rows("select venue, mark from marks where market = 'BTC' order by venue")
    listed = workshop.rows("select venue from markets where market = 'BTC' order by venue")
    assert kept == [
        {"venue": "hyperliquid", "mark": Decimal(60000)},
        {"venue": "paper", "mark": Decimal(60000)},
    ]
    assert [row["venue"] for row in listed] == ["hyperliquid", "paper"]


def test_nothing_moving_changes_nothing(workshop: Workshop) -> None:
    workshop.enter()
    before = workshop.position()["version"]

    workshop.mark("BTC", "60001")
    workshop.watch()
    workshop.mark("BTC", "60002")
    workshop.watch()

    assert workshop.position()["version"] == before


def test_a_still_pass_writes_no_row_of_the_book_and_none_of_the_ledger(workshop: Workshop) -> None:
    workshop.enter()
    workshop.enter(market="ETH")
    workshop.mark("BTC", "60001")
    workshop.watch()
    written = """
        select 'position' as what, cast(position_id as text) as key, cast(xmin as text) from positions
        union all select 'order', cast(order_id as text), cast(xmin as text) from orders
        union all select 'action', cast(action_id as text), cast(xmin as text) from actions
        union all select 'fill', cast(fill_key as text), cast(xmin as text) from fills
        union all select 'market', market, cast(xmin as text) from markets
        union all select 'account', account_id, cast(xmin as text) from accounts order by 1, 2
    """
    before = workshop.rows(written)

    for price in (
        "60002",
        "60003",
        "60001",
        "60004",
        "60002",
    ):  # a minute and a quarter: with a look at open orders
        workshop.mark("BTC", price)
        workshop.watch()

    assert workshop.rows(written) == before
    assert len({row["key"] for row in before if row["what"] == "position"}) == 2


def test_what_an_account_holds_is_stored_anew_once_it_changes(workshop: Workshop) -> None:
    workshop.enter()
    stored = []
    for price in ("60001", "60002", "61850", "61851"):  # the third reaches a take-profit step
        workshop.mark("BTC", price)
        workshop.watch()
        row = workshop.rows("select sizes from snapshots where account_id = :id", id=LIVE)[0]
        stored.append((Decimal(row["sizes"]["BTC"]), workshop.venue_size()))

    assert all(seen == held for seen, held in (*stored[:2], stored[3]))
    assert stored[3][0] < stored[0][0]


def test_a_halt_leaves_nothing_but_exits_that_protect(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        operate.halt(tx, "desk", "a person looks", "tester", workshop.clock.now())
        planned, why = LedgerPlanner().plan_exit_on_call(
            tx,
            agent_id="runner",
            author_id=1001,
            market="BTC",
            side=Side.LONG,
            now=workshop.clock.now(),
            trace_id="t",
        )
    workshop.watch(after_s=timedelta(hours=2).total_seconds())
    held = workshop.position()["status"]
    workshop.mark("BTC", "58700")
    workshop.watch()

    assert (planned, why) == ([], Reason.HALTED)
    assert held == "OPEN"
    assert (workshop.position()["status"], workshop.position()["exit_reason"]) == ("CLOSED", "STOP_LOSS")


def test_a_stop_that_was_set_aside_is_replaced_by_another(workshop: Workshop) -> None:
    refusal = '{"status":"err","response":"Too many cumulative requests sent (1 > 0) for cumulative volume traded $0.0."}'
    workshop.control(
        "fault",
        on="exchange",
        match={"type": "order"},
        do="status",
        status=200,
        body=refusal,
        skip=1,
        times=2,
    )
    workshop.enter()
    stop = workshop.rows("select order_id from orders where leg = 'stop'")[0]["order_id"]
    workshop.executor.give_up(stop, RuntimeError("poison"))
    workshop.bells.rung.clear()
    workshop.mark("BTC", "60005")

    workshop.watch(after_s=6)

    assert workshop.position()["protected_at"] is not None
    assert workshop.rows("select count(*) as n from orders where leg = 'stop'") == [{"n": 2}]


def test_f38_the_venue_s_own_liquidation_price_is_the_one_that_is_kept(workshop: Workshop) -> None:
    workshop.enter()
    shown = workshop.venue.account(MASTER).holdings["BTC"].liquidation_price
    with workshop.database.transaction() as tx:
        tx.execute("update positions set liquidation_price = 12345")

    workshop.watch()

    assert shown is not None
    assert workshop.position()["liquidation_price"] == shown


@pytest.mark.parametrize("account", [LIVE])
def test_f14_the_last_position_closed_at_the_venue_is_closed_in_the_book_too(
    workshop: Workshop, account: str
) -> None:
    workshop.enter()
    workshop.control(
        "trade_by_hand",
        user=MASTER,
        coin="BTC",
        is_buy=False,
        sz=str(workshop.venue_size()),
        reduce_only=True,
    )

    workshop.watch()

    position = workshop.position(account=account)
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "CLOSED_ELSEWHERE")
    assert position["realised_pnl_usd"] is not None


def test_f39_a_person_s_own_position_is_observed_and_never_sold(workshop: Workshop) -> None:
    workshop.control("trade_by_hand", user=MASTER, coin="ETH", is_buy=True, sz="1")

    workshop.watch()
    workshop.mark("BTC", "60003")
    workshop.watch()
    workshop.mark("BTC", "60004")
    workshop.watch()

    found = workshop.position("ETH")
    assert (found["origin"], found["is_owned"], found["status"]) == ("DISCOVERED", False, "OPEN")
    assert workshop.venue_size("ETH") == 1
    assert workshop.notices().count("reconcile") == 1


def test_a_position_that_grew_beyond_its_stop_gets_a_stop_over_all_of_it(workshop: Workshop) -> None:
    workshop.enter()
    position_id = workshop.position()["position_id"]
    grown = workshop.position()["size"] + Decimal("0.01")
    workshop.control("trade_by_hand", user=MASTER, coin="BTC", is_buy=True, sz="0.01")
    fill = workshop.rows("select fill_key from fills where is_buy order by fill_key desc limit 1")[0][
        "fill_key"
    ]
    with workshop.database.transaction() as tx:
        tx.execute("update fills set size = size + 0.01 where fill_key = :key", key=fill)
        rebook(tx, position_id, now=workshop.clock.now())

    for price in ("60010", "60020", "60030", "60040", "60050", "60060"):
        workshop.mark("BTC", price)
        workshop.watch()

    stops = [o.size for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind == "sl"]
    assert stops == [grown]


def test_many_passes_in_one_beat_are_no_frozen_feed_and_three_still_beats_are(workshop: Workshop) -> None:
    workshop.enter()
    for account in (PAPER_ACCOUNT, LIVE, PAPER_ACCOUNT, LIVE, PAPER_ACCOUNT):
        workshop.clock.advance(timedelta(milliseconds=300))
        now = workshop.clock.now()
        workshop.monitor.run([account], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")
    in_one_beat = workshop.notices()

    for _ in range(4):
        workshop.watch()

    assert "marks" not in in_one_beat
    assert workshop.notices().count("marks") == 1


def test_a_stop_that_is_planned_again_and_again_gives_a_position_no_new_deadline(workshop: Workshop) -> None:
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute("update orders set status = 'REJECTED', finished_at = updated_at where leg = 'stop'")
        tx.execute(
            "update positions set protected_at = null, protect_by = :by, version = version + 1",
            by=workshop.clock.now() + timedelta(seconds=8),
        )
    deadline = workshop.position()["protect_by"]
    workshop.clock.advance(timedelta(seconds=6))
    now = workshop.clock.now()
    workshop.mark("BTC", "60001")

    workshop.monitor.run([LIVE], due_at=now, deadline=now + timedelta(seconds=30), trace_id="tick")

    planned = workshop.rows("select sequence from orders where leg = 'stop' and finished_at is null")
    assert len(planned) == 1
    assert workshop.position()["protect_by"] == deadline
