"""AWS for the command line: one way to ask it, with short timeouts and errors that say what to do.

Promises: a request either gives its answer or raises InfrastructureError with AWS's own code, or ConfigurationError where
this machine says neither who asks nor which region is meant. Threads may call it: a client is made once and then shared.
"""

from functools import cache
from typing import Any

from outcry.runtime.errors import ConfigurationError, InfrastructureError

_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 5
_ATTEMPTS = 2


class AwsRefused(InfrastructureError):
    """AWS answered, and said no. `code` is its own word for why."""

    def __init__(self, what: str, code: str, message: str) -> None:
        super().__init__(f"AWS refuses {what}: {code}, {message}")
        self.code = code


@cache
def client(service: str) -> Any:
    """The client of one service. Raises ConfigurationError where no region is known."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import NoRegionError

    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    session: Any = boto3.Session()  # its own: the default one is not for threads
    try:
        return session.client(service, config=config)
    except NoRegionError:
        raise ConfigurationError("AWS_REGION", None, "set it, or give --region with --stack") from None


def ask(service: str, call: str, /, **request: Any) -> Any:
    """The answer to one call. Raises AwsRefused, InfrastructureError or ConfigurationError."""
    return _guarded(f"{service} {call}", lambda: getattr(client(service), call)(**request))


def pages(service: str, call: str, key: str, /, **request: Any) -> list[Any]:
    """The rows under `key` of every page of a list. Raises as `ask` does."""

    def read() -> list[Any]:
        found = client(service).get_paginator(call).paginate(**request)
        return [row for page in found for row in page.get(key, [])]

    return list(_guarded(f"{service} {call}", read))


def _guarded(what: str, call: Any) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        return call()
    except ClientError as error:
        said = error.response.get("Error", {})
        raise AwsRefused(what, str(said.get("Code", "unknown")), str(said.get("Message", ""))) from error
    except NoCredentialsError:
        raise ConfigurationError(
            "AWS credentials", None, "sign in with the AWS tools, or set AWS_PROFILE"
        ) from None
    except BotoCoreError as error:
        raise InfrastructureError(f"AWS gives no answer to {what}: {type(error).__name__}") from error
