"""`outcry doctor`: each thing is looked at by itself; what is wrong is said with its cure, and nothing secret is said."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest

from local.llm.answers import Script
from local.llm.server import LlmServer
from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.cli.doctor import cloud, run, venue
from outcry.cli.doctor.finding import Check, Findings, Installation, Verdict, bad, ok
from outcry.controls import operate, restored
from outcry.runtime.clock import FixedClock, to_milliseconds
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.queues import Queue
from outcry.runtime.version import build_id
from tests.cli.conftest import Answer, Outcry
from tests.orders.workshop import LIVE, MASTER, NOON, Workshop

PASSWORD, MODEL_KEY = "the-database-password", "the-model-key"
SIGNER = f"{LIVE}-signer-1"


@dataclass
class Found:
    """What one run found, by check."""

    answer: Answer

    def of(self, check: str) -> list[tuple[str, str]]:
        """Subject and verdict of each finding of a check."""
        return [
            (each["subject"], each["verdict"])
            for each in self.answer.json["findings"]
            if each["check"] == check
        ]

    def one(self, check: str, subject: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = [
            each
            for each in self.answer.json["findings"]
            if (each["check"], each["subject"]) == (check, subject)
        ]
        assert len(found) == 1, found
        return found[0]

    @property
    def bad(self) -> set[str]:
        return {each["check"] for each in self.answer.json["findings"] if each["verdict"] == "bad"}


def change(workshop: Workshop, sql: str, **parameters: Any) -> None:
    with workshop.database.transaction() as tx:
        tx.execute(sql, **parameters)


def beat(workshop: Workshop, stage: str, build: str | None = None, *, ago_s: int = 20) -> None:
    change(
        workshop,
        """
        insert into heartbeats (stage, beat_at, detail) values (:stage, :at, cast(:detail as jsonb))
        on conflict (stage) do update set beat_at = excluded.beat_at, detail = excluded.detail
        """,
        stage=stage,
        at=workshop.clock.now() - timedelta(seconds=ago_s),
        detail=json.dumps({"build": build} if build else {}),
    )


def add_signer(
    workshop: Workshop, *, address: str, key_arn: str, status: str = "ACTIVE", days: int | None = 90
) -> None:
    change(
        workshop,
        """
        insert into signers (signer_id, account_id, slot, version, custody, address, status, key_arn, wrapped_key, seal_nonce,
                             sealed_key, valid_until, created_at, updated_at)
        values (:signer, :account, 1, 1, 'envelope', :address, :status, :key_arn, '\\x01', '\\x010203040506070809101112',
                '\\x01', :until, :now, :now)
        """,
        signer=SIGNER,
        account=LIVE,
        address=address,
        key_arn=key_arn,
        status=status,
        until=None if days is None else workshop.clock.now() + timedelta(days=days),
        now=workshop.clock.now(),
    )


@pytest.fixture
def x_server(workshop: Workshop) -> Iterator[XServer]:
    with XServer(workshop.clock) as running:
        yield running


@pytest.fixture
def model_server() -> Iterator[LlmServer]:
    with LlmServer(Script()) as running:
        yield running


@pytest.fixture
def well(
    workshop: Workshop,
    environment: pytest.MonkeyPatch,
    kms_key: str,
    x_server: XServer,
    model_server: LlmServer,
) -> Workshop:
    """An installation in which everything is as it should be."""
    sqs: Any = boto3.client("sqs")
    for queue in Queue:
        attributes = {}
        if queue is not Queue.TICKS_HYPERLIQUID:
            dead = sqs.create_queue(QueueName=f"desk-{queue.value}-dead")["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 4}
            attributes["RedrivePolicy"] = json.dumps(policy)
        url = sqs.create_queue(QueueName=f"desk-{queue.value}", Attributes=attributes)["QueueUrl"]
        environment.setenv(f"OUTCRY_QUEUE_{queue.value.upper().replace('-', '_')}", url)
    secrets: Any = boto3.client("secretsmanager")
    for name, content in (
        ("X", {"bearer_token": DEFAULT_BEARER}),
        ("LLM", {"api_key": MODEL_KEY}),
    ):
        arn = secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"]
        environment.setenv(f"OUTCRY_{name}_SECRET_ARN", arn)
    boto3.client("kms").enable_key_rotation(KeyId=kms_key)
    for name, value in {
        "LAST_RECEIVE": "4",
        "X_URL": x_server.url,
        "CLASSIFIER": "llm",
        "LLM_BASE_URL": model_server.base_url,
        "LLM_MODEL": model_server.script.known_model,
        "HYPERLIQUID_URL": workshop.server.url,
    }.items():
        environment.setenv(f"OUTCRY_{name}", value)
    for stage in ("tick", "ingest_posts", "monitor_hyperliquid"):
        beat(workshop, stage, build_id())
    add_signer(workshop, address=workshop.signers.key.address, key_arn=kms_key)
    return workshop


def test_an_installation_that_is_well_is_said_to_be(well: Workshop, outcry: Outcry) -> None:
    found = Found(outcry("doctor", "--json"))

    assert found.answer.code == 0
    not_ok = {
        (each["check"], each["subject"]): each["verdict"]
        for each in found.answer.json["findings"]
        if each["verdict"] != "ok"
    }
    assert not_ok == {
        ("database", "database clock"): "warn",
        ("functions", "functions"): "skipped",
        ("limits", "concurrency"): "skipped",
        ("canaries", "canaries"): "skipped",
    }
    assert found.answer.json["build"] == build_id()
    assert found.answer.json["counts"]["bad"] == 0


def test_what_is_wrong_comes_with_its_cure_and_ends_with_1(well: Workshop, outcry: Outcry) -> None:
    change(well, "delete from heartbeats where stage = 'tick'")

    shown = outcry("doctor")

    assert shown.code == 1
    assert "BAD heartbeats, tick: it never ran" in shown.out
    assert "    see the log of tick" in shown.out


def test_nothing_secret_is_said(well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch) -> None:
    secrets: Any = boto3.client("secretsmanager")
    content = {"host": "db", "port": "5432", "dbname": "outcry", "password": PASSWORD}
    arn = secrets.create_secret(Name="database", SecretString=json.dumps(content))["ARN"]
    here = Installation("local", {"OUTCRY_DATABASE_SECRET_ARN": arn}, well.clock)

    lacking = list(cloud.secrets(here))
    said = outcry("doctor", "--json").out + outcry("doctor").out + str(lacking)

    assert [each.verdict for each in lacking] == [Verdict.BAD]
    assert "'username'" in lacking[0].fix
    assert not any(secret in said for secret in (PASSWORD, MODEL_KEY, DEFAULT_BEARER))


def test_a_setting_that_is_missing_altogether_ends_with_2(
    outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("OUTCRY_NETWORK")

    answer = outcry("doctor")

    assert answer.code == 2
    assert answer.sentence == "outcry: OUTCRY_NETWORK is not set: set it to mainnet, testnet or local"


def test_one_thing_alone_can_be_asked_for(well: Workshop, outcry: Outcry) -> None:
    found = Found(outcry("doctor", "--only", "venue", "--json"))
    unknown = outcry("doctor", "--only", "weather")

    assert {each["check"] for each in found.answer.json["findings"]} == {"database", "venue"}
    assert unknown.code == 2
    assert "use one of: database, controls" in unknown.sentence


# ─── one thing at a time ────────────────────────────────────────────────────────────────────────────────────


def test_a_check_that_hangs_or_breaks_stops_no_other(clock: FixedClock) -> None:
    never = threading.Event()

    def hangs(here: Installation) -> Findings:
        yield ok("first half", "done")
        never.wait()

    def fails(here: Installation) -> Findings:
        yield bad("half", "was wrong", "mend it")
        raise InfrastructureError("the venue\nis away")

    def breaks(here: Installation) -> Findings:
        yield from ()
        raise ZeroDivisionError("secret words")

    def works(here: Installation) -> Findings:
        yield ok("it", "works")

    checks = [
        Check("hangs", hangs, "wait", timeout_s=0.2),
        Check("fails", fails, "ask"),
        Check("breaks", breaks, "look"),
        Check("works", works, ""),
    ]

    found = [
        (each.check, each.finding.subject, each.finding.verdict.value, each.finding.says)
        for each in run._all(Installation("local", {}, clock), checks)
    ]
    never.set()

    assert found == [
        ("hangs", "first half", "ok", "done"),
        ("hangs", "hangs", "bad", "no answer within 0 s"),
        ("fails", "half", "bad", "was wrong"),
        ("fails", "fails", "bad", "the venue is away"),
        ("breaks", "breaks", "bad", "it could not be looked at: ZeroDivisionError"),
        ("works", "it", "ok", "works"),
    ]


def test_a_database_that_is_down_is_said_and_the_rest_is_looked_at_all_the_same(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_DATABASE_URL", "postgresql://outcry@/desk?host=/nowhere")

    found = Found(outcry("doctor", "--json"))

    assert found.answer.code == 1
    assert found.bad == {"database"}
    assert found.of("controls") == [("controls", "skipped")]
    assert found.of("signers") == [("signers", "skipped")]
    assert ("hyperliquid", "ok") in found.of("venue")
    assert found.of("X") == [("X", "ok")]


def test_a_schema_that_is_missing_is_bad(
    outcry: Outcry, environment: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    environment.setenv("OUTCRY_DATABASE_URL", empty_database_url)

    found = Found(outcry("doctor", "--json"))

    assert found.one("database", "schema")["fix"] == "deploy the stack, or run the migrate function"
    assert found.of("accounts") == [("accounts", "skipped")]


def test_f56_a_database_of_another_network_is_bad(well: Workshop, outcry: Outcry) -> None:
    with well.database.transaction() as tx:
        restored.recognise(tx, address=None, now=well.clock.now())
        restored.claim_network(tx, "testnet")

    found = Found(outcry("doctor", "--only", "controls", "--json")).one("database", "network")
    status = outcry("status")

    assert found["verdict"] == "bad"
    assert (status.code, "this database serves testnet" in status.sentence) == (2, True)


def test_a_control_that_stands_is_a_warning(well: Workshop, outcry: Outcry) -> None:
    with well.database.transaction() as tx:
        operate.pause(tx, f"account:{LIVE}", "looking at it", "ann", well.clock.now())

    found = Found(outcry("doctor", "--only", "controls", "--json"))

    standing = found.one("controls", f"pause of account:{LIVE}")
    assert found.answer.code == 0
    assert standing["verdict"] == "warn"
    assert standing["fix"] == f"when it is understood: outcry resume account:{LIVE}"


@pytest.mark.parametrize(
    ("build", "says"), [("0.0.9+abc", "it runs 0.0.9+abc"), (None, "does not name itself")]
)
def test_functions_of_another_build_are_a_warning(
    well: Workshop, outcry: Outcry, build: str | None, says: str
) -> None:
    beat(well, "tick", build)

    found = Found(outcry("doctor", "--only", "versions", "--json")).one("versions", "tick")

    assert found["verdict"] == "warn"
    assert says in found["says"]
    assert build_id() in found["says"]


# ─── AWS ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dead_letters_are_counted_and_bad(well: Workshop, outcry: Outcry) -> None:
    sqs: Any = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="desk-exits-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")

    found = Found(outcry("doctor", "--only", "queues", "--json")).one("queues", "exits dead letters")

    assert found["verdict"] == "bad"
    assert found["says"] == "1 messages failed on their last delivery"


def test_a_queue_that_gives_up_earlier_than_the_functions_think_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_LAST_RECEIVE", "5")

    found = Found(outcry("doctor", "--only", "queues", "--json"))

    assert ("entries dead letters", "bad") in found.of("queues")


def test_f22_a_queue_that_is_not_there_is_bad_and_the_other_queues_are_still_read(
    well: Workshop, outcry: Outcry
) -> None:
    sqs: Any = boto3.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="desk-entries")["QueueUrl"])

    found = Found(outcry("doctor", "--only", "queues", "--json"))

    assert ("entries", "bad") in found.of("queues")
    assert ("exits", "ok") in found.of("queues")


def test_a_disabled_signing_key_is_bad(well: Workshop, outcry: Outcry, kms_key: str) -> None:
    boto3.client("kms").disable_key(KeyId=kms_key.rsplit("/", 1)[1])

    found = Found(outcry("doctor", "--only", "signing key", "--json")).one("signing key", "signing key")

    assert found["verdict"] == "bad"
    assert "exits included" in found["says"]


def test_f23_a_signer_that_is_sealed_with_another_key_is_bad(well: Workshop, outcry: Outcry) -> None:
    change(well, "update signers set key_arn = 'arn:aws:kms:another'")

    found = Found(outcry("doctor", "--only", "signing key", "--json")).one("signing key", SIGNER)

    assert found["verdict"] == "bad"
    assert "which is not this stack's key" in found["says"]


def test_a_signer_whose_own_key_in_kms_is_disabled_is_bad(
    well: Workshop, outcry: Outcry, kms_key: str
) -> None:
    kms: Any = boto3.client("kms")
    own = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_SECG_P256K1")["KeyMetadata"]
    change(
        well,
        """
        update signers set custody = 'kms', key_arn = :arn, wrapped_key = null, seal_nonce = null, sealed_key = null
        """,
        arn=own["Arn"],
    )
    kms.disable_key(KeyId=own["KeyId"])

    found = Found(outcry("doctor", "--only", "signing key", "--json"))

    assert found.one("signing key", SIGNER)["verdict"] == "bad"
    assert found.one("signing key", "signing key")["verdict"] == "ok"


# ─── others ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bearer_that_x_refuses_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    secrets: Any = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="old", SecretString='{"bearer_token": "old"}')["ARN"]
    environment.setenv("OUTCRY_X_SECRET_ARN", arn)

    found = Found(outcry("doctor", "--only", "X", "--json")).one("X", "X")

    assert found["verdict"] == "bad"
    assert "401" in found["says"]


def test_a_model_that_its_server_does_not_know_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch, model_server: LlmServer
) -> None:
    environment.setenv("OUTCRY_LLM_MODEL", "another")

    found = Found(outcry("doctor", "--only", "model", "--json")).one("model", "model")

    assert found["says"] == "the server does not give the model another: HTTP 404"
    assert model_server.requests == []


def test_a_venue_of_another_network_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_HYPERLIQUID_URL", "https://api.hyperliquid.xyz")

    found = Found(outcry("doctor", "--only", "venue", "--json"))

    assert found.of("venue") == [("hyperliquid", "bad")]


def test_a_clock_that_is_not_the_venues_is_a_warning(well: Workshop) -> None:
    ahead = FixedClock(NOON + timedelta(seconds=30))
    here = Installation("local", {"OUTCRY_HYPERLIQUID_URL": well.server.url}, ahead)

    found = {each.subject: each for each in venue.venue(here)}

    assert found["venue clock"].verdict is Verdict.WARN
    assert "by -30.0 s" in found["venue clock"].says


def test_an_account_without_enough_to_trade_with_is_a_warning_with_the_sum(
    well: Workshop, outcry: Outcry
) -> None:
    change(
        well,
        "update accounts set address = :address where account_id = :id",
        address="0x" + "cd" * 20,
        id=LIVE,
    )
    well.control("fund", user="0x" + "cd" * 20, usdc="15")

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", f"{LIVE}, runner-live")

    assert found["verdict"] == "warn"
    assert "needs an equity of" in found["says"]


def test_an_account_that_the_venue_never_saw_is_bad(well: Workshop, outcry: Outcry) -> None:
    change(
        well,
        "update accounts set address = :address where account_id = :id",
        address="0x" + "cd" * 20,
        id=LIVE,
    )

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", LIVE)

    assert found["verdict"] == "bad"
    assert found["fix"] == f"deposit to 0x{'cd' * 20} first"


def test_an_account_that_is_an_api_wallet_is_bad_and_names_its_owner(well: Workshop, outcry: Outcry) -> None:
    wallet = well.signers.key.address
    change(well, "update accounts set address = :address where account_id = :id", address=wallet, id=LIVE)

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", LIVE)

    assert found["verdict"] == "bad"
    assert MASTER in found["fix"]


# ─── F-18: what the database says, and what the venue says ──────────────────────────────────────────────────


def signer_finding(well: Workshop, outcry: Outcry, subject: str = SIGNER) -> dict[str, Any]:
    return Found(outcry("doctor", "--only", "signers", "--json")).one("signers", subject)


def test_f18_a_signer_that_is_active_here_and_unknown_at_the_venue_is_bad(
    well: Workshop, outcry: Outcry
) -> None:
    change(well, "update signers set address = :other", other="0x" + "ee" * 20)

    found = signer_finding(well, outcry)

    assert found["verdict"] == "bad"
    assert "the database says ACTIVE, the venue does not know" in found["says"]


def test_f18_a_signer_that_is_revoked_here_and_approved_there_is_a_warning(
    well: Workshop, outcry: Outcry
) -> None:
    change(well, "update signers set status = 'REVOKED'")

    found = Found(outcry("doctor", "--only", "signers", "--json"))

    assert found.one("signers", SIGNER)["verdict"] == "warn"
    assert found.one("signers", LIVE)["verdict"] == "bad"


def test_f18_an_expiry_that_differs_is_a_warning_with_both_days(well: Workshop, outcry: Outcry) -> None:
    change(well, "update signers set valid_until = :until", until=NOON + timedelta(days=30))

    found = signer_finding(well, outcry)

    assert found["verdict"] == "warn"
    assert "until 2027-02-20, the database says 2026-12-22" in found["says"]


def test_f18_an_approval_that_ends_within_a_week_is_a_warning(well: Workshop, outcry: Outcry) -> None:
    soon = NOON + timedelta(days=5)
    other = "0x" + "ee" * 20
    well.control(
        "approve_agent", master=MASTER, agent=other, name=f"short valid_until {to_milliseconds(soon)}"
    )
    change(well, "update signers set address = :other, valid_until = :soon", other=other, soon=soon)

    found = signer_finding(well, outcry)

    assert (found["verdict"], found["says"]) == ("warn", "its approval ends on 2026-11-27")


def test_f18_a_signer_without_a_name_at_the_venue_is_a_warning(well: Workshop, outcry: Outcry) -> None:
    other = "0x" + "ee" * 20
    well.control("approve_agent", master=MASTER, agent=other)
    change(well, "update signers set address = :other", other=other)

    found = signer_finding(well, outcry)

    assert found["verdict"] == "warn"
    assert "without a name" in found["says"]
