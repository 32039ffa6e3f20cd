"""The evaluator of alarms: CloudWatch's own tables of missing data, a second formulation of the rules, and what is read from logs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.stack.alarms import (
    OLDER_PERIODS,
    Alarm,
    Point,
    Series,
    State,
    Verdict,
    aggregate,
    alarm_from,
    is_breach,
    judge,
    points_of,
    verdicts,
)
from outcry.runtime import emission, metrics
from outcry.runtime.clock import FixedClock, SystemClock
from outcry.runtime.metrics import Work

SINCE = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERIES = Series("Outcry", "UnknownAge", frozenset({("stack", "desk")}))
MISSING = ("breaching", "notBreaching", "ignore", "missing")
RULE = Alarm(
    "Rule", "", SERIES, "Maximum", MINUTE, 3, 3, "GreaterThanThreshold", Decimal(10), "missing"
)  # fmt: skip


def run(alarm: Alarm, written: str) -> list[str]:
    """The states that an alarm goes through; `X` breaches, `0` does not, `-` is missing, a period each."""
    points = [
        Point(alarm.series, SINCE + n * alarm.period, Decimal(11 if each == "X" else 0))
        for n, each in enumerate(written)
        if each != "-"
    ]
    verdict = only(alarm, points, until=SINCE + len(written) * alarm.period)
    assert verdict.changes is not None
    return [change.state.value for change in verdict.changes]


def only(alarm: Alarm, points: list[Point], *, until: datetime) -> Verdict:
    (verdict,) = verdicts([alarm], points, since=SINCE, until=until)
    return verdict


# ─── missing data, as CloudWatch's documentation has it ─────────────────────────────────────────────────────

OK, ALARM, NONE, SAME = "OK", "ALARM", "INSUFFICIENT_DATA", "SAME"


@pytest.mark.parametrize("before", list(State))
@pytest.mark.parametrize(
    ("datapoints", "written", "missing", "ignore", "breaching", "not_breaching"),
    [
        (3, "0-X-X", OK, OK, OK, OK),
        (3, "----0", OK, OK, OK, OK),
        (3, "-----", NONE, SAME, ALARM, OK),
        (3, "0XX-X", ALARM, ALARM, ALARM, ALARM),
        (3, "--X--", ALARM, SAME, ALARM, OK),
        (2, "0-X-X", ALARM, ALARM, ALARM, ALARM),
        (2, "00X0X", ALARM, ALARM, ALARM, ALARM),
        (2, "0-X--", OK, OK, ALARM, OK),
        (2, "----0", OK, OK, ALARM, OK),
        (2, "---X-", ALARM, SAME, ALARM, OK),
    ],
)
def test_the_tables_of_the_documentation_hold(
    before: State,
    datapoints: int,
    written: str,
    missing: str,
    ignore: str,
    breaching: str,
    not_breaching: str,
) -> None:
    newest = [each == "X" for each in reversed(written) if each != "-"][:3]
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}

    for rule, state in expected.items():
        alarm = replace(RULE, datapoints=datapoints, missing=rule)
        assert judge(alarm, newest, before).value == (before.value if state == SAME else state), rule


def formulated_again(alarm: Alarm, window: str, state: State) -> State:
    """The rules once more, from the window's end: what would hold whatever the missing ones were, or as they are said to be."""
    real = [each for each in reversed(window) if each != "-"][: alarm.periods]
    gaps = alarm.periods - len(real)
    filled = {"breaching": "X", "notBreaching": "0"}.get(alarm.missing)
    if filled is not None:
        return State.ALARM if (real + [filled] * gaps).count("X") >= alarm.datapoints else State.OK
    if real.count("X") >= alarm.datapoints:
        return State.ALARM
    if "0" in real:
        short = alarm.missing == "missing" and real.count("X") >= len(real)
        return State.ALARM if short else State.OK
    if alarm.missing == "ignore":
        return state
    return State.ALARM if real else State.INSUFFICIENT_DATA


@given(
    written=st.text("X0-", max_size=14),
    periods=st.integers(1, 5),
    missing=st.sampled_from(MISSING),
    data=st.data(),
)
def test_each_change_is_the_one_of_a_second_formulation(
    written: str, periods: int, missing: str, data: st.DataObject
) -> None:
    alarm = replace(RULE, periods=periods, datapoints=data.draw(st.integers(1, periods)), missing=missing)
    expected = []
    state = State.INSUFFICIENT_DATA
    for end in range(1, len(written) + 1):
        window = written[max(0, end - periods - OLDER_PERIODS) : end]
        after = formulated_again(alarm, window, state)
        if after is not state:
            expected.append(after.value)
            state = after

    assert run(alarm, written) == expected


@given(written=st.text("X0-", min_size=1, max_size=10), periods=st.integers(1, 4))
def test_what_is_never_missing_is_judged_alike_by_every_rule(written: str, periods: int) -> None:
    whole = written.replace("-", "0")
    alarms = [
        replace(RULE, periods=periods, datapoints=periods, missing=rule) for rule in ("ignore", "missing")
    ]

    ends = {tuple(run(alarm, "0" * periods + whole)[-1:]) for alarm in alarms}

    assert len(ends) == 1


# ─── periods, statistics, thresholds ────────────────────────────────────────────────────────────────────────


def test_a_change_is_told_at_the_end_of_the_period_that_brought_it() -> None:
    alarm = replace(RULE, periods=1, datapoints=1)
    points = [Point(SERIES, SINCE + timedelta(seconds=second), Decimal(11)) for second in (70, 110)]

    verdict = only(alarm, points, until=SINCE + 5 * MINUTE)

    assert verdict.fired_at == (SINCE + 2 * MINUTE,)


