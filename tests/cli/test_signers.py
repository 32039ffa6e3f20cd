"""`outcry signer …`: from a new address to a signer that signs, and to one that never does again."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from outcry import wiring
from outcry.custody import deployed
from outcry.custody.keyring import CreatedSigner
from outcry.custody.modes import Custody
from outcry.runtime.errors import BugError
from tests.cli.conftest import Outcry
from tests.cli.test_stack import STACK, deploy
from tests.orders.workshop import LIVE, MASTER, PAPER_ACCOUNT, Workshop

__all__ = ["deploy"]


def test_a_new_signer_is_shown_by_its_address_and_what_to_do_with_it(
    workshop: Workshop, outcry: Outcry, kms_key: str
) -> None:
    answer = outcry("signer", "create", LIVE)

    (signer,) = outcry("signer", "show", LIVE, "--json").json["signers"]
    assert answer.code == 0
    assert (signer["status"], signer["slot"], signer["account_id"]) == ("CREATED", 1, LIVE)
    assert signer["address"] in answer.out
    assert f"The owner of {MASTER} approves {signer['address']} at hyperliquid (local)" in answer.out
    assert f"outcry signer activate {signer['signer_id']}" in answer.out


def test_no_key_is_ever_shown(workshop: Workshop, outcry: Outcry, kms_key: str) -> None:
    outcry("signer", "create", LIVE)

    (signer,) = outcry("signer", "show", "--json").json["signers"]

    assert not {"sealed", "sealed_key", "wrapped_key", "seal_nonce"} & set(signer)


def test_a_revoked_signer_never_comes_back(workshop: Workshop, outcry: Outcry, kms_key: str) -> None:
    signer = outcry("signer", "create", LIVE, "--json").json["signer_id"]

    declined = outcry("signer", "revoke", signer, typed="n\n")
    revoked = outcry("signer", "revoke", signer, "--yes", "--json")
    again = outcry("signer", "revoke", signer, "--yes")
    activated = outcry("signer", "activate", signer)

    assert declined.code == 2
    assert revoked.json["changed"] is True
    assert "was revoked before" in again.out
    assert activated.code == 2
    assert "only a CREATED signer can be activated" in activated.sentence


def test_the_table_lists_every_signer(workshop: Workshop, outcry: Outcry, kms_key: str) -> None:
    made = outcry("signer", "create", LIVE, "--json").json

    text = outcry("signer", "show").out

    assert made["signer_id"] in text
    assert made["address"] in text
    assert "CREATED" in text


def test_no_signer_is_said_in_words(workshop: Workshop, outcry: Outcry) -> None:
    assert (
        outcry("signer", "show").out == "There is no signer. Make one with `outcry signer create ACCOUNT`.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "nobody"), "account = 'nobody' cannot be used"),
        (("create", PAPER_ACCOUNT), "a paper account trades without a signer"),
        (("create", LIVE, "--slot", "3"), "slot = 3 cannot be used: use 1 or 2"),
        (("create", LIVE, "--custody", "hsm"), "custody = 'hsm' cannot be used: use envelope or kms"),
        (
            ("create", LIVE, "--custody", "kms"),
            "OUTCRY_EXECUTE_ORDERS_ROLE_ARN is not set: custody kms needs it",
        ),
        (("show", "nobody"), "use one of: live-1, paper-1"),
        (("activate", "nobody"), "only a CREATED signer can be activated"),
        (("revoke", "nobody", "--yes"), "there is none of that id"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    workshop: Workshop, outcry: Outcry, kms_key: str, arguments: tuple[str, ...], says: str
) -> None:
    answer = outcry("signer", *arguments)

    assert answer.code == 2
    assert says in answer.sentence


def test_a_signer_needs_the_name_of_the_key_that_seals_it(workshop: Workshop, outcry: Outcry) -> None:
    answer = outcry("signer", "create", LIVE)

    assert answer.code == 2
    assert "OUTCRY_SIGNING_KEY_ARN" in answer.sentence


def test_a_kms_that_refuses_is_no_fault_of_the_input(
    workshop: Workshop, outcry: Outcry, kms_key: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("OUTCRY_SIGNING_KEY_ARN", kms_key[:-1] + "x")

    answer = outcry("signer", "create", LIVE)

    assert answer.code == 1
    assert "KMS cannot be used" in answer.sentence


def test_a_row_that_should_not_be_there_is_no_fault_of_the_input(
    workshop: Workshop, outcry: Outcry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(account: str, slot: int, custody: str) -> None:
        raise BugError("two signers\nare one")

    monkeypatch.setattr(wiring, "create_signer", broken)

    answer = outcry("signer", "create", LIVE)

    assert answer.code == 1
    assert answer.sentence == "outcry: this should not happen: two signers are one"


# ─── custody ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stack(kms_key: str, environment: pytest.MonkeyPatch) -> None:
    """What a key inside KMS needs to know of the stack."""
    environment.setenv("OUTCRY_EXECUTE_ORDERS_ROLE_ARN", "arn:aws:iam::123456789012:role/execute-orders")
    environment.setenv("OUTCRY_SIGNERS_ROLE_ARN", "arn:aws:iam::123456789012:role/signers")
    environment.setenv("OUTCRY_STACK_NAME", "desk")


def test_how_a_key_is_kept_is_chosen_and_shown(workshop: Workshop, outcry: Outcry, stack: None) -> None:
    outcry("signer", "create", LIVE)
    said = outcry("signer", "create", LIVE, "--slot", "2", "--custody", "kms")

    shown = outcry("signer", "show", "--json").json["signers"]
    table = outcry("signer", "show").out
    assert [each["custody"] for each in shown] == ["envelope", "kms"]
    assert "custody kms" in said.out
    assert "envelope" in table
    assert "kms" in table


def test_a_revoked_signer_of_kms_leaves_a_key_that_a_person_has_to_delete(
    workshop: Workshop, outcry: Outcry, stack: None
) -> None:
    made = outcry("signer", "create", LIVE, "--custody", "kms", "--json").json

    revoked = outcry("signer", "revoke", made["signer_id"], "--yes", "--json").json

    assert (
        f"schedule the deletion of its key in KMS, which costs money until it is gone: {made['key_arn']}"
        in (revoked["next"])
    )


def test_a_revoked_signer_of_an_envelope_leaves_nothing_to_delete(
    workshop: Workshop, outcry: Outcry, kms_key: str
) -> None:
    made = outcry("signer", "create", LIVE, "--json").json

    revoked = outcry("signer", "revoke", made["signer_id"], "--yes", "--json").json

    assert "deletion" not in revoked["next"]


def test_the_function_of_a_stack_is_asked_where_it_is_named(
    workshop: Workshop, outcry: Outcry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def made(*arguments: Any) -> CreatedSigner:
        asked.append(arguments)
        return CreatedSigner(
            *("live-1-signer-1", LIVE, "hyperliquid", "local", 2, 1, "0x" + "ab" * 20),
            Custody.KMS,
            "arn:aws:kms:us-east-1:123456789012:key/1",
        )

    monkeypatch.setattr(deployed, "create_signer", made)

    answer = outcry("signer", "create", LIVE, "--slot", "2", "--custody", "kms", "--function", "desk-signers")

    assert asked == [("desk-signers", LIVE, 2, Custody.KMS)]
    assert f"The owner of {MASTER} approves 0x{'ab' * 20}" in answer.out


def test_off_the_local_network_the_stack_s_function_has_to_be_named(
    workshop: Workshop, outcry: Outcry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcry.cli.signers.network", lambda: "mainnet")

    answer = outcry("signer", "create", LIVE)

    assert answer.code == 2
    assert "--function is not set: on mainnet the stack's own function makes signers" in answer.sentence


def test_on_a_stack_its_own_function_is_found_and_asked(
    deploy: Any, outcry: Outcry, desk_file: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = {"OUTCRY_NETWORK": "local", "OUTCRY_DATABASE_URL": database_url}
    deploy(SignersFunction=common, TickFunction=common)
    (name,) = [
        each["FunctionName"]
        for each in boto3.client("lambda").list_functions()["Functions"]
        if "Signers" in each["FunctionName"]
    ]
    outcry("--stack", STACK, "desk", "apply", desk_file)
    asked: list[str] = []

    def made(function: str, account: str, slot: int, custody: Custody) -> CreatedSigner:
        asked.append(function)
        return CreatedSigner(
            *("live-1-signer-1", account, "hyperliquid", "local", slot, 1, "0x" + "ab" * 20),
            *(custody, "arn:aws:kms:us-east-1:123456789012:key/1"),
        )

    monkeypatch.setattr(deployed, "create_signer", made)

    answer = outcry("--stack", STACK, "signer", "create", LIVE, "--custody", "kms", "--json")

    assert answer.json["custody"] == "kms"
    assert asked == [name]


def test_a_stack_of_an_older_build_that_makes_no_signers_is_said_to_be_one(
    deploy: Any, outcry: Outcry, database_url: str
) -> None:
    deploy(TickFunction={"OUTCRY_NETWORK": "local", "OUTCRY_DATABASE_URL": database_url})

    answer = outcry("--stack", STACK, "signer", "create", LIVE)

    assert answer.code == 2
    assert "it has no SignersFunction: deploy this build" in answer.sentence
