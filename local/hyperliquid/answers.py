"""The shapes of /exchange answers and every refusal text, in one place.

Promises: texts equal the recorded ones where a record exists; those marked "unrecorded" are worded in the
venue's manner and nothing should depend on their wording. Never decides anything.
Sources: Hyperliquid docs, exchange-endpoint and error-responses; recorded testnet answers.
"""

from decimal import Decimal
from typing import Any, Self

Json = dict[str, Any]

TICK = "Price must be divisible by tick size."
INVALID_PRICE = "Order has invalid price."
INVALID_SIZE = "Order has invalid size."
ZERO_SIZE = "Order has zero size."
MIN_NOTIONAL = "Order must have minimum value of $10."
MARGIN = "Insufficient margin to place order."
TIER_LIMIT = "Order would cause position to exceed margin tier limit at current leverage."
REDUCE_ONLY = "Reduce only order would increase position."
NO_MATCH = "Order could not immediately match against any resting orders."
NO_LIQUIDITY = "No liquidity available for market order."
BAD_TRIGGER = "Invalid TP/SL price."
MISSING_ORDER = "Order was never placed, already canceled, or filled."
CANNOT_MODIFY = "Cannot modify canceled or filled order"
POST_ONLY_PHASE = "Only post-only orders allowed immediately after network upgrade"
ACTION_EXPIRED = "Action already expired"
OVER_WEIGHT = "Signed action over weight limit of 200."
UNRECOVERABLE = "Unable to recover signer."
SWITCH_TYPE = "Cannot switch leverage type with open position."
INVALID_LEVERAGE = "Invalid leverage value"
CROSS_FORBIDDEN = "Cross margin is not allowed for this asset."
NOT_ISOLATED = "Position does not use isolated margin."
ISOLATED_SHORT = (
    "Isolated position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, add margin to the position."
)
CROSS_SHORT = (
    "Cross position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, deposit more collateral."
)
AGENT_USED = "Extra agent already used."
AGENT_PENDING_REMOVAL = "User has pending agent removal"
AGENT_EXPIRED = "Agent valid_until already expired."
UNIFIED = "Action disabled when unified account is active"

# Unrecorded wordings.
EMPTY_BATCH = "Empty batch of orders."
TPSL_REDUCE_ONLY = "TP/SL orders must be reduce only."
TPSL_GROUPING = "Invalid TP/SL order grouping."
UNKNOWN_ASSET = "Invalid asset."
DELISTED = "Trading is not allowed for a delisted asset."
TOO_MANY_ORDERS = "Too many open orders."
DUPLICATE_CLOID = "Duplicate cloid."
BUILDER_UNAPPROVED = "Builder fee has not been approved."
AGENT_NAME_LONG = "Agent name is too long."
AGENT_UNKNOWN = "Extra agent does not exist."
ISOLATED_ADD_SHORT = "Insufficient margin to add to isolated position."
ISOLATED_REMOVE_SHORT = "Isolated position does not have sufficient margin available to remove."
SCHEDULE_TOO_SOON = "Scheduled cancel time too early, must be at least 5 seconds from now."
SCHEDULE_TOO_MANY = "Too many scheduled cancels triggered today."
INSUFFICIENT_BALANCE = "Insufficient balance for withdrawal."
NONCE_MISMATCH = "Nonce in action does not match nonce of request."
INSUFFICIENT_TRANSFER = "Insufficient balance for transfer."


class Refused(Exception):
    """A whole action is refused: answered with status "err" and this text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class OrderRefused(Exception):
    """One order is refused: its text goes into its status, `status` into its order status."""

    def __init__(self, text: str, status: str, asset: int | None = None) -> None:
        super().__init__(text)
        self.text = text if asset is None else f"{text} asset={asset}"
        self.status = status


class BadRequest(Exception):
    """A request that never reaches the exchange: an HTTP status and a text body."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(body)
        self.status = status
        self.body = body

    @classmethod
    def schema(cls) -> Self:
        return cls(422, "Failed to deserialize the JSON body into the target type")

    @classmethod
    def not_json(cls) -> Self:
        return cls(400, "Failed to parse the request body as JSON")

    @classmethod
    def content_type(cls) -> Self:
        return cls(415, "Expected request with `Content-Type: application/json`")

    @classmethod
    def too_many(cls) -> Self:
        return cls(429, "null")


def done(kind: str = "default") -> Json:
    return {"status": "ok", "response": {"type": kind}}


def statuses(kind: str, rows: list[Any]) -> Json:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": rows}}}


def err(text: str) -> Json:
    return {"status": "err", "response": text}


def no_such_wallet(address: str) -> str:
    return f"User or API Wallet {address.lower()} does not exist."


def must_deposit(address: str) -> str:
    return f"Must deposit before performing actions. User: {address.lower()}"


def vault_missing(address: str) -> str:
    return f"Vault not registered: {address.lower()}"


def too_many_agents(limit: int) -> str:
    return f"Too many extra agents for cumulative volume traded. Current limit is {limit}"


def volume_gate(what: str, required: int, traded: Decimal) -> str:
    return f"Cannot {what} until enough volume traded. Required: ${required}. Traded: ${traded:.2f}."


def over_budget(used: int, cap: int, traded: Decimal) -> str:
    return (
        f"Too many cumulative requests sent ({used} > {cap}) for cumulative volume traded ${traded:.2f}. "
        "Place taker orders to free up 1 request per USDC traded."
    )


def too_far(percent: int) -> str:
    return f"Order price cannot be more than {percent}% away from the reference price"


def crossing_alo(bid: str, ask: str) -> str:
    return f"Post only order would have immediately matched, bbo was {bid}@{ask}."
