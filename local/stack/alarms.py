"""Which alarms a run would have raised: each alarm's own threshold, period and rules, applied to the run's figures. For tests alone.

The local AWS reads no embedded metrics and has none of its own, so its alarms stay silent. Here the alarms of
`infra/observability.yaml` are worked out from the metric lines that the functions logged.

Promises: pure but for reading the template; an alarm whose metric nothing here can emit is said to have no data here, and is
given no state; what CloudWatch's documentation says of missing data is applied as it stands ("Configuring how CloudWatch alarms
treat missing data", with its tables).
What is simpler than CloudWatch: an alarm is looked at once, at the end of each of its periods; the range from which older datapoints
are taken is the periods to evaluate and two more, as in the documentation's examples; percentiles are of the nearest rank.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from local.dispatcher.cloudformation import Resolver, load

OLDER_PERIODS = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """The states of an alarm, by CloudWatch's names."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Series:
    """Which metric, of what."""

    namespace: str
    metric: str
    dimensions: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Point:
    """One emitted value."""

    series: Series
    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as the template has it."""

    name: str
    description: str
    series: Series
    statistic: str  # Sum, Average, Minimum, Maximum, SampleCount, or p and a number
    period: timedelta
    periods: int
    datapoints: int
    comparison: str
    threshold: Decimal
    missing: str  # breaching, notBreaching, ignore or missing


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm went into this state at this time."""

    at: datetime
    state: State


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an alarm would have done. `changes` is None where its metric has no data here."""

    alarm: Alarm
    changes: tuple[Change, ...] | None

    @property
    def fired_at(self) -> tuple[datetime, ...]:
        """When it went into ALARM."""
        return tuple(change.at for change in self.changes or () if change.state is State.ALARM)

    def __str__(self) -> str:
        if self.changes is None:
            return f"{self.alarm.name}: no data here"
        told = ", ".join(f"{change.state} {change.at:%H:%M:%S}" for change in self.changes)
        return f"{self.alarm.name}: {told or 'no change'}"


# ─── what is read ───────────────────────────────────────────────────────────────────────────────────────────


def alarms_of(template: Path, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> list[Alarm]:
    """The alarms of a template for these parameters. Raises TemplateError for what cannot be worked out."""
    content = load(template)
    resolver = Resolver(content, parameters, {}, pseudo)
    return [
        alarm_from(name, resolver.value(resource["Properties"]))
        for name, resource in content["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]


def alarm_from(name: str, properties: Mapping[str, Any]) -> Alarm:
    """An alarm from its properties, as in a template or as DescribeAlarms answers. Raises KeyError for what it must have."""
    periods = int(properties["EvaluationPeriods"])
    dimensions = {(each["Name"], each["Value"]) for each in properties.get("Dimensions", ())}
    return Alarm(
        name=name,
        description=str(properties.get("AlarmDescription", "")).strip(),
        series=Series(properties["Namespace"], properties["MetricName"], frozenset(dimensions)),
        statistic=properties.get("ExtendedStatistic") or properties["Statistic"],
        period=timedelta(seconds=int(properties["Period"])),
        periods=periods,
        datapoints=int(properties.get("DatapointsToAlarm", periods)),
        comparison=properties["ComparisonOperator"],
        threshold=Decimal(str(properties["Threshold"])),
        missing=properties.get("TreatMissingData", "missing"),
    )


def points_of(lines: Iterable[str]) -> Iterator[Point]:
    """The values in lines of a log: those in CloudWatch's embedded metric format; every other line is passed over."""
    for line in lines:
        found = _embedded(line)
        if found is None:
            continue
        at = _EPOCH + timedelta(milliseconds=found["_aws"]["Timestamp"])
        for directive in found["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, str(found[name])) for name in names)
                for metric in directive["Metrics"]:
                    series = Series(directive["Namespace"], metric["Name"], dimensions)
                    values = found[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        yield Point(series, at, Decimal(str(value)))


def _embedded(line: str) -> dict[str, Any] | None:
    if '"_aws"' not in line:
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "CloudWatchMetrics" in found.get("_aws", {}) else None


# ─── what is concluded ──────────────────────────────────────────────────────────────────────────────────────


def verdicts(
    alarms: Iterable[Alarm], points: Iterable[Point], *, since: datetime, until: datetime
) -> list[Verdict]:
    """What each alarm would have done between two moments, beginning with insufficient data.

    An AWS metric of which there is not one value has no data here. A metric of ours that was never emitted is missing, which an
    alarm judges by its own rule.
    """
    by_series: dict[Series, list[Point]] = {}
    for point in points:
        by_series.setdefault(point.series, []).append(point)
    found = []
    for alarm in alarms:
        own = by_series.get(alarm.series, [])
        is_blind = alarm.series.namespace.startswith("AWS/") and not own
        found.append(Verdict(alarm, None if is_blind else tuple(_changes(alarm, own, since, until))))
    return found


def _changes(alarm: Alarm, points: Sequence[Point], since: datetime, until: datetime) -> Iterator[Change]:
    values: dict[int, list[Decimal]] = {}
    for point in points:
        values.setdefault((point.at - _EPOCH) // alarm.period, []).append(point.value)
    datapoints = {place: aggregate(alarm.statistic, found) for place, found in values.items()}
    state = State.INSUFFICIENT_DATA
    first = -((_EPOCH - since) // alarm.period)  # the first period that begins at or after `since`
    for place in range(first, (until - _EPOCH) // alarm.period):
        window = range(place, max(first, place - alarm.periods - OLDER_PERIODS + 1) - 1, -1)
        breaches = [is_breach(alarm, datapoints[each]) for each in window if each in datapoints]
        after = judge(alarm, breaches[: alarm.periods], state)
        if after is not state:
            state = after
            yield Change(_EPOCH + (place + 1) * alarm.period, state)


def aggregate(statistic: str, values: Sequence[Decimal]) -> Decimal:
    """One period's values as one. Raises KeyError for a statistic that is not known here."""
    if statistic.startswith("p"):
        rank = math.ceil(Decimal(statistic[1:]) / 100 * len(values))
        return sorted(values)[max(rank, 1) - 1]
    return {
        "Sum": sum(values, Decimal(0)),
        "Average": sum(values, Decimal(0)) / len(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "SampleCount": Decimal(len(values)),
    }[statistic]


def is_breach(alarm: Alarm, value: Decimal) -> bool:
    """Whether a period's value is on the wrong side of the threshold."""
    return {
        "GreaterThanThreshold": value > alarm.threshold,
        "GreaterThanOrEqualToThreshold": value >= alarm.threshold,
        "LessThanThreshold": value < alarm.threshold,
        "LessThanOrEqualToThreshold": value <= alarm.threshold,
    }[alarm.comparison]


def judge(alarm: Alarm, breaches: Sequence[bool], state: State) -> State:
    """The state after the newest datapoints that exist, at most as many as the alarm evaluates; the rest are missing."""
    bad, lacking = sum(breaches), alarm.periods - len(breaches)
    match alarm.missing:
        case "breaching":
            bad += lacking
        case "ignore" if lacking and bad == len(breaches) and bad < alarm.datapoints:
            return state  # nothing says that it is well, and too little says that it is not
        case "missing" if not breaches:
            return State.INSUFFICIENT_DATA
        case "missing":
            return State.ALARM if bad >= min(alarm.datapoints, len(breaches)) else State.OK
    return State.ALARM if bad >= alarm.datapoints else State.OK
