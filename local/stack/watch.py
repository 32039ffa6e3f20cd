"""What an operator's screen would have shown of a run: the figures that the functions emitted, and those that AWS would have.

Promises: figures of ours are read from the functions' own log lines (embedded metric format). The local AWS has no metrics of its
own, so three kinds are taken from what it really did, and no others: the depth of dead-letter queues, asked every few seconds;
a function's invocations, errors and durations, from the lines that the runtime writes about each. Whatever else an alarm of
`infra/observability.yaml` looks at has no data here, and is said to have none.
"""

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from local.aws import ACCOUNT, REGION
from local.servers import ROOT
from local.stack.alarms import Point, Series, Verdict, alarms_of, points_of, verdicts
from local.stack.deployed import Deployed
from local.stack.sam import STACK

ALARMS = ROOT / "infra" / "observability.yaml"
_LOOK_EVERY_S = 5.0
_RAISED = "Traceback (most recent call last)"  # the runtime's own line; our log lines are JSON


class DepthWatch:
    """Looks at the depth of some queues for as long as its block runs."""

    def __init__(self, stack: Deployed, queues: Iterable[str]) -> None:
        self._stack = stack
        self._queues = tuple(queues)
        self._stopped = threading.Event()
        self.points: list[Point] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Look every few seconds."""
        thread = threading.Thread(target=self._run, name="depths", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(timeout=30)

    def _run(self) -> None:
        sqs = self._stack.rig.client("sqs")
        urls = {queue: self._stack.physical_id(queue) for queue in self._queues}
        while not self._stopped.wait(_LOOK_EVERY_S):
            for url in urls.values():
                found = sqs.get_queue_attributes(
                    QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
                )["Attributes"]
                name = url.rsplit("/", 1)[-1]
                series = Series(
                    "AWS/SQS", "ApproximateNumberOfMessagesVisible", frozenset({("QueueName", name)})
                )
                depth = Decimal(found["ApproximateNumberOfMessages"])
                self.points.append(Point(series, datetime.now(UTC), depth))


def points_in(logs: Path, functions: Mapping[str, str]) -> list[Point]:
    """Every figure in the functions' logs. `functions` maps a log group's last part to the function's name."""
    with logs.open(encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    points = list(points_of(str(event["message"]) for event in events))
    streams: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in events:
        streams.setdefault((event["group"], event["stream"]), []).append(event)
    for (group, _), lines in streams.items():
        name = functions.get(group.rsplit("/", 1)[-1])
        if name is not None:
            points += _runs(name, lines)
    return points


def _runs(name: str, lines: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    """Invocations, errors and durations of one execution environment's lines, in the order in which it wrote them."""
    raised = False
    for line in lines:
        message = str(line["message"])
        if message.startswith("START RequestId"):
            raised = False
        raised = raised or message.startswith(_RAISED)
        if not message.startswith("REPORT RequestId"):
            continue
        at = datetime.fromtimestamp(line["at"] / 1000, UTC)
        duration = Decimal(message.split("Duration: ", 1)[1].split(" ", 1)[0])
        for metric, value in (
            ("Invocations", Decimal(1)),
            ("Errors", Decimal(raised)),
            ("Duration", duration),
        ):
            yield Point(Series("AWS/Lambda", metric, frozenset({("FunctionName", name)})), at, value)


def judge(stack: Deployed, depths: Iterable[Point], since: datetime) -> list[Verdict]:
    """What each alarm of the deployed stack would have done since a moment."""
    functions = {logical: stack.physical_id(logical) for logical in _FUNCTIONS.values()}
    parameters = {
        "StackName": STACK,
        "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
        "LogGroups": "none",
        **{f"{logical}Name": name for logical, name in functions.items()},
    }
    by_group = {group: functions[logical] for group, logical in _FUNCTIONS.items()}
    points = [*points_in(stack.keep_logs(), by_group), *depths]
    pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": STACK}
    alarms = alarms_of(ALARMS, parameters, pseudo)
    return verdicts(alarms, points, since=since, until=datetime.now(UTC))


_FUNCTIONS = {
    f"{name}Logs": f"{name}Function"
    for name in (
        *("IngestPosts", "ClassifyPosts", "GenerateSignals", "ExecuteOrders"),
        *("MonitorHyperliquid", "Tick", "Notify", "Api"),
    )
}
