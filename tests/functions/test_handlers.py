"""Every real handler, in an environment of its own, on the event files that `sam remote invoke` takes too."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import boto3
import pytest

from local.aws import ACCOUNT, REGION, LocalAws
from local.dispatcher.blueprint import Blueprint, FunctionSpec
from local.dispatcher.pool import Pool, Result
from local.dispatcher.queues import Queues, sqs_client
from local.x_api.server import DEFAULT_BEARER, XServer
from outcry.runtime.clock import SystemClock
from outcry.runtime.database import Database

EVENTS = Path(__file__).resolve().parents[1] / "events"
NO_FAILURES: dict[str, Any] = {"batchItemFailures": []}


class Cloud:
    """The template's functions on a database and an AWS of this test's own."""

    def __init__(self, aws: LocalAws, root: Path, folder: Path, database_url: str, x_url: str) -> None:
        secret = boto3.client("secretsmanager").create_secret(
            Name=f"x-{uuid4()}", SecretString=json.dumps({"bearer_token": DEFAULT_BEARER})
        )["ARN"]
        key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
        parameters = {
            "Network": "local",
            "LocalHyperliquidUrl": "http://127.0.0.1:9",
            "LocalXUrl": x_url,
            "Classifier": "grammar",
            "XSecretArn": secret,
            "DatabaseSecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:none",
        }
        blueprint = Blueprint(root / "template.yaml", parameters, region=REGION, account=ACCOUNT)
        self.queues = Queues(sqs_client(aws.endpoint_url, REGION), blueprint.queues())
        attributes = {**self.queues.attributes, "SigningKey": {"Arn": key}}
        self.functions = {f.name: f for f in blueprint.functions(attributes)}
        self.variables = {**aws.environment, "OUTCRY_DATABASE_URL": database_url}
        self.logs = folder
        self.pool = Pool(self.variables, folder, uuid4, lambda _: None, lambda: None)

    def invoke(self, name: str, event: Any, **changed: str) -> Result:
        """Run a function on an event, some of its variables changed; an empty one is taken away."""
        own = {n: v for n, v in self.functions[name].variables.items() if n != "OUTCRY_DATABASE_SECRET_ARN"}
        function = FunctionSpec(
            **{
                **{field: getattr(self.functions[name], field) for field in FunctionSpec.__slots__},
                "variables": {n: v for n, v in {**own, **changed}.items() if v},
            }
        )
        results: list[Result] = []
        self.pool.submit(function, event, results.append)
        deadline_s = time.monotonic() + 60
        while not results and time.monotonic() < deadline_s:
            self.pool.poll(0.05)
        return results[0]


@pytest.fixture
def cloud(aws: LocalAws, repository: Path, tmp_path: Path, database_url: str) -> Iterator[Cloud]:
    with XServer(SystemClock()) as x:
        made = Cloud(aws, repository, tmp_path, database_url, x.url)
        yield made
        made.pool.close()


def event(name: str) -> Any:
    """One of the event files."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def add_account(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(
            """
            insert into accounts (account_id, venue, network, address, created_at, updated_at)
            values ('local-test', 'hyperliquid', 'local', :address, now(), now())
            """,
            address="0x" + "a" * 40,
        )


def test_there_is_an_event_file_for_every_trigger(cloud: Cloud) -> None:
    kinds = {(f.name, queue) for f in cloud.functions.values() for queue in [s.queue for s in f.sources]}
    schedules = {f.name for f in cloud.functions.values() if f.schedules}
    files = {file.stem for file in EVENTS.glob("*.json")}

    assert {f"{name}.schedule" for name in schedules} <= files
    assert len([file for file in files if file.split(".")[0] in {name for name, _ in kinds}]) == len(kinds)
    assert {file.split(".")[0] for file in files} == set(cloud.functions)


@pytest.mark.parametrize(
    "name",
    [
        "classify_posts.posts",
        "generate_signals.calls",
        "notify.notices",
        "monitor_hyperliquid.ticks",
    ],
)
def test_a_doorbell_for_a_row_that_is_not_there_is_acknowledged(cloud: Cloud, name: str) -> None:
    result = cloud.invoke(name.split(".", maxsplit=1)[0], event(name))

    assert result.error is None
    assert result.answer == NO_FAILURES


