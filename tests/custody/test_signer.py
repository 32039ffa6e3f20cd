"""A key in memory: what it signs, and that it shows itself nowhere."""

import copy
import logging
import pickle
import traceback

import coincurve
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from outcry.custody.signer import SignerKey, address_of, is_private_key
from outcry.runtime.errors import BugError
from outcry.runtime.secrets import Secret
from outcry.venues.port import DigestSigner, Signature

KEY = bytes.fromhex("a1b2c3d4" * 8)
ORDER = int("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16)
DIGEST = b"\x5a" * 32

scalars = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32))


def shown(key: bytes) -> tuple[str, ...]:
    return key.hex(), key.hex().upper(), repr(key), str(int.from_bytes(key))


def assert_hidden(text: str, key: bytes) -> None:
    for form in shown(key):
        assert form not in text


@settings(max_examples=40)
@given(scalars, st.binary(min_size=32, max_size=32))
def test_a_signature_is_the_one_of_every_ethereum_wallet(key: bytes, digest: bytes) -> None:
    signer: DigestSigner = SignerKey(Secret(key))

    signature = signer.sign_digest(digest)

    wallet = Account.from_key(key)
    expected = wallet.unsafe_sign_hash(digest)
    assert signature == Signature(expected.r, expected.s, expected.v)
    assert signature.s <= ORDER // 2
    assert signature.v in (27, 28)
    assert signer.address == wallet.address.lower()


def test_the_same_digest_is_signed_the_same_way() -> None:
    signer = SignerKey(Secret(KEY))

    assert signer.sign_digest(DIGEST) == signer.sign_digest(DIGEST)


@pytest.mark.parametrize("digest", [b"", b"\x00" * 31, b"\x00" * 33])
def test_only_a_digest_of_32_bytes_is_signed(digest: bytes) -> None:
    with pytest.raises(BugError, match="32 bytes"):
        SignerKey(Secret(KEY)).sign_digest(digest)


@pytest.mark.parametrize(
    "content", [b"", b"\x01" * 31, b"\x01" * 33, b"\x00" * 32, ORDER.to_bytes(32), b"\xff" * 32]
)
def test_what_is_no_private_key_makes_no_signer(content: bytes) -> None:
    assert not is_private_key(Secret(content))
    with pytest.raises(BugError) as caught:
        SignerKey(Secret(content))

    assert caught.value.__context__ is None


def test_f25_a_signer_shows_its_address_and_nothing_else() -> None:
    signer = SignerKey(Secret(KEY))

    for text in (repr(signer), str(signer), f"{signer}", f"{signer!r:>80}", f"{[signer]}"):
        assert_hidden(text, KEY)
        assert signer.address in text


def test_f25_a_signer_is_not_pickled_or_copied() -> None:
    signer = SignerKey(Secret(KEY))

    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            take(signer)
    assert not hasattr(signer, "__dict__")


def test_f25_a_signer_in_a_log_line_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    signer = SignerKey(Secret(KEY))

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("opened", extra={"signer": signer})
        logging.getLogger("test").debug("%s %r", signer, signer)
        signer.sign_digest(DIGEST)

    assert_hidden(caplog.text + repr([vars(record) for record in caplog.records]), KEY)


def test_f25_a_traceback_with_all_its_locals_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = SignerKey(Secret(KEY))

    def broken(self: object, *arguments: object, **more: object) -> bytes:
        raise RuntimeError("the library fails")

    monkeypatch.setattr(coincurve.PrivateKey, "sign_recoverable", broken)
    with pytest.raises(RuntimeError) as caught:
        signer.sign_digest(DIGEST)
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())

    assert "sign_digest" in text
    assert_hidden(text, KEY)


def test_an_address_is_the_one_of_the_key() -> None:
    # a key whose address everybody knows: the first of the development chains
    known = Secret(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))

    assert address_of(known) == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
