"""What is asked of AWS for a row is well formed, and an answer is taken for no more than it says."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters

from local.permissions.calls import Outcome, There, call_of, outcome
from local.permissions.table import FOREIGN_KEY, FUNCTIONS, SIGNER_KEY, Row, misuses, rows

KEY = "arn:aws:kms:us-east-1:000000000000:key/a"
ROWS = [*rows(), *misuses()]


@pytest.fixture
def there() -> There:
    names = {row.resource: f"{row.resource} there" for row in ROWS}
    wrapped = dict.fromkeys(("SigningKey", FOREIGN_KEY), b"wrapped")
    return There(names, wrapped, dict.fromkeys(names, "{}"), "somebody's signing key")


def parameters_of(service: str, operation: str, clients: dict[str, Any]) -> Any:
    if service not in clients:
        made: Any = boto3.client
        clients[service] = made(
            service, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a"
        )
    client = clients[service]
    return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape


def test_every_row_of_the_table_is_asked_with_a_well_formed_call_for_its_action(there: There) -> None:
    clients: dict[str, Any] = {}
    wrong = []

    for row in ROWS:
        call = call_of(row, there)
        try:
            validate_parameters(dict(call.arguments), parameters_of(call.service, call.operation, clients))
        except ParamValidationError as error:
            wrong.append(f"{row.action}: {error}")
        verb = row.action.split(":")[1].removesuffix("From")
        if clients[call.service].meta.method_to_api_mapping[call.operation] != verb:
            wrong.append(f"{row.action} is asked as {call.operation}")

    assert wrong == []
    assert {row.function for row in ROWS} == set(FUNCTIONS)


def test_a_row_is_asked_of_its_own_resource_in_its_own_context(there: There) -> None:
    in_context = Row(
        "api", "kms:Decrypt", "SigningKey", is_allowed=False, context={"kms:EncryptionContext:app": "x"}
    )

    assert call_of(in_context, there).arguments["EncryptionContext"] == {"app": "x"}
    assert call_of(in_context, there).arguments["KeyId"] == "SigningKey there"


def test_a_foreign_key_is_asked_to_sign_with_one_that_signs(there: There) -> None:
    context = {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": "ECDSA_SHA_256"}
    foreign, own = (
        call_of(Row("api", "kms:Sign", key, is_allowed=False, context=context), there)
        for key in (FOREIGN_KEY, SIGNER_KEY)
    )

    assert foreign.arguments["KeyId"] == "somebody's signing key"
    assert own.arguments["KeyId"] == f"{SIGNER_KEY} there"


def test_bytes_reach_the_probe_as_base64(there: There) -> None:
    call = call_of(Row("api", "kms:Encrypt", "SigningKey", is_allowed=False), there)

    assert call.as_event()["arguments"]["Plaintext"] == {"base64": "bm90aGluZw=="}


@pytest.mark.parametrize(
    ("action", "code", "expected"),
    [
        ("sqs:SendMessage", "OK", Outcome.ALLOWED),
        ("sqs:SendMessage", "AccessDenied", Outcome.DENIED),
        ("kms:Sign", "AccessDeniedException", Outcome.DENIED),
        ("ec2:CreateNetworkInterface", "UnauthorizedOperation", Outcome.DENIED),
        ("sqs:DeleteMessage", "ReceiptHandleIsInvalid", Outcome.ALLOWED),
        ("sqs:SendMessage", "ReceiptHandleIsInvalid", Outcome.OTHER),
        ("kms:Decrypt", "InvalidCiphertextException", Outcome.OTHER),
        ("kms:Decrypt", "ExpiredTokenException", Outcome.OTHER),
        ("kms:Decrypt", "EndpointConnectionError", Outcome.OTHER),
    ],
)
def test_only_an_answer_that_says_so_is_allowed_or_denied(action: str, code: str, expected: Outcome) -> None:
    assert outcome(action, code) is expected
