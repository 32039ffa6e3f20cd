"""SQS `ticks-hyperliquid`: one pass over the positions of some accounts."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import logger, watched
from outcry.runtime.queues import Message


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers with the messages that must come again; a tick that comes late is dropped by the monitor."""
    deadline = wiring.deadline(context.get_remaining_time_in_millis())

    def watch(message: Message) -> None:
        wiring.monitor_hyperliquid().run(
            [str(account) for account in message.body["accounts"]],
            due_at=datetime.fromisoformat(message.body["due_at"]),
            deadline=deadline,
            trace_id=message.trace_id,
        )

    return wiring.answer(event, watch, _give_up)


def _give_up(message: Message, error: Exception) -> None:
    """A tick has no row to set aside: the next one is its repetition."""
    logger.error("A tick failed for good", extra={"kind": type(error).__name__})
