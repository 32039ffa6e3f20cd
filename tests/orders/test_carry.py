"""Requests that were left half-way: the next worker signs, sends or drops them by their state."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from outcry.agents.model import Account
from outcry.orders.ports import LoadedSigner
from tests.orders.workshop import MASTER, KeySigner, Workshop

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens, so that no connection is ever made
SHORTLY = timedelta(seconds=2)


class Died(BaseException):
    """The process was killed here."""


def advance_for_a_moment(workshop: Workshop, order_id: UUID) -> None:
    """Advance under a claim that lapses within seconds."""
    workshop.executor.advance(order_id, deadline=workshop.clock.now() + SHORTLY)


def die_when_signing(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, order_id: UUID) -> None:
    """Advance the entry until its placement is prepared, and no further."""
    sign = workshop.venue.sign

    def dying(payload: str, **how: Any) -> str:
        if '"orders"' in payload:
            raise Died
        return sign(payload, **how)

    with monkeypatch.context() as patch:
        patch.setattr(workshop.venue, "sign", dying)
        with pytest.raises(Died):
            advance_for_a_moment(workshop, order_id)


def placements(workshop: Workshop, order_id: UUID) -> list[dict[str, Any]]:
    return workshop.rows(
        "select * from actions where order_id = :id and kind = 'place' order by attempt", id=order_id
    )


def unreachable_for_orders(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let placements meet a port where nobody listens, until the returned call."""
    send, base = workshop.venue.send, workshop.server.url

    def misled(signed: str, *, address: str) -> Any:
        workshop.venue._client._base_url = NOBODY if '"orders"' in signed else base
        try:
            return send(signed, address=address)
        finally:
            workshop.venue._client._base_url = base

    monkeypatch.setattr(workshop.venue, "send", misled)
    return lambda: monkeypatch.setattr(workshop.venue, "send", send)


def test_what_a_dead_worker_prepared_is_signed_by_the_next_under_the_same_nonce(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    die_when_signing(workshop, monkeypatch, order_id)
    prepared = placements(workshop, order_id)
    workshop.clock.advance(timedelta(seconds=8))

    workshop.advance(order_id)

    (done,) = placements(workshop, order_id)
    assert [(row["status"], row["signed"]) for row in prepared] == [("PREPARED", None)]
    assert done["status"] == "ACKED"
    for name in ("action_id", "nonce", "cloid", "payload", "expires_at"):
        assert done[name] == prepared[0][name]
    assert workshop.order(order_id)["status"] == "FILLED"


def test_what_was_prepared_and_then_expired_is_never_signed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    die_when_signing(workshop, monkeypatch, order_id)
    workshop.clock.advance(timedelta(seconds=16))

    workshop.advance(order_id)
    workshop.drain()

    first, second = placements(workshop, order_id)
    assert (first["status"], first["signed"], first["sends"]) == ("EXPIRED", None, 0)
    assert (second["status"], second["attempt"]) == ("ACKED", 1)
    assert second["cloid"] != first["cloid"]
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_what_a_replaced_signer_was_to_sign_expires_and_the_new_one_signs_its_own(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    die_when_signing(workshop, monkeypatch, order_id)
    old, new = workshop.signers.key, KeySigner(8)
    workshop.control("approve_agent", master=MASTER, agent=new.address, name="second")
    workshop.signers.key = new
    workshop.clock.advance(timedelta(seconds=8))

    workshop.advance(order_id)
    workshop.drain()

    first, second = placements(workshop, order_id)
    assert (first["status"], first["signer_address"], first["signed"]) == ("EXPIRED", old.address, None)
    assert (second["status"], second["signer_address"]) == ("ACKED", new.address)
    assert workshop.order(order_id)["status"] == "FILLED"


def test_bytes_that_found_no_connection_go_out_later_unchanged(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    reachable_again = unreachable_for_orders(workshop, monkeypatch)

    workshop.advance(order_id)
    (kept,) = placements(workshop, order_id)
    reachable_again()
    workshop.drain()

    (done,) = placements(workshop, order_id)
    assert (kept["status"], kept["sends"]) == ("SIGNED", 1)
    assert (done["status"], done["sends"]) == ("ACKED", 2)
    assert done["signed"] == kept["signed"]
    assert workshop.order(order_id)["status"] == "FILLED"
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_bytes_that_found_no_connection_until_they_expired_are_never_sent(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    reachable_again = unreachable_for_orders(workshop, monkeypatch)
    workshop.advance(order_id)
    reachable_again()
    workshop.bells.rung.clear()
    workshop.clock.advance(timedelta(seconds=16))

    workshop.advance(order_id)
    workshop.drain()

    first, second = placements(workshop, order_id)
    assert (first["status"], first["sends"]) == ("EXPIRED", 1)
    assert second["status"] == "ACKED"
    assert len({fill["oid"] for fill in workshop.venue_fills()}) == 1


def test_without_an_active_signer_nothing_is_prepared(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    monkeypatch.setattr(workshop.signers, "active", no_signer)

    workshop.advance(order_id)

    assert workshop.order(order_id)["reason"] == "NO_SIGNER"
    assert workshop.rows("select 1 from actions") == []


def test_a_signer_that_is_lost_after_the_approval_ends_the_entry_and_gives_its_place_back(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = workshop.plan_entry()
    active, asked = workshop.signers.active, []

    def lost(account: Account) -> LoadedSigner | None:
        asked.append(account.account_id)
        return active(account) if len(asked) == 1 else None

    monkeypatch.setattr(workshop.signers, "active", lost)
    workshop.advance(order_id)

    assert (workshop.order(order_id)["status"], workshop.order(order_id)["reason"]) == (
        "REJECTED",
        "NO_SIGNER",
    )
    assert workshop.position()["status"] == "ABANDONED"
    assert not workshop.rows("select 1 from reservations where released_at is null")
    assert "signers" in workshop.notices()


def no_signer(account: Account) -> LoadedSigner | None:
    return None
