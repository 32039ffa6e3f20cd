"""What `outcry doctor` finds at the venue: its network and clock, the accounts, and what it says of their signers."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from outcry.agents.model import Account, Limits
from outcry.cli.doctor import venue
from outcry.cli.doctor.facts import Facts
from outcry.cli.doctor.finding import Installation, Verdict
from outcry.monitoring.budget import ACCOUNTS_PER_ADDRESS
from outcry.runtime.clock import FixedClock, to_milliseconds
from tests.cli.conftest import Outcry
from tests.cli.installation import SIGNER, Found, change, model_server, well, x_server
from tests.orders.workshop import LIVE, MASTER, NOON, Workshop

__all__ = ["model_server", "well", "x_server"]


def test_a_venue_of_another_network_is_bad(
    well: Workshop, outcry: Outcry, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_HYPERLIQUID_URL", "https://api.hyperliquid.xyz")

    found = Found(outcry("doctor", "--only", "venue", "--json"))

    assert found.of("venue") == [("hyperliquid", "bad")]


def test_a_clock_that_is_not_the_venues_is_a_warning(well: Workshop) -> None:
    ahead = FixedClock(NOON + timedelta(seconds=30))
    here = Installation("local", {"OUTCRY_HYPERLIQUID_URL": well.server.url}, ahead)

    found = {each.subject: each for each in venue.venue(here)}

    assert found["venue clock"].verdict is Verdict.WARN
    assert "by -30.0 s" in found["venue clock"].says


def test_an_account_without_enough_to_trade_with_is_a_warning_with_the_sum(
    well: Workshop, outcry: Outcry
) -> None:
    change(
        well,
        "update accounts set address = :address where account_id = :id",
        address="0x" + "cd" * 20,
        id=LIVE,
    )
    well.control("fund", user="0x" + "cd" * 20, usdc="15")

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", f"{LIVE}, runner-live")

    assert found["verdict"] == "warn"
    assert "needs an equity of" in found["says"]


def test_an_account_that_the_venue_never_saw_is_bad(well: Workshop, outcry: Outcry) -> None:
    change(
        well,
        "update accounts set address = :address where account_id = :id",
        address="0x" + "cd" * 20,
        id=LIVE,
    )

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", LIVE)

    assert found["verdict"] == "bad"
    assert found["fix"] == f"deposit to 0x{'cd' * 20} first"


def test_an_account_that_is_an_api_wallet_is_bad_and_names_its_owner(well: Workshop, outcry: Outcry) -> None:
    wallet = well.signers.key.address
    change(well, "update accounts set address = :address where account_id = :id", address=wallet, id=LIVE)

    found = Found(outcry("doctor", "--only", "accounts", "--json")).one("accounts", LIVE)

    assert found["verdict"] == "bad"
    assert MASTER in found["fix"]


# ─── F-18: what the database says, and what the venue says ──────────────────────────────────────────────────


def signer_finding(well: Workshop, outcry: Outcry, subject: str = SIGNER) -> dict[str, Any]:
    return Found(outcry("doctor", "--only", "signers", "--json")).one("signers", subject)


def test_f18_a_signer_that_is_active_here_and_unknown_at_the_venue_is_bad(
    well: Workshop, outcry: Outcry
) -> None:
    change(well, "update signers set address = :other", other="0x" + "ee" * 20)

    found = signer_finding(well, outcry)

    assert found["verdict"] == "bad"
    assert "the database says ACTIVE, the venue does not know" in found["says"]


def test_f18_a_signer_that_is_revoked_here_and_approved_there_is_a_warning(
    well: Workshop, outcry: Outcry
) -> None:
    change(well, "update signers set status = 'REVOKED'")

    found = Found(outcry("doctor", "--only", "signers", "--json"))

    assert found.one("signers", SIGNER)["verdict"] == "warn"
    assert found.one("signers", LIVE)["verdict"] == "bad"


def test_f18_an_expiry_that_differs_is_a_warning_with_both_days(well: Workshop, outcry: Outcry) -> None:
    change(well, "update signers set valid_until = :until", until=NOON + timedelta(days=30))

    found = signer_finding(well, outcry)

    assert found["verdict"] == "warn"
    assert "until 2027-02-20, the database says 2026-12-22" in found["says"]


def test_f18_an_approval_that_ends_within_a_week_is_a_warning(well: Workshop, outcry: Outcry) -> None:
    soon = NOON + timedelta(days=5)
    other = "0x" + "ee" * 20
    well.control(
        "approve_agent", master=MASTER, agent=other, name=f"short valid_until {to_milliseconds(soon)}"
    )
    change(well, "update signers set address = :other, valid_until = :soon", other=other, soon=soon)

    found = signer_finding(well, outcry)

    assert (found["verdict"], found["says"]) == ("warn", "its approval ends on 2026-11-27")


def test_f18_a_signer_without_a_name_at_the_venue_is_a_warning(well: Workshop, outcry: Outcry) -> None:
    other = "0x" + "ee" * 20
    well.control("approve_agent", master=MASTER, agent=other)
    change(well, "update signers set address = :other", other=other)

    found = signer_finding(well, outcry)

    assert found["verdict"] == "warn"
    assert "without a name" in found["says"]


@pytest.mark.parametrize(("more", "said"), [(0, []), (1, ["request weight"])])
def test_more_live_accounts_than_one_address_can_watch_are_a_warning(more: int, said: list[str]) -> None:
    accounts = tuple(
        Account(
            f"live-{number}",
            "hyperliquid",
            "local",
            f"0x{number:040x}",
            None,
            "observe",
            Limits(Decimal(1), Decimal(1)),
        )
        for number in range(ACCOUNTS_PER_ADDRESS + more)
    )
    here = Installation("local", {}, FixedClock(NOON), Facts(accounts, (), (), (), {}, {}))

    found = [each for each in venue.accounts(here) if each.verdict is Verdict.WARN]

    assert [each.subject for each in found] == said
    assert all(f"{ACCOUNTS_PER_ADDRESS + 1} live accounts" in each.says for each in found)
