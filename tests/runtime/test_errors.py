"""Errors are typed by what the caller must do: retry, quarantine, or fix a setting."""

import pytest

from outcry.runtime import errors
from outcry.runtime.errors import (
    BugError,
    ConfigurationError,
    InfrastructureError,
    OutcryError,
    UnknownAnswer,
)

OURS = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, OutcryError)
]


def test_a_wrong_setting_is_named_with_its_value_and_the_fix() -> None:
    error = ConfigurationError("OUTCRY_NETWORK", "", "set it to mainnet, testnet or local")

    assert str(error) == "OUTCRY_NETWORK = '' cannot be used: set it to mainnet, testnet or local"
    assert (error.setting, error.fix) == ("OUTCRY_NETWORK", "set it to mainnet, testnet or local")


def test_an_answer_that_nobody_knows_is_a_bug_that_keeps_its_raw_body() -> None:
    error = UnknownAnswer("an order status", '{"status": "sideways"}')

    assert isinstance(error, BugError)
    assert error.raw == '{"status": "sideways"}'
    assert "sideways" not in str(error)


@pytest.mark.parametrize(
    "name",
    [
        *("DatabaseUnavailable", "SchemaMismatch", "VenueUnreachable"),
        *("FeedUnavailable", "ClassifierUnavailable"),
    ],
)
def test_f15_what_lies_below_us_and_fails_is_raised_for_the_queue_to_repeat(name: str) -> None:
    assert issubclass(getattr(errors, name), InfrastructureError)


def test_no_error_is_both_to_be_repeated_and_to_be_quarantined() -> None:
    assert len(OURS) > 8
    assert not [one for one in OURS if issubclass(one, InfrastructureError) and issubclass(one, BugError)]
    assert not issubclass(ConfigurationError, InfrastructureError)
    assert not issubclass(errors.FeedRefused, InfrastructureError)
