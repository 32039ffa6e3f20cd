"""Brings the database to this build's schema: as the stack's custom resource, or invoked by a person.

Creating and updating the resource applies what is missing, before any other function changes. Deleting it, or coming back to an
older schema in a rollback, is answered with success and changes nothing: migrations only go forward. CloudFormation hears of
every failure at once, of a layer that does not load among them: that is why everything of ours is imported inside the handler.
"""

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

RESOURCE = "outcry-schema"  # constant, so that no update ever replaces, and thereby deletes, the schema


def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    """Answers {"applied": [names]}; a custom resource is told where CloudFormation waits for it."""
    if "ResponseURL" not in event:
        return _migrate(event, context)
    try:
        answer = _migrate(event, context)
    except Exception as error:
        _tell_stack(event, "FAILED", f"{type(error).__name__}: {error}")
        raise
    _tell_stack(event, "SUCCESS", f"{len(answer['applied'])} migrations applied")
    return answer


def _migrate(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    from outcry import wiring
    from outcry.runtime import packages
    from outcry.runtime.observability import logger, watched

    packages.load()

    @watched
    def run(event: dict[str, Any], _: "LambdaContext") -> dict[str, Any]:
        try:
            return {"applied": [] if event.get("RequestType") == "Delete" else wiring.migrate()}
        except Exception:
            logger.exception("The schema could not be migrated")
            raise

    return run(event, context)


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
