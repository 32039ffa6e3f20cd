"""No cap is exceeded, by a count that does not trust the ledger's own."""

from dataclasses import replace
from decimal import Decimal

import pytest

from local.audit.model import Caps, Ledger, LedgerDesk, LedgerReservation
from local.audit.verdict import Facts, Invariant
from tests.local.audit.hand_made import (
    ENTRY_ORDER,
    LEDGER,
    ME,
    facts,
    only,
    request,
    said,
)

CAPS = Invariant.CAPS
WIDE = {"per_trade_usd": Decimal(99_000), "per_account_usd": Decimal(999_000)}


def limited(
    ledger: Ledger = LEDGER, *, by: str = "deployment", open_positions: int | None = None, **usd: int
) -> Ledger:
    """The ledger with these caps on the deployment, or on the account, and wide ones on the other."""
    caps = Caps({**WIDE, **{name: Decimal(cap) for name, cap in usd.items()}}, open_positions)
    wide = Caps(WIDE)
    return replace(
        ledger,
        desk=LedgerDesk(
            deployments={
                "d1": ("a1", "one", caps if by == "deployment" else wide),
                "d2": ("a1", "two", wide),
            },
            accounts={
                "one": (ME, caps if by == "account" else wide),
                "two": ("0x" + "b" * 40, wide),
            },
        ),
    )


def second(at_s: float, *, market: str = "ETH", deployment: str = "d1", **fields: object) -> Ledger:
    """A second entry beside the first: 20,000 USD, reserved at that time and in flight from then on."""
    order = replace(
        ENTRY_ORDER,
        order_id="second",
        deployment_id=deployment,
        place=(ME, market),
        position_id="p2",
        status="WORKING",
        size=Decimal(10),
        limit_price=Decimal(2_000),
        filled_size=Decimal(0),
        created_ms=int(at_s * 1000),
        finished_ms=None,
    )
    reservation = LedgerReservation("second", "a1", 7, Decimal(20_000), int(at_s * 1000), None)
    return replace(
        LEDGER,
        orders=(*LEDGER.orders, replace(order, **fields)),  # type: ignore[arg-type]
        reservations=(*LEDGER.reservations, reservation),
    )


@pytest.mark.parametrize("by", ["deployment", "account"])
@pytest.mark.parametrize(
    ("cap", "of"),
    [
        ("per_account_usd", 49_000),
        ("per_author_usd", 49_000),
        ("per_agent_usd", 49_000),
        ("per_day_usd", 49_000),
    ],
)
def test_two_entries_at_once_that_exceed_a_cap_together_are_named(by: str, cap: str, of: int) -> None:
    violation = only(CAPS, facts(ledger=limited(second(50), by=by, **{cap: of})))

    assert cap in violation
    assert "50000" in violation
    assert "at 00:00:50.000, the cap is 49000" in violation


def test_within_the_cap_nothing_is_said() -> None:
    run = facts(
        ledger=limited(
            second(50),
            per_account_usd=50_000,
            per_author_usd=50_000,
            per_agent_usd=50_000,
            per_day_usd=50_000,
            per_market_usd=30_050,
            open_positions=2,
        )
    )

    assert said(CAPS, run).violations == ()
    assert said(CAPS, run).looked_at == 2


def test_the_cap_per_market_counts_its_market_alone() -> None:
    assert said(CAPS, facts(ledger=limited(second(50), per_market_usd=31_000))).violations == ()
    same = facts(ledger=limited(second(50, market="BTC"), per_market_usd=31_000))
    assert "per_market_usd BTC: 50000" in only(CAPS, same)


def test_one_trade_above_its_cap_is_named_at_its_bound() -> None:
    assert "per_trade_usd: entry entry is worth 30050.0, the cap is 30000" in only(
        CAPS, facts(ledger=limited(per_trade_usd=30_000))
    )


def test_too_many_positions_at_once_are_named() -> None:
    assert "max_open_positions: 2 at 00:00:50.000, the cap is 1" in only(
        CAPS, facts(ledger=limited(second(50), open_positions=1))
    )


def test_what_is_flat_again_makes_room_for_all_but_the_day() -> None:
    after = second(101)

    assert said(CAPS, facts(ledger=limited(after, per_account_usd=31_000, open_positions=1))).violations == ()
    assert "per_day_usd 0: 50000" in only(CAPS, facts(ledger=limited(after, per_day_usd=49_000)))


def test_an_entry_counts_in_full_at_its_bound_until_it_is_final() -> None:
    early = second(11)  # the first is filled at 60 000 at 10 s, and final at 11.5 s

    assert "50050" in only(CAPS, facts(ledger=limited(early, per_account_usd=49_000)))


def test_an_agents_cap_counts_its_other_accounts_and_binds_its_own_entries() -> None:
    elsewhere = limited(second(5, deployment="d2"), per_agent_usd=49_000)
    later = limited(second(50, deployment="d2"), per_agent_usd=49_000)

    assert "deployment d1 per_agent_usd a1: 50050" in only(CAPS, facts(ledger=elsewhere))
    assert (
        said(CAPS, facts(ledger=later)).violations == ()
    )  # what another deployment adds is not bound by this one's


def test_an_entry_that_was_sent_with_nothing_reserved_is_named_and_counts() -> None:
    ledger = replace(
        second(50),
        reservations=LEDGER.reservations,
        requests=(*LEDGER.requests, request("second", 50_000, 50, "0x9", status="SENT")),
    )

    violations = said(CAPS, facts(ledger=limited(ledger, per_account_usd=49_000))).violations

    assert "entry second was sent, and nothing is reserved for it" in violations
    assert any("per_account_usd: 50000" in each for each in violations)


def test_an_entry_that_came_to_nothing_frees_what_it_claimed() -> None:
    refused = limited(second(5, status="REJECTED", finished_ms=6_000), per_account_usd=31_000)

    assert said(CAPS, facts(ledger=refused)).violations == ()


def test_a_short_counts_at_its_bound_however_well_it_sold() -> None:
    events = tuple(
        replace(each, fields={**each.fields, "side": "A", "px": "70000"})
        if each.kind == "fill" and index == 1
        else each
        for index, each in enumerate(facts().events)
    )

    assert said(CAPS, Facts(events, limited(per_account_usd=30_050), 200_000)).violations == ()
