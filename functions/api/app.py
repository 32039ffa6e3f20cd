"""HTTP: GET /health says that the process is up, GET /ready that the desk can do its work. Nothing else is answered.

Both may be read by anybody, so neither tells of money, accounts, positions or posts, nor why in an error's own words.
"""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import logger, watched
from outcry.runtime.version import build_id

api = APIGatewayHttpResolver()


@api.get("/health")
def health() -> dict[str, str]:
    """The process is up. Looks at nothing outside of it."""
    return {"status": "up", "build": build_id()}


@api.get("/ready")
def ready() -> tuple[dict[str, Any], int]:
    """200 where nothing is missing, 503 with what is."""
    missing = wiring.missing_for_work()
    if missing:
        logger.warning("The desk is not ready", extra={"missing": missing})
    return {"status": "not ready" if missing else "ready", "missing": missing}, 503 if missing else 200


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP API's event, payload version 2.0."""
    return api.resolve(event, context)
