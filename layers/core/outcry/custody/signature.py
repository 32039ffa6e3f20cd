"""Turns what KMS answers into what a venue takes: a DER signature into r, s and v, a DER public key into an address.

Promises:
- DER is read strictly: anything but one signature of two integers in its shortest form, or one secp256k1 key, is a BugError.
- r and s lie strictly between zero and the order of the curve, and s in its lower half: the venues take no other.
- v is found by recovering the key that made the signature. Where that is not the signer of `address`, it is a BugError,
  and nothing that could be sent comes out.

Source: SEC 1, sections 4.1.4, 4.1.6 and C.5; EIP-2 (low s); RFC 5480 (SubjectPublicKeyInfo of a curve).
"""

from outcry.custody.signer import ORDER, V_OFFSET, address_of_point
from outcry.runtime.errors import BugError
from outcry.venues.port import Signature

_RECOVERY_IDS = (0, 1)
_WORD = 32


def signature_from_der(der: bytes, digest: bytes, address: str) -> Signature:
    """The signature over the digest, in the form that the signer of `address` would have given it.

    Raises BugError where it is malformed, out of range, or of another key.
    """
    r, s = _integers(der)
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise BugError("a signature of KMS is out of the range of its curve")
    s = min(s, ORDER - s)
    for recovery_id in _RECOVERY_IDS:
        if _recovered(r, s, recovery_id, digest) == address:
            return Signature(r=r, s=s, v=V_OFFSET + recovery_id)
    raise BugError(f"a signature of KMS is not of the key of {address}")


def address_from_der(der: bytes) -> str:
    """The address of a public key that KMS gave. Raises BugError where it is no key of secp256k1."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise BugError("a public key of KMS cannot be read") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256K1):
        raise BugError("a public key of KMS is not one of secp256k1")
    return address_of_point(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _integers(der: bytes) -> tuple[int, int]:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    try:
        return decode_dss_signature(der)
    except ValueError:
        raise BugError("a signature of KMS cannot be read") from None


def _recovered(r: int, s: int, recovery_id: int, digest: bytes) -> str | None:
    """The address that this signature recovers to, or None where no key can have made it."""
    import coincurve

    serialized = r.to_bytes(_WORD) + s.to_bytes(_WORD) + bytes([recovery_id])
    try:
        public = coincurve.PublicKey.from_signature_and_message(serialized, digest, hasher=None)
    except ValueError:
        return None
    return address_of_point(public.format(compressed=False))
