"""Logs and the end of each invocation: one JSON object a line, with a trace id from post to fill. No payloads, nothing secret.

Promises: messages are constant sentences and what varies goes into keys; every line of an invocation has a trace id, its own
run's until a message brings another; what was recorded in `metrics` is written at the end, also where the handler raises.
Powertools' logger is used for its Lambda context keys.
"""

import functools
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry.runtime import emission
from outcry.runtime.errors import OutcryError

_OURS = (OutcryError, AssertionError)  # errors whose words we wrote
_LONGEST_CHAIN = 5


class _Formatter(LambdaPowertoolsFormatter):
    """Tells an exception by its type and its way through the code; in words only where these are ours.

    What a driver, a parser or a client raises may repeat what it was given: a row, a post, a signed request.
    """

    def __init__(self) -> None:
        super().__init__(use_rfc3339=True, utc=True, serialize_stacktrace=False)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        told: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None and len(told) < _LONGEST_CHAIN:
            words = f": {error}" if isinstance(error, _OURS) else ""
            told.append(f"{type(error).__name__}{words}\n{''.join(traceback.format_tb(error.__traceback__))}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "from ".join(told)


logger = Logger(service="outcry", logger_formatter=_Formatter())

# tweepy and urllib3 print headers with bearer tokens at DEBUG, the Hyperliquid SDK prints signed payloads
for _name in ("tweepy", "urllib3", "requests", "openai", "httpx", "botocore", "boto3", "root"):
    logging.getLogger(_name if _name != "root" else None).setLevel(logging.WARNING)


def trace(trace_id: str) -> None:
    """Attach the trace id to every further line of this invocation."""
    logger.append_keys(trace_id=trace_id)


@contextmanager
def traced(trace_id: str) -> Iterator[None]:
    """Attach another trace id to the lines of the block; one that is empty leaves the run's own."""
    before: str | None = logger.get_current_keys().get("trace_id")
    if trace_id:
        trace(trace_id)
    try:
        yield
    finally:
        if before is None:
            logger.remove_keys(["trace_id"])
        else:
            trace(before)


def watched[Answer](
    handler: Callable[[dict[str, Any], LambdaContext], Answer],
) -> Callable[[dict[str, Any], LambdaContext], Answer]:
    """Decorates every handler: Lambda's keys and the run's own trace id in each line, and its metrics written at the end."""

    @functools.wraps(handler)
    def begun(event: dict[str, Any], context: LambdaContext) -> Answer:
        trace(context.aws_request_id.replace("-", ""))
        return handler(event, context)

    logged = logger.inject_lambda_context(begun, clear_state=True)

    @functools.wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> Answer:
        try:
            answer: Answer = logged(event, context)
            return answer
        finally:
            _write_metrics()

    return run


def _write_metrics() -> None:
    try:
        emission.flush()
    except Exception:  # the edge: a figure is never worth a handler's answer
        logger.exception("Metrics could not be written")
