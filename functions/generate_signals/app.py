"""SQS `calls`: let every agent decide about each call, and plan what follows."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.leases import CALLS
from outcry.runtime.observability import logger, watched
from outcry.runtime.queues import Message


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers with the messages that must come again."""
    return wiring.answer(event, _decide, _give_up)


def _decide(message: Message) -> None:
    generated = wiring.generate_signals().generate(int(message.id))
    if generated is not None:
        counts = {"taken": generated.taken, "skipped": generated.skipped, "planned": len(generated.planned)}
        logger.info("A call was decided", extra={"call_id": message.id, **counts})


def _give_up(message: Message, error: Exception) -> None:
    wiring.set_aside(CALLS, message, error)
