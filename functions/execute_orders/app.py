"""SQS `entries` and `exits`: advance each order from whatever state it is in."""

from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import watched
from outcry.runtime.queues import Message


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers with the messages that must come again."""
    deadline = wiring.deadline(context.get_remaining_time_in_millis())

    def advance(message: Message) -> None:
        wiring.execute_orders().advance(UUID(message.id), deadline=deadline)

    return wiring.answer(event, advance, _give_up)


def _give_up(message: Message, error: Exception) -> None:
    wiring.execute_orders().give_up(UUID(message.id), error)
