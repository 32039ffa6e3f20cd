"""Signers whose keys stay in KMS, in the database: made, told apart from sealed ones, opened, replaced and revoked.

The KMS here is moto's, which takes a digest for a message and hashes it again: whoever trusts it signs nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from outcry.custody import store
from outcry.custody.approval import LISTED, Standing, Verdict
from outcry.custody.envelope import SealContext
from outcry.custody.keyring import (
    CreatedSigner,
    Keyring,
    activate_signer,
    create_kms_signer,
    create_signer,
    open_signer,
    revoke_signer,
    signers_of,
)
from outcry.custody.kms import Kms
from outcry.custody.kms_signer import KeyOwner, KmsKey, KmsSigner
from outcry.custody.modes import Custody, custody_named
from outcry.custody.record import SignerRecord
from outcry.runtime.clock import FixedClock, to_milliseconds
from outcry.runtime.database import Database
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CONFIRMED = Verdict(Standing.NAMED, None, LISTED, "it is approved")
OWNER = KeyOwner(
    "arn:aws:iam::123456789012:role/desk-ExecuteOrdersRole",
    "arn:aws:iam::123456789012:role/desk-SignersRole",
    "desk",
)
DIGEST = b"\x5a" * 32
Make = Callable[..., CreatedSigner]


@pytest.fixture
def make(
    database: Database, kms: Kms, key_arn: str, clock: FixedClock, add_account: Callable[..., str]
) -> Make:
    """Makes a signer of either custody, and its account where that is new."""
    known: set[str] = set()

    def made(account_id: str = "alice", slot: int = 1, custody: Custody = Custody.KMS) -> CreatedSigner:
        if account_id not in known:
            known.add(add_account(account_id))
        if custody is Custody.ENVELOPE:
            return create_signer(database, kms, account_id, slot, key_arn=key_arn, clock=clock)
        return create_kms_signer(database, kms, account_id, slot, owner=OWNER, clock=clock)

    return made


def activate(database: Database, signer_id: str) -> None:
    with database.transaction() as tx:
        activate_signer(tx, signer_id, CONFIRMED, now=NOW)


def records(database: Database, account_id: str = "alice") -> dict[str, SignerRecord]:
    with database.transaction() as tx:
        return {record.signer_id: record for record in signers_of(tx, account_id)}


def key_count(client: Any) -> int:
    return len(client.list_keys(Limit=1000)["Keys"])


def test_a_signer_of_kms_is_stored_with_its_address_and_no_bytes(
    make: Make, database: Database, calls: list[str]
) -> None:
    made = make()

    (record,) = records(database).values()
    with database.transaction() as tx:
        row = tx.one("select custody, wrapped_key, seal_nonce, sealed_key from signers")
    assert calls == ["CreateKey", "GetPublicKey"]
    assert (made.custody, record.custody) == (Custody.KMS, Custody.KMS)
    assert record.key == KmsKey(made.address, made.key_arn)
    assert row == {"custody": "kms", "wrapped_key": None, "seal_nonce": None, "sealed_key": None}


def test_each_signer_of_kms_has_a_key_of_its_own(make: Make) -> None:
    one, other = make(slot=1), make(slot=2)

    assert one.key_arn != other.key_arn
    assert one.address != other.address


@pytest.mark.parametrize(("account_id", "slot"), [("nobody", 1), ("alice", 3), ("alice", 1)])
def test_where_no_signer_can_be_no_key_is_made(
    make: Make,
    database: Database,
    kms: Kms,
    clock: FixedClock,
    calls: list[str],
    account_id: str,
    slot: int,
) -> None:
    make("alice", slot=1)
    calls.clear()

    with pytest.raises(ConfigurationError):
        create_kms_signer(database, kms, account_id, slot, owner=OWNER, clock=clock)

    assert calls == []


def test_a_key_that_lost_its_place_to_somebody_faster_is_named(
    make: Make, database: Database, kms_client: Any, clock: FixedClock
) -> None:
    make("alice", slot=2)
    context = SealContext(account="alice", signer="raced", venue="hyperliquid", version=7)

    class Overtaken(Kms):
        """While the key is made, somebody else takes the slot."""

        def new_signing_key(self, *arguments: Any) -> str:
            with database.transaction() as tx:
                store.insert(tx, context, 1, KmsKey("0x" + "9" * 40, "arn:raced"), NOW)
            return super().new_signing_key(*arguments)

    before = key_count(kms_client)
    with pytest.raises(InfrastructureError) as caught:
        create_kms_signer(database, Overtaken(kms_client), "alice", 1, owner=OWNER, clock=clock)

    arns = [each["KeyArn"] for each in kms_client.list_keys(Limit=1000)["Keys"]]
    assert key_count(kms_client) == before + 1
    assert [arn for arn in arns if arn in str(caught.value)] != []
    assert "schedule its deletion" in str(caught.value)


def test_opening_a_signer_of_kms_asks_kms_for_nothing(
    make: Make, database: Database, kms: Kms, calls: list[str]
) -> None:
    made = make()
    activate(database, made.signer_id)
    calls.clear()

    opened = Keyring(database, kms).active("alice")

    assert opened is not None
    assert isinstance(opened.key, KmsSigner)
    assert (opened.signer_id, opened.key.address) == (made.signer_id, made.address)
    assert calls == []


def test_a_kms_that_signs_something_else_than_the_digest_is_found_out(
    make: Make, database: Database, kms: Kms
) -> None:
    made = make()
    activate(database, made.signer_id)
    opened = Keyring(database, kms).active("alice")

    assert opened is not None
    with pytest.raises(BugError, match=f"signer {made.signer_id}: .* not of the key of {made.address}"):
        opened.key.sign_digest(DIGEST)


@pytest.mark.parametrize("first", list(Custody))
def test_custody_changes_with_the_slot_and_nonces_go_on_from_each_signer_s_row(
    make: Make, database: Database, kms: Kms, first: Custody
) -> None:
    (second,) = set(Custody) - {first}
    keyring = Keyring(database, kms)
    old, new = make(slot=1, custody=first), make(slot=2, custody=second)
    activate(database, old.signer_id)
    before = keyring.active("alice")
    activate(database, new.signer_id)
    after = keyring.active("alice")

    assert before is not None
    assert after is not None
    assert (before.key.address, after.key.address) == (old.address, new.address)
    assert {name: each.status.value for name, each in records(database).items()} == {
        old.signer_id: "DRAINING",
        new.signer_id: "ACTIVE",
    }
    with database.transaction() as tx:
        taken = [keyring.next_nonce(tx, new.signer_id, now=NOW) for _ in range(2)]
    assert taken == [to_milliseconds(NOW), to_milliseconds(NOW) + 1]


def test_what_was_opened_is_kept_until_its_row_changes(make: Make, database: Database, kms: Kms) -> None:
    made = make()
    activate(database, made.signer_id)
    keyring = Keyring(database, kms)
    opened = keyring.active("alice")

    kept = keyring.active("alice")
    with database.transaction() as tx:
        tx.execute("update signers set key_arn = 'arn:aws:kms:us-east-1:123456789012:key/other'")
    changed = keyring.active("alice")

    assert opened is not None
    assert kept is not None
    assert changed is not None
    assert opened.key is kept.key
    assert changed.key is not opened.key


def test_a_revoked_signer_of_kms_signs_nothing_from_the_next_request_on(
    make: Make, database: Database, kms: Kms, calls: list[str]
) -> None:
    made = make()
    activate(database, made.signer_id)
    keyring = Keyring(database, kms)
    keyring.active("alice")
    with database.transaction() as tx:
        revoke_signer(tx, made.signer_id, now=NOW)
    calls.clear()

    assert keyring.active("alice") is None
    with pytest.raises(BugError, match="revoked"):
        open_signer(kms, records(database)[made.signer_id])
    assert calls == []


def test_f27_no_address_with_a_capital_letter_is_stored(
    make: Make, database: Database, add_account: Callable[..., str]
) -> None:
    add_account("bob")
    context = SealContext(account="bob", signer="bob-signer-1", venue="hyperliquid", version=1)

    with pytest.raises(Exception, match="signers_address_check"), database.transaction() as tx:
        store.insert(tx, context, 1, KmsKey("0x" + "A" * 40, "arn:aws:kms"), NOW)


@pytest.mark.parametrize("name", ["", "KMS", "Envelope", "hsm", None, 1, ["kms"]])
def test_a_custody_that_is_none_of_the_two_is_refused(name: object) -> None:
    with pytest.raises(ConfigurationError, match="use envelope or kms"):
        custody_named(name)
