"""A private key in memory: its address, and signatures over 32 bytes. Nothing else can be done with it.

Promises: signatures are deterministic (RFC 6979) with a low s, as Ethereum and Hyperliquid demand; the key
is held in a `Secret` and is in no representation, copy, pickle or error of this object. Never stores a key.
Python cannot overwrite memory: keys are dropped at the earliest point, and gone when it is reused.
"""

from typing import NoReturn

from outcry.runtime.errors import BugError
from outcry.runtime.secrets import Secret
from outcry.venues.port import Signature

KEY_BYTES = 32
DIGEST_BYTES = 32
_R = slice(0, 32)
_S = slice(32, 64)
_RECOVERY_ID = 64
V_OFFSET = 27
# The order of secp256k1 (SEC 2, section 2.4.1): a private key lies strictly between zero and it.
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


def is_private_key(secret: Secret) -> bool:
    """Whether the secret is a private key of secp256k1."""
    return len(secret.reveal_bytes()) == KEY_BYTES and 0 < int.from_bytes(secret.reveal_bytes()) < ORDER


def address_of(secret: Secret) -> str:
    """The address of a private key: the last 20 bytes of the Keccak-256 of its public key, lower case.

    Raises BugError, which says nothing about the content, where the secret is no private key.
    """
    import coincurve

    if not is_private_key(secret):
        raise BugError("the secret is not a private key of secp256k1")
    return address_of_point(
        coincurve.PublicKey.from_valid_secret(secret.reveal_bytes()).format(compressed=False)
    )


def address_of_point(point: bytes) -> str:
    """The address of a public key, given as an uncompressed point: 0x04 and 64 bytes, which nobody checks here."""
    from eth_utils.crypto import keccak

    return "0x" + keccak(point[1:])[-20:].hex()


class SignerKey:
    """An opened signer. Implements `venues.port.DigestSigner`."""

    __slots__ = ("__secret", "_address")

    def __init__(self, secret: Secret) -> None:
        """Raises BugError where the secret is no private key."""
        self._address = address_of(secret)
        self.__secret = secret

    @property
    def address(self) -> str:
        """The signer's address, lower case, 0x and 40 hex digits."""
        return self._address

    def sign_digest(self, digest: bytes) -> Signature:
        """Sign 32 bytes. Raises BugError for any other length: whoever asks must hash first."""
        import coincurve

        if len(digest) != DIGEST_BYTES:
            raise BugError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        signed = coincurve.PrivateKey(self.__secret.reveal_bytes()).sign_recoverable(digest, hasher=None)
        r, s = int.from_bytes(signed[_R]), int.from_bytes(signed[_S])
        return Signature(r=r, s=s, v=V_OFFSET + signed[_RECOVERY_ID])

    def __repr__(self) -> str:
        return f"SignerKey({self._address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SignerKey cannot be pickled or copied")
