"""The registry: closed, small, told in words, and cheap to record into."""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest

from outcry.runtime import metrics
from outcry.runtime.metrics import METRICS, MOST_SERIES, Metric, Nature, VenueError, VenueName, Work


@pytest.fixture(autouse=True)
def _nothing_recorded() -> Iterator[None]:
    metrics.drain()
    yield
    metrics.drain()


def test_there_are_at_most_sixty_series() -> None:
    assert sum(1 for metric in METRICS for _ in metric.series()) <= MOST_SERIES == 60


def test_every_metric_of_the_module_is_registered_under_a_name_of_its_own() -> None:
    found = {value for value in vars(metrics).values() if isinstance(value, Metric)}

    assert found == set(METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_says_what_it_means(metric: Metric) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", metric.name)
    assert metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_dimension_is_about_whom_the_money_belongs_to(metric: Metric) -> None:
    names = {name for name, _ in metric.dimensions}

    assert not names & {"account", "agent", "author", "deployment", "market", "token", "signer"}


def test_a_counter_adds_up_and_a_gauge_keeps_each_value() -> None:
    metrics.FILLS.record()
    metrics.FILLS.record(2)
    metrics.POST_TO_FILL_MS.record(5)
    metrics.POST_TO_FILL_MS.record(7)

    assert metrics.drain() == {(metrics.FILLS, ()): [3], (metrics.POST_TO_FILL_MS, ()): [5, 7]}


def test_numbers_of_two_kinds_add_up_and_raise_nothing() -> None:
    metrics.FILLS.record(Decimal("1.5"))
    metrics.FILLS.record(0.25)

    assert metrics.drain() == {(metrics.FILLS, ()): [1.75]}


def test_values_of_different_series_stay_apart() -> None:
    metrics.EXPOSURE_USD.record(Decimal(1), Nature.LIVE)
    metrics.EXPOSURE_USD.record(Decimal(2), Nature.PAPER)

    assert metrics.drain() == {
        (metrics.EXPOSURE_USD, (Nature.LIVE,)): [Decimal(1)],
        (metrics.EXPOSURE_USD, (Nature.PAPER,)): [Decimal(2)],
    }


def test_what_was_taken_is_taken_once() -> None:
    metrics.FILLS.record()

    assert metrics.drain()
    assert metrics.drain() == {}


def test_one_series_holds_no_more_than_one_line_can_carry() -> None:
    for _ in range(250):
        metrics.POST_TO_FILL_MS.record(1)

    assert len(metrics.drain()[metrics.POST_TO_FILL_MS, ()]) < 100


def test_a_series_names_one_member_of_each_dimension() -> None:
    assert metrics.FILLS.may_be_of(())
    assert metrics.WAITING_AGE_S.may_be_of((Work.EXITS,))
    assert metrics.VENUE_ERRORS.may_be_of((VenueName.HYPERLIQUID, VenueError.LIMITED))
    assert not metrics.WAITING_AGE_S.may_be_of(())
    assert not metrics.WAITING_AGE_S.may_be_of((Nature.LIVE,))
    assert not metrics.VENUE_ERRORS.may_be_of((VenueError.LIMITED, VenueName.HYPERLIQUID))


def test_the_series_are_all_combinations_of_their_dimensions() -> None:
    assert list(metrics.FILLS.series()) == [{}]
    assert list(metrics.EXPOSURE_USD.series()) == [{"nature": "live"}, {"nature": "paper"}]
    assert len(list(metrics.VENUE_ERRORS.series())) == len(VenueName) * len(VenueError)
