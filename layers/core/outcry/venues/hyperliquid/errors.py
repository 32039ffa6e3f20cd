"""What Hyperliquid's refusals mean: from a text's beginning to what must be done and the reason recorded.

Promises: pure and total. A text that is not in the catalogue is UNKNOWN, for the quarantine; nothing is
guessed from it.

Sources: Hyperliquid docs, error-responses, nonces-and-api-wallets; recorded testnet answers.
"""

import re
from typing import NamedTuple

from outcry.runtime.reasons import Reason
from outcry.venues.port import RefusalKind, Refused


class Entry(NamedTuple):
    """One line of the catalogue: how the text begins, what to do, and why it was refused."""

    prefix: str
    kind: RefusalKind
    reason: Reason


_SIGNER = (RefusalKind.SIGNER, Reason.SIGNER_INVALID)
_BUG = (RefusalKind.BUG, Reason.VENUE_REFUSED)
_MARKET = (RefusalKind.LATER, Reason.VENUE_MARKET_STATE)
_LEVERAGE = (RefusalKind.FINAL, Reason.VENUE_LEVERAGE)

CATALOGUE: tuple[Entry, ...] = (
    # what we built does not fit the market's rules
    Entry("Price must be divisible by tick size", *_BUG),
    Entry("Order has invalid price", *_BUG),
    Entry("Order has invalid size", *_BUG),
    Entry("Order has zero size", *_BUG),
    Entry("Signed action over weight limit", *_BUG),
    Entry("Failed to deserialize the JSON body", *_BUG),
    Entry("Failed to parse the request body", *_BUG),
    # the user's funds and the size
    Entry("Order must have minimum value of", RefusalKind.FINAL, Reason.VENUE_MINIMUM),
    Entry("Insufficient margin to place order", RefusalKind.FINAL, Reason.VENUE_MARGIN),
    Entry("Order would cause position to exceed margin tier limit", RefusalKind.FINAL, Reason.VENUE_MARGIN),
    # the state of the market and of the position
    Entry("Reduce only order would increase position", RefusalKind.ALREADY_FLAT, Reason.VENUE_ALREADY_FLAT),
    Entry("Order could not immediately match", RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
    Entry("No liquidity available for market order", RefusalKind.WIDEN, Reason.VENUE_NO_LIQUIDITY),
    Entry("Order price cannot be more than", *_MARKET),
    Entry("Price too far from oracle", *_MARKET),
    Entry("Order price too far from oracle", *_MARKET),
    Entry("Invalid TP/SL price", RefusalKind.CROSSED, Reason.VENUE_TRIGGER_CROSSED),
    Entry("Order was never placed, already canceled, or filled", RefusalKind.NOT_THERE, Reason.VENUE_REFUSED),
    Entry("Cannot modify canceled or filled order", RefusalKind.NOT_THERE, Reason.VENUE_REFUSED),
    # who signed; the named address tells a missing approval from a wrong encoding
    Entry("User or API Wallet", *_SIGNER),
    Entry("Must deposit before performing actions", *_SIGNER),
    Entry("Unable to recover signer", *_SIGNER),
    Entry("Vault not registered", *_SIGNER),
    # approving a signer
    Entry("Too many extra agents", RefusalKind.FINAL, Reason.SIGNER_INVALID),
    Entry("Extra agent already used", RefusalKind.FINAL, Reason.SIGNER_INVALID),
    Entry("User has pending agent removal", RefusalKind.LATER, Reason.SIGNER_INVALID),
    Entry("Agent valid_until already expired", RefusalKind.FINAL, Reason.SIGNER_INVALID),
    # nonce and expiry
    Entry("Invalid nonce: duplicate nonce", RefusalKind.NONCE_USED, Reason.VENUE_REFUSED),
    Entry("Invalid nonce: nonce too low", *_BUG),
    Entry("Invalid nonce: nonce too high", *_BUG),
    Entry("Action already expired", RefusalKind.EXPIRED, Reason.NEVER_EXECUTED),
    # not now
    Entry("Too many cumulative requests sent", RefusalKind.LATER, Reason.VENUE_RATE_LIMIT),
    Entry("Only post-only orders allowed", RefusalKind.LATER, Reason.VENUE_NOT_NOW),
    Entry("Trading is halted", RefusalKind.LATER, Reason.VENUE_NOT_NOW),
    # leverage and account mode
    Entry("Cannot switch leverage type with open position", *_LEVERAGE),
    Entry("Invalid leverage value", *_LEVERAGE),
    Entry("Isolated position does not have sufficient margin available", *_LEVERAGE),
    Entry("Cross position does not have sufficient margin available", *_LEVERAGE),
    Entry("Cross margin is not allowed for this asset", *_LEVERAGE),
    Entry("Position does not use isolated margin", *_LEVERAGE),
    Entry("Action disabled when unified account is active", RefusalKind.FINAL, Reason.ACCOUNT_MODE_UNKNOWN),
)

# The wordings of the open-interest caps differ and are not all recorded; all of them name it.
_OPEN_INTEREST = "open interest"
_ASSET = re.compile(r" asset=[0-9]+$")
_L1 = "L1 error: "


def classify(text: str) -> Refused:
    """What a refusal's text means. `Refused.text` keeps the venue's own words."""
    bare = _ASSET.sub("", text.strip()).removeprefix(_L1)
    for entry in CATALOGUE:
        if bare.startswith(entry.prefix):
            return Refused(entry.kind, entry.reason, text)
    if _OPEN_INTEREST in bare.lower():
        return Refused(*_MARKET, text)
    return Refused(RefusalKind.UNKNOWN, Reason.VENUE_REFUSED, text)
