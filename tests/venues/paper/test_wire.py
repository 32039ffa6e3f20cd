"""Paper requests as text: what goes out comes back, and nothing else is taken for a request."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from outcry.venues.paper import wire
from outcry.venues.port import Cancel, Noop, Place, Request, SetLeverage, Trigger, TriggerKind

EXPIRY = datetime(2026, 1, 5, 12, 0, 10, tzinfo=UTC)
ADDRESS = "0x" + "ab" * 20
_ORDER = wire.sign(
    wire.encode(Place("BTC", True, Decimal(1), Decimal(5), False, "0x1")),
    nonce=1,
    expires_at=None,
    signer=ADDRESS,
)


@pytest.mark.parametrize(
    "request_",
    [
        Place("BTC", True, Decimal("0.00100"), Decimal("6E+4"), False, "0x1"),
        Place("BTC", False, Decimal(1), Decimal(5), True, "0x2", Trigger(TriggerKind.STOP, Decimal(55000))),
        Place(
            "kPEPE",
            True,
            Decimal(7),
            Decimal("0.01"),
            True,
            "0x3",
            Trigger(TriggerKind.TAKE_PROFIT, Decimal(1)),
        ),
        Cancel("BTC", "0x1"),
        SetLeverage("BTC", 7),
        Noop(),
    ],
)
@pytest.mark.parametrize("expires_at", [EXPIRY, None])
def test_a_request_comes_back_as_it_was(request_: Request, expires_at: datetime | None) -> None:
    signed = wire.sign(wire.encode(request_), nonce=17, expires_at=expires_at, signer=ADDRESS)

    assert wire.decode(signed) == wire.Parcel(request_, 17, expires_at, ADDRESS)
    assert signed == wire.sign(wire.encode(request_), nonce=17, expires_at=expires_at, signer=ADDRESS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"payload":{"type":"transfer"},"nonce":1,"expires_ms":null,"signer":"0x1"}',
        '{"payload":{"type":"leverage","market":"BTC","leverage":"many"},"nonce":1,"expires_ms":null,"signer":"0x1"}',
        '{"payload":"noop","nonce":1,"expires_ms":null,"signer":"0x1"}',
        '{"payload":{"type":"order","market":"BTC","size":"much"},"nonce":1,"expires_ms":null,"signer":"0x1"}',
        _ORDER.replace('"size":"1"', '"size":"much"'),
        _ORDER.replace('"nonce":1', '"nonce":null'),
    ],
)
def test_text_that_is_no_request_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wire.decode(text)


def test_a_paper_signer_has_an_address_and_never_signs() -> None:
    signer = wire.PaperSigner(ADDRESS)

    assert signer.address == ADDRESS
    with pytest.raises(TypeError):
        signer.sign_digest(b"\0" * 32)
