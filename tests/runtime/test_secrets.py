"""A secret never shows what it holds, and the store reads it by reference."""

import copy
import io
import itertools
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest
from aws_lambda_powertools import Logger

from local.aws import LocalAws
from outcry.runtime.errors import ConfigurationError, InfrastructureError
from outcry.runtime.secrets import Secret, SecretStore

CONTENT = "correct-horse-battery"
_loggers = itertools.count(1)


@dataclass(frozen=True)
class Holder:
    """Something of ours that carries a secret."""

    name: str
    key: Secret


def logged(secret: Secret) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("a test's own")
    log.propagate = False
    log.addHandler(handler)
    log.error("A key %s and %r", secret, secret, extra={"key": secret})
    log.removeHandler(handler)
    return stream.getvalue()


def logged_as_json(secret: Secret) -> str:
    stream = io.StringIO()
    log = Logger(service=f"test-of-secrets-{next(_loggers)}", stream=stream)
    log.error("A key", extra={"key": secret, "holder": {"key": secret}})
    return stream.getvalue()


def told_with_its_locals(secret: Secret) -> str:
    def fails(key: Secret) -> None:
        raise ValueError(key)

    try:
        fails(secret)
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError("unreachable: it fails")


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        lambda secret: format(secret, ">40"),
        lambda secret: f"{secret} {secret!r} {secret!s:>5}",
        lambda secret: "%s %r %a" % (secret, secret, secret),  # noqa: UP031 - the old way must not show it either
        "{0} {0!r}".format,
        lambda secret: repr([secret, {"key": secret}, Holder("main", secret)]),
        pprint.pformat,
        lambda secret: json.dumps({"key": secret}, default=str),
        logged,
        logged_as_json,
        told_with_its_locals,
    ],
)
@pytest.mark.parametrize("content", [CONTENT, CONTENT.encode()])
def test_f25_no_way_of_writing_a_secret_down_shows_it(
    show: Callable[[Secret], str], content: str | bytes
) -> None:
    shown = show(Secret(content))

    assert "Secret" in shown
    for part in ("correct", "horse", "battery"):
        assert part not in shown


@pytest.mark.parametrize(
    "carry",
    [
        *(
            lambda secret, protocol=p: pickle.dumps(secret, protocol)
            for p in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy,
        copy.deepcopy,
        lambda secret: copy.deepcopy([secret]),
        json.dumps,
        vars,
        lambda secret: secret.__getstate__(),
        hash,
        iter,
        len,
        bytes,
    ],
)
def test_f25_a_secret_cannot_be_carried_away(carry: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as refused:
        carry(Secret(CONTENT))

    assert CONTENT not in str(refused.value)


def test_a_secret_is_revealed_as_text_and_as_bytes() -> None:
    assert Secret("päss").reveal() == Secret("päss".encode()).reveal() == "päss"
    assert Secret("päss").reveal_bytes() == Secret("päss".encode()).reveal_bytes() == "päss".encode()


def test_a_secret_equals_another_with_the_same_content_and_nothing_else() -> None:
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != Secret("ab")


def test_two_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("outcry.runtime.secrets.hmac.compare_digest", watched)

    assert Secret("a") != Secret("a")
    assert compared == [(b"a", b"a")]


# ─── the store ──────────────────────────────────────────────────────────────────────────────────────────────


def make(**how: object) -> str:
    """Store a secret and return its ARN."""
    arn: str = boto3.client("secretsmanager").create_secret(Name="x", **how)["ARN"]  # type: ignore[arg-type]
    return arn


def test_the_named_fields_are_read_as_secrets(aws: LocalAws) -> None:
    arn = make(SecretString=json.dumps({"bearer_token": CONTENT, "port": 5432}))

    assert SecretStore().read(arn, "bearer_token") == {"bearer_token": Secret(CONTENT)}
    assert SecretStore().read(arn) == {"bearer_token": Secret(CONTENT), "port": Secret("5432")}


def test_a_secret_is_read_once_in_the_life_of_a_process(aws: LocalAws) -> None:
    arn = make(SecretString=json.dumps({"bearer_token": CONTENT}))
    store = SecretStore(boto3.client("secretsmanager"))
    store.read(arn, "bearer_token")

    aws.reset()

    assert store.read(arn, "bearer_token")["bearer_token"].reveal() == CONTENT


@pytest.mark.parametrize("stored", [{"other": "x"}, {"bearer_token": None}])
def test_f52_a_missing_or_empty_field_is_named(aws: LocalAws, stored: dict[str, str | None]) -> None:
    arn = make(SecretString=json.dumps(stored))

    with pytest.raises(ConfigurationError, match="add the field 'bearer_token'"):
        SecretStore().read(arn, "bearer_token")


@pytest.mark.parametrize(
    "how",
    [
        {"SecretString": CONTENT},
        {"SecretString": json.dumps([CONTENT])},
        {"SecretString": json.dumps(CONTENT)},
        {"SecretBinary": CONTENT.encode()},
    ],
)
def test_a_secret_that_is_no_json_object_is_refused_without_showing_it(
    aws: LocalAws, how: dict[str, object]
) -> None:
    arn = make(**how)

    with pytest.raises(ConfigurationError, match="store one JSON object") as refused:
        SecretStore().read(arn, "bearer_token")

    told = "".join(traceback.format_exception(refused.value))
    assert CONTENT not in told


def test_a_secret_that_cannot_be_read_is_a_fault_that_may_pass(aws: LocalAws) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:gone-AbCdEf"

    with pytest.raises(InfrastructureError, match="cannot be read"):
        SecretStore().read(arn, "bearer_token")
