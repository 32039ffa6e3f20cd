"""SQS `notices`: tell people what they should know."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.leases import NOTICES
from outcry.runtime.observability import watched
from outcry.runtime.queues import Message


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers with the messages that must come again."""
    return wiring.answer(event, _tell, _give_up)


def _tell(message: Message) -> None:
    wiring.tell_notice(int(message.id))


def _give_up(message: Message, error: Exception) -> None:
    wiring.set_aside(NOTICES, message, error)
