"""The deployed stack as the run's phases use it: its resources by logical id, its functions, its queues, its HTTP address.

Promises: what is asked for is looked up anew, because an update may replace it; a function that raises is a StackFailure with
what it raised.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.audit.checks import check
from local.audit.model import Checks
from local.audit.store import read_journal, read_ledger
from local.servers import ROOT
from local.stack.market import Market
from local.stack.report import Report, StackFailure
from local.stack.rig import DATABASE, ORDERS_ROLE, ROLE, Rig
from local.stack.sam import ARCHITECTURE, STACK, Sam
from local.x_api.server import DEFAULT_BEARER
from outcry.runtime.clock import SystemClock, to_milliseconds
from outcry.runtime.database import Transaction

BEARER = DEFAULT_BEARER
SETTLING_S = 2.0  # what the venue did is in its journal and in the ledger by then
_HTTP_LIMIT_S = 30
_COMMAND_LIMIT_S = 180
_PACKAGE = ROOT / "layers" / "core"
_OUTCRY = 'from outcry.cli.main import app; app(prog_name="outcry")'


@dataclass(slots=True)
class Deployed:
    """One stack, and everything that it runs against."""

    rig: Rig
    sam: Sam
    report: Report
    market: Market
    folder: Path
    secrets: Mapping[str, str]
    trees: dict[str, Path] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def parameters(self) -> dict[str, str]:
        """What the template is deployed with."""
        return {
            "Network": "local",
            "Architecture": ARCHITECTURE,
            "Classifier": "grammar",
            "LocalHyperliquidUrl": self.rig.venue_url,
            "LocalXUrl": self.rig.x_url,
            "XSecretArn": self.secrets["x"],
            "DatabaseSecretArn": self.secrets["database"],
            "OrdersDatabaseSecretArn": self.secrets["orders"],
        }

    def physical_id(self, logical_id: str) -> str:
        """The name, URL or ARN of a resource."""
        found = self.rig.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def status(self) -> str:
        """The stack's status."""
        (stack,) = self.rig.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return str(stack["StackStatus"])

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Invoke a function and give its answer."""
        answer = self.rig.client("lambda").invoke(
            FunctionName=self.physical_id(logical_id), Payload=json.dumps(event).encode()
        )
        body = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise StackFailure(f"{logical_id} raised {body}")
        return body

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """A GET of the stack's HTTP API: status and JSON body.

        By the local AWS's address with the API and its stage in the path: by host name it answers /health itself.
        """
        api = self.physical_id("HttpApi")
        connection = http.client.HTTPConnection("127.0.0.1", self.rig.aws.port, timeout=_HTTP_LIMIT_S)
        try:
            connection.request("GET", f"/_aws/execute-api/{api}/$default{path}")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, dict(json.loads(body or b"{}"))
        except ValueError:
            return answer.status, {"body": body.decode(errors="replace")}

    def keep_logs(self) -> Path:
        """Write every line of every function's log to a file, one JSON object a line; what a deleted stack had written stays."""
        path = self.rig.logs / "functions.jsonl"
        client = self.rig.client("logs")
        lines: list[str] = []
        for group in client.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=name):
                lines += [json.dumps({"group": name, **_kept(event)}) for event in page["events"]]
        if lines:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def outcry(self, *arguments: str) -> Any:
        """An operator's command against the stack, with --json: what it answers. Raises StackFailure where it fails."""
        command = [sys.executable, "-P", "-c", _OUTCRY, "--stack", STACK, *arguments, "--json"]
        environment = {**self.rig.aws.environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(_PACKAGE)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_COMMAND_LIMIT_S, check=False
        )
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = None
        if answer is None or done.returncode == 2:
            raise StackFailure(f"outcry {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return answer

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction of the harness."""
        with self.rig.database() as database, database.transaction() as tx:
            yield tx

    def audit(self) -> Checks:
        """The ledger held against the venue's own journal, up to now."""
        until = SystemClock().now()
        time.sleep(SETTLING_S)
        with self.rig.database() as database:
            return check(
                read_journal(self.rig.journal), read_ledger(database), until_ms=to_milliseconds(until)
            )

    def database_secret(self, role: str = ROLE) -> dict[str, Any]:
        """What the functions are told about their database. It asks for no password, and the field must be there."""
        return {
            "host": "127.0.0.1",
            "port": self.rig.database_port,
            "dbname": DATABASE,
            "username": role,
            "password": "local",
        }

    def make_secret(self, name: str, content: Mapping[str, Any]) -> str:
        """A secret as a person would make it; its ARN."""
        client = self.rig.client("secretsmanager")
        return str(client.create_secret(Name=f"outcry/{name}", SecretString=json.dumps(content))["ARN"])

    def make_secrets(self) -> None:
        """The secrets that the template names."""
        self.secrets = {
            "x": self.make_secret("x", {"bearer_token": BEARER}),
            "database": self.make_secret("database", self.database_secret()),
            "orders": self.make_secret("orders", self.database_secret(ORDERS_ROLE)),
        }


def _kept(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": event["logStreamName"], "at": event["timestamp"], "message": event["message"]}


def audit_facts(checks: Checks) -> dict[str, Any]:
    """The audit's five figures, for the report; raises StackFailure where one is not clean."""
    facts: dict[str, Any] = {
        "fills_without_order": checks.venue_fills_without_order,
        "extra_fill_sets": checks.orders_with_more_than_one_fill_set,
        "unprotected_s_max": round(checks.seconds_owned_without_venue_stop_max, 3),
        "size_mismatch": str(checks.ledger_vs_venue_position_mismatch),
        "pnl_difference_usd": str(checks.pnl_vs_venue_difference_usd),
    }
    if checks.findings:
        raise StackFailure("the audit found: " + "; ".join(checks.findings))
    if checks.pnl_vs_venue_difference_usd != Decimal(0):
        raise StackFailure(f"profit differs by {checks.pnl_vs_venue_difference_usd} USD")
    return facts
