"""What KMS answers, turned into what a venue takes: against every wallet's own signature, and against what is no answer."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outcry.custody.signature import address_from_der, signature_from_der
from outcry.custody.signer import SignerKey
from outcry.runtime.errors import BugError
from outcry.runtime.secrets import Secret

ORDER = int("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16)
KEY = SignerKey(Secret(bytes.fromhex("a1b2c3d4" * 8)))
DIGEST = b"\x5a" * 32

keys = st.integers(1, ORDER - 1)
digests = st.binary(min_size=32, max_size=32)


def der_of(signer: SignerKey, digest: bytes, *, high: bool = False) -> bytes:
    """What KMS answers: one of the two signatures that are valid under the same r."""
    signature = signer.sign_digest(digest)
    return encode_dss_signature(signature.r, ORDER - signature.s if high else signature.s)


GOOD = der_of(KEY, DIGEST)


# ─── signatures ─────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60)
@given(keys, digests, st.booleans())
@example(1, b"\x00" * 32, True)
@example(ORDER - 1, b"\xff" * 32, False)
def test_either_half_of_s_becomes_the_signature_of_every_ethereum_wallet(
    number: int, digest: bytes, is_high: bool
) -> None:
    signer = SignerKey(Secret(number.to_bytes(32)))

    signature = signature_from_der(der_of(signer, digest, high=is_high), digest, signer.address)

    assert signature == signer.sign_digest(digest)
    assert signature.s <= ORDER // 2
    assert (
        Account._recover_hash(digest, vrs=(signature.v, signature.r, signature.s)).lower() == signer.address
    )


@settings(max_examples=40)
@given(keys, digests)
def test_a_signature_of_another_key_never_comes_out(number: int, digest: bytes) -> None:
    other = SignerKey(Secret(number.to_bytes(32)))

    with pytest.raises(BugError, match="not of the key of"):
        signature_from_der(der_of(other, digest), digest, KEY.address)


def test_a_signature_of_another_digest_never_comes_out() -> None:
    with pytest.raises(BugError, match="not of the key of"):
        signature_from_der(GOOD, b"\x5b" * 32, KEY.address)


@settings(max_examples=200)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_gives_a_signature(position: int, change: int) -> None:
    spoilt = bytearray(GOOD)
    spoilt[position] ^= change

    with pytest.raises(BugError):
        signature_from_der(bytes(spoilt), DIGEST, KEY.address)


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_no_bytes_whatever_give_anything_but_a_bug(content: bytes) -> None:
    with pytest.raises(BugError):
        signature_from_der(content, DIGEST, KEY.address)


@pytest.mark.parametrize(
    "r_and_s",
    [
        (0, 1),
        (1, 0),
        (0, 0),
        (ORDER, 1),
        (1, ORDER),
        (ORDER + 1, ORDER + 1),
        (2**256 - 1, 1),
        (1, 2**256),
        (2**2000, 1),
    ],
)
def test_an_r_or_s_that_is_zero_or_beyond_the_order_is_refused(r_and_s: tuple[int, int]) -> None:
    with pytest.raises(BugError, match="range"):
        signature_from_der(encode_dss_signature(*r_and_s), DIGEST, KEY.address)


def sequence(*content: bytes) -> bytes:
    body = b"".join(content)
    return b"\x30" + bytes([len(body)]) + body


ONE = b"\x02\x01\x01"
MALFORMED = {
    "nothing": b"",
    "a tag alone": b"\x30",
    "an empty sequence": sequence(),
    "one integer": sequence(ONE),
    "three integers": sequence(ONE, ONE, ONE),
    "a set": b"\x31" + GOOD[1:],
    "another byte at the end": GOOD + b"\x00",
    "the last byte missing": GOOD[:-1],
    "an integer with a needless zero": sequence(b"\x02\x02\x00\x01", ONE),
    "a negative integer": sequence(b"\x02\x01\xff", ONE),
    "an integer without bytes": sequence(b"\x02\x00", ONE),
    "a length in its long form": b"\x30\x81\x06" + ONE + ONE,
    "a length without an end": b"\x30\x80" + ONE + ONE + b"\x00\x00",
    "octets instead of an integer": sequence(b"\x04\x01\x01", ONE),
    "two signatures": GOOD + GOOD,
    "r and s without any form": DIGEST + DIGEST,
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_der_to_the_letter_is_refused(content: bytes) -> None:
    with pytest.raises(BugError, match="cannot be read"):
        signature_from_der(content, DIGEST, KEY.address)


def test_an_r_that_no_point_has_is_of_no_key() -> None:
    nowhere = 5  # 5**3 + 7 = 132 has no square root modulo the prime of the curve

    with pytest.raises(BugError, match="not of the key of"):
        signature_from_der(encode_dss_signature(nowhere, 1), DIGEST, KEY.address)


# ─── public keys ────────────────────────────────────────────────────────────────────────────────────────────


def der_of_public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@settings(max_examples=40)
@given(keys)
def test_f27_the_address_of_a_public_key_is_every_wallet_s_in_lower_case(number: int) -> None:
    address = address_from_der(der_of_public(ec.derive_private_key(number, ec.SECP256K1())))

    assert address == Account.from_key(number.to_bytes(32)).address.lower()


def test_a_key_of_another_curve_or_kind_has_no_address() -> None:
    for other in (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ):
        with pytest.raises(BugError, match="not one of secp256k1"):
            address_from_der(der_of_public(other))


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_what_is_no_public_key_has_no_address(content: bytes) -> None:
    with pytest.raises(BugError, match="cannot be read"):
        address_from_der(content)


def test_a_point_that_is_not_on_the_curve_has_no_address() -> None:
    good = der_of_public(ec.derive_private_key(7, ec.SECP256K1()))

    for spoilt in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], good + b"\x00"):
        with pytest.raises(BugError, match="cannot be read"):
            address_from_der(spoilt)
