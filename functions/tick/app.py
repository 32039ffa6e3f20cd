"""Every minute: ring the monitors and whatever row waits for work, and then measure how the desk stands."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import logger, watched


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Run by EventBridge Scheduler. What fails is raised: the next minute is the retry."""
    rung = wiring.tick().run()
    logger.info("The minute was rung", extra=rung)
    wiring.measure().run()
    return rung
