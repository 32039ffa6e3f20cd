"""Orders signed by a key inside KMS: accepted by the venue, and never signed twice into two orders."""

from typing import Any

import pytest

from outcry.custody.keyring import (
    Keyring,
    revoke_signer,
)
from outcry.orders.signers import AccountSigners
from outcry.runtime.database import Address, Database
from tests.orders.custody_bench import Bench, bench
from tests.orders.workshop import LIVE

__all__ = ["bench"]

PLACES = {"type": "order"}


def test_the_venue_takes_an_order_a_stop_and_an_exit_that_were_signed_in_kms(bench: Bench) -> None:
    made = bench.kms_signer()

    bench.enter()
    protected_at = bench.workshop.position()["protected_at"]
    exit_id = bench.plan_exit()
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    actions = bench.workshop.rows("select signer_id, signer_address, nonce from actions")
    assert protected_at is not None
    assert bench.workshop.venue_size() == 0
    assert {(row["signer_id"], row["signer_address"]) for row in actions} == {(made.signer_id, made.address)}
    assert len({row["nonce"] for row in actions}) == len(actions)
    assert len(bench.kms.signed) == len(actions)


def test_kms_is_never_asked_inside_of_a_transaction(bench: Bench, database_url: str) -> None:
    bench.kms_signer()
    observer = Database(Address.from_url(database_url), network="local")
    states: list[str] = []

    def look() -> None:
        with observer.transaction() as tx:
            rows = tx.all(
                """
                select state from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
                """
            )
        states.extend(row["state"] for row in rows)

    bench.kms.before = look
    bench.enter()
    observer.close()

    assert len(states) >= 4
    assert set(states) == {"idle"}


@pytest.mark.parametrize("fault", ["drop_after_commit", "drop_before_commit"])
def test_after_a_lost_answer_the_stored_bytes_go_out_again_and_kms_is_not_asked_again(
    bench: Bench, fault: str
) -> None:
    bench.kms_signer()
    order_id = bench.workshop.plan_entry()
    bench.workshop.control("fault", on="exchange", match=PLACES, do=fault, times=1)
    sent: list[str] = []
    send = bench.workshop.venue.send

    def watched(signed: str, *, address: str) -> Any:
        sent.append(signed)
        return send(signed, address=address)

    bench.workshop.venue.send = watched  # type: ignore[method-assign]
    bench.advance(order_id)
    bench.until_terminal(order_id)

    (placed,) = bench.placements(order_id)
    copies = [each for each in sent if each == placed["signed"]]
    assert len(copies) == placed["sends"] == 2
    assert len(bench.kms.signed) == len(set(bench.kms.signed))
    assert len({fill["oid"] for fill in bench.workshop.venue_fills()}) == 1


def test_a_second_signature_would_be_another_one(bench: Bench) -> None:
    """Without which the test above would prove nothing."""
    bench.kms_signer()
    bench.enter()
    order = bench.workshop.rows("select * from actions where kind = 'place' order by nonce limit 1")[0]
    with bench.workshop.database.transaction() as tx:
        account = bench.workshop.desk.load_account(tx, LIVE)
    loaded = AccountSigners(Keyring(bench.workshop.database, bench.kms)).active(account)
    assert loaded is not None

    again = bench.workshop.venue.sign(
        order["payload"], nonce=order["nonce"], expires_at=order["expires_at"], signer=loaded.key
    )

    assert again != order["signed"]


def test_a_position_entered_from_an_envelope_is_closed_by_a_key_in_kms(bench: Bench) -> None:
    old = bench.envelope_signer(slot=1)
    bench.enter()
    new = bench.kms_signer(slot=2)

    exit_id = bench.plan_exit()
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    (closed,) = bench.placements(exit_id)
    entered = bench.workshop.rows(
        "select distinct signer_id from actions where signer_id = :id", id=old.signer_id
    )
    assert closed["signer_id"] == new.signer_id
    assert len(entered) == 1
    assert bench.workshop.venue_size() == 0


def test_a_signer_revoked_while_kms_would_still_sign_signs_nothing_more(bench: Bench) -> None:
    made = bench.kms_signer()
    bench.enter()
    with bench.workshop.database.transaction() as tx:
        revoke_signer(tx, made.signer_id, now=bench.workshop.clock.now())
    before = len(bench.kms.signed)

    order_id = bench.workshop.plan_entry(market="ETH", reference="3000")
    bench.advance(order_id)

    assert len(bench.kms.signed) == before
    assert bench.workshop.order(order_id)["reason"] == "NO_SIGNER"
