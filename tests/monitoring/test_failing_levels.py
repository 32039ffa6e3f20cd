"""Levels that went wrong elsewhere: fractions read as prices, peaks made up, stops on what is not ours."""

from decimal import Decimal

import pytest

from tests.orders.workshop import LIVE, MASTER, Workshop


def watch_a_while(workshop: Workshop, passes: int = 4) -> None:
    """Passes in which another market moves, so that the marks are not taken for frozen ones."""
    for number in range(passes):
        workshop.mark("ETH", str(3_000 + number))
        workshop.watch()


def resting(workshop: Workshop, market: str) -> dict[str, Decimal]:
    """What rests at the venue in a market, by the kind of its trigger."""
    orders = workshop.venue.open_orders(MASTER)
    return {o.trigger.kind.value: o.trigger.price for o in orders if o.trigger and o.market == market}


@pytest.mark.parametrize(
    ("market", "price"), [("kPEPE", "0.0105"), ("DOGE", "0.15"), ("SOL", "150"), ("BTC", "60000")]
)
def test_f33_f34_a_position_lives_between_its_fractions_whatever_its_price_is(
    workshop: Workshop, market: str, price: str
) -> None:
    workshop.mark(market, price)

    workshop.enter(market=market)
    watch_a_while(workshop)

    position, rests = workshop.position(market), resting(workshop, market)
    tolerance = Decimal("0.002")
    assert position["status"] == "OPEN"
    assert abs(rests["sl"] / position["entry_price"] - Decimal("0.98")) < tolerance
    assert abs(rests["tp"] / position["entry_price"] - Decimal("1.03")) < tolerance


@pytest.mark.parametrize("market", ["BTC", "DOGE"])
def test_f32_a_position_whose_price_never_rose_has_no_trail_to_fall_through(
    workshop: Workshop, market: str
) -> None:
    entry = workshop.venue.marks().prices[market]
    workshop.enter(market=market)

    for percent in ("99.9", "99.2", "98.6", "98.9", "98.5"):
        price = (entry * Decimal(percent) / 100).quantize(Decimal(1) if entry > 1000 else Decimal("0.0001"))
        workshop.mark(market, str(price))
        workshop.watch()

    assert workshop.position(market)["status"] == "OPEN"
    assert workshop.position(market)["trail_price"] is None


def test_f39_what_its_owner_holds_gets_no_order_of_ours(workshop: Workshop) -> None:
    workshop.control("hand", user=MASTER, coin="ETH", act="buy", usd="3000")
    workshop.control("hand", user=MASTER, coin="ETH", act="order", usd="600", is_buy=False, away_bps="500")

    watch_a_while(workshop, 8)
    workshop.mark("ETH", "1800")
    watch_a_while(workshop, 2)

    assert len(list(workshop.venue.open_orders(MASTER))) == 1
    assert workshop.rows("select 1 from actions") == []
    assert [fill["by"] for fill in workshop.venue_fills()] == ["hand"]
    assert workshop.rows("select 1 from orders where account_id = :a", a=LIVE) == []
