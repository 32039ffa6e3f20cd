"""Nonces are unique, rise in the order in which they were handed out, and carry one body each."""

from dataclasses import replace

from local.audit.model import LedgerSigner
from local.audit.verdict import Bounds, Invariant
from tests.local.audit.hand_made import (
    AGAIN,
    ENTRY,
    EVENTS,
    LEDGER,
    arrival,
    facts,
    only,
    request,
    said,
    with_request,
)

NONCES = Invariant.NONCES


def test_f47_one_nonce_for_two_actions_is_named_with_both() -> None:
    ledger = replace(LEDGER, requests=(*LEDGER.requests, replace(LEDGER.requests[1], action_id="twin")))

    assert "nonce 11000 of 0xcccc" in only(NONCES, facts(ledger=ledger))
    assert "was given to actions action 11000 and twin" in only(NONCES, facts(ledger=ledger))


def test_a_lower_nonce_after_a_higher_one_was_sent_is_named() -> None:
    late = replace(request("exit", 100_000, 150, AGAIN), nonce=99_999)
    ledger = replace(LEDGER, requests=(*LEDGER.requests, late))

    violations = said(NONCES, facts(ledger=ledger)).violations

    assert any("with nonce 99999, when 100000 had been sent already" in each for each in violations)
    assert any("has nonce 99999, older than its own time" in each for each in violations)


def test_two_that_are_prepared_at_once_may_come_in_either_order() -> None:
    ledger = replace(
        LEDGER,
        requests=(*LEDGER.requests, replace(request("exit", 100_001, 99.999, AGAIN), sent_ms=100_002)),
        signers=(LedgerSigner(LEDGER.signers[0].address, 100_001),),
    )

    assert said(NONCES, facts(ledger=ledger)).violations == ()


def test_clocks_that_are_apart_are_allowed_for() -> None:
    ahead = with_request(LEDGER, 100_000, prepared_ms=101_500, sent_ms=101_600)

    assert "older than its own time" in only(NONCES, facts(ledger=ahead))
    assert said(NONCES, facts(ledger=ahead, bounds=Bounds(skew_ms=2_000))).violations == ()


def test_a_nonce_above_what_its_signer_says_was_not_taken_from_it() -> None:
    ledger = replace(LEDGER, signers=(LedgerSigner(LEDGER.signers[0].address, 50_000),))

    assert "action 100000 has nonce 100000, above the last one" in only(NONCES, facts(ledger=ledger))


def test_f47_two_bodies_under_one_nonce_are_named() -> None:
    other = arrival(12, 10_000, ENTRY, digest="other bytes")

    violations = said(NONCES, facts(*EVENTS, other)).violations

    assert any("came to the venue with 2 different bodies" in each for each in violations)


def test_the_same_bytes_may_come_again_and_a_noop_may_burn_their_nonce() -> None:
    again = arrival(12, 10_000, ENTRY)
    burn = arrival(13, 10_000, "", digest="nothing", action_type="noop", cloids=[])
    noop = replace(request("entry", 10_000, 13, ""), kind="noop", action_id="noop", digest="nothing")
    ledger = replace(LEDGER, requests=(*LEDGER.requests, noop))

    assert said(NONCES, facts(*EVENTS, again, burn, ledger=ledger)).violations == ()
    assert "no action of the ledger has it" in only(NONCES, facts(*EVENTS, again, burn))
    assert "different bodies" in only(
        NONCES, facts(*EVENTS, burn, arrival(14, 10_000, "", action_type="noop"), ledger=ledger)
    )


def test_bytes_that_are_not_those_that_are_stored_are_named() -> None:
    ledger = with_request(LEDGER, 10_000, digest="other bytes")

    assert "is not what action action 10000 has stored" in only(NONCES, facts(ledger=ledger))


def test_a_request_of_which_the_ledger_knows_nothing_is_named() -> None:
    stray = arrival(50, 50_000, AGAIN)

    assert "nonce 50000 of 0xcccc" in only(NONCES, facts(*EVENTS, stray))
    assert "no action of the ledger has it" in only(NONCES, facts(*EVENTS, stray))


def test_what_a_person_signs_elsewhere_is_not_ours_to_judge() -> None:
    own = arrival(50, 50_000, AGAIN, signer="0x" + "b" * 40)

    assert said(NONCES, facts(*EVENTS, own)).violations == ()
