"""Dashboards and alarms name what the code emits, all of it, and each alarm says what it means and where help is."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import Resolver, load
from local.stack.alarms import Alarm, Point, Series, State, alarms_of, verdicts
from outcry.runtime.metrics import METRICS, NAMESPACE, STACK, Metric

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "infra" / "observability.yaml"
OUTER = load(ROOT / "template.yaml")
OWN = load(PATH)
RUNBOOK = (ROOT / "infra" / "runbook.md").read_text()
DESK = "desk"
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in OUTER["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
}
BY_PERSON = {"MigrateFunction", "SignersFunction"}  # whoever runs these sees at once what becomes of it
WATCHED = sorted(set(FUNCTIONS) - BY_PERSON)
PARAMETERS = {
    "StackName": DESK,
    "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:alarms",
    "LogGroups": "one,two",
    **{f"{name}Name": f"{DESK}-{name}" for name in WATCHED},
}
PSEUDO = {"AWS::Region": "us-east-1"}
QUEUES = {
    str(resource["Properties"]["QueueName"]["Fn::Sub"]).replace("${AWS::StackName}", DESK)
    for resource in OUTER["Resources"].values()
    if resource["Type"] == "AWS::SQS::Queue"
}
# What AWS itself emits, by what it may be asked for: a set of dimensions and the values that they may have.
FUNCTION_NAMES = {f"{DESK}-{name}" for name in WATCHED}
KNOWN_AWS: dict[tuple[str, str], tuple[str, set[str]] | None] = {
    ("AWS/Lambda", "Errors"): ("FunctionName", FUNCTION_NAMES),
    ("AWS/Lambda", "Duration"): ("FunctionName", FUNCTION_NAMES),
    ("AWS/Lambda", "Throttles"): None,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ("QueueName", QUEUES),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): ("QueueName", QUEUES),
}
ALARMS = alarms_of(PATH, PARAMETERS, PSEUDO)
SINCE = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Shown:
    """One line of a widget."""

    series: Series
    statistic: str


def widgets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every widget with its dashboard's name."""
    resolver = Resolver(OWN, PARAMETERS, {}, PSEUDO)
    for resource in OWN["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Dashboard":
            properties = resolver.value(resource["Properties"])
            for widget in json.loads(properties["DashboardBody"])["widgets"]:
                yield properties["DashboardName"], widget


def shown() -> Iterator[Shown]:
    """Every metric that a widget shows; expressions over them are left out."""
    for _, widget in widgets():
        for row in widget["properties"].get("metrics", []):
            options = row.pop() if isinstance(row[-1], dict) else {}
            if "expression" in options:
                continue
            namespace, metric, *rest = row
            dimensions = frozenset(zip(rest[::2], rest[1::2], strict=True))
            yield Shown(
                Series(namespace, metric, dimensions), options.get("stat", widget["properties"]["stat"])
            )


def registered() -> dict[Series, Metric]:
    """Every series of the registry, on this stack."""
    return {
        Series(NAMESPACE, metric.name, frozenset({(STACK, DESK), *each.items()})): metric
        for metric in METRICS
        for each in metric.series()
    }


def slugs() -> set[str]:
    """The anchors of the runbook's sections, as a page of it has them."""
    return {slug(title) for title in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)}


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).strip().replace(" ", "-")


def section(anchor: str) -> str:
    """A section's text, up to the next heading."""
    parts = re.split(r"^#+ (.+)$", RUNBOOK, flags=re.MULTILINE)
    return next(text for title, text in zip(parts[1::2], parts[2::2], strict=True) if slug(title) == anchor)


def runbook_of(alarm: Alarm) -> str:
    found = re.search(r"Runbook: #([a-z0-9-]+)$", alarm.description)
    assert found, alarm.description
    return found[1]


# ─── what is shown is emitted, and the other way round ──────────────────────────────────────────────────────


def named() -> set[Series]:
    """Every series that a widget shows or an alarm watches."""
    return {each.series for each in shown()} | {alarm.series for alarm in ALARMS}


def emitted_by_nobody(series: set[Series]) -> set[Series]:
    """Those of ours that are in no registry."""
    return {each for each in series if each.namespace == NAMESPACE} - set(registered())


