"""Secrets: a type that never shows what it holds, and the reader of AWS Secrets Manager.

A `Secret` does not print, format, pickle, copy into JSON or compare its content in the open. `reveal()` is the one way in,
and each caller of it can be found by its name. Secrets are read by reference (an ARN), never from environment variables.
"""

import hmac
import json
from typing import Any, NoReturn

from outcry.runtime.errors import ConfigurationError, InfrastructureError

_HIDDEN = "Secret(…)"


class Secret:
    """Text or bytes that must not leave the process."""

    __slots__ = ("__content",)

    def __init__(self, content: str | bytes) -> None:
        self.__content = content

    def reveal(self) -> str:
        """The content as text. Never log, store or format what this returns."""
        content = self.__content
        return content if isinstance(content, str) else content.decode()

    def reveal_bytes(self) -> bytes:
        """The content as bytes. Never log, store or format what this returns."""
        content = self.__content
        return content if isinstance(content, bytes) else content.encode()

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        """Equal only to a Secret with the same content, compared in constant time."""
        return isinstance(other, Secret) and hmac.compare_digest(self.reveal_bytes(), other.reveal_bytes())

    __hash__ = None  # type: ignore[assignment]  # a hash would let the content be guessed from outside

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


class SecretStore:
    """Reads JSON secrets from AWS Secrets Manager and keeps them for the life of the process."""

    def __init__(self, client: Any | None = None) -> None:
        self._client = client
        self._known: dict[str, dict[str, Secret]] = {}

    def read(self, arn: str, *fields: str) -> dict[str, Secret]:
        """The named fields of the JSON object stored under `arn`.

        Raises ConfigurationError where the secret is not JSON or lacks a field, InfrastructureError where it cannot be read.
        """
        if arn not in self._known:
            self._known[arn] = self._fetch(arn)
        found = self._known[arn]
        for field in fields:
            if field not in found:
                raise ConfigurationError(f"secret {arn}", "…", f"add the field {field!r} to its JSON object")
        return {field: found[field] for field in (fields or tuple(found))}

    def forget(self, arn: str) -> None:
        """Read `arn` anew at its next use: what it holds was changed."""
        self._known.pop(arn, None)

    def _fetch(self, arn: str) -> dict[str, Secret]:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

        try:
            if self._client is None:
                self._client = boto3.client("secretsmanager")
            text = self._client.get_secret_value(SecretId=arn).get("SecretString", "")
        except NoRegionError:
            raise ConfigurationError(
                "AWS_REGION", None, "set it to the region that the secret is in"
            ) from None
        except (BotoCoreError, ClientError) as error:
            raise InfrastructureError(f"the secret {arn} cannot be read") from error
        try:
            content = json.loads(text)
            return {str(name): Secret(str(value)) for name, value in content.items() if value is not None}
        except (ValueError, AttributeError):
            raise ConfigurationError(f"secret {arn}", "…", "store one JSON object with text fields") from None
