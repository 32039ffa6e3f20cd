"""Signatures: the same as the venue's SDK gives, each good for one network, one nonce and one expiry."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils import signing as sdk

from outcry.custody.signer import SignerKey
from outcry.runtime.clock import SystemClock
from outcry.runtime.errors import BugError
from outcry.runtime.secrets import Secret
from outcry.venues.hyperliquid.client import MAINNET_URL, TESTNET_URL
from outcry.venues.hyperliquid.signing import digest_of, sign
from outcry.venues.hyperliquid.venue import HyperliquidVenue

KEY = "0x" + "22" * 32
WALLET = Account.from_key(KEY)
EXPIRY = datetime(2026, 1, 5, 12, 0, 0, 123_999, tzinfo=UTC)
EXPIRY_MS = 1_767_614_400_123
ORDER = (
    '{"type":"order","orders":[{"a":3,"b":true,"p":"88128","s":"0.01","r":false,"t":{"limit":{"tif":"Ioc"}},'
    '"c":"0x0000000000000000000000000000000a"}],"grouping":"na"}'
)
ACTIONS = [
    ORDER,
    '{"type":"cancelByCloid","cancels":[{"asset":3,"cloid":"0x0000000000000000000000000000000a"}]}',
    '{"type":"updateLeverage","asset":3,"isCross":false,"leverage":5}',
    '{"type":"noop"}',
]
RECORDED_WALLET = "0x4a1ae5a6cfb24390a704b1cc1ab88d0f89ef596b"


@pytest.fixture
def key() -> SignerKey:
    return SignerKey(Secret(bytes.fromhex(KEY[2:])))


@pytest.mark.parametrize("payload", ACTIONS)
@pytest.mark.parametrize("expires_at", [None, EXPIRY])
@pytest.mark.parametrize("is_mainnet", [True, False])
def test_a_signature_is_the_one_that_the_sdk_makes(
    key: SignerKey, payload: str, expires_at: datetime | None, is_mainnet: bool
) -> None:
    expires_ms = None if expires_at is None else EXPIRY_MS

    body = json.loads(sign(payload, nonce=42, expires_at=expires_at, signer=key, is_mainnet=is_mainnet))

    assert body == {
        "action": json.loads(payload),
        "nonce": 42,
        "signature": sdk.sign_l1_action(WALLET, json.loads(payload), None, 42, expires_ms, is_mainnet),
        "vaultAddress": None,
        "expiresAfter": expires_ms,
    }


def test_the_same_request_is_signed_into_the_same_bytes(key: SignerKey) -> None:
    first = sign(ORDER, nonce=42, expires_at=EXPIRY, signer=key, is_mainnet=False)

    assert sign(ORDER, nonce=42, expires_at=EXPIRY, signer=key, is_mainnet=False) == first
    assert first.startswith('{"action":' + ORDER + ',"nonce":42,')


def test_f48_another_nonce_is_another_signature(key: SignerKey) -> None:
    first = json.loads(sign(ORDER, nonce=42, expires_at=None, signer=key, is_mainnet=False))
    second = json.loads(sign(ORDER, nonce=43, expires_at=None, signer=key, is_mainnet=False))

    assert first["signature"] != second["signature"]


@pytest.mark.parametrize("nonce", [0, -1, True, 1.0, "1"])
def test_f48_a_nonce_that_is_no_whole_number_is_a_bug(key: SignerKey, nonce: Any) -> None:
    with pytest.raises(BugError, match="nonce"):
        sign(ORDER, nonce=nonce, expires_at=None, signer=key, is_mainnet=False)


@pytest.mark.parametrize(
    ("network", "url", "is_mainnet"),
    [
        ("mainnet", MAINNET_URL, True),
        ("testnet", TESTNET_URL, False),
        ("local", "http://127.0.0.1:1", False),
    ],
)
def test_f50_f56_only_mainnet_is_signed_as_mainnet(
    key: SignerKey, network: str, url: str, is_mainnet: bool
) -> None:
    venue = HyperliquidVenue(network, url, SystemClock())

    body = json.loads(venue.sign(ORDER, nonce=42, expires_at=None, signer=key))

    for claimed in (True, False):
        recovered = sdk.recover_agent_or_user_from_l1_action(
            body["action"], body["signature"], None, 42, None, claimed
        )
        assert (recovered.lower() == key.address) is (claimed is is_mainnet)


def test_an_expiry_is_never_later_than_asked(key: SignerKey) -> None:
    soon = EXPIRY + timedelta(microseconds=999)

    body = json.loads(sign(ORDER, nonce=1, expires_at=soon, signer=key, is_mainnet=False))

    assert body["expiresAfter"] == EXPIRY_MS + 1


def test_f50_the_digest_of_recorded_requests_was_signed_by_the_wallet_that_sent_them(
    captures: dict[str, Any],
) -> None:
    names = ["01_place_order", "02_modify", "03_batchModify", "03b_cancel", "11_updateIsolatedMargin"]
    for name in names:
        request = captures[name]["request"]
        digest = digest_of(request["action"], nonce=request["nonce"], expires_ms=None, is_mainnet=False)
        signature = request["signature"]
        vrs = (signature["v"], int(signature["r"], 16), int(signature["s"], 16))

        assert Account._recover_hash(digest, vrs=vrs).lower() == RECORDED_WALLET
