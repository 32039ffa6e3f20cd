"""The schema's own rules: what the database refuses, whichever code asks."""

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pg8000.exceptions
import pytest

from local.postgres import Postgres
from outcry.runtime.database import Address, Database, Transaction, UniqueViolation
from outcry.runtime.leases import CALLS, NOTICES, ORDERS, POSTS, Claimable

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ADDRESS = "0x" + "ab" * 20
AGENT = {"agent_id": "runner", "name": "Runner", "strategy": "{}", "created_at": NOON, "updated_at": NOON}
ACCOUNT = {
    "account_id": "live",
    "venue": "hyperliquid",
    "network": "local",
    "address": ADDRESS,
    "created_at": NOON,
    "updated_at": NOON,
}
DEPLOYMENT = {
    "deployment_id": "runner-live",
    "agent_id": "runner",
    "account_id": "live",
    "created_at": NOON,
    "updated_at": NOON,
}
AUTHOR = {"author_id": 11, "username": "caller", "created_at": NOON, "updated_at": NOON}
POST = {
    "post_id": 101,
    "edit_id": 101,
    "author_id": 11,
    "text": "LONG BTC",
    "kind": "original",
    "created_at": NOON,
    "received_at": NOON,
    "source": "poll",
    "raw": "{}",
    "trace_id": "t",
}
CALL = {
    "post_id": 101,
    "author_id": 11,
    "token": "BTC",
    "token_as_written": "$BTC",
    "side": "LONG",
    "action": "OPEN",
    "conviction": Decimal("0.8"),
    "evidence": "LONG BTC",
    "classifier": "grammar",
    "heard_at": NOON,
    "trace_id": "t",
}
SIGNAL = {
    "agent_id": "runner",
    "call_id": 1,
    "post_ids": [101],
    "token": "BTC",
    "side": "LONG",
    "action": "OPEN",
    "status": "TAKEN",
    "breakdown": "{}",
    "decided_at": NOON,
    "trace_id": "t",
}
PLACE = {
    "deployment_id": "runner-live",
    "account_id": "live",
    "venue": "hyperliquid",
    "network": "local",
    "position_key": "BTC",
    "market": "BTC",
    "side": "LONG",
    "created_at": NOON,
    "updated_at": NOON,
    "trace_id": "t",
}
POSITION = {
    **PLACE,
    "position_id": "00000000-0000-0000-0000-000000000001",
    "origin": "SIGNAL",
    "status": "OPEN",
    "rules": "{}",
}
ORDER = {
    **PLACE,
    "order_id": "00000000-0000-0000-0000-000000000002",
    "kind": "enter",
    "subject": "1",
    "leg": "entry",
    "sequence": 0,
    "status": "PLANNED",
    "plan": "{}",
    "reduce_only": False,
}
ACTION = {
    "order_id": ORDER["order_id"],
    "attempt": 0,
    "kind": "place",
    "status": "PREPARED",
    "signer_address": ADDRESS,
    "nonce": 1,
    "payload": "{}",
    "cloid": "0x01",
    "prepared_at": NOON,
}
FILL = {
    "account_id": "live",
    "venue": "hyperliquid",
    "network": "local",
    "fill_id": "1",
    "market": "BTC",
    "position_key": "BTC",
    "is_buy": True,
    "price": Decimal(60_000),
    "size": Decimal("0.1"),
    "fee_usd": Decimal("0.5"),
    "filled_at": NOON,
    "recorded_at": NOON,
}
NOTICE = {
    "level": "info",
    "topic": "t",
    "subject": "s",
    "text": "x",
    "dedupe_key": "once",
    "created_at": NOON,
}
# what stands before each test, in the order in which it can be made
STANDING: list[tuple[str, dict[str, Any]]] = [
    *(("authors", AUTHOR), ("agents", AGENT), ("accounts", ACCOUNT), ("deployments", DEPLOYMENT)),
    *(("posts", POST), ("calls", CALL), ("signals", SIGNAL), ("positions", POSITION), ("orders", ORDER)),
    *(("actions", ACTION), ("fills", FILL), ("notices", NOTICE)),
]

Add = Callable[..., None]


