"""Envelopes against a KMS that checks what it decrypts: what opens, what does not, and what is never shown."""

import base64
import json
import logging
import secrets
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outcry.custody.envelope import SealContext, SealedKey, create, open_key
from outcry.custody.kms import Kms
from outcry.custody.signer import address_of
from outcry.runtime.errors import BugError, InfrastructureError
from outcry.runtime.secrets import Secret

PRIVATE = bytes.fromhex("c0ffee11" * 8)
NONCE = b"\x07" * 12


def drawn(*values: bytes) -> Callable[[int], bytes]:
    """Randomness that is known: each value once, in order."""
    remaining = list(values)

    def take(size: int) -> bytes:
        value = remaining.pop(0)
        assert len(value) == size
        return value

    return take


def flipped(content: bytes, position: int = -1) -> bytes:
    spoilt = bytearray(content)
    spoilt[position] ^= 1
    return bytes(spoilt)


@pytest.fixture
def sealed(kms: Kms, key_arn: str, context: SealContext) -> SealedKey:
    return create(kms, key_arn, context, drawn(PRIVATE, NONCE))


def test_what_was_sealed_opens_to_the_same_signer(kms: Kms, context: SealContext, sealed: SealedKey) -> None:
    signer = open_key(kms, context, sealed)

    assert signer.address == sealed.address == address_of(Secret(PRIVATE))


def test_two_envelopes_of_the_same_signer_share_nothing(kms: Kms, key_arn: str, context: SealContext) -> None:
    first = create(kms, key_arn, context, secrets.token_bytes)
    second = create(kms, key_arn, context, secrets.token_bytes)

    for name in ("address", "wrapped_key", "seal_nonce", "sealed_key"):
        assert getattr(first, name) != getattr(second, name)
    assert len(first.seal_nonce) == 12
    assert first.key_arn == key_arn


def test_making_asks_for_a_data_key_alone_and_opening_for_decryption_alone(
    kms: Kms, key_arn: str, context: SealContext, calls: list[str]
) -> None:
    sealed = create(kms, key_arn, context, secrets.token_bytes)
    made = list(calls)
    open_key(kms, context, sealed)

    assert made == ["GenerateDataKey"]
    assert calls[len(made) :] == ["Decrypt"]


def test_a_draw_outside_of_the_curve_is_drawn_again(kms: Kms, key_arn: str, context: SealContext) -> None:
    sealed = create(kms, key_arn, context, drawn(b"\x00" * 32, b"\xff" * 32, PRIVATE, NONCE))

    assert sealed.address == address_of(Secret(PRIVATE))


def test_randomness_that_is_none_makes_no_key(kms: Kms, key_arn: str, context: SealContext) -> None:
    with pytest.raises(BugError, match="randomness"):
        create(kms, key_arn, context, lambda size: b"\x00" * size)


