"""The verifier finds the wallet that signed, and nobody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.hyperliquid.answers import BadRequest, Refused
from local.hyperliquid.canonical import canonical_action, is_user_signed
from local.hyperliquid.signatures import recover_l1_signer, recover_user_signer

CAPTURES = Path(__file__).parents[3].parent / "shared" / "data" / "hyperliquid_captures"
FIRST = "0x4a1ae5a6cfb24390a704b1cc1ab88d0f89ef596b"
SECOND = "0xdf8187008dd2084b553c9a5985be950c77fd76ed"
OTHER_SIGNER = {
    "12_usdClassTransfer": "0x932034054685ab4d46a5b9e59b70a4b7f2c76d4d",
    "19b_usdSend_wallet2_to_wallet1": SECOND,
    "22_agentSendAsset": SECOND,
}
UNTYPED = {"23_sendToEvmWithData"}


def _signed() -> list[Any]:
    rows = []
    for path in sorted(CAPTURES.glob("*.json")):
        request = json.loads(path.read_text())["request"]
        if "signature" in request and path.stem not in UNTYPED:
            rows.append(pytest.param(request, OTHER_SIGNER.get(path.stem, FIRST), id=path.stem))
    return rows or [pytest.param(None, "", marks=pytest.mark.skip("no recorded exchanges on this machine"))]


@pytest.mark.parametrize(("request_body", "signer"), _signed())
def test_recorded_requests_recover_the_wallet_that_the_venue_saw(request_body: Any, signer: str) -> None:
    action, signature = request_body["action"], request_body["signature"]

    if is_user_signed(canonical_action(action)):
        found = recover_user_signer(action, signature)
    else:
        vault, expires = request_body.get("vaultAddress"), request_body.get("expiresAfter")
        found = recover_l1_signer(action, signature, request_body["nonce"], vault, expires)

    assert found == signer


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body["action"]["orders"][0].update(s="0.02"),
        lambda body: body["action"]["orders"][0].update(b=False),
        lambda body: body["action"].update(grouping="normalTpsl"),
        lambda body: body.update(nonce=body["nonce"] + 1),
        lambda body: body.update(expiresAfter=body["nonce"] + 10_000),
        lambda body: body.update(vaultAddress="0x" + "ab" * 20),
    ],
)
def test_any_change_of_the_body_recovers_a_stranger(desk: Any, change: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "61000")
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"})
    change(body)

    answer = desk.engine.exchange(body)

    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x")
    assert answer["response"].endswith(" does not exist.")
    assert desk.agent not in answer["response"]
    assert desk.journal("fill") == []


def test_a_signature_for_mainnet_recovers_a_stranger(desk: Any) -> None:
    answer = desk.send({"type": "noop"}, mainnet=True)

    assert answer["response"].endswith("does not exist.")


def test_order_of_keys_case_and_padding_do_not_matter(desk: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "61000", cloid="0x" + "ab" * 16)
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"})
    padded = dict(reversed(list(row.items())), s="0.0100", p="61000.0", c="0x" + "AB" * 16)
    body["action"] = {"grouping": "na", "orders": [padded], "type": "order", "unknown": 1}

    answer = desk.engine.exchange(body)

    assert "filled" in answer["response"]["data"]["statuses"][0]


def test_a_zero_signature_recovers_nobody(desk: Any) -> None:
    body = desk.envelope({"type": "noop"})
    body["signature"] = {"r": "0x0", "s": "0x0", "v": 27}

    assert desk.engine.exchange(body) == {"status": "err", "response": "Unable to recover signer."}
    with pytest.raises(Refused):
        recover_l1_signer(body["action"], body["signature"], body["nonce"], None, None)


@pytest.mark.parametrize(
    "signature", [None, {"r": "0x1"}, {"r": "1", "s": "0x1", "v": 27}, {"r": "0x1", "s": "0x1", "v": 3}]
)
def test_a_malformed_signature_is_a_schema_error(desk: Any, signature: Any) -> None:
    body = desk.envelope({"type": "noop"}) | {"signature": signature}

    with pytest.raises(BadRequest) as caught:
        desk.engine.exchange(body)

    assert caught.value.status == 422


@pytest.mark.parametrize("size", ["1e-3", "-1", "0.123456789", 0.5, "", ".5"])
def test_a_size_that_is_no_plain_decimal_is_a_schema_error(desk: Any, size: Any) -> None:
    row = desk.wire("BTC", True, "0.01", "61000")
    body = desk.envelope({"type": "order", "orders": [row], "grouping": "na"})
    row["s"] = size

    with pytest.raises(BadRequest) as caught:
        desk.engine.exchange(body)

    assert caught.value.status == 422