def seen_by_nobody(series: set[Series]) -> set[Series]:
    """Those of the registry that are not among these."""
    return set(registered()) - series


def test_every_metric_of_ours_that_is_shown_or_watched_is_registered() -> None:
    assert emitted_by_nobody(named()) == set()


def test_every_registered_series_is_shown_or_watched() -> None:
    assert seen_by_nobody(named()) == set()


@pytest.mark.parametrize(
    "mistake",
    [
        Series(NAMESPACE, "HeartbeatAges", frozenset({(STACK, DESK), ("stage", "tick")})),
        Series(NAMESPACE, "HeartbeatAge", frozenset({(STACK, DESK), ("stage", "ticks")})),
        Series(NAMESPACE, "HeartbeatAge", frozenset({("stage", "tick")})),
        Series(NAMESPACE, "Fills", frozenset({(STACK, DESK), ("agent", "runner")})),
    ],
)
def test_a_name_that_is_wrong_anywhere_is_found(mistake: Series) -> None:
    assert emitted_by_nobody({*named(), mistake}) == {mistake}


def test_a_figure_that_is_shown_nowhere_is_found() -> None:
    fills = Series(NAMESPACE, "Fills", frozenset({(STACK, DESK)}))

    assert seen_by_nobody(named() - {fills}) == {fills}


def test_every_other_metric_is_one_that_aws_emits_for_a_resource_of_the_template() -> None:
    foreign = [series for series in named() if series.namespace != NAMESPACE]

    assert {(series.namespace, series.metric) for series in foreign} == set(KNOWN_AWS)
    for series in foreign:
        known = KNOWN_AWS[series.namespace, series.metric]
        if known is None:
            assert series.dimensions == frozenset()
        else:
            ((name, value),) = series.dimensions
            assert name == known[0]
            assert value in known[1]


def test_counters_are_summed_and_gauges_never_are() -> None:
    metrics = registered()
    asked = [
        *((each.series, each.statistic) for each in shown()),
        *((a.series, a.statistic) for a in ALARMS),
    ]

    wrong = [
        (series.metric, statistic)
        for series, statistic in asked
        if series in metrics and metrics[series].adds_up != (statistic == "Sum")
    ]

    assert wrong == []


def test_there_are_two_dashboards_whose_widgets_do_not_overlap() -> None:
    places: dict[str, set[tuple[int, int]]] = {}
    for name, widget in widgets():
        own = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not own & places.setdefault(name, set()), widget
        assert max(x for x, _ in own) < 24
        places[name] |= own

    assert set(places) == {f"{DESK}-desk", f"{DESK}-machine"}


# ─── what is watched ────────────────────────────────────────────────────────────────────────────────────────


def test_every_dead_letter_queue_has_an_alarm_at_one_message() -> None:
    dead = {queue for queue in QUEUES if queue.endswith("-dead")}
    alarms = {
        dict(alarm.series.dimensions)["QueueName"]: alarm
        for alarm in ALARMS
        if alarm.series.namespace == "AWS/SQS"
    }

    assert set(alarms) == dead
    assert {(alarm.threshold, alarm.datapoints) for alarm in alarms.values()} == {(Decimal(1), 1)}


@pytest.mark.parametrize("metric", ["Errors", "Duration"])
def test_every_function_that_runs_by_itself_is_watched(metric: str) -> None:
    watched = {
        value for alarm in ALARMS if alarm.series.metric == metric for _, value in alarm.series.dimensions
    }

    assert watched | {f"{DESK}-ApiFunction"} == FUNCTION_NAMES


def test_a_run_is_slow_from_four_fifths_of_its_time_limit() -> None:
    for alarm in ALARMS:
        if alarm.series.metric == "Duration":
            ((_, name),) = alarm.series.dimensions
            timeout_s = FUNCTIONS[name.removeprefix(f"{DESK}-")]["Timeout"]
            assert alarm.threshold == timeout_s * 1000 * Decimal("0.8")
            assert f"{timeout_s} s" in alarm.description


