"""The last requests that the venue allows an account are kept for exits and stops."""

from datetime import timedelta
from typing import Any

import pytest

from outcry.orders.request_reserve import KEPT_FOR_EXITS, RequestReserve
from outcry.venues.counting import RequestBudget
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop

BASE = 1_100


@pytest.fixture
def venue_changes() -> dict[str, object]:
    return {"switches": {"ip_limit": False, "address_limit": True, "address_base_requests": BASE}}


def use_up(workshop: Workshop, *, but: int) -> None:
    """Let the account have made so many requests that this many are left of them."""
    account = workshop.server.engine.venue.ensure_account(MASTER)
    account.requests_used = BASE + int(account.volume_usd) - but


def budgets_read(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the venue is asked about from now on."""
    asked: list[str] = []
    ask = workshop.venue.request_budget

    def noted(address: str) -> RequestBudget:
        asked.append(address)
        return ask(address)

    monkeypatch.setattr(workshop.venue, "request_budget", noted)
    return asked


def test_with_requests_to_spare_an_entry_is_made(workshop: Workshop) -> None:
    order = workshop.order(workshop.enter())

    assert order["status"] == "FILLED"


def test_within_the_reserve_an_entry_is_skipped_and_people_are_told_once_a_day(workshop: Workshop) -> None:
    use_up(workshop, but=KEPT_FOR_EXITS)

    first, second = (workshop.order(workshop.enter(market=market)) for market in ("BTC", "ETH"))

    assert {(order["status"], order["reason"]) for order in (first, second)} == {
        ("SKIPPED", "REQUESTS_KEPT_FOR_EXITS")
    }
    assert first["detail"] == "1000 of the account's 1100 requests are left, 1000 are kept for exits"
    (notice,) = workshop.rows("select level, subject, text from notices where topic = 'requests'")
    assert (notice["level"], notice["subject"]) == ("warning", f"{LIVE} has few requests left at hyperliquid")
    assert "exits and first stops go out" in notice["text"]


def test_within_the_reserve_a_position_is_closed_by_its_stop_rule_all_the_same(workshop: Workshop) -> None:
    workshop.enter()
    use_up(workshop, but=100)

    workshop.watch(after_s=timedelta(hours=1, seconds=1).total_seconds())

    position = workshop.position()
    assert (position["status"], position["exit_reason"]) == ("CLOSED", "TIME_LIMIT")
    assert workshop.venue_size() == 0


def test_within_the_reserve_a_lost_stop_is_placed_again_all_the_same(workshop: Workshop) -> None:
    workshop.enter()
    use_up(workshop, but=100)
    stop = next(o for o in workshop.venue.open_orders(MASTER) if o.trigger and o.trigger.kind == "sl")
    workshop.control("cancel_by_hand", user=MASTER, oid=int(stop.venue_order_id))

    workshop.watch(after_s=65)
    workshop.watch()

    kinds = [str(o.trigger.kind) for o in workshop.venue.open_orders(MASTER) if o.trigger]
    assert kinds.count("sl") == 1


def test_within_the_reserve_the_trail_goes_on_and_the_stop_at_the_venue_stays(workshop: Workshop) -> None:
    workshop.enter()
    use_up(workshop, but=KEPT_FOR_EXITS)
    before = workshop.rows("select count(*) as n from orders")[0]["n"]
    workshop.mark("BTC", "61500")

    workshop.watch()
    workshop.mark("BTC", "60800")
    held_back = workshop.rows("select count(*) as n from orders where kind = 'protect' and sequence > 0")[0][
        "n"
    ]
    workshop.watch()

    assert held_back == 0
    assert workshop.rows("select 1 from notices where topic = 'requests'")
    assert (
        workshop.position()["exit_reason"] == "TRAILING_STOP"
    )  # by the monitor, where the venue's stop is further off
    assert workshop.rows("select count(*) as n from orders where kind = 'exit'")[0]["n"] == 1
    assert workshop.rows("select count(*) as n from orders")[0]["n"] == before + 1


def test_an_entry_that_the_venue_refuses_for_it_ends_and_leaves_the_slow_lane_to_exits(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.enter(market="ETH")  # there was room when the venue was asked
    use_up(workshop, but=0)
    account = workshop.server.engine.venue.ensure_account(MASTER)
    account.over_budget_ms = workshop.server.engine.venue.now_ms  # the one of these ten seconds is gone
    asked = budgets_read(workshop, monkeypatch)

    order = workshop.order(workshop.enter())
    workshop.enter(market="SOL")

    assert (order["status"], order["reason"]) == ("REJECTED", "VENUE_RATE_LIMIT")
    assert "Too many cumulative requests" in order["detail"]
    assert asked == [MASTER]  # it is asked again at once, and the next entry does not try


@pytest.mark.parametrize(
    ("left", "believed"),
    [(8_000, timedelta(days=1)), (7_999, timedelta(hours=1)), (2_999, timedelta(minutes=10))],
)
def test_the_less_is_left_the_sooner_the_venue_is_asked_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, left: int, believed: timedelta
) -> None:
    answers: list[Any] = []

    def told(address: str) -> RequestBudget:
        answers.append(address)
        return RequestBudget(used=0, cap=left)

    monkeypatch.setattr(workshop.venue, "request_budget", told)
    reserve, account = RequestReserve(workshop.clock), workshop.desk.account(LIVE)

    for _ in range(3):
        reserve.objection(account, workshop.venue)
    workshop.clock.advance(believed - timedelta(seconds=1))
    reserve.objection(account, workshop.venue)
    assert len(answers) == 1
    workshop.clock.advance(timedelta(seconds=1))
    reserve.objection(account, workshop.venue)

    assert len(answers) == 2


def test_a_venue_that_does_not_answer_and_one_that_counts_nothing_hold_nothing_back(
    workshop: Workshop,
) -> None:
    reserve = RequestReserve(workshop.clock)
    workshop.control("fault", on="info", do="status", status=502, match={"type": "userRateLimit"})

    assert reserve.objection(workshop.desk.account(LIVE), workshop.venue) is None
    assert reserve.objection(workshop.desk.account(PAPER_ACCOUNT), workshop.paper) is None


def test_where_the_address_is_short_of_weight_what_is_known_is_believed(workshop: Workshop) -> None:
    reserve, account = RequestReserve(workshop.clock), workshop.desk.account(LIVE)
    use_up(workshop, but=10)

    unasked = reserve.objection(account, workshop.venue, may_ask=False)
    asked = reserve.objection(account, workshop.venue)
    workshop.clock.advance(timedelta(days=2))
    still_known = reserve.objection(account, workshop.venue, may_ask=False)

    assert unasked is None
    assert asked is not None
    assert still_known == asked
