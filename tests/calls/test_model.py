from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from typing import Any

import pytest

from outcry.calls.model import Action, Call, Reading, Side, no_call, suspicious
from outcry.runtime.reasons import Reason

CALL = Call(
    token="BTC",
    token_as_written="btc",
    side=Side.LONG,
    action=Action.OPEN,
    conviction=Decimal("0.5"),
    evidence="long btc",
    entry_low=Decimal(1),
    entry_high=Decimal(2),
    stop=Decimal("0.5"),
    targets=(Decimal(3),),
    leverage=Decimal(5),
)


@pytest.mark.parametrize(
    "change",
    [
        {"token": "b tc"},
        {"token": "btc"},
        {"token": ""},
        {"token": "A" * 21},
        {"token_as_written": ""},
        {"conviction": Decimal("1.01")},
        {"conviction": Decimal("-0.01")},
        {"conviction": Decimal("NaN")},
        {"evidence": "  "},
        {"stop": Decimal(0)},
        {"stop": Decimal("NaN")},
        {"stop": Decimal("Infinity")},
        {"leverage": Decimal(-1)},
        {"targets": (Decimal(1), Decimal(0))},
        {"targets": tuple(Decimal(n) for n in range(1, 12))},
        {"entry_low": None},
        {"entry_high": None},
        {"entry_low": Decimal(3)},
        {"stop": Decimal(10) ** 13},
    ],
)
def test_a_call_that_breaks_a_promise_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(CALL, **change)


def test_a_call_needs_no_levels() -> None:
    bare = replace(CALL, entry_low=None, entry_high=None, stop=None, targets=(), leverage=None)

    assert bare.targets == ()


def test_a_call_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        CALL.token = "ETH"  # type: ignore[misc]


def test_a_reading_has_calls_or_a_reason_and_never_both() -> None:
    with pytest.raises(ValueError, match="calls or a reason"):
        Reading()
    with pytest.raises(ValueError, match="calls or a reason"):
        Reading(calls=(CALL,), reason=Reason.NO_CALL)


def test_a_reading_states_a_token_and_an_action_once() -> None:
    with pytest.raises(ValueError, match="once"):
        Reading(calls=(CALL, replace(CALL, side=Side.SHORT)))


def test_only_a_suspicious_reading_is_suspicious() -> None:
    assert suspicious("hidden characters").is_suspicious
    assert not no_call().is_suspicious
    assert not Reading(calls=(CALL,)).is_suspicious