def insert(tx: Transaction, table: str, row: dict[str, Any]) -> None:
    """Insert a row whose text is given to each column's own type."""
    types = {
        found["column_name"]: found["type"]
        for found in tx.all(
            """
            select a.attname as column_name, format_type(a.atttypid, a.atttypmod) as type
              from pg_attribute a where a.attrelid = cast(:table as regclass) and a.attnum > 0
            """,
            table=table,
        )
    }
    values = ", ".join(f"cast(:{name} as {types[name]})" for name in row)
    tx.execute(f"insert into {table} ({', '.join(row)}) values ({values})", **row)


class Undone(Exception):
    """Ends a test's transaction: nothing of it is kept."""


@pytest.fixture(scope="module")
def desk(postgres: Postgres, migrated_template: str) -> Iterator[Database]:
    """A desk at work with one row of everything, which each test finds as it was made."""
    address = Address.from_url(postgres.create_database("constraints", template=migrated_template))
    database = Database(address, network="local")
    with database.transaction() as tx:
        for table, row in STANDING:
            insert(tx, table, row)
    yield database
    database.close()
    postgres.drop_database("constraints")


@pytest.fixture
def add(desk: Database) -> Iterator[Add]:
    """Adds a changed copy of a row to the desk; what was refused leaves the rest of the test as it was."""
    rows = dict(STANDING)
    with contextlib.suppress(Undone), desk.transaction() as tx:

        def adding(table: str, **changes: Any) -> None:
            tx.script("savepoint before")
            try:
                insert(tx, table, {**rows.get(table, {}), **changes})
            except Exception:
                tx.script("rollback to savepoint before")
                raise

        yield adding
        raise Undone


NEW_ORDER = {"order_id": "00000000-0000-0000-0000-00000000000a"}
NEW_POSITION = {"position_id": "00000000-0000-0000-0000-00000000000b"}
ELSEWHERE = {**NEW_POSITION, "position_key": "ETH"}
EXIT = {**NEW_ORDER, "kind": "exit", "leg": "exit", "reduce_only": True}


# ─── one of each ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["OPENING", "OPEN", "CLOSING", "CLOSE_PENDING", "UNMANAGED"])
def test_f8_a_place_holds_one_owned_position(add: Add, status: str) -> None:
    with pytest.raises(UniqueViolation) as refused:
        add("positions", **NEW_POSITION, status=status)

    assert refused.value.constraint == "one_owned_position_per_place"


@pytest.mark.parametrize(
    "change",
    [
        *({"status": "CLOSED"}, {"status": "ABANDONED"}, {"position_key": "ETH"}, {"venue": "gmx"}),
        {"is_owned": False, "origin": "DISCOVERED", "deployment_id": None},
    ],
)
def test_a_position_that_is_gone_elsewhere_or_not_ours_takes_no_place(
    add: Add, change: dict[str, Any]
) -> None:
    add("positions", **{**NEW_POSITION, **change})


@pytest.mark.parametrize(
    ("table", "change", "constraint"),
    [
        ("orders", NEW_ORDER, "orders_deployment_id_kind_subject_leg_sequence_key"),
        ("calls", {"side": "SHORT"}, "calls_post_id_token_action_key"),
        ("signals", {"token": "ETH"}, "signals_agent_id_call_id_key"),
        ("actions", {"nonce": 2, "cloid": "0x02"}, "actions_order_id_attempt_kind_key"),
        ("actions", {"attempt": 1, "cloid": "0x02"}, "one_request_per_nonce"),
        ("actions", {"attempt": 1, "nonce": 2}, "one_action_per_cloid"),
        ("fills", {"price": Decimal(1)}, "fills_account_id_venue_fill_id_key"),
        ("deployments", {"deployment_id": "again"}, "deployments_agent_id_account_id_key"),
        ("accounts", {"account_id": "again"}, "accounts_venue_network_address_key"),
        ("notices", {"text": "again"}, "notices_dedupe_key_key"),
        ("posts", {"text": "again"}, "posts_pkey"),
    ],
)
def test_f1_f2_nothing_is_made_twice_and_the_rule_says_its_name(
    add: Add, table: str, change: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(UniqueViolation) as refused:
        add(table, **change)

    assert refused.value.constraint == constraint


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("orders", {**NEW_ORDER, "sequence": 1}),
        ("orders", {**NEW_ORDER, "subject": "2"}),
        ("calls", {"action": "CLOSE"}),
        ("calls", {"token": "ETH"}),
        ("actions", {"nonce": 2, "kind": "cancel"}),
        ("actions", {"nonce": 2, "attempt": 1, "cloid": "0x02"}),
        ("fills", {"fill_id": "2"}),
    ],
)
def test_f7_what_differs_in_its_key_is_another_one(add: Add, table: str, change: dict[str, Any]) -> None:
    add(table, **change)


