"""What became of a request whose answer never came: found out by asking, and never by sending another."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.orders.workshop import Workshop

ORDER = {"type": "order"}
LEVERAGE = {"type": "updateLeverage"}


def switches(**changed: int) -> dict[str, object]:
    return {"switches": {"ip_limit": False, **changed}}


def lose_the_reply(workshop: Workshop, match: dict[str, str] = ORDER, times: int = 1) -> None:
    workshop.control("fault", on="exchange", match=match, do="drop_after_commit", times=times)


def lose_the_request(workshop: Workshop, match: dict[str, str] = ORDER, times: int = 1000) -> None:
    workshop.control("fault", on="exchange", match=match, do="drop_before_commit", times=times)


def requests(workshop: Workshop, order_id: UUID, kind: str = "place") -> list[dict[str, Any]]:
    return workshop.rows(
        "select * from actions where order_id = :id and kind = :kind order by attempt", id=order_id, kind=kind
    )


def entries_at_venue(workshop: Workshop) -> int:
    return len({fill["oid"] for fill in workshop.venue_fills() if fill["side"] == "B"})


def pass_seconds(workshop: Workshop, order_id: UUID, seconds: float, step: float = 1) -> None:
    """Let time pass, looking at the order at every step; its questions take time too."""
    until = workshop.clock.now() + timedelta(seconds=seconds)
    while workshop.clock.now() < until:
        workshop.clock.advance(timedelta(seconds=step))
        workshop.bells.rung.clear()
        workshop.advance(order_id)


def test_f4_a_lost_reply_is_found_by_the_same_bytes_again_and_a_question(workshop: Workshop) -> None:
    lose_the_reply(workshop)

    order_id = workshop.enter()

    (request,) = requests(workshop, order_id)
    refused = [event["text"] for event in workshop.server.engine.journal.of("refused")]
    assert any("duplicate nonce" in text for text in refused)
    assert (request["status"], request["sends"]) == ("ACKED", 2)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize("venue_changes", [switches(order_status_lag_ms=300)])
def test_an_order_that_is_listed_a_moment_later_is_found_within_the_invocation(workshop: Workshop) -> None:
    lose_the_reply(workshop)

    order_id = workshop.enter()

    assert workshop.pauses == [0.4]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize("venue_changes", [switches(order_status_lag_ms=40_000)])
def test_f51_an_order_that_stays_unlisted_is_taken_from_its_fills_once_it_has_expired(
    workshop: Workshop,
) -> None:
    lose_the_reply(workshop)
    order_id = workshop.enter()

    pass_seconds(workshop, order_id, 10)
    waiting = workshop.order(order_id)["status"]
    pass_seconds(workshop, order_id, 20)

    assert waiting == "UNKNOWN"
    assert [row["status"] for row in requests(workshop, order_id)] == ["ACKED"]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize("venue_changes", [switches(fills_lag_ms=4_000)])
def test_f51_a_status_of_filled_waits_for_its_fills_before_a_size_is_believed(workshop: Workshop) -> None:
    lose_the_reply(workshop)
    order_id = workshop.enter()
    before = (workshop.order(order_id)["status"], workshop.position()["acked_size"])

    pass_seconds(workshop, order_id, 6)

    assert before == ("UNKNOWN", 0)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert workshop.position()["protected_at"] is not None


@pytest.mark.parametrize("venue_changes", [switches(fills_lag_ms=4_000)])
def test_a_fill_that_is_acknowledged_but_not_listed_yet_is_protected_at_once(workshop: Workshop) -> None:
    order_id = workshop.enter()
    at_once = workshop.position()
    waiting = workshop.order(order_id)

    workshop.drain()

    assert at_once["protected_at"] is not None
    assert (at_once["size"], at_once["acked_size"]) == (0, workshop.venue_size())
    assert waiting["finished_at"] is None
    assert workshop.order(order_id)["status"] == "FILLED"
    assert (workshop.position()["size"], workshop.position()["acked_size"]) == (workshop.venue_size(), 0)


def test_absence_is_proof_only_after_the_expiry_and_the_index_s_lag(workshop: Workshop) -> None:
    lose_the_request(workshop)
    order_id = workshop.enter()
    (request,) = requests(workshop, order_id)
    expiry = request["expires_at"]

    pass_seconds(workshop, order_id, (expiry - workshop.clock.now()).total_seconds() + 2)
    early = (workshop.clock.now() - expiry, [row["status"] for row in requests(workshop, order_id)])
    pass_seconds(workshop, order_id, 3)
    late = [row["status"] for row in requests(workshop, order_id)]

    assert timedelta(seconds=2) <= early[0] < timedelta(seconds=5)
    assert early[1] == ["UNKNOWN"]
    assert late[0] == "EXPIRED"
    assert not workshop.venue_fills()


def test_after_the_proof_a_new_attempt_has_another_client_id_and_fills_once(workshop: Workshop) -> None:
    lose_the_request(workshop)
    order_id = workshop.enter()
    pass_seconds(workshop, order_id, 21)
    workshop.control("fault", clear=True)

    pass_seconds(workshop, order_id, 40, step=4)

    made = requests(workshop, order_id)
    assert [row["status"] for row in made] == ["EXPIRED"] * (len(made) - 1) + ["ACKED"]
    assert len({row["cloid"] for row in made}) == len(made) > 1
    assert entries_at_venue(workshop) == 1
    assert workshop.order(order_id)["status"] == "FILLED"


def test_bytes_whose_time_has_run_out_are_not_sent_again(workshop: Workshop) -> None:
    lose_the_request(workshop)
    order_id = workshop.enter()
    (request,) = requests(workshop, order_id)
    workshop.clock.advance(request["expires_at"] - workshop.clock.now() + timedelta(seconds=1))
    sends = request["sends"]

    workshop.advance(order_id)

    assert [row["sends"] for row in requests(workshop, order_id)] == [sends]


def test_a_question_that_is_not_answered_leaves_it_unknown(workshop: Workshop) -> None:
    lose_the_reply(workshop)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)

    order_id = workshop.enter()
    before = workshop.order(order_id)
    workshop.drain()

    assert (before["status"], before["finished_at"]) == ("UNKNOWN", None)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


def test_an_order_that_the_venue_killed_unfilled_is_refused_in_its_own_words(workshop: Workshop) -> None:
    workshop.control("book", market="BTC", bids=[], asks=[])
    lose_the_reply(workshop)

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.order(order_id)["status"] == "REJECTED"
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.venue_fills()


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_a_lost_answer_about_leverage_is_repeated_harmlessly(workshop: Workshop, fault: str) -> None:
    workshop.control("fault", on="exchange", match=LEVERAGE, do=fault, times=1)

    order_id = workshop.enter()
    workshop.drain()

    assert requests(workshop, order_id, "set_leverage")[-1]["status"] == "ACKED"
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


def test_leverage_that_expired_unanswered_is_asked_for_again_by_a_new_attempt(workshop: Workshop) -> None:
    lose_the_request(workshop, LEVERAGE)
    order_id = workshop.enter()
    for _ in range(8):
        workshop.drain_once()
    given_up = requests(workshop, order_id, "set_leverage")[0]["status"]
    placed_before = requests(workshop, order_id)
    workshop.control("fault", clear=True)

    workshop.drain()

    assert given_up == "EXPIRED"
    assert placed_before == []
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1
