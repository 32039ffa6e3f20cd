"""One delivery of an SQS queue, worked off doorbell by doorbell: traced, counted, logged, and answered message by message.

Promises: each line of a message has its trace; a message that is no doorbell of ours is logged and acknowledged, because repeating
it helps nobody; one that fails is logged, counted, and comes again alone; nothing that happens to one holds up another.
"""

from collections.abc import Callable, Mapping
from typing import Any

from outcry.runtime.metrics import MESSAGES_FAILED
from outcry.runtime.observability import logger, traced
from outcry.runtime.queues import Message, answer_batch, messages


def answer(
    event: Mapping[str, Any],
    work: Callable[[Message], object],
    give_up: Callable[[Message, Exception], None],
    *,
    last_receive: int,
) -> dict[str, list[dict[str, str]]]:
    """Work on each doorbell of the event and answer with those that must come again. `give_up` sets aside what never will."""

    def one(message: Message) -> None:
        if not message.id:
            logger.error("A message is no doorbell and was dropped", extra={"message_id": message.message_id})
            return
        with traced(message.trace_id):
            try:
                work(message)
            except Exception as error:
                MESSAGES_FAILED.record()
                logger.exception(
                    "A message failed",
                    extra={"row": message.id, "receives": message.receives, "kind": type(error).__name__},
                )
                raise

    def last(message: Message, error: Exception) -> None:
        with traced(message.trace_id):
            try:
                give_up(message, error)
            except Exception:  # noqa: BLE001 - the edge: it must not make its neighbours come again
                logger.exception("A message could not be set aside", extra={"row": message.id})

    return answer_batch(messages(event), one, last_receive=last_receive, give_up=last)
