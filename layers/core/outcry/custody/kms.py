"""The calls of AWS KMS that custody makes, and what their errors ask of the caller.

Promises:
- Each call is one request with the timeouts below, repeated by the client where it went unanswered or was throttled.
- A key that KMS refuses until a person acts (disabled, to be deleted, gone, not allowed) is SignerRefused. KMS out of
  reach, throttling or failing is InfrastructureError. A ciphertext, a context or a key that does not fit is BugError.
- An error names the signer and KMS's code, and never what was sent or received.

Source: AWS KMS API reference, the errors of Decrypt, GenerateDataKey, CreateKey, GetPublicKey and Sign.
"""

import logging
from collections.abc import Mapping
from typing import Any

from outcry.runtime import edges
from outcry.runtime.edges import Edge
from outcry.runtime.errors import BugError, InfrastructureError, SignerRefused
from outcry.runtime.secrets import Secret

_DATA_KEY_SPEC = "AES_256"
_SIGNING_KEY_SPEC = "ECC_SECG_P256K1"
_SIGNING_KEY_USAGE = "SIGN_VERIFY"
_SIGNING_ALGORITHM = "ECDSA_SHA_256"
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 4
_ATTEMPTS = 3
# The ciphertext, the context, the key or the request is not one that this key answers: asking again changes nothing.
_MISMATCHES = frozenset(
    {
        *("InvalidCiphertextException", "IncorrectKeyException", "InvalidKeyUsageException"),
        *("UnsupportedOperationException", "ValidationException"),
    }
)
# The key is there for nobody, or not for us, until a person does something about it.
_REFUSALS = frozenset(
    {"AccessDeniedException", "DisabledException", "KMSInvalidStateException", "NotFoundException"}
)


class Kms:
    """KMS for one process. The client is made at first use where none is given.

    `attempts` is 1 where a repeated request could do something twice: CreateKey knows no idempotency token.
    """

    def __init__(self, client: Any | None = None, *, attempts: int = _ATTEMPTS) -> None:
        self._client = client
        self._attempts = attempts
        # At DEBUG the parsers of botocore log whole answers, the plain data key among them.
        logging.getLogger("botocore.parsers").setLevel(logging.INFO)

    def new_data_key(
        self, signer: str, key_arn: str, context: Mapping[str, str]
    ) -> tuple[str, bytes, Secret]:
        """The ARN of the key that wraps it, the wrapped data key, and the data key itself."""
        answer = self._ask(
            signer,
            "generate_data_key",
            KeyId=key_arn,
            KeySpec=_DATA_KEY_SPEC,
            EncryptionContext=dict(context),
        )
        data_key = Secret(answer.pop("Plaintext"))
        return answer["KeyId"], answer["CiphertextBlob"], data_key

    def unwrap(self, signer: str, key_arn: str, context: Mapping[str, str], wrapped_key: bytes) -> Secret:
        """The data key. Raises BugError where key, context and ciphertext do not belong together."""
        answer = self._ask(
            signer,
            "decrypt",
            KeyId=key_arn,
            CiphertextBlob=wrapped_key,
            EncryptionContext=dict(context),
        )
        return Secret(answer.pop("Plaintext"))

    def new_signing_key(self, signer: str, policy: str, tags: Mapping[str, str]) -> str:
        """Make a secp256k1 key that signs and does nothing else, and return its ARN.

        KMS's check that the caller could change the policy later is passed over: whoever makes keys must not be able to
        let itself use them. The check is there against a key that nobody administers; `policy` lets the account do it.
        """
        answer = self._ask(
            signer,
            "create_key",
            KeySpec=_SIGNING_KEY_SPEC,
            KeyUsage=_SIGNING_KEY_USAGE,
            Description=f"Outcry signer {signer}",
            Policy=policy,
            BypassPolicyLockoutSafetyCheck=True,
            MultiRegion=False,
            Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()],
        )
        return str(answer["KeyMetadata"]["Arn"])

    def public_key(self, signer: str, key_arn: str) -> bytes:
        """The public key as a DER SubjectPublicKeyInfo, as KMS gives it: not checked here."""
        return bytes(self._ask(signer, "get_public_key", KeyId=key_arn)["PublicKey"])

    def sign(self, signer: str, key_arn: str, digest: bytes) -> bytes:
        """A signature over the digest as a DER Ecdsa-Sig-Value, as KMS gives it: not checked here.

        It differs each time. Where this raises, no signature is known to anybody but KMS.
        """
        answer = self._ask(
            signer,
            "sign",
            KeyId=key_arn,
            Message=digest,
            MessageType="DIGEST",
            SigningAlgorithm=_SIGNING_ALGORITHM,
        )
        return bytes(answer["Signature"])

    def _ask(self, signer: str, call: str, **request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = _client(self._attempts)
            edges.reached(Edge.BEFORE_SEND, f"kms {call}")
            answer = getattr(self._client, call)(**request)
            edges.reached(Edge.AFTER_REPLY, f"kms {call}")
            return answer
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
        except BotoCoreError as error:
            code = type(error).__name__
        # Raised out here, so that no frame of the client hangs on to this error.
        if code in _MISMATCHES:
            raise BugError(f"KMS does not know the key of signer {signer} as what it should be: {code}")
        if code in _REFUSALS:
            raise SignerRefused(f"KMS cannot be used for signer {signer}: {code}")
        raise InfrastructureError(f"KMS cannot be used for signer {signer}: {code}")


def _client(attempts: int) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "kms",
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": attempts},
        ),
    )