def test_f3_a_position_has_one_open_exit_and_after_it_another(add: Add) -> None:
    position = {"position_id": POSITION["position_id"]}
    add("orders", **EXIT, **position)

    with pytest.raises(UniqueViolation) as refused:
        add("orders", **{**EXIT, **position, "order_id": NEW_POSITION["position_id"], "sequence": 1})

    assert refused.value.constraint == "one_open_exit_per_position"
    done = {"sequence": 1, "status": "CANCELLED", "finished_at": NOON}
    add("orders", **{**EXIT, **position, "order_id": NEW_POSITION["position_id"], **done})


# ─── values ─────────────────────────────────────────────────────────────────────────────────────────────────

REFUSED: list[tuple[str, dict[str, Any]]] = [
    # words that nobody knows
    ("orders", {**NEW_ORDER, "sequence": 1, "status": "SIDEWAYS"}),
    ("orders", {**NEW_ORDER, "sequence": 1, "kind": "swap", "reduce_only": True}),
    ("positions", {**ELSEWHERE, "status": "LOST"}),
    ("positions", {**ELSEWHERE, "side": "BOTH"}),
    ("positions", {**ELSEWHERE, "origin": "DREAM"}),
    ("actions", {"attempt": 1, "nonce": 2, "cloid": "0x02", "status": "DONE", "signed": "x"}),
    ("calls", {"token": "ETH", "action": "HOLD"}),
    ("accounts", {"account_id": "x", "address": "0x" + "cd" * 20, "network": "mainet"}),
    ("accounts", {"account_id": "x", "address": "0x" + "cd" * 20, "foreign_policy": "sell"}),
    ("posts", {"post_id": 102, "kind": "dream"}),
    ("notices", {"dedupe_key": "x", "level": "loud"}),
    # fractions
    ("calls", {"token": "ETH", "conviction": Decimal("1.01")}),
    ("calls", {"token": "ETH", "conviction": Decimal("-0.01")}),
    ("calls", {"token": "ETH", "conviction": Decimal("NaN")}),
    ("signals", {"agent_id": "other", "score": Decimal("1.5")}),
    # money that is none
    ("fills", {"fill_id": "2", "price": Decimal("NaN")}),
    ("fills", {"fill_id": "2", "price": Decimal(0)}),
    ("fills", {"fill_id": "2", "size": Decimal(-1)}),
    ("fills", {"fill_id": "2", "size": Decimal("Infinity")}),
    ("fills", {"fill_id": "2", "fee_usd": Decimal("NaN")}),
    ("fills", {"fill_id": "2", "fee_usd": Decimal("-Infinity")}),
    ("positions", {**ELSEWHERE, "stop_price": Decimal("NaN")}),
    ("positions", {**ELSEWHERE, "realised_pnl_usd": Decimal("NaN")}),
    ("positions", {**ELSEWHERE, "size": Decimal(-1)}),
    ("orders", {**NEW_ORDER, "sequence": 1, "size": Decimal("NaN")}),
    ("orders", {**NEW_ORDER, "sequence": 1, "limit_price": Decimal(0)}),
    ("calls", {"token": "ETH", "targets": [Decimal(1), Decimal(0)]}),
    ("calls", {"token": "ETH", "entry_low": Decimal(2), "entry_high": Decimal(1)}),
    # orders
    ("orders", {**EXIT, "not_after": NOON}),
    ("orders", {**EXIT, "reduce_only": False}),
    ("orders", {**NEW_ORDER, "sequence": 1, "status": "SKIPPED", "finished_at": NOON}),
    ("orders", {**NEW_ORDER, "sequence": 1, "status": "FILLED"}),
    ("orders", {**NEW_ORDER, "sequence": 1, "finished_at": NOON}),
    ("orders", {**NEW_ORDER, "subject": ""}),
    ("orders", {**NEW_ORDER, "sequence": 1, "plan": "[]"}),
    ("orders", {**NEW_ORDER, "deployment_id": "nobody"}),
    ("actions", {"attempt": 1, "nonce": 2, "cloid": "0x02", "status": "SENT"}),
    ("actions", {"attempt": 1, "nonce": 0, "cloid": "0x02"}),
    # signals, positions, accounts
    ("signals", {"agent_id": "other", "status": "SKIPPED"}),
    ("signals", {"agent_id": "other", "reason": "PAUSED"}),
    ("positions", {**ELSEWHERE, "deployment_id": None}),
    ("accounts", {"account_id": "x", "network": "paper", "address": "0x" + "cd" * 20}),
    ("accounts", {"account_id": "x", "address": "0x" + "CD" * 20}),
    ("accounts", {"account_id": "x", "address": "0x12"}),
    ("accounts", {"account_id": "x", "address": "0x" + "cd" * 20, "paper_balance_usd": Decimal(1)}),
    ("accounts", {"account_id": "X y", "address": "0x" + "cd" * 20}),
]


