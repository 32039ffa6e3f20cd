"""What an answer means for an action, how it is stored, and what a venue's own record of an order proves."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.orders.lifecycle import action_may_become
from outcry.orders.model import Action, ActionStatus
from outcry.orders.outcomes import Void, from_report, recorded, status_after, to_json
from outcry.runtime.reasons import Reason
from outcry.venues.port import (
    Ambiguous,
    Done,
    Filled,
    NotSent,
    OrderReport,
    OrderState,
    Outcome,
    RefusalKind,
    Refused,
    Resting,
)
from tests.orders.test_lifecycle import ACTION

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FILLED = Filled(Decimal("0.10"), Decimal("60000.5"), "77")

amounts = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(10**9), places=8)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Filled, amounts, amounts, st.text()),
    st.builds(Resting, st.none() | st.text()),
    st.just(Done()),
    st.builds(Refused, st.sampled_from(RefusalKind), st.sampled_from(Reason), st.text()),
    st.builds(Ambiguous, st.text()),
    st.builds(NotSent, st.text()),
)


def stored(outcome: Outcome) -> Action:
    """The action as its row would be read after this outcome."""
    return replace(ACTION, status=status_after(outcome), answer=json.loads(json.dumps(to_json(outcome))))


def report(state: OrderState, raw: str = "") -> OrderReport:
    return OrderReport(state, "77", raw, NOON)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (FILLED, ActionStatus.ACKED),
        (Resting("1"), ActionStatus.ACKED),
        (Done(), ActionStatus.ACKED),
        (Refused(RefusalKind.FINAL, Reason.VENUE_MARGIN, "no"), ActionStatus.REFUSED),
        (Refused(RefusalKind.EXPIRED, Reason.NEVER_EXECUTED, "late"), ActionStatus.EXPIRED),
        (Refused(RefusalKind.NONCE_USED, Reason.VENUE_REFUSED, "nonce"), ActionStatus.UNKNOWN),
        (Ambiguous("a reset"), ActionStatus.UNKNOWN),
        (NotSent("no connection"), ActionStatus.SIGNED),
    ],
)
def test_each_answer_has_its_status(outcome: Outcome, status: ActionStatus) -> None:
    assert status_after(outcome) is status


@given(outcomes)
def test_an_answer_is_always_a_move_that_a_sent_action_may_make(outcome: Outcome) -> None:
    assert action_may_become(ActionStatus.SENT, status_after(outcome))


@given(outcomes)
def test_f17_what_was_answered_is_read_back_as_it_was(outcome: Outcome) -> None:
    found = recorded(stored(outcome))

    match outcome:
        case Refused(kind=RefusalKind.EXPIRED):
            assert isinstance(found, Void)
        case NotSent():
            assert found == Ambiguous(outcome.why)
        case _:
            assert found == outcome


def test_an_action_without_an_answer_is_not_known() -> None:
    assert isinstance(recorded(replace(ACTION, answer=None)), Ambiguous)


def test_an_action_that_expired_was_never_executed_whatever_was_said_before() -> None:
    gone = replace(ACTION, status=ActionStatus.EXPIRED, answer=to_json(Ambiguous("a reset")))

    assert isinstance(recorded(gone), Void)


def test_an_answer_that_this_code_did_not_write_is_refused() -> None:
    with pytest.raises(KeyError):
        recorded(replace(ACTION, status=ActionStatus.ACKED, answer={"is": "filled"}))


@pytest.mark.parametrize("state", [OrderState.FILLED, OrderState.TRIGGERED, OrderState.OPEN])
def test_f51_f17_a_status_word_never_implies_a_size(state: OrderState) -> None:
    assert from_report(report(state)) is None


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.CANCELLED])
@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        ("iocCancelRejected", RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
        ("reduceOnlyCanceled", RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT),
        ("badTriggerPxRejected", RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED),
        ("tickRejected", RefusalKind.BUG, Reason.VENUE_REFUSED),
        ("a word that nobody knows", RefusalKind.FINAL, Reason.VENUE_REFUSED),
    ],
)
def test_an_order_that_ended_without_a_fill_was_refused_and_the_venues_word_says_how(
    state: OrderState, raw: str, kind: RefusalKind, reason: Reason
) -> None:
    assert from_report(report(state, raw)) == Refused(kind, reason, raw)
