"""Logs: one JSON object a line, with a trace id from post to fill. No payloads, nothing secret, never an f-string.

Messages are constant sentences; what varies goes into keys. Powertools' logger is used for its Lambda context keys.
"""

import logging

from aws_lambda_powertools import Logger

logger = Logger(service="outcry", use_rfc3339=True, utc=True)

# tweepy and urllib3 print headers with bearer tokens at DEBUG, the Hyperliquid SDK prints signed payloads
for _name in ("tweepy", "urllib3", "requests", "openai", "httpx", "botocore", "boto3", "root"):
    logging.getLogger(_name if _name != "root" else None).setLevel(logging.WARNING)


def trace(trace_id: str) -> None:
    """Attach the trace id to every further line of this invocation."""
    logger.append_keys(trace_id=trace_id)
