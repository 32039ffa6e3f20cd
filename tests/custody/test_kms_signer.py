"""Keys that are made in KMS and stay there: against the local AWS, and against what a KMS may do wrong."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from eth_account import Account

from local.aws import ACCOUNT, LocalAws
from outcry.custody.key_policy import signing_policy
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner, KmsKey, KmsSigner, create
from outcry.custody.signature import address_from_der
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError, SignerRefused
from outcry.venues.port import DigestSigner

OWNER = KeyOwner(
    f"arn:aws:iam::{ACCOUNT}:role/desk-ExecuteOrdersRole",
    f"arn:aws:iam::{ACCOUNT}:role/desk-SignersRole",
    "desk",
)
SIGNER = "alice-signer-1"
DIGEST = b"\x5a" * 32
HALF = int("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141", 16) // 2


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "any")


class Scripted:
    """A KMS client whose answers are given: an exception is raised, anything else is returned; each answer once."""

    def __init__(self, **answers: list[Any]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def __getattr__(self, call: str) -> Callable[..., Any]:
        def answer(**_: Any) -> Any:
            self.asked.append(call)
            given = self._answers[call].pop(0)
            if isinstance(given, BaseException):
                raise given
            return given

        return answer


@pytest.fixture
def client(aws: LocalAws) -> Any:
    return boto3.client("kms", endpoint_url=aws.endpoint_url)


@pytest.fixture
def asked(client: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every call of the client, with its parameters."""
    made: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append((str(model.name), dict(params)))

    client.meta.events.register("provide-client-params.kms", note)
    return made


def new_key(client: Any) -> KmsKey:
    return create(Kms(client), SIGNER, OWNER, pause=never)


def never(seconds: float) -> None:
    raise AssertionError("nothing is to be waited for")


# ─── made ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_made_for_signing_alone_and_marked_for_people(
    client: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    key = new_key(client)

    described = client.describe_key(KeyId=key.key_arn)["KeyMetadata"]
    tags = {each["TagKey"]: each["TagValue"] for each in client.list_resource_tags(KeyId=key.key_arn)["Tags"]}
    assert [call for call, _ in asked[:2]] == ["CreateKey", "GetPublicKey"]
    assert (described["KeySpec"], described["KeyUsage"]) == ("ECC_SECG_P256K1", "SIGN_VERIFY")
    assert (described["Origin"], described["MultiRegion"]) == ("AWS_KMS", False)
    assert SIGNER in described["Description"]
    assert tags == {"app": "outcry", "purpose": "signer", "signer": SIGNER, "stack": "desk"}


