"""Envelopes against the local AWS, whose KMS does not check what it unwraps."""

import secrets
from dataclasses import replace

import boto3
import pytest

from local.aws import LocalAws
from outcry.custody.envelope import SealContext, create, open_key
from outcry.custody.kms import Kms
from outcry.runtime.errors import BugError, InfrastructureError


def test_f23_the_seal_holds_where_kms_lets_an_altered_data_key_pass(
    aws: LocalAws, context: SealContext
) -> None:
    client = boto3.client("kms", endpoint_url=aws.endpoint_url)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    kms = Kms(client)
    sealed = create(kms, arn, context, secrets.token_bytes)
    altered = replace(sealed, wrapped_key=sealed.wrapped_key[:-1] + bytes([sealed.wrapped_key[-1] ^ 1]))

    assert open_key(kms, context, sealed).address == sealed.address
    with pytest.raises(BugError, match=context.signer):
        open_key(kms, context, altered)


def test_a_disabled_key_of_kms_is_an_infrastructure_fault(aws: LocalAws, context: SealContext) -> None:
    client = boto3.client("kms", endpoint_url=aws.endpoint_url)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    kms = Kms(client)
    sealed = create(kms, arn, context, secrets.token_bytes)
    client.disable_key(KeyId=arn)

    with pytest.raises(InfrastructureError, match=context.signer):
        open_key(kms, context, sealed)
