"""What a stored answer is held against: our own parser, what was recorded then, and whether it is known at all."""

import json
from typing import Any

import pytest

from outcry.cli.canary.answers import judge

SIGNED = {
    kind: json.dumps({"action": {"type": kind}, "nonce": 1, "signature": {}})
    for kind in ("order", "updateLeverage", "cancelByCloid")
}
FILLED = {
    "status": "ok",
    "response": {
        "type": "order",
        "data": {"statuses": [{"filled": {"totalSz": "0.1", "avgPx": "60000", "oid": 7}}]},
    },
}
RECORDED = {"is": "filled", "size": "0.1", "average_price": "60000", "venue_order_id": "7"}


def fault(**changes: Any) -> str:
    """What is found wrong with a request that was filled, with these changes."""
    row = {
        "order_kind": "enter",
        "leg": "entry",
        "kind": "place",
        "status": "ACKED",
        "signed": SIGNED["order"],
        "answer": RECORDED,
        "raw_answer": json.dumps(FILLED),
    }
    (judged,) = judge([{**row, **changes}])
    return judged.fault


def refusal(text: str) -> str:
    return json.dumps({"status": "err", "response": text})


def test_an_answer_that_reads_as_it_was_recorded_is_no_fault() -> None:
    assert fault() == ""


def test_an_answer_that_reads_differently_now_is_a_fault() -> None:
    assert "reads differently now" in fault(answer={**RECORDED, "size": "0.2"})


@pytest.mark.parametrize(
    "raw", ["<html>", "{}", json.dumps({"status": "ok", "response": {"type": "cancel", "data": {}}}), "[]"]
)
def test_an_answer_that_the_parser_does_not_know_is_a_fault(raw: str) -> None:
    assert "the parser does not know the answer" in fault(raw_answer=raw)


def test_a_refusal_that_nobody_has_catalogued_is_a_fault() -> None:
    assert "the catalogue of refusals does not know it" in fault(
        raw_answer=refusal("Mercury is in retrograde")
    )


def test_a_request_that_we_built_wrongly_is_a_fault() -> None:
    assert "we built a request" in fault(raw_answer=refusal("Order has zero size."))


def test_a_refusal_that_is_known_and_recorded_is_no_fault() -> None:
    text = "Order could not immediately match against any resting orders. asset=0"
    recorded = {"is": "refused", "kind": "WIDEN", "reason": "VENUE_NO_LIQUIDITY", "text": text}

    assert fault(status="REFUSED", answer=recorded, raw_answer=refusal(text)) == ""


@pytest.mark.parametrize("status", ["PREPARED", "SIGNED", "SENT", "UNKNOWN"])
def test_a_request_whose_outcome_is_open_is_a_fault(status: str) -> None:
    assert "what became of it is not known" in fault(status=status)


def test_an_answer_that_never_came_is_no_fault_once_the_venues_record_settled_it() -> None:
    assert fault(raw_answer=None) == ""
    assert fault(raw_answer=None, status="EXPIRED", answer=None) == ""
    assert "neither an answer nor a record" in fault(raw_answer=None, answer=None)


def test_an_answer_that_nobody_could_read_is_a_fault_even_where_the_venues_record_settled_it() -> None:
    raw = json.dumps(FILLED).replace("filled", "executed")
    settled = {**RECORDED, "doubt": "the venue's answer is not one that we know"}

    assert "the parser does not know the answer" in fault(raw_answer=raw, answer=settled)


def test_a_failing_server_is_no_fault_where_the_venues_record_settled_it() -> None:
    assert fault(raw_answer="<html>", answer={**RECORDED, "doubt": "HTTP 502"}) == ""
    assert fault(raw_answer="<html>", answer={"is": "unknown", "why": "HTTP 429"}, status="EXPIRED") == ""


def test_bytes_that_were_there_already_are_no_fault_where_the_venues_record_settled_them() -> None:
    raw = refusal("Invalid nonce: duplicate nonce 1767614400000")

    assert fault(raw_answer=raw) == ""
