"""What the journal says of the requests that arrived, whatever became of them."""

from typing import Any

CLOID = "0x" + "5" * 32


def test_a_request_is_written_down_each_time_that_it_arrives_before_what_it_did(desk: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "99999", cloid=CLOID)
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"}, expires_after=None)

    desk.engine.exchange(body)
    desk.engine.exchange(body)

    first, second = desk.journal("request")
    assert (first["signer"], first["nonce"], first["cloids"]) == (desk.agent, body["nonce"], [CLOID])
    assert first["reduce_only"] is False
    assert first["digest"] == second["digest"]
    assert first["seq"] < min(fill["seq"] for fill in desk.journal("fill"))


def test_another_body_under_the_same_nonce_has_another_digest(desk: Any) -> None:
    nonce = desk.next_nonce()

    desk.send({"type": "noop"}, nonce=nonce)
    desk.place(desk.wire("BTC", False, "0.01", "1", reduce=True), nonce=nonce)

    first, second = desk.journal("request")
    assert (first["nonce"], first["action_type"]) == (second["nonce"], "noop")
    assert first["digest"] != second["digest"]
    assert second["reduce_only"] is True
