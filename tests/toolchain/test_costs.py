"""The costs in docs/costs.md are what the arithmetic gives, for what the template really makes."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.dispatcher.cloudformation import load
from outcry.monitoring import tick
from outcry.runtime import metrics
from tools import costs
from tools.costs import DESKS, Desk


@pytest.fixture(scope="module")
def templates() -> list[dict[str, Any]]:
    root = Path(__file__).resolve().parents[2]
    return [load(path) for path in (root / "template.yaml", *sorted((root / "infra").glob("*.yaml")))]


def resources(templates: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: body.get("Properties", {})
        for template in templates
        for name, body in template["Resources"].items()
        if body["Type"] == kind
    }


@pytest.mark.parametrize("name", costs.TABLES)
def test_the_page_has_each_table_as_it_is_worked_out(name: str, repository: Path) -> None:
    page = (repository / "docs" / "costs.md").read_text()

    assert "\n" + "\n".join(costs.TABLES[name]()) + "\n" in page, (
        f"put what `.venv/bin/python tools/costs.py` prints into docs/costs.md ({name})"
    )


def test_memory_is_the_templates(templates: list[dict[str, Any]]) -> None:
    functions = resources(templates, "AWS::Serverless::Function").values()
    default = templates[0]["Globals"]["Function"]["MemorySize"]

    found = {
        each["CodeUri"].removeprefix("functions/"): each.get("MemorySize", default) for each in functions
    }

    assert {name: found[name] for name in costs.MEMORY_MB} == dict(costs.MEMORY_MB)
    assert set(found) - set(costs.MEMORY_MB) == {"migrate", "signers"}, (
        "these run by hand or once a deployment"
    )


def test_queues_and_schedules_are_the_templates(templates: list[dict[str, Any]]) -> None:
    events = [
        event
        for function in resources(templates, "AWS::Serverless::Function").values()
        for event in function.get("Events", {}).values()
    ]

    assert sum(event["Type"] == "SQS" for event in events) == costs.QUEUES_WITH_CONSUMERS
    rates = [event["Properties"]["ScheduleExpression"] for event in events if event["Type"] == "ScheduleV2"]
    assert rates == ["rate(1 minute)"] * costs.SCHEDULES


def test_what_is_watched_is_no_more_than_what_is_counted(templates: list[dict[str, Any]]) -> None:
    assert len(resources(templates, "AWS::CloudWatch::Alarm")) <= costs.MOST_ALARMS
    assert len(resources(templates, "AWS::CloudWatch::Dashboard")) <= costs.DASHBOARDS
    assert metrics.MOST_SERIES == costs.MOST_SERIES
    assert len(resources(templates, "AWS::KMS::Key")) == costs.SYMMETRIC_KEYS


def test_beats_and_chunks_of_the_monitor_are_those_of_tick() -> None:
    assert len(tick.BEATS_S) == costs.BEATS_A_MINUTE
    assert tick.ACCOUNTS_PER_MESSAGE == costs.ACCOUNTS_A_MESSAGE


def test_aurora_never_pauses_and_is_counted_for_every_hour(templates: list[dict[str, Any]]) -> None:
    least = next(
        each["Parameters"]["MinCapacity"] for each in templates if "MinCapacity" in each.get("Parameters", {})
    )

    assert least["Default"] == float(costs.LEAST_ACU) == least["MinValue"]
    assert all(desk.capacity >= costs.LEAST_ACU for desk in DESKS)
    assert costs.AURORA["Aurora Serverless v2"](DESKS[0]) > costs.LEAST_ACU * costs.HOURS * Decimal("0.12")


def test_the_lines_of_the_table_sum_to_its_sums() -> None:
    rows = [line.replace("*", "").strip("| ").split(" | ") for line in costs.cost_table()[2:]]
    figures = {row[0]: [Decimal(cell.replace(",", "")) for cell in row[1:]] for row in rows}

    for mode, part in (("byo", costs.BYO), ("aurora", costs.AURORA)):
        lines = [figures[name] for name in (*costs.ALWAYS, *part)]
        assert figures[f"sum with `DatabaseMode={mode}`"] == [
            sum(column) for column in zip(*lines, strict=True)
        ]


def test_one_second_of_one_gigabyte_costs_what_lambda_asks_for_it() -> None:
    nothing = Desk("nothing", authors=0, open_positions=0, accounts=0, capacity=Decimal(0), stored_gb=0)

    # ingest_posts 0.3 s, tick 0.4 s, api 0.1 s, each once a minute, with half a gigabyte; no account, so no monitor
    assert costs.gb_seconds(nothing) == Decimal("0.8") * costs.MINUTES / 2
    assert costs.all_runs(nothing) == 3 * costs.MINUTES


def test_a_larger_desk_never_costs_less() -> None:
    small, middle, large = (costs.total(desk, costs.ALWAYS, costs.BYO) for desk in DESKS)

    assert small < middle < large
