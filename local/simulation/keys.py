"""KMS of a simulation: what custody asks of it to make and open sealed keys, in memory. Contexts are held to what they were."""

import hashlib
import json
from random import Random
from typing import Any

KEY_ARN = "arn:aws:kms:us-east-1:000000000000:key/simulation"


class LocalKms:
    """The two calls of a boto3 KMS client that sealed keys need. What it wraps opens under the same context alone."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._wrapped: dict[bytes, tuple[str, bytes]] = {}

    def generate_data_key(self, **request: Any) -> dict[str, Any]:
        """A data key of 256 bits, plain and wrapped."""
        plain = self._random.randbytes(32)
        wrapped = hashlib.sha256(plain).digest()
        self._wrapped[wrapped] = (_canonical(request), plain)
        return {"KeyId": request["KeyId"], "CiphertextBlob": wrapped, "Plaintext": plain}

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """The plain data key, under the context that it was wrapped for."""
        from botocore.exceptions import ClientError

        context, plain = self._wrapped.get(bytes(request["CiphertextBlob"]), ("", b""))
        if context != _canonical(request):
            raise ClientError({"Error": {"Code": "InvalidCiphertextException"}}, "Decrypt")
        return {"KeyId": request["KeyId"], "Plaintext": plain}


def _canonical(request: dict[str, Any]) -> str:
    return json.dumps(request["EncryptionContext"], sort_keys=True)
