"""Brings the database to this build's schema: as the stack's custom resource, or invoked by a person.

Creating and updating the resource applies what is missing, before any other function changes. Deleting it,
or coming back to an older schema in a rollback, is answered with success and changes nothing: migrations
only go forward.
"""

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.observability import logger, watched

RESOURCE = "outcry-schema"  # constant, so that no update ever replaces, and thereby deletes, the schema


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers {"applied": [names]}; a custom resource is told where CloudFormation waits for it."""
    if "ResponseURL" not in event:
        return {"applied": wiring.migrate()}
    try:
        applied = [] if event["RequestType"] == "Delete" else wiring.migrate()
    except Exception as error:
        logger.exception("The schema could not be migrated")
        _tell_stack(event, "FAILED", f"{type(error).__name__}: {error}")
        raise
    _tell_stack(event, "SUCCESS", f"{len(applied)} migrations applied")
    return {"applied": applied}


def _tell_stack(event: dict[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:1000],
        "PhysicalResourceId": RESOURCE,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    request = Request(event["ResponseURL"], data=json.dumps(body).encode(), method="PUT")  # noqa: S310
    request.add_header("Content-Type", "")  # the URL is signed for an empty content type
    with urlopen(request, timeout=10):  # noqa: S310 - the URL is CloudFormation's own
        pass
