"""What the deployed stack runs against on this machine: the local AWS, Postgres, the venue, X; each can be taken away for a while.

Promises: everything is on 127.0.0.1 and free ports and in real time, because the local AWS keeps its own schedules; what was
started is stopped however the run ends. Postgres is killed without warning and comes back over the same data. The venue is
stopped in the middle of whatever it does and goes on where it was, which is harder on us than a closed port: requests arrive,
and are answered a minute late or not at all.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.aws import REGION, LocalAws, running_aws
from local.postgres import Postgres, running_postgres
from local.processes import Process, free_port, temporary_directory
from local.servers import serve
from outcry.runtime.database import Address, Database

DATABASE = "outcry"
ROLE, ORDERS_ROLE = (
    "desk",
    "desk_orders",
)  # as docs/deploy.md makes them: no superusers, and orders have a limit of their own
_ROLES = f"""
create role {ROLE} login connection limit 60;
create role {ORDERS_ROLE} login in role {ROLE} connection limit 28;
alter database {DATABASE} owner to {ROLE};
"""


@dataclass(slots=True)
class Rig:
    """The running servers. `logs` is where each of them writes."""

    aws: LocalAws
    venue_url: str
    x_url: str
    journal: Path
    logs: Path
    database_port: int
    _data: Path
    _venue: Process
    _server: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _postgres: Postgres | None = None

    def client(self, service: str) -> Any:
        """An ordinary boto3 client of the local AWS."""
        import boto3

        made: Any = boto3.client  # one name for every service: its stubs want a literal
        return made(
            service,
            endpoint_url=self.aws.endpoint_url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - nobody looks at it
        )

    def leftovers(self, stack: str) -> dict[str, list[str]]:
        """What of a stack works or costs on, by kind: it should be nothing once the stack is deleted."""
        functions = self.client("lambda").get_paginator("list_functions").paginate()
        schedules = self.client("scheduler").list_schedules()["Schedules"]
        queues = self.client("sqs").list_queues(QueueNamePrefix=f"{stack}-").get("QueueUrls", [])
        mappings = self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        return {
            "functions": [each["FunctionName"] for page in functions for each in page["Functions"]],
            "schedules": [each["Name"] for each in schedules],
            "queues": [url.rsplit("/", 1)[-1] for url in queues],
            "triggers": [each["UUID"] for each in mappings],
        }

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A connection of the harness to what the functions work on, for as long as the block runs."""
        assert self._postgres is not None, "Postgres is not running"
        made = Database(
            Address.from_url(self._postgres.url(DATABASE)), network="local", application="harness"
        )
        try:
            yield made
        finally:
            made.close()

    def start_database(self) -> None:
        """Start Postgres over its data; the first time the database is made."""
        is_new = not (self._data / "PG_VERSION").exists()
        self._postgres = self._server.enter_context(running_postgres(self._data, tcp_port=self.database_port))
        if is_new:
            self._postgres.create_database(DATABASE)
            with self.database() as database, database.transaction() as tx:
                tx.script(_ROLES)

    def kill_database(self) -> None:
        """End Postgres as a power cut would: nothing is closed, nothing is written that was not."""
        assert self._postgres is not None, "Postgres is not running"
        self._postgres.process.kill()
        self._server.close()
        self._postgres = None

    def stop_venue(self) -> None:
        """Stop the venue where it stands: it takes connections and answers none."""
        os.kill(self._venue.pid, signal.SIGSTOP)

    def go_on_venue(self) -> None:
        """Let the venue go on where it was stopped."""
        os.kill(self._venue.pid, signal.SIGCONT)


@contextlib.contextmanager
def running_rig(keep: Path | None = None, *, enforce_permissions: bool = False) -> Iterator[Rig]:
    """The servers, for as long as the block runs. `keep` is a directory for their logs and the venue's journal."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_directory("stack"))
        folder.chmod(0o711)  # Postgres runs as another user where we are root, and its data is in here
        logs = keep or folder
        logs.mkdir(parents=True, exist_ok=True)
        aws = stack.enter_context(running_aws(enforce_permissions=enforce_permissions))
        journal = logs / "venue-journal.jsonl"
        journal.unlink(missing_ok=True)
        venue, venue_url = serve("hyperliquid", ["--journal", journal], log=logs / "venue.log")
        stack.callback(venue.stop)
        # a stopped process does not hear that it shall end
        stack.callback(os.kill, venue.pid, signal.SIGCONT)
        x, x_url = serve("x_api", [], log=logs / "x.log")
        stack.callback(x.stop)
        rig = Rig(aws, venue_url, x_url, journal, logs, free_port(), folder / "data", venue)
        stack.callback(rig._server.close)
        rig.start_database()
        yield rig