def failure(batch: Any) -> dict[str, Any]:
    """The answer that says of the last message of a batch, and of no other, that it must come again."""
    return {"batchItemFailures": [{"itemIdentifier": batch["Records"][-1]["messageId"]}]}


@pytest.mark.parametrize("name", ["execute_orders.entries", "execute_orders.exits"])
def test_a_doorbell_for_an_order_that_is_in_another_database_comes_again(cloud: Cloud, name: str) -> None:
    result = cloud.invoke("execute_orders", event(name))

    assert (result.error, result.answer) == (None, failure(event(name)))
    assert "is not in this database" in "".join(
        log.read_text() for log in cloud.logs.glob("execute_orders-*.log")
    )


@pytest.mark.parametrize(
    "function",
    ["classify_posts", "generate_signals", "execute_orders", "notify", "monitor_hyperliquid"],
)
def test_a_message_that_is_no_doorbell_is_dropped_and_its_neighbours_are_not_held_up(
    cloud: Cloud, function: str
) -> None:
    file = min(EVENTS.glob(f"{function}.*.json"))
    batch = json.loads(file.read_text())
    batch["Records"].insert(0, {**batch["Records"][0], "messageId": "nonsense", "body": "<xml/>"})

    result = cloud.invoke(function, batch)

    wanted = failure(batch) if function == "execute_orders" else NO_FAILURES  # it has no such order
    assert (result.error, result.answer) == (None, wanted)
    assert "no doorbell" in "".join(log.read_text() for log in cloud.logs.glob(f"{function}-*.log"))


def test_f21_a_message_that_fails_comes_again_alone_even_on_its_last_delivery(cloud: Cloud) -> None:
    batch = event("classify_posts.posts")
    batch["Records"][0]["body"] = json.dumps({"id": "not a number", "trace_id": "t"})
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = "4"

    result = cloud.invoke("classify_posts", batch)

    assert result.answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][0]["messageId"]}]}


def add_poisoned_post(database: Database) -> None:
    """A post that fails whenever anybody is done with it, with the row in the error's words."""
    with database.transaction() as tx:
        tx.script(
            """
            insert into authors (author_id, username, created_at, updated_at) values (1, 'caller', now(), now());
            insert into posts (post_id, edit_id, author_id, text, kind, created_at, received_at, source, raw, trace_id, next_ring_at)
            values (7, 7, 1, 'my secret plan', 'original', now(), now(), 'poll', '{}', 'f', now());
            create function poison() returns trigger language plpgsql as
                $$ begin raise exception 'poison' using detail = new.text; end $$;
            create trigger poison before update of status on posts for each row execute function poison();
            """
        )


def test_f21_on_its_last_delivery_a_row_is_set_aside_and_a_page_has_its_trace(
    cloud: Cloud, database: Database
) -> None:
    add_poisoned_post(database)
    batch = event("classify_posts.posts")
    batch["Records"] = batch["Records"][:1]
    batch["Records"][0]["body"] = json.dumps({"id": "7", "trace_id": "f" * 32})
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = "4"

    cloud.invoke("classify_posts", batch)

    with database.transaction() as tx:
        (post,) = tx.all("select quarantined_at is not null as is_aside from posts")
        (page,) = tx.all("select level, topic, trace_id from notices")
    log = "".join(file.read_text() for file in cloud.logs.glob("classify_posts-*.log"))
    assert post["is_aside"]
    assert page == {"level": "page", "topic": "quarantine", "trace_id": "f" * 32}
    assert '"MessagesFailed":[1.0]' in log
    assert "A message failed" in log
    assert "my secret plan" not in log


def test_the_feed_is_read_and_the_minute_is_rung(cloud: Cloud, database: Database) -> None:
    add_account(database)

    heard = cloud.invoke("ingest_posts", event("ingest_posts.schedule"))
    rung = cloud.invoke("tick", event("tick.schedule"))

    assert (heard.error, heard.answer["stored"]) == (None, 0)
    assert (rung.error, rung.answer["ticks"]) == (None, 4)
    assert cloud.queues.depth("TicksHyperliquidQueue") == {"visible": 1, "in_flight": 0, "delayed": 3}