def test_f22_silence_of_a_stage_is_an_alarm_and_silence_of_nothing_else_is() -> None:
    breaching = {alarm.name for alarm in ALARMS if alarm.missing == "breaching"}

    assert breaching == {alarm.name for alarm in ALARMS if alarm.series.metric == "HeartbeatAge"}
    assert len(breaching) == 3


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_fires_on_what_is_wrong_and_not_on_what_is_well(alarm: Alarm) -> None:
    above = alarm.comparison.startswith("Greater")
    bad, good = (alarm.threshold + 1, Decimal(0)) if above else (alarm.threshold - 1, alarm.threshold + 1)

    assert fired(alarm, [bad] * alarm.periods) == [State.ALARM]
    assert fired(alarm, [good] * alarm.periods) == [State.OK]
    assert fired(alarm, [*([bad] * (alarm.datapoints - 1)), *([good] * alarm.periods)])[-1] is State.OK


def fired(alarm: Alarm, values: list[Decimal]) -> list[State]:
    """The states that the alarm goes through on one value a period."""
    begin = SINCE.replace(hour=0)
    points = [Point(alarm.series, begin + n * alarm.period, value) for n, value in enumerate(values)]
    until = begin + len(values) * alarm.period + timedelta(seconds=1)
    ((verdict),) = verdicts([alarm], points, since=begin, until=until)
    assert verdict.changes is not None
    states = [change.state for change in verdict.changes]
    return states[-1:] if len(set(values)) == 1 else states


# ─── what is told ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_an_alarm_says_how_urgent_it_is_what_it_means_and_which_section_helps(alarm: Alarm) -> None:
    level, _, rest = alarm.description.partition(": ")

    assert level in {"page", "warning", "info"}
    assert rest[0].isupper()
    assert runbook_of(alarm) in slugs()


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_the_section_that_helps_says_what_to_look_at_and_what_to_do(alarm: Alarm) -> None:
    text = section(runbook_of(alarm))

    assert "**Means.**" in text
    assert "**Do.**" in text


def test_the_runbook_names_each_alarm_with_its_level_where_it_helps_and_no_other() -> None:
    told = {
        (name, level)
        for levels in re.findall(
            r"^\*((?:page|warning|info): [^*]+)\*$", RUNBOOK.split("## Alarms")[1], re.MULTILINE
        )
        for level, names in re.findall(r"(page|warning|info): ([A-Za-z,\s]+)\.", levels)
        for name in re.split(r",\s*", names)
    }
    alarms = {(alarm.name, alarm.description.partition(":")[0]) for alarm in ALARMS}
    elsewhere = {"RowsQuarantined", "FeedLimitUsedUp"}  # told in a notice's section

    assert {each for each in alarms if each[0] not in elsewhere} == told
    assert [alarm.name for alarm in ALARMS if alarm.name not in section(runbook_of(alarm))] == []


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(#([a-z0-9-]+)\)", RUNBOOK))))
def test_a_link_within_the_runbook_leads_somewhere(link: str) -> None:
    assert link in slugs()


def test_alarms_are_told_when_they_begin_and_when_they_end() -> None:
    for resource in OWN["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            assert resource["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopicArn"}]
            assert resource["Properties"]["OKActions"] == [{"Ref": "AlarmTopicArn"}]


def test_the_outer_stack_gives_each_function_its_own_name_and_every_function_the_stacks() -> None:
    given = OUTER["Resources"]["ObservabilityStack"]["Properties"]["Parameters"]
    variables = OUTER["Globals"]["Function"]["Environment"]["Variables"]

    assert {f"{name}Name": {"Ref": name} for name in WATCHED}.items() <= given.items()
    assert given["StackName"] == variables["OUTCRY_STACK_NAME"] == {"Ref": "AWS::StackName"}
    assert given["AlarmTopicArn"] == {"Ref": "AlarmsTopic"}
    logs = {each["Ref"] for each in given["LogGroups"]["Fn::Join"][1]}
    assert {name.replace("Function", "Logs") for name in FUNCTIONS} <= logs


def test_every_name_of_a_function_that_is_asked_for_is_one_of_the_template() -> None:
    asked = {name.removesuffix("Name") for name in OWN["Parameters"] if name.endswith("FunctionName")}

    assert asked == set(WATCHED)
