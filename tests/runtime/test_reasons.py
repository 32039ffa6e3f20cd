"""Every refusal has a stable name and a sentence of its own."""

import pytest

from outcry.runtime.reasons import Reason


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_for_people(reason: Reason) -> None:
    assert reason.sentence.endswith(".")
    assert reason.sentence[0].isupper()
    assert reason.value not in reason.sentence


def test_no_two_reasons_say_the_same() -> None:
    assert len({reason.sentence for reason in Reason}) == len(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_is_stored_under_its_name(reason: Reason) -> None:
    assert reason.value == reason.name == str(reason)
    assert Reason(reason.value) is reason
