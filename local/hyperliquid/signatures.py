"""Recovers who signed an action, through the SDK's own hashing.

Promises: the address that is returned is the one whose key made the signature over the canonical action; a
tampered body gives another address, as on the venue. Never decides whether that address may act.
Source: hyperliquid-python-sdk, utils/signing.py.
"""

import re
from typing import Any, Literal

from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from hyperliquid.utils import signing

from local.hyperliquid.answers import UNRECOVERABLE, BadRequest, Json, Refused
from local.hyperliquid.canonical import canonical_action

Network = Literal["Mainnet", "Testnet"]
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")

_AGENT_TYPES = [
    {"name": "hyperliquidChain", "type": "string"},
    {"name": "agentAddress", "type": "address"},
    {"name": "agentName", "type": "string"},
    {"name": "nonce", "type": "uint64"},
]
_BUILDER_TYPES = [
    {"name": "hyperliquidChain", "type": "string"},
    {"name": "maxFeeRate", "type": "string"},
    {"name": "builder", "type": "address"},
    {"name": "nonce", "type": "uint64"},
]
_USER_TYPES: dict[str, tuple[str, list[dict[str, str]]]] = {
    "approveAgent": ("ApproveAgent", _AGENT_TYPES),
    "approveBuilderFee": ("ApproveBuilderFee", _BUILDER_TYPES),
    "usdClassTransfer": ("UsdClassTransfer", signing.USD_CLASS_TRANSFER_SIGN_TYPES),
    "usdSend": ("UsdSend", signing.USD_SEND_SIGN_TYPES),
    "withdraw3": ("Withdraw", signing.WITHDRAW_SIGN_TYPES),
    "spotSend": ("SpotSend", signing.SPOT_TRANSFER_SIGN_TYPES),
    "sendAsset": ("SendAsset", signing.SEND_ASSET_SIGN_TYPES),
}


def read_signature(signature: Any) -> Json:
    """r and s as the integers they are (hex may be unpadded), v as 27 or 28. Raises `BadRequest` (422)."""
    if not isinstance(signature, dict):
        raise BadRequest.schema()
    r, s, v = signature.get("r"), signature.get("s"), signature.get("v")
    for part in (r, s):
        if not isinstance(part, str) or not _HEX.fullmatch(part):
            raise BadRequest.schema()
    if isinstance(v, bool) or v not in (0, 1, 27, 28):
        raise BadRequest.schema()
    return {"r": int(str(r), 16), "s": int(str(s), 16), "v": int(v)}


def recover_l1_signer(
    action: Json,
    signature: Any,
    nonce: int,
    vault: str | None,
    expires_after: int | None,
    network: Network = "Testnet",
) -> str:
    """Lower-case address that signed an L1 action. Raises `Refused` when no key can have signed it."""
    parts = read_signature(signature)
    try:
        found = signing.recover_agent_or_user_from_l1_action(
            canonical_action(action), parts, vault, nonce, expires_after, network == "Mainnet"
        )
    except (BadSignature, ValidationError) as fault:
        raise Refused(UNRECOVERABLE) from fault
    return str(found).lower()


def recover_user_signer(action: Json, signature: Any, network: Network = "Testnet") -> str:
    """Lower-case address that signed a user-signed action: chain id from `signatureChainId`, chain name
    from the network served here, so that a signature for another network gives a stranger's address."""
    parts = read_signature(signature)
    message = canonical_action(action)
    name, types = _USER_TYPES[message["type"]]
    if message["type"] == "approveAgent":
        message.setdefault("agentName", "")
    try:
        found = signing.recover_user_from_user_signed_action(
            message, parts, types, f"HyperliquidTransaction:{name}", network == "Mainnet"
        )
    except (BadSignature, ValidationError) as fault:
        raise Refused(UNRECOVERABLE) from fault
    return str(found).lower()