def test_f22_a_missing_setting_is_named_with_its_fix(cloud: Cloud) -> None:
    result = cloud.invoke("tick", event("tick.schedule"), OUTCRY_QUEUE_EXITS="")

    assert result.error is not None
    assert "OUTCRY_QUEUE_EXITS is not set: set it to the URL of the queue exits" in result.error


def test_f56_without_a_network_nothing_starts(cloud: Cloud) -> None:
    result = cloud.invoke("notify", event("notify.notices"), OUTCRY_NETWORK="")

    assert result.error is not None
    assert "OUTCRY_NETWORK is not set: set it to mainnet, testnet or local" in result.error


def test_a_function_refuses_a_database_without_schema(cloud: Cloud, empty_database_url: str) -> None:
    cloud.pool.variables = {**cloud.variables, "OUTCRY_DATABASE_URL": empty_database_url}

    result = cloud.invoke("tick", event("tick.schedule"))

    assert result.error is not None
    assert result.error.startswith("SchemaMismatch")


def test_migrating_is_done_once_and_a_new_database_starts_paused(
    cloud: Cloud, empty_database_url: str
) -> None:
    cloud.pool.variables = {**cloud.variables, "OUTCRY_DATABASE_URL": empty_database_url}

    first = cloud.invoke("migrate", event("migrate.invoke"))
    again = cloud.invoke("migrate", event("migrate.invoke"))

    assert first.answer["applied"][0].startswith("0001_")
    assert again.answer == {"applied": []}


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_the_stack_is_told_what_became_of_its_schema(cloud: Cloud, request_type: str) -> None:
    with _Stack() as stack:
        asked = {**event("migrate.stack"), "RequestType": request_type, "ResponseURL": stack.url}
        result = cloud.invoke("migrate", asked)

    assert (result.error, result.answer) == (None, {"applied": []})
    (told,) = stack.told
    assert (told["Status"], told["PhysicalResourceId"]) == ("SUCCESS", "outcry-schema")
    assert {told[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        asked[name] for name in ("StackId", "RequestId", "LogicalResourceId")
    }


def test_the_stack_is_told_that_its_schema_failed(cloud: Cloud) -> None:
    cloud.pool.variables = {
        **cloud.variables,
        "OUTCRY_DATABASE_URL": "postgresql://nobody@/none?host=/nowhere",
    }
    with _Stack() as stack:
        result = cloud.invoke(
            "migrate", {**event("migrate.stack"), "RequestType": "Update", "ResponseURL": stack.url}
        )

    assert result.error is not None
    assert [told["Status"] for told in stack.told] == ["FAILED"]


def test_a_signer_is_made_and_only_its_address_is_told(cloud: Cloud, database: Database) -> None:
    add_account(database)

    made = cloud.invoke("signers", event("signers.invoke"))
    again = cloud.invoke("signers", event("signers.invoke"))

    assert made.error is None
    assert set(made.answer) == {
        *("signer_id", "account_id", "venue", "network", "slot", "version", "address"),
        *("custody", "key_arn"),
    }
    assert made.answer["custody"] == "envelope"
    assert made.answer["address"].startswith("0x")
    assert again.error is not None
    assert again.error.startswith("ConfigurationError: slot = 1 cannot be used")


def test_f57_the_api_says_that_it_is_up_and_what_is_missing_and_knows_nothing_else(cloud: Cloud) -> None:
    up = cloud.invoke("api", event("api.health"))
    before = cloud.invoke("api", event("api.ready"))
    cloud.invoke("tick", event("tick.schedule"))
    after = cloud.invoke("api", event("api.ready"))
    elsewhere = cloud.invoke("api", {**event("api.ready"), "rawPath": "/positions"})

    assert (up.answer["statusCode"], json.loads(up.answer["body"])["status"]) == (200, "up")
    assert before.answer["statusCode"] == 503
    assert json.loads(before.answer["body"])["missing"] == ["tick has never run"]
    assert (after.answer["statusCode"], json.loads(after.answer["body"])["missing"]) == (200, [])
    assert elsewhere.answer["statusCode"] == 404


def test_f57_nothing_but_two_questions_is_taken_from_outside(cloud: Cloud) -> None:
    requests = [
        *product(["POST", "PUT", "DELETE"], ["/health", "/ready", "/"]),
        ("GET", "/resume"),
        ("GET", "/orders"),
    ]

    answers = {request: cloud.invoke("api", asked(*request)).answer["statusCode"] for request in requests}

    assert answers == dict.fromkeys(requests, 404)


def test_f57_what_anybody_may_ask_is_answered_without_writing(cloud: Cloud, database: Database) -> None:
    cloud.invoke("tick", event("tick.schedule"))
    with database.transaction() as tx:
        name = tx.one("select current_database() as name")
        assert name is not None
        tx.script(f"alter database {name['name']} set default_transaction_read_only = on")

    ready = cloud.invoke("api", event("api.ready"))
    add_account(database)  # over a connection from before
    writes = cloud.invoke("signers", event("signers.invoke"))

    assert (ready.error, ready.answer["statusCode"]) == (None, 200)
    assert "read-only" in str(writes.error), "the database takes writes, so this shows nothing"


def asked(method: str, path: str) -> Any:
    """A request to the HTTP API, as its event."""
    request = event("api.ready")
    http = {**request["requestContext"]["http"], "method": method, "path": path}
    context = {**request["requestContext"], "http": http, "routeKey": f"{method} {path}"}
    return {**request, "rawPath": path, "routeKey": f"{method} {path}", "requestContext": context}


def test_f56_without_a_database_the_api_is_up_and_not_ready(cloud: Cloud) -> None:
    cloud.pool.variables = {
        **cloud.variables,
        "OUTCRY_DATABASE_URL": "postgresql://nobody@/none?host=/nowhere",
    }

    up = cloud.invoke("api", event("api.health"))
    ready = cloud.invoke("api", event("api.ready"))

    assert up.answer["statusCode"] == 200
    assert ready.answer["statusCode"] == 503
    assert json.loads(ready.answer["body"])["missing"] == ["the database cannot be reached"]


STACK = {
    "OUTCRY_EXECUTE_ORDERS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/execute-orders",
    "OUTCRY_SIGNERS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/signers",
    "OUTCRY_STACK_NAME": "desk",
}


def test_a_signer_is_made_in_kms_where_that_is_asked_for(cloud: Cloud, database: Database) -> None:
    add_account(database)

    made = cloud.invoke("signers", event("signers.kms"), **STACK)

    assert made.error is None
    described = boto3.client("kms").describe_key(KeyId=made.answer["key_arn"])["KeyMetadata"]
    assert made.answer["custody"] == "kms"
    assert described["KeySpec"] == "ECC_SECG_P256K1"


@pytest.mark.parametrize("missing", sorted(STACK))
def test_what_a_key_in_kms_needs_of_the_stack_is_named_where_it_is_missing(
    cloud: Cloud, database: Database, missing: str
) -> None:
    add_account(database)

    result = cloud.invoke("signers", event("signers.kms"), **{**STACK, missing: ""})

    assert result.error is not None
    assert f"{missing} is not set: custody kms needs it" in result.error


@pytest.mark.parametrize("custody", ["hsm", "", None, 1])
def test_a_custody_that_is_none_makes_no_signer(cloud: Cloud, database: Database, custody: object) -> None:
    add_account(database)

    result = cloud.invoke("signers", {**event("signers.invoke"), "custody": custody}, **STACK)

    with database.transaction() as tx:
        stored = tx.one("select count(*) as n from signers")
    assert result.error is not None
    assert f"custody = {custody!r} cannot be used" in result.error or "custody is not set" in result.error
    assert stored == {"n": 0}


def test_a_signer_needs_an_account_that_is_named(cloud: Cloud) -> None:
    result = cloud.invoke("signers", {"slot": 1})

    assert result.error is not None
    assert 'send {"account"' in result.error


class _Stack:
    """Where CloudFormation waits for a custom resource's answer."""

    def __init__(self) -> None:
        told: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self.told = told
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/answer"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
