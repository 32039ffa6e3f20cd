"""Requests to the paper venue as text, and back. No key signs them: the account's address is enough.

Promises: `decode(sign(encode(x)))` gives x again, to the digit; text that is not a request raises ValueError.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from outcry.runtime.clock import from_milliseconds, to_milliseconds
from outcry.venues.port import (
    Cancel,
    Done,
    Filled,
    Noop,
    Place,
    Refused,
    Request,
    Resting,
    SetLeverage,
    Signature,
    Trigger,
    TriggerKind,
)


@dataclass(frozen=True, slots=True)
class PaperSigner:
    """The signer of a paper account: its address is the account's own, and it never signs."""

    address: str

    def sign_digest(self, digest: bytes) -> Signature:
        """Never called, since a paper request carries no signature. Raises TypeError."""
        raise TypeError("a paper account has no key to sign with")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What was sent: the request, its nonce, its last valid moment, and who sent it."""

    request: Request
    nonce: int
    expires_at: datetime | None
    signer: str


def encode(request: Request) -> str:
    """The request as JSON text; numbers are decimal strings."""
    return json.dumps(_fields(request), separators=(",", ":"))


def sign(payload: str, *, nonce: int, expires_at: datetime | None, signer: str) -> str:
    """The body that is sent. The same arguments always give the same bytes."""
    body = {
        "payload": json.loads(payload),
        "nonce": nonce,
        "expires_ms": None if expires_at is None else to_milliseconds(expires_at),
        "signer": signer,
    }
    return json.dumps(body, separators=(",", ":"))


def decode(signed: str) -> Parcel:
    """Read a body back. Raises ValueError where it is not one."""
    try:
        body = json.loads(signed)
        expires_ms = body["expires_ms"]
        return Parcel(
            request=_request(body["payload"]),
            nonce=int(body["nonce"]),
            expires_at=None if expires_ms is None else from_milliseconds(int(expires_ms)),
            signer=str(body["signer"]),
        )
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ValueError("not a request to the paper venue") from error


def raw_answer(outcome: Filled | Resting | Done | Refused) -> str:
    """The answer as the paper venue says it."""
    return json.dumps(_said(outcome), separators=(",", ":"))


def _said(outcome: Filled | Resting | Done | Refused) -> Any:
    match outcome:
        case Filled(size, average_price, venue_order_id):
            return {"filled": {"size": f"{size:f}", "price": f"{average_price:f}", "order": venue_order_id}}
        case Resting(venue_order_id):
            return {"resting": {"order": venue_order_id}}
        case Refused(_, _, text):
            return {"error": text}
    return "success"


def _fields(request: Request) -> dict[str, Any]:
    match request:
        case Place(market, is_buy, size, price, reduce_only, cloid, trigger):
            return {
                "type": "order",
                "market": market,
                "is_buy": is_buy,
                "size": f"{size:f}",
                "price": f"{price:f}",
                "reduce_only": reduce_only,
                "cloid": cloid,
                "trigger": trigger and {"kind": trigger.kind.value, "price": f"{trigger.price:f}"},
            }
        case Cancel(market, cloid):
            return {"type": "cancel", "market": market, "cloid": cloid}
        case SetLeverage(market, leverage):
            return {"type": "leverage", "market": market, "leverage": leverage}
    return {"type": "noop"}


def _request(fields: dict[str, Any]) -> Request:
    match fields["type"]:
        case "order":
            trigger = fields["trigger"]
            return Place(
                market=fields["market"],
                is_buy=bool(fields["is_buy"]),
                size=Decimal(fields["size"]),
                price=Decimal(fields["price"]),
                reduce_only=bool(fields["reduce_only"]),
                cloid=fields["cloid"],
                trigger=None
                if trigger is None
                else Trigger(TriggerKind(trigger["kind"]), Decimal(trigger["price"])),
            )
        case "cancel":
            return Cancel(fields["market"], fields["cloid"])
        case "leverage":
            return SetLeverage(fields["market"], int(fields["leverage"]))
        case "noop":
            return Noop()
    raise ValueError("not a request to the paper venue")
