"""The bytes that a signer of Hyperliquid signs, over the venue's own SDK. The SDK is imported at first use
(about 0.6 s).

Promises: the same signature as the SDK gives for the same key, action, nonce and expiry; source "a" for
mainnet and "b" for everything else, so that what is signed for one network is worthless on another. Never
sees a private key, never chooses a nonce, never sends. Source: hyperliquid-python-sdk, utils/signing
(action_hash, l1_payload); EIP-712.
"""

import json
from datetime import datetime
from typing import Any

from outcry.runtime.clock import to_milliseconds
from outcry.runtime.errors import BugError
from outcry.venues.port import DigestSigner


def digest_of(action: Any, *, nonce: int, expires_ms: int | None, is_mainnet: bool) -> bytes:
    """The 32-byte EIP-712 digest of an L1 action. Key order counts: the action is hashed as it stands."""
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak
    from hyperliquid.utils.signing import action_hash, construct_phantom_agent, l1_payload

    phantom = construct_phantom_agent(action_hash(action, None, nonce, expires_ms), is_mainnet)
    message = encode_typed_data(full_message=l1_payload(phantom))
    return keccak(b"\x19" + message.version + message.header + message.body)


def sign(
    payload: str, *, nonce: int, expires_at: datetime | None, signer: DigestSigner, is_mainnet: bool
) -> str:
    """The exact body to send. `expires_at` is floored to a millisecond, so that it never lives longer than
    asked.

    Raises BugError for a nonce that is no positive whole number: the venue would hash something else.
    """
    if type(nonce) is not int or nonce <= 0:
        raise BugError(f"nonce {nonce!r} is not a whole number above zero")
    action = json.loads(payload)
    expires_ms = None if expires_at is None else to_milliseconds(expires_at)
    signature = signer.sign_digest(
        digest_of(action, nonce=nonce, expires_ms=expires_ms, is_mainnet=is_mainnet)
    )
    body = {
        "action": action,
        "nonce": nonce,
        "signature": {"r": hex(signature.r), "s": hex(signature.s), "v": signature.v},
        "vaultAddress": None,
        "expiresAfter": expires_ms,
    }
    return json.dumps(body, separators=(",", ":"))
