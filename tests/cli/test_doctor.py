"""`outcry doctor`: each thing is looked at by itself; what is wrong is said with its cure, and nothing secret is said."""

import json
import threading
from typing import Any

import boto3
import pytest

from local.x_api.server import DEFAULT_BEARER
from outcry.cli.doctor import cloud, run
from outcry.cli.doctor.finding import Check, Findings, Installation, Verdict, bad, ok
from outcry.controls import operate, restored
from outcry.runtime.clock import FixedClock
from outcry.runtime.errors import InfrastructureError
from outcry.runtime.version import build_id
from tests.cli.conftest import Outcry
from tests.cli.installation import MODEL_KEY, PASSWORD, Found, beat, change, model_server, well, x_server
from tests.orders.workshop import LIVE, Workshop

__all__ = ["model_server", "well", "x_server"]


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
    assert answer.sentence == (
        "outcry: OUTCRY_NETWORK is not set: set it to mainnet, testnet or local, or give --stack NAME for a deployed stack"
    )


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
