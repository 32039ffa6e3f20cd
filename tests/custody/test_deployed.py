"""A signer made by the function of a deployed stack: what is asked, what is understood, and what stays unknown."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest

from local.aws import ACCOUNT, LocalAws
from outcry.custody.deployed import DeploymentRefused, create_signer
from outcry.custody.keyring import CreatedSigner
from outcry.custody.modes import Custody
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError, OutcryError

MADE = {
    "signer_id": "alice-signer-1",
    "account_id": "alice",
    "venue": "hyperliquid",
    "network": "testnet",
    "slot": 2,
    "version": 1,
    "address": "0x" + "ab" * 20,
    "custody": "kms",
    "key_arn": "arn:aws:kms:us-east-1:123456789012:key/1",
}


@dataclass
class Lambda:
    """AWS Lambda's Invoke, answering what a test wants."""

    url: str = ""
    status: int = 200
    body: bytes = b"null"
    function_error: str | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def aws_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:
    answer = Lambda()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer.asked.append((self.path, json.loads(body)))
            self.send_response(answer.status)
            if answer.function_error:
                self.send_header("X-Amz-Function-Error", answer.function_error)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    answer.url = f"http://127.0.0.1:{server.server_address[1]}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", answer.url)
    yield answer
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_the_function_is_asked_once_and_its_signer_comes_back(aws_lambda: Lambda) -> None:
    aws_lambda.body = json.dumps(MADE).encode()

    made = create_signer("desk-signers", "alice", 2, Custody.KMS)

    assert made == CreatedSigner(**{**MADE, "custody": Custody.KMS})  # type: ignore[arg-type]
    assert aws_lambda.asked == [
        (
            "/2015-03-31/functions/desk-signers/invocations",
            {"account": "alice", "slot": 2, "custody": "kms"},
        )
    ]


def test_what_the_function_finds_wrong_is_said_in_its_own_words(aws_lambda: Lambda) -> None:
    aws_lambda.function_error = "Unhandled"
    aws_lambda.body = json.dumps(
        {"errorType": "ConfigurationError", "errorMessage": "slot = 2 cannot be used: revoke it first"}
    ).encode()

    with pytest.raises(DeploymentRefused) as caught:
        create_signer("desk-signers", "alice", 2, Custody.KMS)

    assert isinstance(caught.value, ConfigurationError)
    assert str(caught.value) == "slot = 2 cannot be used: revoke it first"


def test_a_function_that_fails_is_an_infrastructure_fault_with_its_own_words(aws_lambda: Lambda) -> None:
    aws_lambda.function_error = "Unhandled"
    aws_lambda.body = json.dumps({"errorType": "InfrastructureError", "errorMessage": "KMS is away"}).encode()

    with pytest.raises(InfrastructureError, match="desk-signers failed: InfrastructureError: KMS is away"):
        create_signer("desk-signers", "alice", 2, Custody.KMS)


@pytest.mark.parametrize("body", [b'"Sandbox.Timedout"', b"{}", b"[]"])
def test_a_failure_in_another_form_is_still_one(aws_lambda: Lambda, body: bytes) -> None:
    aws_lambda.function_error, aws_lambda.body = "Unhandled", body

    with pytest.raises(InfrastructureError, match="failed: unknown"):
        create_signer("desk-signers", "alice", 2, Custody.KMS)


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{}", b'"made"', json.dumps({**MADE, "custody": "hsm"}).encode()]
)
def test_an_answer_that_is_no_signer_is_a_bug(aws_lambda: Lambda, body: bytes) -> None:
    aws_lambda.body = body

    with pytest.raises(BugError, match="no signer"):
        create_signer("desk-signers", "alice", 2, Custody.KMS)


def test_a_function_that_is_not_there_or_not_ours_to_invoke_is_said(aws_lambda: Lambda) -> None:
    aws_lambda.status = 403
    aws_lambda.body = b'{"Message": "not authorized", "__type": "AccessDeniedException"}'

    with pytest.raises(InfrastructureError, match="desk-signers cannot be invoked"):
        create_signer("desk-signers", "alice", 2, Custody.KMS)


@pytest.mark.parametrize("status", [500, 429, 200])
def test_a_call_is_never_repeated_by_itself(aws_lambda: Lambda, status: int) -> None:
    aws_lambda.status, aws_lambda.body = status, b"<html>"

    with pytest.raises(InfrastructureError):
        create_signer("desk-signers", "alice", 2, Custody.KMS)

    assert len(aws_lambda.asked) == 1


def test_no_answer_leaves_it_open_whether_a_signer_was_made(
    aws_lambda: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(InfrastructureError, match="outcry signer show"):
        create_signer("desk-signers", "alice", 2, Custody.KMS)


# ─── on the local AWS, whose Lambda runs what it is given ───────────────────────────────────────────────────

FUNCTION = """
class ConfigurationError(Exception):
    pass


def handler(event, context):
    if event["slot"] == 1:
        raise ConfigurationError("slot = 1 cannot be used: revoke alice-signer-1 first")
    return {"signer_id": "alice-signer-2", "account_id": event["account"], "venue": "hyperliquid",
            "network": "local", "slot": event["slot"], "version": 2, "address": "0x" + "ab" * 20,
            "custody": event["custody"], "key_arn": "arn:aws:kms:us-east-1:000000000000:key/1"}
"""


@pytest.fixture
def function(aws: LocalAws) -> str:
    """A deployed function that refuses slot 1."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    created: Any = boto3.client("lambda").create_function(
        FunctionName="desk-signers",
        Runtime="python3.13",
        Handler="index.handler",
        Role=f"arn:aws:iam::{ACCOUNT}:role/signers",
        Code={"ZipFile": packed.getvalue()},
    )
    return str(created["FunctionName"])


def test_a_function_in_lambda_makes_a_signer_and_refuses_in_its_own_words(function: str) -> None:
    made = create_signer(function, "alice", 2, Custody.KMS)

    # the local AWS gives no error's class, so that its refusals are faults here
    with pytest.raises(OutcryError, match="slot = 1 cannot be used: revoke alice-signer-1 first"):
        create_signer(function, "alice", 1, Custody.KMS)

    assert (made.signer_id, made.slot, made.custody) == ("alice-signer-2", 2, Custody.KMS)
