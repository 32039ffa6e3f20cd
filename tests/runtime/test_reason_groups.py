"""Refusals are counted in seven groups: each belongs to one; why a post is no call, and what ended a position, to none."""

import pytest

from outcry.runtime import reason_groups
from outcry.runtime.reason_groups import ReasonGroup, group_of
from outcry.runtime.reasons import Reason

ELSEWHERE = frozenset(
    {
        # of posts
        *(Reason.REPOST, Reason.PAID_PARTNERSHIP, Reason.AUTHOR_NOT_FOLLOWED, Reason.NO_CALL),
        *(Reason.POST_TOO_OLD, Reason.AMBIGUOUS_TICKER, Reason.SUSPICIOUS_TEXT),
        # of ends
        *(Reason.STOP_LOSS, Reason.TRAILING_STOP, Reason.TAKE_PROFIT, Reason.TIME_LIMIT),
        *(Reason.LIQUIDATION_BUFFER, Reason.LIQUIDATED, Reason.CLOSE_CALL, Reason.PERSON, Reason.FLATTEN),
        *(Reason.UNPROTECTED, Reason.CLOSED_ELSEWHERE, Reason.FOREIGN_CLOSED),
    }
)


@pytest.mark.parametrize("reason", sorted(set(Reason) - ELSEWHERE))
def test_every_refusal_has_a_group(reason: Reason) -> None:
    assert group_of(reason.value) in ReasonGroup


def test_no_reason_is_in_two_groups() -> None:
    members = [reason for group in reason_groups._MEMBERS.values() for reason in group]

    assert len(members) == len(set(members)) == len(Reason) - len(ELSEWHERE)


@pytest.mark.parametrize("reason", [None, "", "SOMETHING_NEW", *sorted(ELSEWHERE)])
def test_what_is_no_refusal_has_no_group(reason: str | None) -> None:
    assert group_of(reason) is None
