"""Every minute: hear what followed authors published."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import logger, watched


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run by EventBridge Scheduler. What fails is raised: the next minute is the retry."""
    done = asdict(wiring.ingest_posts())
    logger.info("Followed authors were read", extra=done)
    return done
