"""`outcry signer …` and the venue: who signs is confirmed there, counted there, and retired when nothing of it is open."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from outcry.runtime.clock import to_milliseconds
from outcry.venues.approving import NamedSigner
from outcry.venues.hyperliquid.venue import HyperliquidVenue
from tests.cli.conftest import Outcry
from tests.orders.workshop import LIVE, MASTER, Workshop


def approved(workshop: Workshop, made: dict[str, Any], *, days: int = 90, master: str = MASTER) -> datetime:
    """Approve a signer at the venue as the account's owner would; returns until when."""
    until = workshop.clock.now() + timedelta(days=days)
    workshop.control(
        "approve_agent",
        master=master,
        agent=made["address"],
        name=f"outcry-{made['slot']}",
        valid_until_ms=to_milliseconds(until),
    )
    return until


def test_a_signer_is_activated_and_the_one_before_it_drains(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    first = outcry("signer", "create", LIVE, "--json").json
    second = outcry("signer", "create", LIVE, "--slot", "2", "--json").json
    approved(workshop, first)
    until = approved(workshop, second, days=40)
    outcry("signer", "activate", first["signer_id"])

    answer = outcry("signer", "activate", second["signer_id"], "--valid-until", "2027-01-01", "--json")

    shown = {each["slot"]: each for each in outcry("signer", "show", "--json").json["signers"]}
    assert {slot: each["status"] for slot, each in shown.items()} == {1: "DRAINING", 2: "ACTIVE"}
    assert datetime.fromisoformat(shown[2]["valid_until"]) == until
    assert (shown[2]["verified_by"], shown[2]["refused_at"]) == ("extraAgents", None)
    assert datetime.fromisoformat(shown[2]["verified_at"]) == workshop.clock.now()
    assert answer.json["draining"] == [first["signer_id"]]
    assert f"{first['signer_id']} only finishes what it began" in answer.json["next"]


# ─── not before the venue says so ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def venue_url(workshop: Workshop, environment: pytest.MonkeyPatch) -> str:
    """The installation knows where its venue is."""
    environment.setenv("OUTCRY_HYPERLIQUID_URL", workshop.server.url)
    return workshop.server.url


def refused_to_activate(outcry: Outcry, made: dict[str, Any]) -> str:
    answer = outcry("signer", "activate", made["signer_id"])
    (shown,) = outcry("signer", "show", "--json").json["signers"]
    assert answer.code in {1, 2}
    assert (shown["status"], shown["verified_at"]) == ("CREATED", None)
    return answer.sentence


def test_f27_a_signer_that_the_owner_did_not_approve_is_not_activated(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json

    says = refused_to_activate(outcry, made)

    assert f"{made['address']} is not approved by {MASTER} on local" in says
    assert "approved on another network" in says


def test_f27_a_signer_that_another_owner_approved_is_not_activated(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    other = "0x" + "cd" * 20
    made = outcry("signer", "create", LIVE, "--json").json
    workshop.control("fund", user=other, usdc="100")
    approved(workshop, made, master=other)

    assert f"is approved by another owner, {other}, not by {MASTER}" in refused_to_activate(outcry, made)


def test_f27_a_signer_whose_approval_ended_is_not_activated(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    ended = NamedSigner("outcry-1", made["address"], workshop.clock.now() - timedelta(minutes=1))
    monkeypatch.setattr(HyperliquidVenue, "named_signers", lambda self, master: (ended,))

    assert f"the approval of {made['address']} ended on 2026-11-22" in refused_to_activate(outcry, made)


def test_f27_a_signer_of_which_the_venue_says_nothing_is_not_activated(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    approved(workshop, made)
    workshop.control(
        "fault", on="info", match={"type": "extraAgents"}, do="status", status=502, body="<html>"
    )

    assert "it did not work: hyperliquid extraAgents: HTTP 502" in refused_to_activate(outcry, made)


def test_a_signer_that_is_approved_without_a_name_signs_and_is_said_to_be_easily_lost(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    workshop.control("approve_agent", master=MASTER, agent=made["address"], name="")

    answer = outcry("signer", "activate", made["signer_id"], "--json").json

    assert (answer["verified_by"], answer["valid_until"]) == ("userRole", None)
    assert "without a name: whoever opens the venue's own page replaces it" in answer["says"]
    assert "approved again as outcry-1" in answer["next"]


def test_a_day_that_is_not_the_venue_s_is_said(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    approved(workshop, made, days=90)

    answer = outcry("signer", "activate", made["signer_id"], "--valid-until", "2027-05-01")

    assert answer.code == 2
    assert "the venue approves it until 2027-02-20: its word counts" in answer.sentence


def test_where_the_venue_is_has_to_be_known(workshop: Workshop, outcry: Outcry, kms_key: str) -> None:
    made = outcry("signer", "create", LIVE, "--json").json

    assert "OUTCRY_HYPERLIQUID_URL is not set" in refused_to_activate(outcry, made)
    assert "could not be asked: OUTCRY_HYPERLIQUID_URL is not set" in made["next"]


# ─── at most three names ────────────────────────────────────────────────────────────────────────────────────


def test_a_fourth_name_is_refused_before_any_key_is_made(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    for number, name in ((3, "phone"), (4, "desktop")):
        workshop.control("approve_agent", master=MASTER, agent="0x" + f"{number:02x}" * 20, name=name)

    answer = outcry("signer", "create", LIVE)

    assert answer.code == 2
    assert (
        "the owner has 3 named API wallets at the venue or waiting for it (desktop, outcry, phone)"
        in answer.sentence
    )
    assert outcry("signer", "show", "--json").json["signers"] == []


def test_a_signer_that_waits_for_its_approval_counts(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    workshop.control("approve_agent", master=MASTER, agent="0x" + "03" * 20, name="phone")
    outcry("signer", "create", LIVE)

    answer = outcry("signer", "create", LIVE, "--slot", "2")

    assert "(outcry, outcry-1, phone)" in answer.sentence
    assert len(outcry("signer", "show", "--json").json["signers"]) == 1


def test_an_owner_whom_the_venue_allows_more_goes_beyond_three(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    for number, name in ((3, "phone"), (4, "desktop")):
        workshop.control("approve_agent", master=MASTER, agent="0x" + f"{number:02x}" * 20, name=name)

    assert outcry("signer", "create", LIVE, "--beyond-three").code == 0


def test_the_next_signer_of_a_slot_takes_its_name_over(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    first = outcry("signer", "create", LIVE, "--json").json
    approved(workshop, first)
    workshop.control("approve_agent", master=MASTER, agent="0x" + "03" * 20, name="phone")
    outcry("signer", "revoke", first["signer_id"], "--yes")

    answer = outcry("signer", "create", LIVE, "--json").json

    assert "as an API wallet named outcry-1;" in answer["next"]


def test_a_name_that_somebody_else_has_is_said(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    stranger = "0x" + "03" * 20
    workshop.control("approve_agent", master=MASTER, agent=stranger, name="outcry-1")

    answer = outcry("signer", "create", LIVE, "--json").json

    assert f"Approving under outcry-1 ends {stranger}" in answer["next"]


# ─── retired ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signer_whose_requests_have_no_known_end_is_not_retired_but_at_once(
    workshop: Workshop, outcry: Outcry, kms_key: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    workshop.enter()
    with workshop.database.transaction() as tx:
        tx.execute(
            "update actions set status = 'SENT', signer_id = :s where kind = 'place' and attempt = 0 and order_id in"
            " (select order_id from orders where kind = 'protect' and leg = 'stop')",
            s=made["signer_id"],
        )

    answer = outcry("signer", "revoke", made["signer_id"], "--yes")
    at_once = outcry("signer", "revoke", made["signer_id"], "--yes", "--at-once", "--json")

    assert answer.code == 2
    assert (
        "1 request of it without a known end: wait until they have one, or say --at-once" in answer.sentence
    )
    assert at_once.json["changed"] is True


def test_retiring_the_signer_that_signs_leaves_its_positions_unmanaged_and_says_what_rests(
    workshop: Workshop, outcry: Outcry, kms_key: str, venue_url: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json
    approved(workshop, made)
    outcry("signer", "activate", made["signer_id"])
    workshop.enter()

    answer = outcry("signer", "revoke", made["signer_id"], "--yes", "--json").json

    assert workshop.position()["status"] == "UNMANAGED"
    assert (
        "1 position UNMANAGED. As far as the ledger knows there rest at the venue: BTC stop 58801 (0.064)"
        in answer["next"]
    )
