"""Where orders and actions may go: terminal is terminal, UNKNOWN ends by asking, SENT is never sent afresh."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.orders.lifecycle import (
    ACTION_MOVES,
    ORDER_MOVES,
    TERMINAL,
    Takeover,
    action_may_become,
    client_order_id,
    is_expired,
    may_become,
    take_over,
)
from outcry.orders.model import Action, ActionKind, ActionStatus, OrderStatus

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ACTION = Action(
    action_id=UUID(int=1),
    order_id=UUID(int=2),
    attempt=0,
    kind=ActionKind.PLACE,
    status=ActionStatus.SENT,
    signer_id=None,
    signer_address="0x" + "ab" * 20,
    nonce=1,
    expires_at=NOON,
    payload="{}",
    cloid=None,
    signed="{}",
    answer=None,
    refusal=None,
    venue_order_id=None,
    acked_size=None,
    acked_price=None,
    sends=1,
    prepared_at=NOON,
)
FINAL_ACTIONS = frozenset({ActionStatus.ACKED, ActionStatus.REFUSED, ActionStatus.EXPIRED})


def reached_from(start: OrderStatus) -> set[OrderStatus]:
    """Every state that can follow, however late."""
    seen: set[OrderStatus] = set()
    waiting = [start]
    while waiting:
        status = waiting.pop()
        for target in ORDER_MOVES.get(status, frozenset()) - seen:
            seen.add(target)
            waiting.append(target)
    return seen


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_order_is_left_by_nothing_not_even_towards_itself(status: OrderStatus) -> None:
    assert not any(may_become(status, target) for target in OrderStatus)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - TERMINAL))
def test_every_other_order_can_come_to_an_end_and_may_stay_where_it_is(status: OrderStatus) -> None:
    assert reached_from(status) & TERMINAL
    assert may_become(status, status)


def test_every_state_of_an_order_can_be_reached_and_has_its_row() -> None:
    assert reached_from(OrderStatus.PLANNED) == set(OrderStatus) - {OrderStatus.PLANNED}
    assert set(ORDER_MOVES) == set(OrderStatus) - TERMINAL


def test_only_what_was_never_approved_can_be_skipped() -> None:
    skipping = {status for status in OrderStatus if may_become(status, OrderStatus.SKIPPED)}

    assert skipping == {OrderStatus.PLANNED}


def test_f16_an_unknown_order_goes_only_where_the_venue_may_say_that_it_is() -> None:
    targets = {target for target in OrderStatus if may_become(OrderStatus.UNKNOWN, target)}

    assert OrderStatus.APPROVED not in targets
    assert OrderStatus.PLANNED not in targets
    assert OrderStatus.CANCELLING not in targets


def test_nothing_goes_back_to_before_its_approval() -> None:
    for target in (OrderStatus.PLANNED, OrderStatus.APPROVED):
        before = {status for status in OrderStatus if status is not target and may_become(status, target)}
        assert before <= {OrderStatus.PLANNED}


@pytest.mark.parametrize("status", sorted(FINAL_ACTIONS))
def test_a_final_action_is_left_by_nothing(status: ActionStatus) -> None:
    assert not any(action_may_become(status, target) for target in ActionStatus)
    assert status not in ACTION_MOVES


def test_f1_an_action_whose_answer_is_missing_is_never_signed_or_sent_again() -> None:
    targets = {target for target in ActionStatus if action_may_become(ActionStatus.UNKNOWN, target)}

    assert targets == FINAL_ACTIONS


def test_an_action_is_sent_only_after_it_was_prepared_or_signed() -> None:
    before = {status for status in ActionStatus if action_may_become(status, ActionStatus.SENT)}

    assert before == {ActionStatus.PREPARED, ActionStatus.SIGNED}


@pytest.mark.parametrize(
    ("status", "fresh", "late"),
    [
        (ActionStatus.PREPARED, Takeover.SIGN, Takeover.LET_EXPIRE),
        (ActionStatus.SIGNED, Takeover.SEND, Takeover.LET_EXPIRE),
        (ActionStatus.SENT, Takeover.RESOLVE, Takeover.RESOLVE),
        (ActionStatus.UNKNOWN, Takeover.RESOLVE, Takeover.RESOLVE),
        (ActionStatus.ACKED, Takeover.READ, Takeover.READ),
        (ActionStatus.REFUSED, Takeover.READ, Takeover.READ),
        (ActionStatus.EXPIRED, Takeover.READ, Takeover.READ),
    ],
)
def test_f4_a_lapsed_claim_is_continued_from_its_state_and_never_started_over(
    status: ActionStatus, fresh: Takeover, late: Takeover
) -> None:
    assert take_over(status, is_expired=False) is fresh
    assert take_over(status, is_expired=True) is late


def test_an_action_expires_after_its_time_and_one_without_a_time_never_does() -> None:
    later = NOON + timedelta(milliseconds=1)

    assert not is_expired(ACTION, NOON)
    assert is_expired(ACTION, later)
    assert not is_expired(replace(ACTION, expires_at=None), later)


@given(st.uuids(), st.integers(0, 10_000))
def test_f1_a_client_order_id_is_stable_and_made_of_the_order_and_the_attempt(
    order_id: UUID, attempt: int
) -> None:
    cloid = client_order_id(order_id, attempt)

    digest = hashlib.sha256(b"%b|%d" % (str(order_id).encode(), attempt)).digest()
    assert cloid == "0x" + digest[:16].hex() == client_order_id(UUID(str(order_id)), attempt)
    assert re.fullmatch("0x[0-9a-f]{32}", cloid)


@given(st.sets(st.uuids(), min_size=1, max_size=5), st.integers(1, 30))
def test_every_attempt_of_every_order_has_a_client_order_id_of_its_own(
    orders: set[UUID], attempts: int
) -> None:
    made = {client_order_id(order, attempt) for order in orders for attempt in range(attempts)}

    assert len(made) == len(orders) * attempts


def test_a_client_order_id_is_the_same_in_every_process_and_release() -> None:
    assert (
        client_order_id(UUID(int=0), 0)
        == "0x" + hashlib.sha256(b"00000000-0000-0000-0000-000000000000|0").hexdigest()[:32]
    )
