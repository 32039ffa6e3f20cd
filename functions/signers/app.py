"""Invoked by a person: make a signer for an account and answer with the address to approve. Never by HTTP."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from outcry import wiring
from outcry.runtime.errors import ConfigurationError
from outcry.runtime.observability import logger, watched


@watched
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Takes {"account": "…", "slot": 1 or 2, "custody": "envelope" or "kms"}; slot 1 and envelope where they are left out.

    Raises ConfigurationError for what cannot have a signer.
    """
    account, slot = event.get("account"), event.get("slot", 1)
    if not isinstance(account, str) or not isinstance(slot, int):
        raise ConfigurationError("event", sorted(event), 'send {"account": "<account id>", "slot": 1}')
    created = asdict(wiring.create_signer(account, slot, event.get("custody", "envelope")))
    logger.info("A signer was made", extra={"signer_id": created["signer_id"], "account_id": account})
    return created
