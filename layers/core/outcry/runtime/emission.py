"""Writes what an invocation recorded, in CloudWatch's embedded metric format: JSON lines on standard output, and no network.

Promises: one line per set of dimensions, all with the time of the process's clock; nothing is written where nothing was
recorded; a fault in here is logged and never reaches the work. Called once, at the end of each handler.
"""

import os
from collections import defaultdict
from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics

from outcry.runtime import metrics
from outcry.runtime.clock import Clock, SystemClock, to_milliseconds
from outcry.runtime.metrics import NAMESPACE, STACK, Metric, Number, Of

STACK_VARIABLE = "OUTCRY_STACK_NAME"
DEFAULT_STACK = "outcry"  # of a process that is part of no stack

_clock: Clock = SystemClock()


def follow(clock: Clock) -> None:
    """Take the time of what is emitted from this clock, from now on."""
    global _clock
    _clock = clock


def flush() -> None:
    """Write everything that was recorded since the last time. Raises ValueError for a series that is not registered."""
    recorded = metrics.drain()
    if not recorded:
        return
    stack = os.environ.get(STACK_VARIABLE) or DEFAULT_STACK
    now_ms = to_milliseconds(_clock.now())
    for dimensions, found in _by_dimensions(recorded).items():
        line = EphemeralMetrics(namespace=NAMESPACE, service="")
        line.timestamp = now_ms
        line.add_dimension(STACK, stack)
        for name, value in dimensions:
            line.add_dimension(name, value)
        for metric, values in found.items():
            for each in values:
                line.add_metric(metric.name, metric.unit, each)  # type: ignore[arg-type]  # any number is taken
        line.flush_metrics()


def _by_dimensions(
    recorded: Mapping[tuple[Metric, Of], list[Number]],
) -> dict[tuple[tuple[str, str], ...], dict[Metric, list[Number]]]:
    lines: dict[tuple[tuple[str, str], ...], dict[Metric, list[Number]]] = defaultdict(dict)
    for (metric, of), values in recorded.items():
        if not metric.may_be_of(of):
            raise ValueError(f"{metric.name} has no series {of}")
        names = [name for name, _ in metric.dimensions]
        lines[tuple(zip(names, (each.value for each in of), strict=True))][metric] = values
    return lines
