"""Notes every signed request that reached the venue, before anything is decided about it.

Promises: one `request` line for each arrival, a repetition included; the digest is over the whole body, signature and all,
with its keys in order, so that two bodies have one digest only where they say and sign the same.
"""

import hashlib
import json
from typing import Any

from local.hyperliquid.answers import Json
from local.hyperliquid.exchange import SignedRequest
from local.hyperliquid.state import Venue


def digest(body: Any) -> str:
    """The SHA-256 of a body's JSON with sorted keys, in hex."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def note_arrival(venue: Venue, request: SignedRequest, body: Json) -> None:
    """Write down that the request arrived."""
    orders = request.action["orders"] if request.action["type"] == "order" else []
    venue.note(
        "request",
        signer=request.signer,
        action_type=request.action["type"],
        nonce=request.nonce,
        expires_after=request.expires_after,
        cloids=[order["c"] for order in orders if order.get("c") is not None],
        reduce_only=bool(orders) and all(order["r"] for order in orders),
        digest=digest(body),
    )
