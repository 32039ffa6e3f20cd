"""Routing: by name or a thousand units, on the account's own venue, never a SHORT on spot."""

from decimal import Decimal

import pytest

from outcry.runtime.reasons import Reason
from outcry.runtime.side import Side
from outcry.signals.route import Listed, NoRoute, Route, is_stablecoin, market_names, route

LISTED = [
    Listed("hyperliquid", "local", "BTC", 40, False),
    Listed("hyperliquid", "testnet", "ETH", 25, False),
    Listed("hyperliquid", "local", "kPEPE", 10, False),
    Listed("hyperliquid", "local", "MATIC", 20, True),
    Listed("paper", "paper", "BTC", 40, False),
    Listed("spot", "local", "BTC", 1, False),
]


def find(
    token: str,
    side: Side = Side.LONG,
    *,
    venues: tuple[str, ...] = ("hyperliquid",),
    at: str = "hyperliquid local",
) -> Route | NoRoute:
    venue, network = at.split()
    return route(
        token, side, agent_venues=venues, account_venue=venue, account_network=network, listed=LISTED
    )


@pytest.mark.parametrize(
    ("token", "market", "scale"),
    [
        ("BTC", "BTC", 1),
        ("btc", "BTC", 1),
        ("PEPE", "kPEPE", 1000),
        ("kPEPE", "kPEPE", 1),
        ("KPEPE", "kPEPE", 1),
    ],
)
def test_a_token_trades_by_its_name_or_by_the_thousand(token: str, market: str, scale: int) -> None:
    found = find(token)

    assert isinstance(found, Route)
    assert (found.market, found.price_scale) == (market, Decimal(scale))
    assert market in market_names(token)


@pytest.mark.parametrize("token", ["PEP", "ETH", "MATIC", "BTCX", "K"])
def test_what_is_not_listed_there_or_delisted_has_no_route(token: str) -> None:
    found = find(token)

    assert isinstance(found, NoRoute)
    assert found.reason is Reason.MARKET_NOT_LISTED
    assert found.checked[0].why_not == f"hyperliquid on local lists no market for {token}"


def test_a_paper_account_stands_in_for_any_venue_and_a_live_one_for_none() -> None:
    assert isinstance(find("BTC", at="paper paper"), Route)
    wrong = find("BTC", venues=("gmx", "spot"))

    assert isinstance(wrong, NoRoute)
    assert [each.why_not for each in wrong.checked] == ["the account trades on hyperliquid"] * 2


def test_a_short_never_goes_to_spot() -> None:
    only_spot = find("BTC", Side.SHORT, venues=("spot",), at="spot local")
    on_paper = find("BTC", Side.SHORT, venues=("spot",), at="paper paper")
    with_other = find("BTC", Side.SHORT, venues=("spot", "gmx"), at="spot local")

    assert isinstance(only_spot, NoRoute)
    assert isinstance(on_paper, NoRoute)
    assert isinstance(with_other, NoRoute)
    assert only_spot.reason is on_paper.reason is Reason.SIDE_NOT_ALLOWED
    assert with_other.reason is Reason.MARKET_NOT_LISTED
    assert isinstance(find("BTC", Side.LONG, venues=("spot",), at="spot local"), Route)
    assert isinstance(find("BTC", Side.SHORT, venues=("spot", "hyperliquid")), Route)


def test_the_venues_that_were_passed_over_are_told_with_the_one_taken() -> None:
    found = find("BTC", venues=("gmx", "hyperliquid"))

    assert isinstance(found, Route)
    assert [(each.venue, each.why_not) for each in found.checked] == [
        ("gmx", "the account trades on hyperliquid"),
        ("hyperliquid", None),
    ]


def test_stablecoins_are_known_in_any_case() -> None:
    assert is_stablecoin("usdc")
    assert not is_stablecoin("BTC")
