"""AWS for the command line: one way to ask it, with short timeouts and errors that say what to do.

Promises: a request either gives its answer or raises InfrastructureError with AWS's own code, or ConfigurationError where
this machine does not say, or no longer, who asks or which region is meant; what to do stands in it. "No answer" is said of
connections alone. Threads may call it: a client is made once and then shared.
"""

from functools import cache
from typing import Any

from outcry.runtime.errors import ConfigurationError, InfrastructureError

_CONNECT_TIMEOUT_S = 3
_READ_TIMEOUT_S = 5
_ATTEMPTS = 2
_LOG_IN = "log in with `aws sso login`, or as your AWS account is reached"
# What AWS calls a session that was good once, service by service.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})


class AwsRefused(InfrastructureError):
    """AWS answered, and said no. `code` is its own word for why."""

    def __init__(self, what: str, code: str, message: str) -> None:
        super().__init__(f"AWS refuses {what}: {code}, {message}")
        self.code = code


class NotSignedIn(ConfigurationError):
    """AWS was not asked, or refused, because of who asks: the sentence says how to sign in."""

    def __init__(self, sentence: str, fix: str) -> None:
        super().__init__("AWS credentials", None, fix)
        self.args = (f"{sentence}: {fix}",)


@cache
def client(service: str) -> Any:
    """The client of one service. Raises ConfigurationError where no region is known."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import NoRegionError, ProfileNotFound

    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        session: Any = boto3.Session()  # its own: the default one is not for threads
        return session.client(service, config=config)
    except NoRegionError:
        raise ConfigurationError("AWS_REGION", None, "set it, or give --region with --stack") from None
    except ProfileNotFound as error:
        raise ConfigurationError(
            "AWS_PROFILE",
            error.kwargs.get("profile"),
            "there is no such profile: `aws configure list-profiles` names those that there are",
        ) from None


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
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NotConnected

    try:
        return call()
    except ClientError as error:
        said = error.response.get("Error", {})
        code = str(said.get("Code", "unknown"))
        if code in _EXPIRED:
            raise NotSignedIn("the AWS login has expired", _LOG_IN) from None
        raise AwsRefused(what, code, str(said.get("Message", ""))) from error
    except (NotConnected, HTTPClientError) as error:
        raise InfrastructureError(f"AWS gives no answer to {what}: {type(error).__name__}") from error
    except BotoCoreError as error:
        raise _not_asked(what, error) from error


def _not_asked(what: str, error: Exception) -> ConfigurationError | InfrastructureError:
    """What to say where botocore gave up before it asked."""
    from botocore.exceptions import (
        CredentialRetrievalError,
        LoginError,
        NoCredentialsError,
        PartialCredentialsError,
        SSOError,
        TokenRetrievalError,
    )

    if isinstance(error, NoCredentialsError):
        return NotSignedIn("AWS credentials are not set", f"{_LOG_IN}; or set AWS_PROFILE")
    if isinstance(error, PartialCredentialsError):
        return NotSignedIn("AWS credentials are not complete", str(error))
    if isinstance(error, (SSOError, TokenRetrievalError)):
        return NotSignedIn("the AWS login has expired, or was never made", _LOG_IN)
    if isinstance(error, LoginError):
        return NotSignedIn("the AWS login has expired, or was never made", "log in with `aws login`")
    if isinstance(error, CredentialRetrievalError):
        return NotSignedIn("AWS credentials could not be had", str(error))
    return InfrastructureError(f"AWS was not asked for {what}: {type(error).__name__}, {error}")
