"""What is drawn: from the seed alone, always of the closed list, always something the venue takes."""

from random import Random
from typing import Any

import pytest

from local.hyperliquid.config import Switches
from local.hyperliquid.draws import ENDS_SIGNER, KINDS, draw_fault, draw_switches, make_fault
from tests.local.hyperliquid.wire import discord, exchange, info, order


def test_one_seed_gives_one_venue_and_one_series_of_faults() -> None:
    def drawn(seed: int) -> Any:
        random = Random(seed)
        return draw_switches(random), [draw_fault(random) for _ in range(50)]

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_every_switch_of_an_unverified_answer_is_drawn_both_ways() -> None:
    venues = [draw_switches(Random(seed)).model_dump() for seed in range(200)]
    fixed = {name for name in Switches.model_fields if len({str(v[name]) for v in venues}) == 1}

    # chosen by whoever runs the venue, or begun and ended by an event
    assert fixed == {
        "network",
        "ip_limit",
        "address_limit",
        "address_base_requests",
        "post_only_phase",
        "triggers_find_nothing",
    }


def test_every_kind_is_drawn_and_nothing_else() -> None:
    random = Random(1)

    assert {draw_fault(random)["kind"] for _ in range(4000)} == set(KINDS)


def test_kinds_can_be_left_out() -> None:
    random = Random(1)

    assert not {draw_fault(random, without=ENDS_SIGNER)["kind"] for _ in range(2000)} & ENDS_SIGNER


@pytest.mark.parametrize("kind", KINDS)
def test_the_venue_takes_every_drawn_fault(desk: Any, kind: str) -> None:
    for seed in range(20):
        desk.control("fault", **make_fault(kind, Random(seed)))


@pytest.mark.parametrize("seed", range(12))
def test_the_books_stay_consistent_through_any_series_of_faults(make_desk: Any, seed: int) -> None:
    random = Random(seed)
    desk = make_desk({"switches": draw_switches(random).model_dump()})
    desk.mark("BTC", "60000")
    for step in range(150):
        if random.random() < 0.3:
            desk.control("fault", **draw_fault(random))
        _trade(desk, random)
        desk.mark("BTC", str(60_000 + random.randrange(-3000, 3000)))
        desk.wait(seconds=random.choice((0, 1, 20)))

        assert discord(desk) == [], f"step {step}"


def _trade(desk: Any, random: Random) -> None:
    """Something that a desk does: in, out, a stop, a look."""
    is_buy = random.random() < 0.5
    size = random.choice(("0.001", "0.01", "0.05"))
    reduce = random.random() < 0.4
    rows = [desk.wire("BTC", is_buy, size, "66000" if is_buy else "54000", reduce=reduce)]
    if random.random() < 0.3:
        stop = "55000" if not is_buy else "65000"
        rows = [desk.wire("BTC", is_buy, size, "50000" if not is_buy else "70000", stop=stop, reduce=True)]
    try:
        exchange(desk, order(desk, *rows))
        info(desk, random.choice(("clearinghouseState", "frontendOpenOrders", "userFills")))
    except ValueError:
        pass  # a page, or half an answer: what this test is about happens at the venue
