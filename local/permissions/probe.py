"""The code of a function that makes AWS calls from inside an execution environment, with its role's own credentials.

Promises: makes each call once, in the order given, and answers with the code of each ("OK" where it succeeded) and with who
the calls were made as. It holds no credentials, and reads nothing of what a call brought back. Runs on the local AWS alone.
"""

import base64
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

OK = "OK"
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20)


def handler(event: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Takes {"calls": [{"service", "operation", "arguments"}]}; bytes in the arguments are {"base64": "…"}."""
    clients: dict[str, Any] = {}
    caller = _client("sts", clients).get_caller_identity()["Arn"]
    return {"caller": caller, "answers": [_answer(call, clients) for call in event["calls"]]}


def _answer(call: Mapping[str, Any], clients: dict[str, Any]) -> str:
    arguments = {name: _plain(value) for name, value in call["arguments"].items()}
    try:
        getattr(_client(call["service"], clients), call["operation"])(**arguments)
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    except EndpointConnectionError:
        return "EndpointConnectionError"
    return OK


def _client(service: str, clients: dict[str, Any]) -> Any:
    if service not in clients:
        made: Any = boto3.client  # one name for every service: its stubs want a literal
        clients[service] = made(service, config=_ONCE)
    return clients[service]


def _plain(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and "base64" in value else value
