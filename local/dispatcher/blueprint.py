"""What the template says about functions, queues and schedules, as plain data.

Promises: triggers come out of the template alone; a trigger or a property that this machine could not honour
is a TemplateError, never passed over in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.dispatcher.cloudformation import Resolver, TemplateError, load

STACK = "outcry"
_UNITS = {"minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86400, "days": 86400}
_LAMBDA_TIMEOUT_S = 3  # AWS's default


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One SQS queue. `dead_letters` is the logical id of where a message goes after `max_receives`."""

    logical_id: str
    name: str
    attributes: Mapping[str, str]
    visibility_s: int
    dead_letters: str | None
    max_receives: int | None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A queue that feeds a function."""

    queue: str
    batch_size: int
    max_concurrency: int
    reports_failures: bool


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function: where it lives, how long it may take, and what sets it off."""

    logical_id: str
    name: str
    folder: Path
    module: str
    handler: str
    timeout_s: int
    memory_mb: int
    variables: Mapping[str, str]
    sources: tuple[SourceSpec, ...]
    schedules: tuple[timedelta, ...]


class Blueprint:
    """The template, asked in two steps: its queues first, then the functions that need the queues'
    addresses.
    """

    def __init__(self, path: Path, parameters: Mapping[str, str], *, region: str, account: str) -> None:
        self._root = path.resolve().parent
        self._template = load(path)
        self._parameters = parameters
        self._pseudo = {
            "AWS::StackName": STACK,
            "AWS::Region": region,
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
        }

    def queues(self) -> list[QueueSpec]:
        """Every queue, those without dead letters of their own first, so that they can be made in this
        order.
        """
        resolver = self._resolver({})
        specs = [_queue(name, body, resolver) for name, body in self._resources("AWS::SQS::Queue")]
        return sorted(specs, key=lambda spec: spec.dead_letters is not None)

    def functions(self, attributes: Mapping[str, Mapping[str, str]]) -> list[FunctionSpec]:
        """Every function, its variables worked out; `attributes` are those of the resources made here."""
        resolver = self._resolver({**self._roles(), **attributes})
        common = self._template.get("Globals", {}).get("Function", {})
        found = self._resources("AWS::Serverless::Function")
        return [self._function(name, body, common, resolver) for name, body in found]

    def key_ids(self) -> list[str]:
        """The logical ids of the KMS keys."""
        return [name for name, _ in self._resources("AWS::KMS::Key")]

    def _roles(self) -> dict[str, dict[str, str]]:
        """Roles have names here and nothing else: whoever is given one may only write it down."""
        account = self._pseudo["AWS::AccountId"]
        return {
            name: {"Ref": name, "Arn": f"arn:aws:iam::{account}:role/{name}"}
            for name, _ in self._resources("AWS::IAM::Role")
        }

    def _resolver(self, attributes: Mapping[str, Mapping[str, str]]) -> Resolver:
        return Resolver(self._template, self._parameters, attributes, self._pseudo)

    def _resources(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        resources: Mapping[str, dict[str, Any]] = self._template["Resources"]
        return [
            (name, body.get("Properties", {})) for name, body in resources.items() if body["Type"] == kind
        ]

    def _function(
        self, logical_id: str, body: Mapping[str, Any], common: Mapping[str, Any], resolver: Resolver
    ) -> FunctionSpec:
        folder = self._root / str(body["CodeUri"])
        module, _, handler = str(body.get("Handler", common.get("Handler", ""))).rpartition(".")
        if not (folder / f"{module}.py").is_file():
            raise TemplateError(f"{logical_id}: there is no {folder / module}.py")
        variables = {
            **common.get("Environment", {}).get("Variables", {}),
            **body.get("Environment", {}).get("Variables", {}),
        }
        sources, schedules = _triggers(logical_id, body.get("Events", {}))
        return FunctionSpec(
            logical_id=logical_id,
            name=folder.name,
            folder=folder,
            module=module,
            handler=handler,
            timeout_s=int(body.get("Timeout", common.get("Timeout", _LAMBDA_TIMEOUT_S))),
            memory_mb=int(body.get("MemorySize", common.get("MemorySize", 128))),
            variables={name: str(value) for name, value in resolver.value(variables).items()},
            sources=sources,
            schedules=schedules,
        )


def _queue(logical_id: str, body: Mapping[str, Any], resolver: Resolver) -> QueueSpec:
    redrive = body.get("RedrivePolicy")
    dead_letters = max_receives = None
    if redrive is not None:
        dead_letters = _logical_id(logical_id, redrive["deadLetterTargetArn"])
        max_receives = int(redrive["maxReceiveCount"])
    known = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds")
    return QueueSpec(
        logical_id=logical_id,
        name=str(resolver.value(body.get("QueueName", logical_id))),
        attributes={name: str(body[name]) for name in known if name in body},
        visibility_s=int(body.get("VisibilityTimeout", 30)),
        dead_letters=dead_letters,
        max_receives=max_receives,
    )


def _triggers(
    function: str, events: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[SourceSpec, ...], tuple[timedelta, ...]]:
    sources: list[SourceSpec] = []
    schedules: list[timedelta] = []
    for name, event in events.items():
        properties = event.get("Properties", {})
        match event["Type"]:
            case "SQS":
                sources.append(_source(f"{function}.{name}", properties))
            case "Schedule" | "ScheduleV2":
                expression = str(properties.get("ScheduleExpression", properties.get("Schedule", "")))
                schedules.append(_rate(f"{function}.{name}", expression))
            case other:
                raise TemplateError(f"{function}.{name}: events of type {other} are not run here")
    return tuple(sources), tuple(schedules)


def _source(where: str, properties: Mapping[str, Any]) -> SourceSpec:
    if int(properties.get("MaximumBatchingWindowInSeconds", 0)):
        raise TemplateError(f"{where}: batching windows are not run here")
    return SourceSpec(
        queue=_logical_id(where, properties["Queue"]),
        batch_size=int(properties.get("BatchSize", 10)),
        max_concurrency=int(properties.get("ScalingConfig", {}).get("MaximumConcurrency", 1000)),
        reports_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
    )


def _rate(where: str, expression: str) -> timedelta:
    value, _, unit = expression.removeprefix("rate(").removesuffix(")").partition(" ")
    if not expression.startswith("rate(") or unit not in _UNITS or not value.isdigit() or int(value) < 1:
        raise TemplateError(f"{where}: {expression!r} is not run here, write rate(1 minute)")
    return timedelta(seconds=int(value) * _UNITS[unit])


def _logical_id(where: str, node: Any) -> str:
    if isinstance(node, dict) and "Fn::GetAtt" in node and node["Fn::GetAtt"][1] == "Arn":
        return str(node["Fn::GetAtt"][0])
    raise TemplateError(f"{where}: name the queue by !GetAtt <queue>.Arn")
