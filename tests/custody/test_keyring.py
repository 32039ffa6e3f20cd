"""Signers in the database: made, activated, drained, revoked, opened, numbered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outcry.custody import store
from outcry.custody.approval import LISTED, Standing, Verdict
from outcry.custody.envelope import SealContext, SealedKey, create
from outcry.custody.keyring import (
    CreatedSigner,
    Keyring,
    activate_signer,
    create_signer,
    open_signer,
    revoke_signer,
    signers_of,
)
from outcry.custody.kms import Kms
from outcry.custody.record import SignerRecord, SignerStatus
from outcry.runtime.clock import FixedClock, to_milliseconds
from outcry.runtime.database import Address, Database, UniqueViolation
from outcry.runtime.errors import BugError, ConfigurationError, InfrastructureError

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
CONFIRMED = Verdict(Standing.NAMED, None, LISTED, "it is approved")
Make = Callable[..., CreatedSigner]


@pytest.fixture
def make(
    database: Database, kms: Kms, key_arn: str, clock: FixedClock, add_account: Callable[..., str]
) -> Make:
    """Makes a signer, and its account where that is new."""
    known: set[str] = set()

    def made(account_id: str = "alice", slot: int = 1, **how: Any) -> CreatedSigner:
        if account_id not in known:
            known.add(add_account(account_id))
        return create_signer(database, kms, account_id, slot, key_arn=key_arn, clock=clock, **how)

    return made


def activate(database: Database, signer_id: str, valid_until: datetime | None = None) -> None:
    with database.transaction() as tx:
        activate_signer(tx, signer_id, replace(CONFIRMED, until=valid_until), now=NOW)


def revoke(database: Database, signer_id: str) -> bool:
    with database.transaction() as tx:
        return revoke_signer(tx, signer_id, now=NOW)


def records(database: Database, account_id: str = "alice") -> dict[str, SignerRecord]:
    with database.transaction() as tx:
        return {record.signer_id: record for record in signers_of(tx, account_id)}


# ─── made ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_signer_is_made_with_an_address_and_waits_for_its_approval(
    make: Make, database: Database, calls: list[str]
) -> None:
    made = make()

    (record,) = records(database).values()
    assert (made.signer_id, made.account_id, made.slot, made.version) == ("alice-signer-1", "alice", 1, 1)
    assert (made.venue, made.network) == ("hyperliquid", "local")
    assert record.address == made.address == made.address.lower()
    assert (record.status, record.valid_until, record.created_at) == (SignerStatus.CREATED, None, NOW)
    assert calls == ["GenerateDataKey"]


def test_each_signer_of_an_account_has_its_own_version_and_address(make: Make, database: Database) -> None:
    first, second = make(slot=1), make(slot=2)
    revoke(database, first.signer_id)
    third = make(slot=1)

    assert [made.version for made in (first, second, third)] == [1, 2, 3]
    assert len({made.address for made in (first, second, third)}) == 3
    assert list(records(database)) == ["alice-signer-1", "alice-signer-2", "alice-signer-3"]


@pytest.mark.parametrize("slot", [0, 3, -1])
def test_there_are_two_slots(make: Make, slot: int) -> None:
    with pytest.raises(ConfigurationError, match="slot"):
        make(slot=slot)


def test_a_taken_slot_names_who_holds_it(make: Make) -> None:
    make()

    with pytest.raises(ConfigurationError, match="alice-signer-1"):
        make()


def test_an_account_that_is_unknown_or_on_paper_gets_no_signer(
    database: Database,
    kms: Kms,
    key_arn: str,
    clock: FixedClock,
    add_account: Callable[..., str],
    calls: list[str],
) -> None:
    add_account("papa", venue="paper", network="paper")

    for account_id in ("nobody", "papa"):
        with pytest.raises(ConfigurationError, match=account_id):
            create_signer(database, kms, account_id, 1, key_arn=key_arn, clock=clock)

    assert calls == []


def test_a_long_account_name_gives_a_signer_id_that_fits_and_stays_apart(make: Make) -> None:
    one, other = make("a" * 62 + "b"), make("a" * 62 + "c")

    assert len(one.signer_id) == len(other.signer_id) == 63
    assert one.signer_id != other.signer_id


def test_the_same_key_twice_is_not_stored_because_an_address_is_never_used_twice(
    make: Make, database: Database
) -> None:
    known = b"\x11" * 32
    first = make("alice", random_bytes=lambda size: known[:size])
    revoke(database, first.signer_id)

    with pytest.raises(InfrastructureError, match="signers_address_key"):
        make("alice", random_bytes=lambda size: known[:size])
    with pytest.raises(InfrastructureError, match="signers_address_key"):
        make("bob", random_bytes=lambda size: known[:size])


def test_two_that_make_a_signer_at_once_make_one(
    make: Make, database: Database, kms: Kms, key_arn: str
) -> None:
    make("alice", slot=2)
    context = SealContext(account="alice", signer="raced", venue="hyperliquid", version=1)
    sealed = create(kms, key_arn, context, lambda size: b"\x23" * size)

    with pytest.raises(UniqueViolation), database.transaction() as tx:
        store.insert(tx, context, 1, sealed, NOW)


# ─── activated and revoked ──────────────────────────────────────────────────────────────────────────────────


def test_activating_a_new_signer_drains_the_one_before_it(make: Make, database: Database) -> None:
    old, new, other = make(slot=1), make(slot=2), make("bob")
    until = NOW + timedelta(days=90)
    activate(database, other.signer_id)
    activate(database, old.signer_id)

    activate(database, new.signer_id, until)

    found = records(database)
    assert found[old.signer_id].status is SignerStatus.DRAINING
    assert (found[new.signer_id].status, found[new.signer_id].valid_until) == (SignerStatus.ACTIVE, until)
    assert records(database, "bob")[other.signer_id].status is SignerStatus.ACTIVE


def test_activating_again_renews_the_approval_and_nothing_else(make: Make, database: Database) -> None:
    made = make()
    activate(database, made.signer_id)

    activate(database, made.signer_id, NOW + timedelta(days=180))

    record = records(database)[made.signer_id]
    assert (record.status, record.valid_until) == (SignerStatus.ACTIVE, NOW + timedelta(days=180))


def test_a_signer_that_was_drained_or_revoked_never_signs_again(make: Make, database: Database) -> None:
    old, new = make(slot=1), make(slot=2)
    activate(database, old.signer_id)
    activate(database, new.signer_id)

    for signer_id in (old.signer_id, "nobody"):
        with pytest.raises(ConfigurationError, match=signer_id):
            activate(database, signer_id)
    assert revoke(database, new.signer_id)
    assert not revoke(database, new.signer_id)
    with pytest.raises(ConfigurationError, match=new.signer_id):
        activate(database, new.signer_id)
    assert records(database)[old.signer_id].status is SignerStatus.DRAINING


# ─── opened ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_active_signer_opens_and_signs(make: Make, database: Database, kms: Kms) -> None:
    made = make()
    activate(database, made.signer_id)

    opened = Keyring(database, kms).active("alice")

    assert opened is not None
    assert (opened.signer_id, opened.key.address) == (made.signer_id, made.address)
    assert opened.key.sign_digest(b"\x01" * 32).v in (27, 28)


def test_no_signer_is_active_before_its_approval(make: Make, database: Database, kms: Kms) -> None:
    make()

    assert Keyring(database, kms).active("alice") is None
    assert Keyring(database, kms).active("nobody") is None


def test_an_opened_key_is_kept_until_it_is_forgotten_replaced_or_revoked(
    make: Make, database: Database, kms: Kms, calls: list[str]
) -> None:
    keyring, first, second = Keyring(database, kms), make(slot=1), make(slot=2)
    activate(database, first.signer_id)
    calls.clear()

    kept = [keyring.active("alice"), keyring.active("alice")]
    keyring.forget("alice")
    keyring.forget("alice")
    again = keyring.active("alice")
    activate(database, second.signer_id)
    replaced = keyring.active("alice")
    revoke(database, second.signer_id)

    assert kept[0] is not None
    assert kept[1] is not None
    assert kept[0].key is kept[1].key
    assert again is not None
    assert replaced is not None
    assert (again.signer_id, replaced.signer_id) == (first.signer_id, second.signer_id)
    assert calls == ["Decrypt"] * 3
    assert keyring.active("alice") is None


def test_f23_an_envelope_moved_to_another_row_does_not_open_and_the_row_is_named(
    make: Make, database: Database, kms: Kms
) -> None:
    alice, bob = make("alice"), make("bob")
    activate(database, bob.signer_id)
    with database.transaction() as tx:
        tx.execute(
            """
            update signers set (wrapped_key, seal_nonce, sealed_key, key_arn) =
                   (select wrapped_key, seal_nonce, sealed_key, key_arn from signers where signer_id = :a)
             where signer_id = :b
            """,
            a=alice.signer_id,
            b=bob.signer_id,
        )

    with pytest.raises(BugError, match=bob.signer_id) as caught:
        Keyring(database, kms).active("bob")

    assert alice.signer_id not in str(caught.value)


def test_f26_an_account_is_never_given_the_signer_of_another(
    make: Make, database: Database, kms: Kms
) -> None:
    alice, bob = make("alice"), make("bob")
    activate(database, alice.signer_id)
    activate(database, bob.signer_id)
    keyring = Keyring(database, kms)

    opened = {account: keyring.active(account) for account in ("alice", "bob")}

    assert {account: found.key.address for account, found in opened.items() if found} == {
        "alice": alice.address,
        "bob": bob.address,
    }


def test_a_revoked_signer_stays_closed(make: Make, database: Database, kms: Kms) -> None:
    made = make()
    revoke(database, made.signer_id)

    with pytest.raises(BugError, match=made.signer_id):
        open_signer(kms, records(database)[made.signer_id])


def test_a_draining_signer_is_found_by_its_id_and_still_opens(
    make: Make, database: Database, kms: Kms
) -> None:
    old, new = make(slot=1), make(slot=2)
    activate(database, old.signer_id)
    activate(database, new.signer_id)

    with database.transaction() as tx:
        record, missing = store.by_id(tx, old.signer_id), store.by_id(tx, "nobody")

    assert record is not None
    assert open_signer(kms, record).key.address == old.address
    assert missing is None


def test_f25_no_record_of_a_signer_shows_its_bytes(make: Make, database: Database, kms: Kms) -> None:
    made = make()
    activate(database, made.signer_id)
    record = records(database)[made.signer_id]
    opened = Keyring(database, kms).active("alice")

    text = f"{record!r} {record} {made!r} {opened!r} {opened}"

    assert isinstance(record.key, SealedKey)
    for content in (record.key.wrapped_key, record.key.sealed_key, record.key.seal_nonce):
        assert content.hex() not in text
        assert repr(content) not in text


# ─── numbered ───────────────────────────────────────────────────────────────────────────────────────────────


def take(database: Database, signer_id: str, now: datetime, kms: Kms) -> int:
    with database.transaction() as tx:
        return Keyring(database, kms).next_nonce(tx, signer_id, now=now)


def test_f48_nonces_follow_the_clock_and_rise_within_one_millisecond(
    make: Make, database: Database, kms: Kms
) -> None:
    made = make()

    nonces = [take(database, made.signer_id, NOW, kms) for _ in range(3)]
    later = take(database, made.signer_id, NOW + timedelta(seconds=1), kms)
    back = take(database, made.signer_id, NOW - timedelta(hours=1), kms)

    start = to_milliseconds(NOW)
    assert nonces == [start, start + 1, start + 2]
    assert later == start + 1000
    assert back == later + 1


def test_f47_a_process_that_starts_anew_goes_on_from_the_last_nonce_of_all(
    make: Make, database: Database, database_url: str, kms: Kms
) -> None:
    made = make()
    last = max(take(database, made.signer_id, NOW, kms) for _ in range(5))

    anew = Database(Address.from_url(database_url), network="local")
    try:
        first = take(anew, made.signer_id, NOW - timedelta(seconds=2), kms)
    finally:
        anew.close()

    assert first == last + 1


def test_f48_many_at_once_never_get_the_same_nonce(
    make: Make, database: Database, database_url: str, kms: Kms
) -> None:
    made = make()

    def work(_: int) -> list[int]:
        connection = Database(Address.from_url(database_url), network="local")
        try:
            return [take(connection, made.signer_id, NOW, kms) for _ in range(25)]
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=6) as pool:
        taken = [nonce for nonces in pool.map(work, range(6), timeout=60) for nonce in nonces]

    assert sorted(taken) == list(range(to_milliseconds(NOW), to_milliseconds(NOW) + 150))


def test_f48_each_signer_counts_for_itself_and_a_rolled_back_nonce_is_given_again(
    make: Make, database: Database, kms: Kms
) -> None:
    one, other = make("alice"), make("bob")
    first = take(database, one.signer_id, NOW, kms)
    keyring = Keyring(database, kms)

    def lose_one() -> None:
        with database.transaction() as tx:
            keyring.next_nonce(tx, one.signer_id, now=NOW)
            raise RuntimeError("the request was not stored")

    with pytest.raises(RuntimeError, match="not stored"):
        lose_one()

    assert take(database, other.signer_id, NOW, kms) == first
    assert take(database, one.signer_id, NOW, kms) == first + 1


def test_an_unknown_or_revoked_signer_gets_no_nonce(make: Make, database: Database, kms: Kms) -> None:
    made = make()
    revoke(database, made.signer_id)

    for signer_id in (made.signer_id, "nobody"):
        with pytest.raises(BugError, match=signer_id):
            take(database, signer_id, NOW, kms)