def test_a_key_is_made_with_its_policy_and_not_given_one_later(
    client: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    key = new_key(client)

    made = client.get_key_policy(KeyId=key.key_arn, PolicyName="default")["Policy"]
    assert made == signing_policy(OWNER.execute_orders_role_arn, OWNER.signers_role_arn)
    assert "PutKeyPolicy" not in [call for call, _ in asked]


def test_f27_the_address_is_the_one_of_the_key_in_lower_case(client: Any) -> None:
    key = new_key(client)

    assert key.address == key.address.lower()
    assert key.address == address_from_der(client.get_public_key(KeyId=key.key_arn)["PublicKey"])


def test_a_role_that_is_none_makes_no_key(client: Any, asked: list[tuple[str, dict[str, Any]]]) -> None:
    nobody = replace(OWNER, execute_orders_role_arn="somebody")

    with pytest.raises(ConfigurationError, match="OUTCRY_EXECUTE_ORDERS_ROLE_ARN"):
        create(Kms(client), SIGNER, nobody, pause=never)

    assert asked == []


def test_a_key_that_is_not_yet_known_everywhere_is_asked_for_again(client: Any) -> None:
    key = new_key(client)
    public = client.get_public_key(KeyId=key.key_arn)
    late = Scripted(
        create_key=[{"KeyMetadata": {"Arn": key.key_arn}}],
        get_public_key=[client_error("NotFoundException"), client_error("AccessDeniedException"), public],
    )
    waited: list[float] = []

    made = create(Kms(late), SIGNER, OWNER, pause=waited.append)

    assert made == key
    assert len(waited) == 2


def test_a_new_key_is_in_the_log_before_anything_else_can_go_wrong(caplog: pytest.LogCaptureFixture) -> None:
    arn = "arn:aws:kms:us-east-1:000000000000:key/new"
    killed = Scripted(create_key=[{"KeyMetadata": {"Arn": arn}}], get_public_key=[KeyboardInterrupt()])

    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        create(Kms(killed), SIGNER, OWNER, pause=never)

    assert [vars(record)["key_arn"] for record in caplog.records] == [arn]


@pytest.mark.parametrize("fault", [client_error("AccessDeniedException"), {"PublicKey": b"no key"}])
def test_a_key_whose_address_stays_unknown_is_named_in_the_error_and_in_the_log(
    fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    arn = "arn:aws:kms:us-east-1:000000000000:key/lost"
    failing = Scripted(create_key=[{"KeyMetadata": {"Arn": arn}}], get_public_key=[fault] * 5)

    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(InfrastructureError, match=r"key/lost: schedule its deletion"),
    ):
        create(Kms(failing), SIGNER, OWNER, pause=lambda _: None)

    assert [vars(record)["key_arn"] for record in caplog.records] == [arn]


def test_a_creation_without_an_answer_is_not_repeated_and_says_how_to_find_what_it_may_have_made() -> None:
    silent = Scripted(create_key=[ReadTimeoutError(endpoint_url="https://kms")])

    with pytest.raises(InfrastructureError, match=f"tag signer={SIGNER}"):
        create(Kms(silent), SIGNER, OWNER, pause=never)

    assert silent.asked == ["create_key"]


@contextmanager
def deaf_server() -> Iterator[tuple[str, list[int]]]:
    """A server that hears every request and closes the connection without an answer; and how many it heard."""
    heard: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(65536):
                        heard.append(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_with_one_attempt_a_request_goes_out_once(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    with deaf_server() as (url, heard):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(InfrastructureError):
            create(Kms(attempts=1), SIGNER, OWNER, pause=never)

    assert len(heard) == 1


# ─── used ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signature_is_asked_for_as_a_digest_and_is_the_signer_s(
    client: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    key = new_key(client)
    signer: DigestSigner = KmsSigner(Kms(client), SIGNER, key)
    asked.clear()

    signature = signer.sign_digest(DIGEST)

    recovered = Account._recover_hash(DIGEST, vrs=(signature.v, signature.r, signature.s))
    assert recovered.lower() == key.address
    assert asked == [
        (
            "Sign",
            {
                "KeyId": key.key_arn,
                "Message": DIGEST,
                "MessageType": "DIGEST",
                "SigningAlgorithm": "ECDSA_SHA_256",
            },
        )
    ]


def test_every_signature_is_low_and_no_two_are_the_same(client: Any) -> None:
    signer = KmsSigner(Kms(client), SIGNER, new_key(client))

    signatures = [signer.sign_digest(DIGEST) for _ in range(20)]

    assert len({signature.r for signature in signatures}) == 20
    assert all(signature.s <= HALF and signature.v in (27, 28) for signature in signatures)


@pytest.mark.parametrize("digest", [b"", b"\x00" * 31, b"\x00" * 33])
def test_only_a_digest_of_32_bytes_is_sent_to_kms(digest: bytes) -> None:
    nobody = Scripted()

    with pytest.raises(BugError, match="32 bytes"):
        KmsSigner(Kms(nobody), SIGNER, KmsKey("0x" + "1" * 40, "arn")).sign_digest(digest)

    assert nobody.asked == []


def stopped(client: Any, key: KmsKey, how: str) -> KmsKey:
    if how == "disabled":
        client.disable_key(KeyId=key.key_arn)
    elif how == "to be deleted":
        client.schedule_key_deletion(KeyId=key.key_arn, PendingWindowInDays=7)
    else:
        return KmsKey(key.address, key.key_arn[:-4] + "0000")
    return key


@pytest.mark.parametrize("how", ["disabled", "to be deleted", "gone"])
def test_a_key_that_needs_a_person_is_refused_and_its_signer_is_named(client: Any, how: str) -> None:
    key = stopped(client, new_key(client), how)

    with pytest.raises(SignerRefused, match=SIGNER) as caught:
        KmsSigner(Kms(client), SIGNER, key).sign_digest(DIGEST)

    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDeniedException", SignerRefused),
        ("DisabledException", SignerRefused),
        ("KMSInvalidStateException", SignerRefused),
        ("NotFoundException", SignerRefused),
        ("ThrottlingException", InfrastructureError),
        ("KMSInternalException", InfrastructureError),
        ("DependencyTimeoutException", InfrastructureError),
        ("KeyUnavailableException", InfrastructureError),
        ("ExpiredTokenException", InfrastructureError),
        ("InvalidKeyUsageException", BugError),
        ("ValidationException", BugError),
    ],
)
def test_what_kms_refuses_is_told_by_what_has_to_be_done(code: str, expected: type[Exception]) -> None:
    signer = KmsSigner(Kms(Scripted(sign=[client_error(code)])), SIGNER, KmsKey("0x" + "1" * 40, "arn"))

    with pytest.raises(expected, match=SIGNER) as caught:
        signer.sign_digest(DIGEST)

    assert type(caught.value) is expected


def test_kms_out_of_reach_passes_by_itself(aws: LocalAws) -> None:
    nobody = boto3.client(
        "kms", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )

    with pytest.raises(InfrastructureError, match="EndpointConnectionError") as caught:
        KmsSigner(Kms(nobody), SIGNER, KmsKey("0x" + "1" * 40, "arn")).sign_digest(DIGEST)

    assert not isinstance(caught.value, SignerRefused)


def test_f23_a_row_that_names_another_key_signs_nothing(client: Any) -> None:
    mine, other = new_key(client), new_key(client)
    mixed = KmsSigner(Kms(client), SIGNER, KmsKey(mine.address, other.key_arn))

    with pytest.raises(BugError, match=f"signer {SIGNER}: .* not of the key of {mine.address}"):
        mixed.sign_digest(DIGEST)


def test_f25_a_signer_shows_its_address_and_nothing_else(client: Any) -> None:
    key = new_key(client)

    assert repr(KmsSigner(Kms(client), SIGNER, key)) == f"KmsSigner({key.address})"
