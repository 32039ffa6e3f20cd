"""KMS does not answer, or refuses: what was not signed in time is never sent, and an exit goes on until it is done."""

import contextlib
from datetime import timedelta
from decimal import Decimal

import pytest

from outcry.runtime.errors import BugError, InfrastructureError
from tests.orders.custody_bench import Bench, bench
from tests.orders.workshop import LIVE

__all__ = ["bench"]


# ─── KMS does not answer ────────────────────────────────────────────────────────────────────────────────────


def unreachable() -> None:
    raise InfrastructureError("KMS cannot be used for signer live-1-signer-1: ThrottlingException")


def test_what_kms_could_not_sign_stays_prepared_and_is_signed_later_under_its_nonce(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = unreachable
    with pytest.raises(InfrastructureError):
        bench.advance(exit_id)
    (waiting,) = bench.placements(exit_id)

    bench.kms.before = lambda: None
    bench.workshop.clock.advance(timedelta(seconds=2))
    bench.advance(exit_id, bench.another_process())
    bench.until_terminal(exit_id)

    (done,) = bench.placements(exit_id)
    assert (waiting["status"], waiting["signed"], waiting["sends"]) == ("PREPARED", None, 0)
    assert (done["status"], done["nonce"], done["sends"]) == ("ACKED", waiting["nonce"], 1)
    assert bench.workshop.venue_size() == 0


def test_what_kms_could_not_sign_in_time_is_never_sent_and_the_exit_goes_on(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = unreachable
    for _ in range(3):
        with contextlib.suppress(InfrastructureError):
            bench.advance(exit_id)
        bench.workshop.clock.advance(timedelta(seconds=30))

    bench.kms.before = lambda: None
    bench.advance(exit_id)
    bench.until_terminal(exit_id)

    *unsent, last = bench.placements(exit_id)
    assert unsent
    assert {(row["status"], row["signed"], row["sends"]) for row in unsent} == {("EXPIRED", None, 0)}
    assert last["status"] == "ACKED"
    assert bench.workshop.venue_size() == 0


def test_bytes_that_kms_signed_too_late_are_never_sent(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.kms.before = lambda: bench.workshop.clock.advance(timedelta(seconds=9))
    bench.advance(exit_id)
    slow = bench.placements(exit_id)

    bench.kms.before = lambda: None
    bench.until_terminal(exit_id)

    assert [(row["status"], row["signed"], row["sends"]) for row in slow] == [("EXPIRED", None, 0)]
    assert bench.placements(exit_id)[-1]["status"] == "ACKED"
    assert bench.workshop.venue_size() == 0


def test_a_worker_whose_claim_lapsed_while_kms_signed_sends_nothing(bench: Bench) -> None:
    bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    other = bench.another_process()

    def overtaken() -> None:
        bench.kms.before = lambda: None
        with bench.workshop.database.transaction() as tx:
            tx.execute(
                "update orders set claimed_until = :now where order_id = :id",
                now=bench.workshop.clock.now() - timedelta(seconds=1),
                id=exit_id,
            )
        bench.advance(exit_id, other)

    bench.kms.before = overtaken
    with pytest.raises(Exception, match="continued by somebody else"):
        bench.advance(exit_id)
    bench.until_terminal(exit_id)

    (placed,) = bench.placements(exit_id)
    assert placed["sends"] == 1
    assert len(bench.kms.signed) == len(set(bench.kms.signed)) + 1  # the same request was signed by both
    assert bench.workshop.venue_size() == 0


# ─── KMS refuses ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_exit_outlives_a_disabled_key_and_a_person_is_paged(bench: Bench) -> None:
    made = bench.kms_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.client.disable_key(KeyId=made.key_arn)
    bench.advance(exit_id)
    refused = bench.workshop.order(exit_id)
    (unsent,) = bench.placements(exit_id)
    page = bench.workshop.rows("select subject, text, level from notices where topic = 'signers'")

    bench.client.enable_key(KeyId=made.key_arn)
    ended = bench.until_terminal(exit_id)

    assert refused["status"] == "WORKING"
    assert refused["next_ring_at"] is not None
    assert (unsent["status"], unsent["signed"], unsent["sends"]) == ("EXPIRED", None, 0)
    assert [row["subject"] for row in page] == ["KMS refuses the key of the signer of live-1"]
    assert "DisabledException" in page[0]["text"]
    assert ended["status"] == "FILLED"
    assert bench.workshop.venue_size() == 0


@pytest.mark.parametrize("custody", ["envelope", "kms"])
def test_an_entry_whose_key_is_disabled_gives_its_place_back_and_stops_the_account(
    bench: Bench, custody: str
) -> None:
    made = bench.kms_signer() if custody == "kms" else bench.envelope_signer()
    bench.client.disable_key(KeyId=made.key_arn)
    order_id = bench.workshop.plan_entry()

    bench.advance(order_id)

    order = bench.workshop.order(order_id)
    assert (order["status"], order["reason"]) == ("REJECTED", "SIGNER_KEY_REFUSED")
    assert bench.workshop.position()["status"] == "ABANDONED"
    assert not bench.workshop.rows("select 1 from reservations where released_at is null")
    assert "signers" in bench.workshop.notices()
    assert {row["sends"] for row in bench.actions(order_id)} <= {0}
    assert bench.workshop.rows("select state from deployments where account_id = :id", id=LIVE) == [
        {"state": "HALTED"}
    ]


def test_an_exit_of_an_envelope_outlives_a_disabled_key_too(bench: Bench) -> None:
    made = bench.envelope_signer()
    bench.enter()
    exit_id = bench.plan_exit()
    bench.client.disable_key(KeyId=made.key_arn)
    fresh = bench.another_process()
    bench.advance(exit_id, fresh)
    waiting = bench.workshop.order(exit_id)

    bench.client.enable_key(KeyId=made.key_arn)
    ended = bench.until_terminal(exit_id)

    assert waiting["status"] in {"PLANNED", "WORKING"}
    assert "signers" in bench.workshop.notices()
    assert ended["status"] == "FILLED"


def test_f23_a_key_of_another_account_signs_nothing_for_this_one(bench: Bench) -> None:
    bench.kms_signer()
    stranger = bench.client.create_key(KeySpec="ECC_SECG_P256K1", KeyUsage="SIGN_VERIFY")["KeyMetadata"][
        "Arn"
    ]
    with bench.workshop.database.transaction() as tx:
        tx.execute("update signers set key_arn = :arn", arn=stranger)
    order_id = bench.workshop.plan_entry()

    with pytest.raises(BugError, match="not of the key of"):
        bench.advance(order_id)

    assert {row["sends"] for row in bench.actions(order_id)} == {0}
    assert bench.workshop.venue_size() == Decimal(0)
