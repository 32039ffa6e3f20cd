"""Rebuilds an action as the venue hashes it: typed fields in their order, normalised values.

Promises: what is signed is what is executed: the same canonical action is hashed and acted upon. Unknown
keys are dropped, numbers lose padding zeros, addresses and cloids become lower case. Raises `BadRequest`
(422) for anything that does not fit its type; never guesses a missing field.
Source: hyperliquid-python-sdk signing.py and exchange.py for order of fields; Hyperliquid docs, signing.
"""

import re
from collections.abc import Callable
from typing import Any

from local.hyperliquid.answers import BadRequest, Json
from local.hyperliquid.decimals import canonical

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
_TIFS = {"Alo", "Ioc", "Gtc", "FrontendMarket"}
_GROUPINGS = {"na", "normalTpsl", "positionTpsl"}
Reader = Callable[[Any], Any]


def integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or value >= 2**64:
        raise BadRequest.schema()
    return value


def signed_integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise BadRequest.schema()
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadRequest.schema()
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest.schema()
    return value


def address(value: Any) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise BadRequest.schema()
    return value.lower()


def cloid(value: Any) -> str:
    if not isinstance(value, str) or not _CLOID.fullmatch(value):
        raise BadRequest.schema()
    return value.lower()


def oid_or_cloid(value: Any) -> int | str:
    return cloid(value) if isinstance(value, str) else integer(value)


def mapping(value: Any) -> Json:
    if not isinstance(value, dict):
        raise BadRequest.schema()
    return value


def one_of(allowed: set[str]) -> Reader:
    def read(value: Any) -> str:
        if value not in allowed:
            raise BadRequest.schema()
        return str(value)

    return read


def rows(reader: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise BadRequest.schema()
        return [reader(item) for item in value]

    return read


def record(**fields: Reader) -> Reader:
    """A reader of an object; a field whose name ends in `_` may be absent or null and is then left out."""

    def read(value: Any) -> Json:
        source, out = mapping(value), {}
        for name, reader in fields.items():
            key = name.rstrip("_")
            if name.endswith("_") and source.get(key) is None:
                continue
            if key not in source:
                raise BadRequest.schema()
            out[key] = reader(source[key])
        return out

    return read


def _grouping(value: Any) -> Any:
    if isinstance(value, dict):
        return record(p=integer)(value)
    if not isinstance(value, str) or value not in _GROUPINGS:
        raise BadRequest.schema()
    return value


def _order_type(value: Any) -> Json:
    source = mapping(value)
    if set(source) == {"limit"}:
        return {"limit": record(tif=one_of(_TIFS))(source["limit"])}
    if set(source) == {"trigger"}:
        read = record(isMarket=boolean, triggerPx=canonical, tpsl=one_of({"tp", "sl"}))
        return {"trigger": read(source["trigger"])}
    raise BadRequest.schema()


_ORDER = record(a=integer, b=boolean, p=canonical, s=canonical, r=boolean, t=_order_type, c_=cloid)
_MODIFY = record(oid=oid_or_cloid, order=_ORDER)
_TWAP = record(a=integer, b=boolean, s=canonical, r=boolean, m=integer, t=boolean)

L1_ACTIONS: dict[str, Reader] = {
    "order": record(
        type=text, orders=rows(_ORDER), grouping=_grouping, builder_=record(b=address, f=integer)
    ),
    "cancel": record(type=text, cancels=rows(record(a=integer, o=integer))),
    "cancelByCloid": record(type=text, cancels=rows(record(asset=integer, cloid=cloid))),
    "modify": record(type=text, oid=oid_or_cloid, order=_ORDER),
    "batchModify": record(type=text, modifies=rows(_MODIFY)),
    "updateLeverage": record(type=text, asset=integer, isCross=boolean, leverage=integer),
    "updateIsolatedMargin": record(type=text, asset=integer, isBuy=boolean, ntli=signed_integer),
    "scheduleCancel": record(type=text, time_=integer),
    "noop": record(type=text),
    "twapOrder": record(type=text, twap=_TWAP),
    "twapCancel": record(type=text, a=integer, t=integer),
    "vaultTransfer": record(type=text, vaultAddress=address, isDeposit=boolean, usd=integer),
    "createSubAccount": record(type=text, name=text),
    "subAccountTransfer": record(type=text, subAccountUser=address, isDeposit=boolean, usd=integer),
    "subAccountSpotTransfer": record(
        type=text, subAccountUser=address, isDeposit=boolean, token=text, amount=text
    ),
    "agentSendAsset": record(
        type=text,
        destination=text,
        sourceDex=text,
        destinationDex=text,
        token=text,
        amount=text,
        fromSubAccount=text,
        nonce=integer,
    ),
}


def _user_signed(**fields: Reader) -> Reader:
    return record(type=text, hyperliquidChain=text, signatureChainId=_chain_id, **fields)


def _chain_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
        raise BadRequest.schema()
    return value


# Strings are hashed as they were sent here: only `address` fields of the typed data have one form.
USER_ACTIONS: dict[str, Reader] = {
    "approveAgent": _user_signed(agentAddress=address, agentName_=text, nonce=integer),
    "approveBuilderFee": _user_signed(maxFeeRate=text, builder=address, nonce=integer),
    "usdClassTransfer": _user_signed(amount=text, toPerp=boolean, nonce=integer),
    "usdSend": _user_signed(destination=text, amount=text, time=integer),
    "withdraw3": _user_signed(destination=text, amount=text, time=integer),
    "spotSend": _user_signed(destination=text, token=text, amount=text, time=integer),
    "sendAsset": _user_signed(
        destination=text,
        sourceDex=text,
        destinationDex=text,
        token=text,
        amount=text,
        fromSubAccount=text,
        nonce=integer,
    ),
}


def canonical_action(action: Any) -> Json:
    """The action in canonical form. Raises `BadRequest` for an unknown type or a field that does not fit."""
    kind = mapping(action).get("type")
    reader = L1_ACTIONS.get(str(kind)) or USER_ACTIONS.get(str(kind))
    if reader is None:
        raise BadRequest.schema()
    canonical_form: Json = reader(action)
    return canonical_form


def is_user_signed(action: Json) -> bool:
    return action["type"] in USER_ACTIONS
