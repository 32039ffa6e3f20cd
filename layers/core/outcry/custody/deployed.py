"""Makes a signer by asking the deployed function that may: on a deployed stack, nobody else is let to by KMS.

Promises: the function is asked once and never again by itself, since a repeated request could make a second signer; what it
refuses is the ConfigurationError that it raised there, and whether anything was made where it did not answer is said to be unknown.

Source: AWS Lambda API reference, Invoke (FunctionError, the payload of an error).
"""

import json
from typing import Any

from outcry.custody.keyring import CreatedSigner
from outcry.custody.modes import Custody
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError, OutcryError

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60  # longer than the function may run
_INPUT_FAULT = "ConfigurationError"
_SERVER_FAULT = 500


class DeploymentRefused(ConfigurationError):
    """What the deployed function finds wrong with the request, or with its own settings, in its own words."""

    def __init__(self, function: str, says: str) -> None:
        OutcryError.__init__(self, says)
        self.setting = function
        self.fix = says


def create_signer(
    function: str, account_id: str, slot: int, custody: Custody, *, client: Any | None = None
) -> CreatedSigner:
    """Let the function of that name or ARN make the signer.

    Raises DeploymentRefused for what the function finds wrong with the request, InfrastructureError where it cannot be asked or fails,
    BugError for an answer that is none.
    """
    asked = {"account": account_id, "slot": slot, "custody": custody.value}
    answer, failed = _invoke(function, json.dumps(asked).encode(), client)
    if failed:
        raise _fault(function, answer)
    try:
        return CreatedSigner(**{**answer, "custody": Custody(answer["custody"])})
    except (TypeError, KeyError, ValueError):
        raise BugError(f"the function {function} gave an answer that is no signer") from None


def _invoke(function: str, payload: bytes, client: Any | None) -> tuple[Any, bool]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = (client or _client()).invoke(FunctionName=function, Payload=payload)
        return json.loads(answer["Payload"].read()), "FunctionError" in answer
    except ClientError as error:
        reason = str(error.response.get("Error", {}).get("Code", "unknown"))
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) < _SERVER_FAULT:
            raise InfrastructureError(f"the function {function} cannot be invoked: {reason}") from None
    except (BotoCoreError, OSError, ValueError) as error:
        reason = type(error).__name__
    raise InfrastructureError(
        f"the function {function} did not answer ({reason}): see with `outcry signer show` whether it made a"
        " signer, before asking again"
    )


def _fault(function: str, answer: Any) -> OutcryError:
    told = answer if isinstance(answer, dict) else {}
    kind, says = str(told.get("errorType", "unknown")), str(told.get("errorMessage", ""))
    if kind == _INPUT_FAULT:
        return DeploymentRefused(function, says)
    return InfrastructureError(f"the function {function} failed: {kind}: {says}")


def _client() -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "lambda",
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": 1},
        ),
    )