# ─── what does not open ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        {"account": "mallory"},
        {"signer": "alice-signer-2"},
        {"venue": "gmx"},
        {"version": 2},
        {"app": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_f23_another_context_does_not_open_it_and_the_signer_is_named(
    kms: Kms, context: SealContext, sealed: SealedKey, change: dict[str, Any]
) -> None:
    wrong = replace(context, **change)

    with pytest.raises(BugError, match=wrong.signer):
        open_key(kms, wrong, sealed)


@pytest.mark.parametrize("mapping", [{}, {"account": "alice"}, "extra"], ids=["none", "missing", "extra"])
def test_f23_kms_refuses_a_context_with_a_part_too_few_or_too_many(
    kms_client: Any, context: SealContext, sealed: SealedKey, mapping: Any
) -> None:
    wrong = {**context.as_mapping(), "extra": "1"} if mapping == "extra" else mapping

    with pytest.raises(ClientError, match="InvalidCiphertext"):
        kms_client.decrypt(CiphertextBlob=sealed.wrapped_key, KeyId=sealed.key_arn, EncryptionContext=wrong)


@pytest.mark.parametrize("name", ["wrapped_key", "seal_nonce", "sealed_key"])
@pytest.mark.parametrize("position", [0, -1])
def test_f23_one_flipped_bit_anywhere_does_not_open(
    kms: Kms, context: SealContext, sealed: SealedKey, name: str, position: int
) -> None:
    changes: dict[str, Any] = {name: flipped(getattr(sealed, name), position)}
    spoilt = replace(sealed, **changes)

    with pytest.raises((BugError, InfrastructureError), match=context.signer):
        open_key(kms, context, spoilt)


def test_f23_another_key_of_kms_does_not_open_it(
    kms: Kms, context: SealContext, sealed: SealedKey, other_arn: str
) -> None:
    with pytest.raises((BugError, InfrastructureError), match=context.signer):
        open_key(kms, context, replace(sealed, key_arn=other_arn))


def test_f23_the_parts_of_two_envelopes_do_not_open_together(
    kms: Kms, key_arn: str, context: SealContext, sealed: SealedKey
) -> None:
    other = create(kms, key_arn, context, secrets.token_bytes)

    with pytest.raises(BugError, match=context.signer):
        open_key(kms, context, replace(sealed, wrapped_key=other.wrapped_key))
    with pytest.raises(BugError, match="belongs to"):
        open_key(kms, context, replace(other, address=sealed.address))


@pytest.mark.parametrize("content", [b"\x00" * 32, b"short"])
def test_f23_a_sealed_secret_that_is_no_private_key_does_not_become_a_signer(
    kms: Kms, key_arn: str, context: SealContext, content: bytes
) -> None:
    arn, wrapped, data_key = kms.new_data_key(context.signer, key_arn, context.as_mapping())
    body = AESGCM(data_key.reveal_bytes()).encrypt(NONCE, content, context.canonical())

    with pytest.raises(BugError, match=f"{context.signer} is not a private key"):
        open_key(kms, context, SealedKey("0x" + "00" * 20, arn, wrapped, NONCE, body))


# ─── KMS itself ─────────────────────────────────────────────────────────────────────────────────────────────


class FailingClient:
    """A KMS client that fails as the test says."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def decrypt(self, **request: Any) -> Any:
        raise self._error

    generate_data_key = decrypt


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "…"}}, "Decrypt")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error("InvalidCiphertextException"), BugError),
        (client_error("IncorrectKeyException"), BugError),
        (client_error("AccessDeniedException"), InfrastructureError),
        (client_error("DisabledException"), InfrastructureError),
        (client_error("ThrottlingException"), InfrastructureError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), InfrastructureError),
    ],
)
def test_what_kms_says_is_told_apart_and_names_the_signer(
    context: SealContext, sealed: SealedKey, error: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected, match=context.signer) as caught:
        open_key(Kms(FailingClient(error)), context, sealed)

    assert caught.value.__context__ is None


def test_kms_out_of_reach_makes_no_key(context: SealContext) -> None:
    with pytest.raises(InfrastructureError, match="AccessDenied"):
        create(Kms(FailingClient(client_error("AccessDeniedException"))), "arn", context, secrets.token_bytes)


def test_an_environment_without_a_region_is_an_infrastructure_fault(
    kms_client: Any, key_arn: str, context: SealContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(InfrastructureError, match="NoRegion"):
        create(Kms(), key_arn, context, secrets.token_bytes)


def test_the_client_is_made_at_first_use(kms_client: Any, key_arn: str, context: SealContext) -> None:
    kms = Kms()

    sealed = create(kms, key_arn, context, secrets.token_bytes)

    assert open_key(kms, context, sealed).address == sealed.address


# ─── never shown ────────────────────────────────────────────────────────────────────────────────────────────


def assert_hidden(text: str, *secret_bytes: bytes) -> None:
    for secret in secret_bytes:
        for form in (secret.hex(), repr(secret), repr(bytearray(secret)), str(int.from_bytes(secret))):
            assert form not in text


def test_f25_an_envelope_in_print_shows_its_address_and_key_and_no_bytes(sealed: SealedKey) -> None:
    for text in (repr(sealed), str(sealed), f"{sealed}", repr([sealed])):
        assert sealed.address in text
        assert_hidden(text, PRIVATE, sealed.sealed_key, sealed.wrapped_key, sealed.seal_nonce)


@pytest.fixture
def data_keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every data key that KMS gives out in the test, in plain."""
    given: list[bytes] = []
    original = Kms._ask

    def watched(self: Kms, signer: str, call: str, **request: Any) -> Any:
        answer = original(self, signer, call, **request)
        given.append(answer["Plaintext"])
        return answer

    monkeypatch.setattr(Kms, "_ask", watched)
    return given


def test_f25_making_and_opening_log_no_key_even_where_everything_is_logged(
    kms: Kms, key_arn: str, context: SealContext, data_keys: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="botocore"):
        sealed = create(kms, key_arn, context, drawn(PRIVATE, NONCE))
        open_key(kms, context, sealed)

    text = caplog.text + repr([vars(record) for record in caplog.records])
    assert "botocore" in text
    assert len(data_keys) == 2
    assert_hidden(text, PRIVATE, *data_keys)
    for key in data_keys:
        assert base64.b64encode(key).decode() not in text


@pytest.mark.parametrize("broken", ["seal", "unseal", "address"])
def test_f25_a_traceback_with_all_its_locals_shows_no_key(
    kms: Kms,
    key_arn: str,
    context: SealContext,
    sealed: SealedKey,
    data_keys: list[bytes],
    broken: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*arguments: object) -> object:
        raise RuntimeError("the library fails")

    class BrokenCipher:
        def __init__(self, key: bytes) -> None:
            self.encrypt = self.decrypt = failing

    def attempt() -> object:
        if broken == "unseal":
            return open_key(kms, context, sealed)
        return create(kms, key_arn, context, drawn(PRIVATE, NONCE))

    if broken == "address":
        monkeypatch.setattr("coincurve.PublicKey.from_valid_secret", failing)
    else:
        monkeypatch.setattr("cryptography.hazmat.primitives.ciphers.aead.AESGCM", BrokenCipher)

    with pytest.raises(RuntimeError) as caught:
        attempt()

    formatted = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    ours = "".join(part for part in formatted if "outcry/custody" in part)
    assert "sealed" in ours
    assert_hidden(ours, PRIVATE, *data_keys)


def test_the_context_is_one_sequence_of_bytes_whatever_its_parts(context: SealContext) -> None:
    assert context.canonical() == (
        b'{"account":"alice","app":"outcry","signer":"alice-signer-1","venue":"hyperliquid","version":"1"}'
    )
    assert json.loads(context.canonical()) == context.as_mapping()