@pytest.mark.parametrize(("table", "change"), REFUSED, ids=lambda value: json.dumps(value, default=str))
def test_f20_f42_a_value_that_cannot_be_is_refused(add: Add, table: str, change: dict[str, Any]) -> None:
    if change.get("agent_id") == "other":
        add("agents", agent_id="other")

    with pytest.raises(pg8000.exceptions.DatabaseError) as refused:
        add(table, **change)

    # a reference, or else a check or a word of an enum
    expected = {"23503"} if "nobody" in change.values() else {"23514", "22P02"}
    assert refused.value.args[0]["C"] in expected
    assert "Failing row" not in str(refused.value)  # it would show a post's text, or a sealed key, in a log


def test_f7_an_exit_without_an_end_is_taken(add: Add) -> None:
    add("orders", **EXIT)


def test_f39_a_discovered_position_belongs_to_no_deployment(add: Add) -> None:
    add("positions", **{**ELSEWHERE, "origin": "DISCOVERED", "deployment_id": None, "is_owned": False})


@pytest.mark.parametrize("what", [POSTS, CALLS, ORDERS, NOTICES], ids=lambda what: what.table)
def test_every_table_whose_rows_are_claimed_has_the_columns_for_it(desk: Database, what: Claimable) -> None:
    with desk.transaction() as tx:
        rows = tx.all(
            "select column_name as name, data_type as type from information_schema.columns where table_name = :table",
            table=what.table,
        )
    columns = {row["name"]: row["type"] for row in rows}

    assert {
        "claim_token": "uuid",
        "claimed_until": "timestamp with time zone",
        "attempts": "integer",
        "last_error": "text",
        "next_ring_at": "timestamp with time zone",
        "quarantined_at": "timestamp with time zone",
        what.key: what.key_type,
    }.items() <= columns.items()


@pytest.mark.parametrize("slot", [1, 2])
def test_a_signers_slot_is_held_by_one_key_until_it_is_revoked(add: Add, slot: int) -> None:
    def sign(number: int, status: str) -> None:
        add(
            "signers",
            signer_id=f"s{number}",
            account_id="live",
            slot=slot,
            version=number,
            custody="kms",
            address="0x" + f"{number:02x}" * 20,
            status=status,
            key_arn="arn:aws:kms:::key/x",
            created_at=NOON,
            updated_at=NOON,
        )

    sign(1, "ACTIVE")
    with pytest.raises(UniqueViolation, match="one_signer_per_slot"):
        sign(2, "CREATED")
    sign(3, "REVOKED")


def test_a_lock_ends_after_it_began(add: Add) -> None:
    lock = {"scope": "desk", "protection": "drawdown", "reason": "x", "locked_at": NOON}

    add("locks", **lock, locked_until=NOON + timedelta(seconds=1))
    with pytest.raises(pg8000.exceptions.DatabaseError):
        add("locks", **lock, locked_until=NOON)
