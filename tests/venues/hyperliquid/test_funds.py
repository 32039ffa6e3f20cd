"""Nothing here can move funds: no such action can be built, and none is signed, whoever put it where actions are kept."""

import json
from decimal import Decimal
from typing import Any, get_args

import pytest

from outcry.runtime.clock import SystemClock
from outcry.runtime.errors import BugError
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from outcry.venues.port import Cancel, Market, Noop, Place, Request, SetLeverage, Signature

BTC = Market("BTC", asset=3, size_decimals=5, max_leverage=40)
CLOID = "0x0000000000000000000000000000000a"
THIEF = "0x" + "66" * 20
REQUESTS: dict[type[Any], Any] = {
    Place: Place("BTC", True, Decimal("0.01"), Decimal(88128), False, CLOID),
    Cancel: Cancel("BTC", CLOID),
    SetLeverage: SetLeverage("BTC", 3),
    Noop: Noop(),
}
ORDER = json.loads(
    '{"type":"order","orders":[{"a":3,"b":true,"p":"88128","s":"0.01","r":false,"t":{"limit":{"tif":"Ioc"}},'
    f'"c":"{CLOID}"}}],"grouping":"na"}}'
)
# What the venue knows that moves funds, gives them away, or lets somebody else in (exchange-endpoint).
MOVES_FUNDS = [
    {"type": "usdSend", "destination": THIEF, "amount": "100", "time": 1},
    {"type": "spotSend", "destination": THIEF, "token": "USDC:0x0", "amount": "100", "time": 1},
    {"type": "sendAsset", "destination": THIEF, "token": "USDC:0x0", "amount": "100"},
    {"type": "withdraw3", "destination": THIEF, "amount": "100", "time": 1},
    {"type": "usdClassTransfer", "amount": "100", "toPerp": False, "nonce": 1},
    {"type": "vaultTransfer", "vaultAddress": THIEF, "isDeposit": True, "usd": 100_000_000},
    {"type": "subAccountTransfer", "subAccountUser": THIEF, "isDeposit": True, "usd": 100_000_000},
    {"type": "tokenDelegate", "validator": THIEF, "wei": 1, "isUndelegate": False},
    {"type": "cDeposit", "wei": 1},
    {"type": "approveAgent", "agentAddress": THIEF, "agentName": "x", "nonce": 1},
    {"type": "approveBuilderFee", "builder": THIEF, "maxFeeRate": "1%", "nonce": 1},
    {"type": "convertToMultiSigUser", "signers": "[]", "nonce": 1},
    {**ORDER, "builder": {"b": THIEF, "f": 100}},
    {"type": "multiSig", "payload": {"action": ORDER}},
    [ORDER],
    "order",
    {},
]


class NeverAsked:
    """A signer that must not be asked."""

    address = "0x" + "11" * 20

    def sign_digest(self, digest: bytes) -> Signature:
        raise AssertionError("the signer was asked")


@pytest.fixture
def venue() -> HyperliquidVenue:
    return HyperliquidVenue("local", "http://127.0.0.1:1", SystemClock())


def test_f24_all_that_can_be_asked_for_is_to_trade(venue: HyperliquidVenue) -> None:
    assert set(REQUESTS) == set(get_args(Request)), "a new kind of request needs a look at what it may move"

    made = [json.loads(venue.encode(request, BTC)) for request in REQUESTS.values()]

    assert {action["type"] for action in made} == {"order", "cancelByCloid", "updateLeverage", "noop"}
    assert not any(word in json.dumps(made) for word in ("builder", "destination", "vault", "amount", "usd"))


@pytest.mark.parametrize("action", MOVES_FUNDS, ids=lambda action: str(action)[:40])
def test_f24_an_action_that_moves_funds_is_never_signed(venue: HyperliquidVenue, action: Any) -> None:
    with pytest.raises(BugError, match="not one of ours"):
        venue.sign(json.dumps(action), nonce=1, expires_at=None, signer=NeverAsked())


def test_f24_what_is_no_action_at_all_is_never_signed(venue: HyperliquidVenue) -> None:
    with pytest.raises(BugError, match="not one of ours"):
        venue.sign("{", nonce=1, expires_at=None, signer=NeverAsked())


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=lambda request: type(request).__name__)
def test_what_is_built_is_signed(venue: HyperliquidVenue, request_: Any) -> None:
    class Signs(NeverAsked):
        def sign_digest(self, digest: bytes) -> Signature:
            return Signature(1, 1, 27)

    payload = venue.encode(request_, BTC)

    signed = json.loads(venue.sign(payload, nonce=1, expires_at=None, signer=Signs()))

    assert signed["action"] == json.loads(payload)
