"""Functions made for the dispatcher's tests: real handlers in real files, small enough to be read here."""

from datetime import timedelta
from pathlib import Path

from local.dispatcher.blueprint import FunctionSpec, SourceSpec

HANDLER = '''
"""A handler that does what its event says."""

import json
import os
import sys
import time
from pathlib import Path


def handler(event, context):
    for record in event.get("Records", []):
        note(record["messageId"], record["body"], record["attributes"]["ApproximateReceiveCount"])
    if event.get("source") == "aws.scheduler":
        note("schedule", event["time"], "1")
    asked = event.get("do") or [json.loads(record["body"]).get("do") for record in event.get("Records", [])]
    answers = [act(one, context) for one in ([asked] if isinstance(asked, str) else asked)]
    failed = [r["messageId"] for r, answer in zip(event.get("Records", []), answers) if answer == "fail"]
    if "Records" in event:
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
    return answers[0] if answers else None


def note(*words):
    with (Path(os.environ["NOTES"])).open("a") as file:
        file.write(" ".join([str(os.getpid()), *words]) + "\\n")


def act(what, context):
    if what == "raise":
        raise ValueError("as asked")
    if what == "die":
        os._exit(3)
    if what == "hang":
        time.sleep(60)
    if what == "sleep":
        time.sleep(0.3)
    if what == "odd":
        return {1, 2}
    if what == "context":
        return [context.function_name, context.get_remaining_time_in_millis(), context.aws_request_id]
    if what == "environment":
        return dict(os.environ)
    if what == "path":
        return sys.path
    if what in {"ring", "ring later"}:
        import boto3

        boto3.client("sqs").send_message_batch(
            QueueUrl=os.environ["QUEUE"],
            Entries=[{"Id": "0", "MessageBody": "{}", "DelaySeconds": 30 if what == "ring later" else 0}],
        )
    return what
'''


def function(
    folder: Path = Path("/nowhere"),
    *,
    name: str = "worker",
    timeout_s: int = 5,
    sources: tuple[SourceSpec, ...] = (),
    schedules: tuple[timedelta, ...] = (),
    variables: dict[str, str] | None = None,
) -> FunctionSpec:
    """A function as the template would describe it."""
    return FunctionSpec(
        logical_id=name.title(),
        name=name,
        folder=folder,
        module="app",
        handler="handler",
        timeout_s=timeout_s,
        memory_mb=128,
        variables=variables or {},
        sources=sources,
        schedules=schedules,
    )


def written(folder: Path, text: str = HANDLER) -> Path:
    """The folder of a function with this handler."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(text)
    return folder
