"""A signer's key in its envelope: AES-256-GCM under a data key that only KMS can unwrap.

Promises:
- Each signer has a data key of its own. KMS binds it to the context {app, account, signer, venue, version},
  and the same context is the additional data of AES-GCM: a sealed key that is moved to another row, or
  changed in one bit, does not open.
- What was opened is compared with the address on record before anybody signs with it. Whatever is wrong
  with an envelope is a BugError that names the signer, never its content; what KMS answers is `kms`'s to judge.
- Making a key asks KMS for GenerateDataKey alone, opening one for Decrypt alone.

Plaintext is held in `Secret`s, never in a plain local, so that no traceback shows it.
Source: AWS KMS docs, encryption context and GenerateDataKey; NIST SP 800-38D (a random 96-bit nonce).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from outcry.custody.kms import Kms
from outcry.custody.signer import KEY_BYTES, SignerKey, address_of, is_private_key
from outcry.runtime.errors import BugError
from outcry.runtime.secrets import Secret

NONCE_BYTES = 12
_DRAWS = 4  # a draw outside of the curve's order has a chance of one in 2**128

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SealContext:
    """What a sealed key is bound to."""

    account: str
    signer: str
    venue: str
    version: int
    app: str = "outcry"

    def as_mapping(self) -> dict[str, str]:
        """The encryption context that KMS is given."""
        return {
            "account": self.account,
            "app": self.app,
            "signer": self.signer,
            "venue": self.venue,
            "version": str(self.version),
        }

    def canonical(self) -> bytes:
        """The same as one sequence of bytes: compact JSON, keys sorted, ASCII."""
        return json.dumps(self.as_mapping(), sort_keys=True, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A sealed private key as it is stored. Useless without KMS, and still in no representation."""

    address: str
    key_arn: str
    wrapped_key: bytes = field(repr=False)
    seal_nonce: bytes = field(repr=False)
    sealed_key: bytes = field(repr=False)


def create(kms: Kms, key_arn: str, context: SealContext, random_bytes: RandomBytes) -> SealedKey:
    """Make a private key and seal it. The key is in memory only inside of this call.

    `random_bytes` must be as good as `secrets.token_bytes`. Raises InfrastructureError where KMS gives no
    data key, BugError where the randomness is none.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    private_key = _drawn(random_bytes)
    arn, wrapped_key, data_key = kms.new_data_key(context.signer, key_arn, context.as_mapping())
    nonce = random_bytes(NONCE_BYTES)
    sealed = AESGCM(data_key.reveal_bytes()).encrypt(nonce, private_key.reveal_bytes(), context.canonical())
    del data_key
    return SealedKey(address_of(private_key), arn, wrapped_key, nonce, sealed)


def _drawn(random_bytes: RandomBytes) -> Secret:
    for _ in range(_DRAWS):
        candidate = Secret(random_bytes(KEY_BYTES))
        if is_private_key(candidate):
            return candidate
    raise BugError("the source of randomness gives no usable key")


def open_key(kms: Kms, context: SealContext, sealed: SealedKey) -> SignerKey:
    """The signer's key, proven to belong to its address.

    Raises BugError where the envelope is not this signer's or was altered, SignerRefused where KMS refuses its key,
    InfrastructureError where KMS cannot be reached.
    """
    secret = _unsealed(
        kms.unwrap(context.signer, sealed.key_arn, context.as_mapping(), sealed.wrapped_key), context, sealed
    )
    if secret is None:
        raise BugError(f"the key of signer {context.signer} is not sealed for it, or was altered")
    if not is_private_key(secret):
        raise BugError(f"what is sealed for signer {context.signer} is not a private key")
    key = SignerKey(secret)
    if key.address != sealed.address:
        raise BugError(
            f"the key of signer {context.signer} belongs to {key.address}, not to {sealed.address}"
        )
    return key


def _unsealed(data_key: Secret, context: SealContext, sealed: SealedKey) -> Secret | None:
    """What is sealed, or None where data key, context or bytes are not those of the sealing."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return Secret(
            AESGCM(data_key.reveal_bytes()).decrypt(sealed.seal_nonce, sealed.sealed_key, context.canonical())
        )
    except (InvalidTag, ValueError):  # ValueError: a data key or a nonce of the wrong length
        return None
