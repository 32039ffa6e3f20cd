"""SQS `posts`: read each post once, and store the calls that it states."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.leases import POSTS
from outcry.runtime.observability import logger, watched
from outcry.runtime.queues import Message


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers with the messages that must come again."""
    return wiring.answer(event, _read, _give_up)


def _read(message: Message) -> None:
    outcome = wiring.classify_posts()(int(message.id))
    logger.info("A post was read", extra={"post_id": message.id, "outcome": outcome.value})


def _give_up(message: Message, error: Exception) -> None:
    wiring.set_aside(POSTS, message, error)
