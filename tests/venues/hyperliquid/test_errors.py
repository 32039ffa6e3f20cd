"""Every refusal text of the catalogue, and what becomes of one that is not in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.runtime.reasons import Reason
from outcry.venues.hyperliquid.errors import CATALOGUE, Entry, classify
from outcry.venues.port import RefusalKind

AGENT = "0x93203405a1b2c3d4e5f60718293a4b5c6d7e8f90"

TEXTS = [
    ("Price must be divisible by tick size. asset=3", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Order has invalid price.", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Order has invalid size.", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Order has zero size.", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Signed action over weight limit of 200.", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Order must have minimum value of $10. asset=3", RefusalKind.FINAL, Reason.VENUE_MINIMUM),
    ("Insufficient margin to place order. asset=0", RefusalKind.FINAL, Reason.VENUE_MARGIN),
    (
        "Order would cause position to exceed margin tier limit at current leverage. asset=0",
        RefusalKind.FINAL,
        Reason.VENUE_MARGIN,
    ),
    (
        "Reduce only order would increase position. asset=4",
        RefusalKind.ALREADY_FLAT,
        Reason.VENUE_ALREADY_FLAT,
    ),
    (
        "Order could not immediately match against any resting orders. asset=4",
        RefusalKind.WIDEN,
        Reason.VENUE_NO_LIQUIDITY,
    ),
    ("No liquidity available for market order. asset=4", RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
    (
        "Order price cannot be more than 80% away from the reference price asset=1",
        RefusalKind.LATER,
        Reason.VENUE_MARKET_STATE,
    ),
    ("Price too far from oracle asset=1", RefusalKind.LATER, Reason.VENUE_MARKET_STATE),
    (
        "Order would increase open interest while open interest is capped asset=1",
        RefusalKind.LATER,
        Reason.VENUE_MARKET_STATE,
    ),
    ("Invalid TP/SL price. asset=0", RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED),
    (
        "Order was never placed, already canceled, or filled. asset=3",
        RefusalKind.NOT_THERE,
        Reason.VENUE_REFUSED,
    ),
    ("Cannot modify canceled or filled order", RefusalKind.NOT_THERE, Reason.VENUE_REFUSED),
    ("Invalid nonce: duplicate nonce 1778996623277", RefusalKind.NONCE_USED, Reason.VENUE_REFUSED),
    ("Invalid nonce: nonce too low 1 < 2", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Invalid nonce: nonce too high 2 > 1", RefusalKind.BUG, Reason.VENUE_REFUSED),
    ("Action already expired", RefusalKind.EXPIRED, Reason.NEVER_EXECUTED),
    (
        "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46.",
        RefusalKind.LATER,
        Reason.VENUE_RATE_LIMIT,
    ),
    (
        "Only post-only orders allowed immediately after network upgrade",
        RefusalKind.LATER,
        Reason.VENUE_NOT_NOW,
    ),
    ("Trading is halted.", RefusalKind.LATER, Reason.VENUE_NOT_NOW),
    ("Cannot switch leverage type with open position.", RefusalKind.FINAL, Reason.VENUE_LEVERAGE),
    ("Invalid leverage value", RefusalKind.FINAL, Reason.VENUE_LEVERAGE),
    (
        "Isolated position does not have sufficient margin available to decrease leverage.",
        RefusalKind.FINAL,
        Reason.VENUE_LEVERAGE,
    ),
    ("Action disabled when unified account is active", RefusalKind.FINAL, Reason.ACCOUNT_MODE_UNKNOWN),
    ("Extra agent already used.", RefusalKind.FINAL, Reason.SIGNER_INVALID),
    ("User has pending agent removal", RefusalKind.LATER, Reason.SIGNER_INVALID),
]


@pytest.mark.parametrize(("text", "kind", "reason"), TEXTS)
def test_a_recorded_refusal_says_what_to_do_and_why(text: str, kind: RefusalKind, reason: Reason) -> None:
    refused = classify(text)

    assert (refused.kind, refused.reason, refused.text) == (kind, reason, text)


@pytest.mark.parametrize(
    "text",
    [
        f"User or API Wallet {AGENT} does not exist.",
        f"L1 error: User or API Wallet {AGENT} does not exist.",
        f"Must deposit before performing actions. User: {AGENT}",
        "Unable to recover signer.",
        f"Vault not registered: {AGENT}",
    ],
)
def test_f50_every_wording_of_a_wrong_signer_or_account_is_a_signer_refusal(text: str) -> None:
    refused = classify(text)

    assert refused.kind is RefusalKind.SIGNER
    assert refused.reason is Reason.SIGNER_INVALID


def test_the_asset_suffix_is_cut_only_where_it_is_one() -> None:
    assert classify("Invalid leverage value asset=12").kind is RefusalKind.FINAL
    assert classify("Somebody wrote asset=x").kind is RefusalKind.UNKNOWN


@given(st.text())
def test_a_text_that_nobody_catalogued_is_unknown_and_kept(text: str) -> None:
    refused = classify("@ " + text.replace("open interest", ""))

    if "open interest" not in refused.text.lower():
        assert refused.kind is RefusalKind.UNKNOWN
        assert refused.reason is Reason.VENUE_REFUSED
    assert refused.text.startswith("@ ")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.prefix)
def test_no_line_of_the_catalogue_hides_behind_an_earlier_one(entry: Entry) -> None:
    refused = classify(f"{entry.prefix} and whatever follows asset=7")

    assert (refused.kind, refused.reason) == (entry.kind, entry.reason)
