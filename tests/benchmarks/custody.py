"""Figures: what a signature costs in each custody, and what opening a sealed key costs.

Counted is `sign_digest` of an opened signer: in memory, and against the local AWS over HTTP on 127.0.0.1. The real KMS is a network
and a hardware module away: the ratio says what leaving the process costs here at the least, not what AWS takes. Of a signature in
KMS, our own share is given apart: reading the answer, and finding the key that it recovers to.
"""

import secrets
import statistics
from collections.abc import Iterator
from typing import Any

from local.aws import ACCOUNT, REGION, running_aws
from outcry.custody import envelope, kms_signer
from outcry.custody.envelope import SealContext
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner, KmsSigner
from outcry.custody.signature import signature_from_der
from tests.benchmarks.database import Server
from tests.benchmarks.figures import COUNT, US, Figure, drop_first, figure, quiet, timed

GROUP = "custody"
OWNER = KeyOwner(
    f"arn:aws:iam::{ACCOUNT}:role/execute-orders", f"arn:aws:iam::{ACCOUNT}:role/signers", "bench"
)
CONTEXT = SealContext(account="bench", signer="bench-signer-1", venue="hyperliquid", version=1)
DIGEST = b"\x5a" * 32


def figures(_: Server, *, quick: bool) -> Iterator[Figure]:
    """Signing in memory and in KMS, their ratio, and opening an envelope."""
    runs = 50 if quick else 300
    with running_aws() as aws:
        client = _client(aws.endpoint_url)
        kms = Kms(client)
        arn = client.create_key()["KeyMetadata"]["Arn"]
        sealed = envelope.create(kms, arn, CONTEXT, secrets.token_bytes)
        opened = envelope.open_key(kms, CONTEXT, sealed)
        key = kms_signer.create(kms, CONTEXT.signer, OWNER, pause=lambda _: None)
        remote = KmsSigner(kms, CONTEXT.signer, key)
        der = kms.sign(CONTEXT.signer, key.key_arn, DIGEST)
        with quiet():
            memory = _seconds(lambda: opened.sign_digest(DIGEST), runs)
            inside = _seconds(lambda: remote.sign_digest(DIGEST), runs)
            reading = _seconds(lambda: signature_from_der(der, DIGEST, key.address), runs)
            opening = _seconds(lambda: envelope.open_key(kms, CONTEXT, sealed), runs)
    yield figure(GROUP, "a signature, envelope", US, memory, "by a key that was opened before")
    yield figure(
        GROUP, "a signature, kms", US, inside, "one Sign of the local AWS, read and held against the address"
    )
    yield figure(GROUP, "a signature, kms, our share", US, reading, "DER read, s made low, the key recovered")
    yield figure(
        GROUP, "an envelope opened", US, opening, "one Decrypt of the local AWS; once per process and signer"
    )
    ratio = statistics.median(inside) / statistics.median(memory)
    yield figure(GROUP, "kms / envelope, a signature", COUNT, [ratio], "of the two medians")


def _seconds(work: Any, runs: int) -> list[float]:
    return list(drop_first([timed(work) for _ in range(runs + 5)], most=5))


def _client(url: str) -> Any:
    import boto3

    return boto3.client(
        "kms", endpoint_url=url, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
    )
