"""What AWS, or the lack of it, makes the command line say: only a connection that fails is called no answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    InvalidRegionError,
    LoginRefreshRequired,
    NoCredentialsError,
    PartialCredentialsError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from outcry.cli import aws
from outcry.runtime.errors import ConfigurationError, InfrastructureError


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Lets every call to AWS end in this error."""

    class Refusing:
        def __init__(self, error: Exception) -> None:
            self._error = error

        def get_caller_identity(self) -> Any:
            raise self._error

    return lambda error: monkeypatch.setattr(aws, "client", lambda service: Refusing(error))


@pytest.mark.parametrize(
    ("error", "begins", "says"),
    [
        (NoCredentialsError(), "AWS credentials are not set: ", "aws sso login"),
        (
            PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
            "AWS credentials are not complete: ",
            "aws_secret_access_key",
        ),
        (
            SSOTokenLoadError(error_msg="gone"),
            "the AWS login has expired, or was never made: ",
            "aws sso login",
        ),
        (UnauthorizedSSOTokenError(), "the AWS login has expired, or was never made: ", "aws sso login"),
        (
            TokenRetrievalError(provider="sso", error_msg="expired"),
            "the AWS login has expired, or was never made: ",
            "aws sso login",
        ),
        (LoginRefreshRequired(), "the AWS login has expired, or was never made: ", "`aws login`"),
        (
            CredentialRetrievalError(provider="a-tool", error_msg="no"),
            "AWS credentials could not be had: ",
            "a-tool",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": "it is over"}}, "GetCallerIdentity"),
            "the AWS login has expired: ",
            "aws sso login",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_f22_whoever_is_not_signed_in_is_told_how_to(
    raising: Callable[[Exception], None], error: Exception, begins: str, says: str
) -> None:
    raising(error)

    with pytest.raises(ConfigurationError) as caught:
        aws.ask("sts", "get_caller_identity")

    assert str(caught.value).startswith(begins)
    assert says in str(caught.value)


def test_only_a_connection_that_fails_is_no_answer(raising: Callable[[Exception], None]) -> None:
    raising(EndpointConnectionError(endpoint_url="https://sts.example"))

    with pytest.raises(InfrastructureError, match="AWS gives no answer to sts get_caller_identity"):
        aws.ask("sts", "get_caller_identity")


@pytest.mark.parametrize("error", [InvalidRegionError(region_name="us east"), BotoCoreError()])
def test_what_botocore_refuses_by_itself_is_said_in_its_words(
    raising: Callable[[Exception], None], error: Exception
) -> None:
    raising(error)

    with pytest.raises(InfrastructureError) as caught:
        aws.ask("sts", "get_caller_identity")

    assert str(caught.value).startswith("AWS was not asked for sts get_caller_identity: ")
    assert str(error) in str(caught.value)


def test_f22_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "dsek")
    aws.client.cache_clear()

    with pytest.raises(ConfigurationError) as caught:
        aws.ask("sts", "get_caller_identity")

    assert str(caught.value).startswith("AWS_PROFILE = 'dsek' cannot be used: there is no such profile")