def test_a_period_that_has_not_ended_is_not_looked_at() -> None:
    alarm = replace(RULE, periods=1, datapoints=1)
    points = [Point(SERIES, SINCE, Decimal(11))]

    assert only(alarm, points, until=SINCE + timedelta(seconds=59)).changes == ()
    assert only(alarm, points, until=SINCE + MINUTE).fired_at == (SINCE + MINUTE,)


def test_silence_counts_as_bad_once_no_older_figure_is_left_to_judge_by() -> None:
    alarm = replace(RULE, missing="breaching")

    assert run(alarm, "---000") == [ALARM, OK]  # before the first figures came, all of them were missing
    assert run(alarm, "000----") == [OK]
    assert run(alarm, "000-----") == [OK, ALARM]


@given(
    values=st.lists(st.integers(-1000, 1000).map(Decimal), min_size=1, max_size=50),
    percent=st.integers(1, 100),
)
def test_a_percentile_has_that_share_at_or_below_it(values: list[Decimal], percent: int) -> None:
    found = aggregate(f"p{percent}", values)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("Sum", 12), ("Average", 4), ("Minimum", 1), ("Maximum", 9), ("SampleCount", 3), ("p50", 2), ("p90", 9)],
)
def test_a_period_is_told_by_its_statistic(statistic: str, expected: int) -> None:
    assert aggregate(statistic, [Decimal(9), Decimal(1), Decimal(2)]) == expected


def test_a_statistic_that_is_not_known_is_no_guess() -> None:
    with pytest.raises(KeyError):
        aggregate("TM90", [Decimal(1)])


@pytest.mark.parametrize(
    ("comparison", "below", "at", "above"),
    [
        ("GreaterThanThreshold", False, False, True),
        ("GreaterThanOrEqualToThreshold", False, True, True),
        ("LessThanThreshold", True, False, False),
        ("LessThanOrEqualToThreshold", True, True, False),
    ],
)
def test_a_threshold_is_compared_as_it_says(comparison: str, below: bool, at: bool, above: bool) -> None:
    alarm = replace(RULE, comparison=comparison)

    assert [is_breach(alarm, Decimal(value)) for value in (9, 10, 11)] == [below, at, above]


# ─── what there is no data for ──────────────────────────────────────────────────────────────────────────────


def test_a_metric_of_aws_without_one_value_has_no_data_here() -> None:
    alarm = replace(RULE, series=Series("AWS/SQS", "Visible", frozenset()), missing="breaching")

    verdict = only(alarm, [], until=SINCE + 5 * MINUTE)

    assert (verdict.changes, verdict.fired_at) == (None, ())
    assert str(verdict) == "Rule: no data here"


def test_a_metric_of_aws_that_was_brought_along_is_judged() -> None:
    series = Series("AWS/SQS", "Visible", frozenset())
    alarm = replace(RULE, series=series, periods=1, datapoints=1)

    verdict = only(alarm, [Point(series, SINCE, Decimal(11))], until=SINCE + 5 * MINUTE)

    assert verdict.fired_at == (SINCE + MINUTE,)
    assert str(verdict) == "Rule: ALARM 12:01:00, INSUFFICIENT_DATA 12:04:00"


def test_a_metric_of_ours_that_never_came_is_missing() -> None:
    assert only(replace(RULE, missing="breaching"), [], until=SINCE + MINUTE).fired_at == (SINCE + MINUTE,)


def test_values_of_other_series_do_not_count() -> None:
    other = replace(SERIES, dimensions=frozenset({("stack", "other")}))

    verdict = only(RULE, [Point(other, SINCE, Decimal(11))], until=SINCE + 5 * MINUTE)

    assert verdict.changes == ()


# ─── what is read ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def emitted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the functions' own writer writes for two metrics."""
    monkeypatch.setenv("OUTCRY_STACK_NAME", "desk")
    metrics.drain()
    emission.follow(FixedClock(SINCE))
    metrics.WAITING_AGE_S.record(7, Work.EXITS)
    metrics.POST_TO_FILL_MS.record(3)
    metrics.POST_TO_FILL_MS.record(5)
    emission.flush()
    yield capsys.readouterr().out.splitlines()
    emission.follow(SystemClock())


def test_what_a_function_writes_is_read_back(emitted: list[str]) -> None:
    own = ("stack", "desk")

    assert list(points_of(emitted)) == [
        Point(Series("Outcry", "WaitingAge", frozenset({own, ("work", "exits")})), SINCE, Decimal(7)),
        Point(Series("Outcry", "PostToFill", frozenset({own})), SINCE, Decimal(3)),
        Point(Series("Outcry", "PostToFill", frozenset({own})), SINCE, Decimal(5)),
    ]


@pytest.mark.parametrize(
    "line", ["", "START RequestId: 1", '{"message": "hello"}', '{"_aws": ', '["_aws"]', '{"_aws": {}}']
)
def test_other_lines_are_passed_over(line: str) -> None:
    assert list(points_of([line])) == []


def test_one_value_without_a_list_is_read_too() -> None:
    directive = {"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "M"}]}
    line = json.dumps({"_aws": {"Timestamp": 1767614400000, "CloudWatchMetrics": [directive]}, "M": 1.5})

    assert list(points_of([line])) == [Point(Series("N", "M", frozenset()), SINCE, Decimal("1.5"))]


def test_an_alarm_is_read_from_what_the_service_describes_too() -> None:
    described = {
        "Namespace": "Outcry",
        "MetricName": "UnknownAge",
        "Dimensions": [{"Name": "stack", "Value": "desk"}],
        "ExtendedStatistic": "p90",
        "Period": 60,
        "EvaluationPeriods": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10.0,
    }

    found = alarm_from("Rule", described)

    assert found == replace(RULE, statistic="p90", datapoints=3, missing="missing")
