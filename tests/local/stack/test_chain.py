"""A position's chain in words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from local.stack.chain import lines_of, seconds_to_protection
from local.stack.store import Chain

AT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
ENTRY, STOP = UUID(int=1), UUID(int=2)


def order(order_id: UUID, kind: str, leg: str, status: str, **changes: Any) -> dict[str, Any]:
    row = {"order_id": order_id, "kind": kind, "leg": leg, "sequence": 0, "status": status, "reason": None}
    row |= {
        "size": Decimal("0.0256"),
        "trigger_price": None,
        "filled_size": Decimal(0),
        "average_price": None,
    }
    return row | {"signal_id": 1, "trace_id": "ab" * 16, "created_at": AT, "finished_at": None} | changes


def chain(**position: Any) -> Chain:
    held = {"position_id": UUID(int=9), "deployment_id": "live", "account_id": "live", "market": "BTC"}
    held |= {"side": "LONG", "status": "OPEN", "size": Decimal("0.0256"), "entry_price": Decimal("60001.00")}
    held |= {"exit_price": None, "stop_price": Decimal(58900), "opened_at": AT, "closed_at": None}
    held |= {"protected_at": AT + timedelta(seconds=8), "exit_reason": None}
    held |= {"realised_pnl_usd": None, "fees_usd": Decimal("0.69")} | position
    action = {"order_id": ENTRY, "attempt": 0, "kind": "place", "status": "ACKED", "signer_id": "s"}
    action |= {"nonce": 7, "cloid": "0xab", "venue_order_id": "1", "acked_size": Decimal("0.0256")}
    action |= {"acked_price": Decimal(60001), "sends": 1, "prepared_at": AT, "sent_at": AT, "answered_at": AT}
    fill = {"fill_id": "42", "order_id": ENTRY, "is_buy": True, "price": Decimal(60001)}
    fill |= {"size": Decimal("0.0256"), "fee_usd": Decimal("0.69"), "filled_at": AT, "recorded_at": AT}
    post = {"post_id": 1, "username": "anna", "text": "LONG BTC", "status": "CLASSIFIED", "source": "poll"}
    call = {"call_id": 1, "post_id": 1, "token": "BTC", "side": "LONG", "action": "OPEN", "stop": None}
    call |= {"conviction": Decimal("0.80"), "targets": [], "evidence": "LONG BTC", "classifier": "grammar/1"}
    signal = {"signal_id": 1, "agent_id": "a", "call_id": 1, "token": "BTC", "market": "BTC", "side": "LONG"}
    signal |= {"action": "OPEN", "status": "TAKEN", "reason": None, "score": Decimal("0.8"), "decided_at": AT}
    return Chain(
        posts=[post | {"created_at": AT, "received_at": AT}],
        calls=[call | {"heard_at": AT}],
        signals=[signal | {"trace_id": "ab" * 16}],
        orders=[
            order(ENTRY, "enter", "entry", "FILLED"),
            order(STOP, "protect", "stop", "RESTING", trigger_price=Decimal(58900)),
        ],
        actions=[action],
        fills=[fill],
        position=held,
    )


def test_the_chain_is_told_from_the_post_to_the_position_with_each_order_above_what_was_done_for_it() -> None:
    lines = lines_of(chain())

    kinds = [line.split()[0] for line in lines]
    assert kinds == ["post", "call", "signal", "order", "action", "fill", "order", "position"]
    assert "trigger 58900" in lines[6]
    assert "stop 58900, protected 14:00:08.000" in lines[-1]


def test_a_closed_position_says_when_why_and_for_how_much() -> None:
    closed = chain(status="CLOSED", closed_at=AT, exit_reason="CLOSE_CALL", realised_pnl_usd=Decimal("3.10"))

    assert lines_of(closed)[-1].endswith("closed 14:00:00.000 by CLOSE_CALL, profit 3.1 USD")


def test_the_time_to_protection_counts_from_the_posts_arrival() -> None:
    assert seconds_to_protection(chain()) == 8.0
    assert seconds_to_protection(chain(protected_at=None)) is None
