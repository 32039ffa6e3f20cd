"""What became of a request whose answer never came: found out by asking, and never by sending another."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from outcry.controls import operate
from outcry.orders.doubt import INDEX_LAG, WaitsFor
from outcry.orders.plan import plan_exit
from outcry.positions import store as positions_store
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.reasons import Reason
from outcry.venues.hyperliquid.errors import classify
from outcry.venues.port import Ambiguous, Answer, NotSent, OrderState
from tests.orders.workshop import Workshop

ORDER = {"type": "order"}
LEVERAGE = {"type": "updateLeverage"}
NOOP = {"type": "noop"}


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


@pytest.mark.parametrize("venue_changes", [switches(order_status_lag_ms=300, fills_lag_ms=300)])
def test_an_order_that_is_listed_a_moment_later_is_found_within_the_invocation(workshop: Workshop) -> None:
    lose_the_reply(workshop)

    order_id = workshop.enter()

    assert workshop.pauses == [0.5]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize("venue_changes", [switches(order_status_lag_ms=40_000)])
def test_f51_an_order_that_stays_unlisted_is_taken_from_its_fills(workshop: Workshop) -> None:
    lose_the_reply(workshop)

    order_id = workshop.enter()

    assert [row["status"] for row in requests(workshop, order_id)] == ["ACKED"]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert workshop.position()["protected_at"] is not None
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
    lose_the_request(workshop, NOOP)
    order_id = workshop.enter()
    (request,) = requests(workshop, order_id)
    expiry = request["expires_at"]

    pass_seconds(workshop, order_id, (expiry - workshop.clock.now()).total_seconds() + 4)
    early = (workshop.clock.now() - expiry, [row["status"] for row in requests(workshop, order_id)])
    pass_seconds(workshop, order_id, 7)
    late = [row["status"] for row in requests(workshop, order_id)]

    assert timedelta(seconds=4) <= early[0] < INDEX_LAG
    assert early[1] == ["UNKNOWN"]
    assert late[0] == "EXPIRED"
    assert not workshop.venue_fills()


def test_a_no_op_in_the_nonce_of_what_expired_proves_at_once_that_it_never_ran(workshop: Workshop) -> None:
    lose_the_request(workshop)
    order_id = workshop.enter()
    (request,) = requests(workshop, order_id)

    workshop.clock.advance(request["expires_at"] - workshop.clock.now() + timedelta(milliseconds=1))
    workshop.advance(order_id)

    (noop,) = requests(workshop, order_id, "noop")
    assert [row["status"] for row in requests(workshop, order_id)] == ["EXPIRED"]
    assert (noop["status"], noop["nonce"], noop["signer_address"]) == (
        "ACKED",
        request["nonce"],
        request["signer_address"],
    )
    assert workshop.order(order_id)["status"] == "WORKING"


def test_a_no_op_that_finds_the_nonce_used_leaves_it_to_the_venue_s_lists(workshop: Workshop) -> None:
    workshop.control("book", market="BTC", bids=[["59999", "10"]], asks=[["60001", "0.02"], ["60002", "10"]])
    hide = {"status": 502, "do": "status", "times": 1000}
    lose_the_reply(workshop)
    lose_the_request(workshop, times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, **hide)
    order_id = workshop.enter()
    pass_seconds(workshop, order_id, 20)
    in_doubt = workshop.order(order_id)["status"]
    workshop.control("fault", clear=True)

    workshop.advance(order_id)

    assert in_doubt == "UNKNOWN"
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize("venue_changes", [switches(order_status_lag_ms=60_000, fills_lag_ms=60_000)])
def test_lists_that_lag_longer_than_all_patience_are_no_proof_while_the_size_is_unexplained(
    workshop: Workshop,
) -> None:
    lose_the_reply(workshop)
    order_id = workshop.enter()

    pass_seconds(workshop, order_id, 45, step=5)
    waiting = (workshop.order(order_id)["status"], requests(workshop, order_id)[-1]["answer"]["waits_for"])
    pass_seconds(workshop, order_id, 30, step=5)

    assert waiting == ("UNKNOWN", WaitsFor.SIZE.value)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert entries_at_venue(workshop) == 1


@pytest.mark.parametrize(
    "venue_changes", [switches(expired_burns_nonce=True), switches(expired_burns_nonce=False)]
)
def test_too_late_is_no_proof_that_nothing_ran_before(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, venue_changes: dict[str, object]
) -> None:
    lose_the_reply(workshop)
    send = workshop.venue.send
    sent: list[str] = []

    def too_late_the_second_time(signed: str, *, address: str) -> Any:
        if '"orders"' not in signed:
            return send(signed, address=address)
        sent.append(signed)
        if len(sent) == 2:
            return Answer(classify("Action already expired"), "{}")
        return send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", too_late_the_second_time)
    order_id = workshop.enter()
    workshop.drain()

    assert requests(workshop, order_id)[0]["status"] == "ACKED"
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


def test_bytes_that_the_venue_calls_too_late_are_not_sent_a_third_time(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    send = workshop.venue.send
    answers = [Answer(Ambiguous("ReadTimeout"), None), Answer(classify("Action already expired"), "{}")]

    def answered(signed: str, *, address: str) -> Any:
        return answers.pop(0) if '"orders"' in signed else send(signed, address=address)

    monkeypatch.setattr(workshop.venue, "send", answered)
    order_id = workshop.enter()
    workshop.clock.advance(timedelta(seconds=1))
    workshop.advance(order_id)

    (request,) = requests(workshop, order_id)
    assert (request["sends"], request["status"]) == (2, "UNKNOWN")
    assert request["answer"]["dead_at"] is not None


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


def test_what_stays_in_doubt_is_asked_ever_more_rarely_and_pages_each_hour(workshop: Workshop) -> None:
    lose_the_reply(workshop)
    lose_the_request(workshop, times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=10000)
    order_id = workshop.enter()
    waits: list[int] = []

    for _ in range(60):
        waits.append(max(delay for _, _, delay in workshop.bells.rung))
        workshop.drain_once()

    request = requests(workshop, order_id)[-1]
    assert (waits[0], max(waits), waits[-1]) == (3, 60, 60)
    assert workshop.order(order_id)["status"] == "UNKNOWN"
    assert request["answer"]["asked"] == 61
    assert request["answer"]["waits_for"] == WaitsFor.ANSWER.value
    assert workshop.notices().count("orders") == 1


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
    pass_seconds(workshop, order_id, 26, step=2)
    given_up = requests(workshop, order_id, "set_leverage")[0]["status"]
    placed_before = requests(workshop, order_id)
    workshop.control("fault", clear=True)

    workshop.drain()

    assert given_up == "EXPIRED"
    assert placed_before == []
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


def test_f41_bytes_in_doubt_are_not_sent_again_after_a_pause_committed(workshop: Workshop) -> None:
    lose_the_request(workshop, times=1)
    workshop.control("fault", on="exchange", match=ORDER, do="drop_before_commit", times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()
    in_doubt = workshop.order(order_id)["status"]
    with workshop.database.transaction() as tx:
        operate.pause(tx, "desk", "a person looks", "tester", workshop.clock.now())

    workshop.drain()

    assert in_doubt == "UNKNOWN"
    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == ("CANCELLED", "PAUSED")
    assert [row["status"] for row in requests(workshop, order_id, "noop")] == ["ACKED"]
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.venue_fills()


def test_f41_bytes_that_found_no_connection_are_not_sent_after_a_pause_committed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = workshop.venue.send

    def no_connection(signed: str, *, address: str) -> Any:
        return Answer(NotSent("refused"), None) if '"orders"' in signed else send(signed, address=address)

    with monkeypatch.context() as patch:
        patch.setattr(workshop.venue, "send", no_connection)
        order_id = workshop.enter()
    kept = requests(workshop, order_id)[0]["status"]
    with workshop.database.transaction() as tx:
        operate.pause(tx, "desk", "a person looks", "tester", workshop.clock.now())
    workshop.drain()

    assert kept == "SIGNED"
    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == ("CANCELLED", "PAUSED")
    assert not workshop.venue_fills()


@pytest.mark.parametrize("reached_the_venue", [True, False])
def test_an_exit_kills_the_entry_in_doubt_before_it_by_a_no_op(
    workshop: Workshop, reached_the_venue: bool
) -> None:
    if reached_the_venue:
        lose_the_reply(workshop)
        lose_the_request(workshop, times=1)
    else:
        lose_the_request(workshop, times=2)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()
    in_doubt = workshop.order(order_id)["status"]
    workshop.bells.rung.clear()
    position_id = workshop.position()["position_id"]
    with workshop.database.transaction() as tx:
        position = positions_store.load(tx, position_id)
        assert position is not None
        exit_id = plan_exit(tx, position, Reason.PERSON, now=workshop.clock.now(), trace_id="t")
    workshop.advance(exit_id)
    workshop.drain()

    (noop,) = requests(workshop, order_id, "noop")
    sends = requests(workshop, order_id)[0]["sends"]
    assert in_doubt == "UNKNOWN"
    assert sends == 2  # never once more: it was killed
    assert noop["status"] == ("REFUSED" if reached_the_venue else "ACKED")
    assert workshop.order(order_id)["status"] == ("FILLED" if reached_the_venue else "CANCELLED")
    assert workshop.position()["status"] == ("CLOSED" if reached_the_venue else "ABANDONED")
    assert workshop.order(exit_id)["finished_at"] is not None
    assert workshop.venue_size() == 0
    assert entries_at_venue(workshop) == (1 if reached_the_venue else 0)


def test_a_no_op_whose_own_answer_is_lost_is_sent_again_until_it_is_answered(workshop: Workshop) -> None:
    lose_the_request(workshop)
    lose_the_reply(workshop, NOOP)
    order_id = workshop.enter()
    (request,) = requests(workshop, order_id)

    workshop.clock.advance(request["expires_at"] - workshop.clock.now() + timedelta(seconds=1))
    workshop.advance(order_id)
    workshop.advance(order_id)
    (noop,) = requests(workshop, order_id, "noop")
    in_between = requests(workshop, order_id)[0]
    workshop.control("fault", clear=True)
    pass_seconds(workshop, order_id, 20, step=4)

    assert (noop["sends"], noop["status"]) == (2, "REFUSED")
    assert (in_between["status"], in_between["answer"]["never_ran"]) == ("UNKNOWN", False)
    assert workshop.order(order_id)["status"] == "FILLED"
    assert entries_at_venue(workshop) == 1


def test_without_its_signer_s_key_a_nonce_cannot_be_used_up_and_the_expiry_is_waited_for(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_request(workshop)
    order_id = workshop.enter()
    monkeypatch.setattr(workshop.signers, "active", lambda account: None)

    pass_seconds(workshop, order_id, 30, step=3)

    assert requests(workshop, order_id, "noop") == []
    assert [row["status"] for row in requests(workshop, order_id)] == ["EXPIRED"]
    assert not workshop.venue_fills()


def test_f13_a_partial_fill_whose_reply_was_lost_is_as_much_as_its_fills_say(workshop: Workshop) -> None:
    workshop.control("book", market="BTC", bids=[["59999", "10"]], asks=[["60001", "0.02"]])
    lose_the_reply(workshop)

    order_id = workshop.enter()
    workshop.drain()

    assert workshop.order(order_id)["status"] == "PARTIAL_DONE"
    assert workshop.position()["size"] == workshop.venue_size() == Decimal("0.02")
    assert workshop.position()["protected_at"] is not None


@pytest.mark.parametrize("venue_changes", [switches(fills_lag_ms=8_000)])
def test_f13_what_the_venue_calls_cancelled_may_have_been_filled_in_part_before(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.control("book", market="BTC", bids=[["59999", "10"]], asks=[["60001", "0.02"]])
    lose_the_reply(workshop)
    asked = workshop.venue.order

    def cancelled(address: str, cloid: str) -> Any:
        report = asked(address, cloid)
        return report and replace(report, state=OrderState.CANCELLED, raw_status="canceled")

    monkeypatch.setattr(workshop.venue, "order", cancelled)
    order_id = workshop.enter()
    waiting = workshop.order(order_id)["status"]
    monkeypatch.setattr(workshop.venue, "order", asked)
    workshop.drain()

    assert waiting == "UNKNOWN"
    assert workshop.order(order_id)["status"] == "PARTIAL_DONE"
    assert workshop.position()["size"] == workshop.venue_size() == Decimal("0.02")


def test_a_key_service_that_does_not_answer_keeps_nobody_from_asking_what_became_of_a_request(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_reply(workshop)
    lose_the_request(workshop, times=1)
    workshop.control("fault", on="info", match={"type": "orderStatus"}, do="status", status=502, times=1)
    order_id = workshop.enter()
    in_doubt = workshop.order(order_id)["status"]

    def throttled(account: Any) -> Any:
        raise InfrastructureError("KMS cannot be used: ThrottlingException")

    with monkeypatch.context() as outage:
        outage.setattr(workshop.signers, "active", throttled)
        workshop.clock.advance(timedelta(seconds=3))
        with pytest.raises(InfrastructureError):  # its stop cannot be signed yet
            workshop.advance(order_id)
    known = requests(workshop, order_id)[0]["status"]
    workshop.drain()

    assert (in_doubt, known) == ("UNKNOWN", "ACKED")
    assert workshop.position()["size"] == workshop.venue_size() > 0
    assert workshop.position()["protected_at"] is not None


def test_the_two_looks_that_prove_absence_may_be_of_two_short_invocations(workshop: Workshop) -> None:
    lose_the_request(workshop)
    lose_the_request(workshop, NOOP)
    order_id = workshop.enter()
    workshop.clock.advance(timedelta(seconds=30))
    found: list[str] = []

    for _ in range(2):
        workshop.executor.advance(order_id, deadline=workshop.clock.now() + timedelta(seconds=1))
        found.append(requests(workshop, order_id)[0]["status"])
        workshop.clock.advance(timedelta(seconds=3))

    assert found == ["UNKNOWN", "EXPIRED"]
    assert not workshop.venue_fills()
