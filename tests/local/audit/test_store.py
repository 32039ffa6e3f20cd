"""The auditor reads the ledger whole: what was given up, set aside or shared with others is not left out."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.audit.checks import check
from local.audit.model import VenueEvent
from local.audit.store import events_of, read_facts, read_ledger
from local.hyperliquid.arrivals import digest
from outcry.runtime.database import Database

ME = "0x" + "a" * 40
BTC = (ME, "BTC")
ENTRY = "0x" + "1" * 32
FILLED_MS = 1_767_614_400_000
FILLED_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def disowned(database: Database) -> Database:
    """An order that says REJECTED, its position ABANDONED, and the fill of 0.064 BTC that it had all the same."""
    with database.transaction() as tx:
        tx.execute(
            """
            with agent as (
                insert into agents (agent_id, name, strategy, created_at, updated_at)
                values ('a1', 'One', '{}', :at, :at)
            ), account as (
                insert into accounts (account_id, venue, network, address, paper_balance_usd, created_at, updated_at)
                values ('live', 'hyperliquid', 'local', :address, null, :at, :at),
                       ('toy', 'paper', 'paper', 'toy', 1000, :at, :at)
            )
            insert into deployments (deployment_id, agent_id, account_id, created_at, updated_at)
            values ('d1', 'a1', 'live', :at, :at), ('d2', 'a1', 'toy', :at, :at)
            """,
            address=ME,
            at=FILLED_AT,
        )
        tx.execute(
            """
            insert into positions (deployment_id, account_id, venue, network, position_key, market, side, origin, status, size,
                                   rules, created_at, updated_at, trace_id)
            select deployment_id, account_id, venue, network, 'BTC', 'BTC', 'LONG', 'PERSON', status, size, '{}', :at, :at, 't'
              from accounts join deployments using (account_id)
              join (values ('live', 'ABANDONED', 0), ('toy', 'OPEN', 1)) as p (account_id, status, size) using (account_id)
            """,
            at=FILLED_AT,
        )
        tx.execute(
            """
            insert into orders (deployment_id, kind, subject, leg, sequence, account_id, venue, network, position_key, market, side,
                                position_id, status, plan, reduce_only, created_at, updated_at, finished_at, trace_id)
            select deployment_id, 'enter', 's', 'entry', 0, account_id, venue, network, market, market, side, position_id,
                   'REJECTED', '{}', false, :at, :at, :at, 't'
              from positions
            """,
            at=FILLED_AT,
        )
        tx.execute(
            """
            insert into actions (order_id, attempt, kind, status, signer_address, nonce, payload, cloid, signed, prepared_at)
            select order_id, 0, 'place', 'REFUSED', account_id, 1, '{}', :cloid, 'signed', :at from orders
             where account_id = 'live'
            """,
            cloid=ENTRY,
            at=FILLED_AT,
        )
        tx.execute(
            """
            insert into fills (account_id, venue, network, fill_id, order_id, position_id, market, position_key, is_buy, price,
                               size, fee_usd, filled_at, recorded_at)
            select account_id, venue, network, '7', order_id, position_id, market, market, true, 60000, 0.064, 1, :at, :at
              from orders
            """,
            at=FILLED_AT,
        )
    return database


def bought() -> VenueEvent:
    return VenueEvent(
        1,
        FILLED_MS,
        "fill",
        {
            "user": ME,
            "coin": "BTC",
            "side": "B",
            "px": "60000",
            "sz": "0.064",
            "oid": 1,
            "cloid": ENTRY,
            "tid": 7,
            "fee": "1",
            "closed_pnl": "0",
            "liquidation": False,
            "by": "signed",
        },
    )


def change(database: Database, sql: str) -> None:
    with database.transaction() as tx:
        tx.execute(sql)


def test_what_was_given_up_is_read_and_paper_is_not(disowned: Database) -> None:
    ledger = read_ledger(disowned)

    assert ledger.addresses == frozenset({ME})
    assert [(p.place, p.status, p.signed_size) for p in ledger.positions] == [(BTC, "ABANDONED", Decimal(0))]
    assert [(o.place, o.status) for o in ledger.orders] == [(BTC, "REJECTED")]
    assert [(f.fill_id, f.signed_size, f.time_ms) for f in ledger.fills] == [
        ("7", Decimal("0.064"), FILLED_MS)
    ]
    assert ledger.owned_fills() == []
    assert ledger.paper_positions == 1


def test_a_disowned_fill_is_found_in_the_rows_as_they_are(disowned: Database) -> None:
    checks = check([bought()], read_ledger(disowned), until_ms=FILLED_MS + 60_000)

    assert checks.venue_fills_without_order == 1
    assert checks.seconds_owned_without_venue_stop_max == 60.0
    assert checks.ledger_vs_venue_position_mismatch == Decimal("0.064")


def test_the_same_fill_is_clean_of_size_once_its_position_owns_it(disowned: Database) -> None:
    change(disowned, "update positions set status = 'OPEN', size = 0.064 where account_id = 'live'")

    checks = check([bought()], read_ledger(disowned), until_ms=FILLED_MS + 1_000)

    assert checks.are_clean


@pytest.mark.parametrize(
    ("of_fills", "difference"),
    [("position_id = null", "0.064"), ("quarantine = 'why'", "0.064"), ("our_size = 0.05", "0.014")],
)
def test_only_the_part_that_the_ledger_stands_by_counts(
    disowned: Database, of_fills: str, difference: str
) -> None:
    change(disowned, "update positions set status = 'OPEN', size = 0.064 where account_id = 'live'")
    change(disowned, f"update fills set {of_fills} where account_id = 'live'")

    checks = check([bought()], read_ledger(disowned), until_ms=FILLED_MS + 1_000)

    assert checks.ledger_vs_venue_position_mismatch == Decimal(difference)


def test_a_short_is_read_below_zero(disowned: Database) -> None:
    change(
        disowned, "update positions set side = 'SHORT', status = 'OPEN', size = 0.5 where account_id = 'live'"
    )

    assert [p.signed_size for p in read_ledger(disowned).positions] == [Decimal("-0.5")]


def test_the_rest_that_the_judge_looks_at_is_read_with_its_times_and_limits(disowned: Database) -> None:
    with disowned.transaction() as tx:
        tx.execute(
            """
            with bound as (update accounts set limits = '{"per_trade_usd": "50", "max_open_positions": 3}' where account_id = 'live'),
                 paused as (insert into controls (scope, mode, reason, set_by, set_at, lifted_at)
                            values ('desk', 'pause', 'why', 'me', :at, :at)),
                 told as (insert into notices (level, topic, subject, text, dedupe_key, created_at)
                          values ('page', 't', 's', 'x', 'unprotected:1', :at)),
                 paid as (insert into funding_payments (account_id, venue, market, paid_at, amount_usd, recorded_at)
                          values ('live', 'hyperliquid', 'BTC', :at, -0.25, :at)),
                 signed as (insert into signers (signer_id, account_id, slot, version, custody, address, status, key_arn, last_nonce,
                                                 created_at, updated_at)
                            values ('s1', 'live', 1, 1, 'kms', :address, 'ACTIVE', 'arn', 7, :at, :at)),
                 held as (update actions set sent_at = :at, signed = '{"nonce":1,"action":{}}')
            insert into reservations (order_id, account_id, deployment_id, agent_id, author_id, venue, market, position_id,
                                      notional_usd, margin_usd, risk_usd, reserved_at)
            select order_id, account_id, deployment_id, 'a1', null, venue, market, position_id, 50, 5, 1, :at
              from orders where account_id = 'live'
            """,
            at=FILLED_AT,
            address="0x" + "c" * 40,
        )

    ledger = read_ledger(disowned)

    agent_id, account_id, _ = ledger.desk.deployments["d1"]
    assert (agent_id, account_id, list(ledger.desk.accounts)) == ("a1", "live", ["live"])
    caps = ledger.desk.accounts["live"][1]
    assert (caps.usd, caps.open_positions) == ({"per_trade_usd": Decimal(50)}, 3)
    assert [(c.scope, c.set_ms, c.lifted_ms) for c in ledger.controls] == [("desk", FILLED_MS, FILLED_MS)]
    assert [(n.level, n.key, n.created_ms) for n in ledger.notices] == [("page", "unprotected:1", FILLED_MS)]
    assert [(p.place, p.amount_usd) for p in ledger.funding] == [(BTC, Decimal("-0.25"))]
    assert [(s.address, s.last_nonce) for s in ledger.signers] == [("0x" + "c" * 40, 7)]
    assert [(r.agent_id, r.notional_usd) for r in ledger.reservations] == [("a1", Decimal(50))]
    (request,) = ledger.requests
    assert (request.nonce, request.sent_ms, request.cloid) == (1, FILLED_MS, ENTRY)
    assert request.digest == digest({"action": {}, "nonce": 1})


def test_what_waits_and_what_was_set_aside_is_read_and_what_is_done_is_not(disowned: Database) -> None:
    change(
        disowned,
        "update orders set finished_at = null, status = 'PLANNED', next_ring_at = created_at where account_id = 'live'",
    )

    (row,) = read_ledger(disowned).waiting

    assert (row.table, row.status, row.is_unfinished, row.due_ms) == ("orders", "PLANNED", True, FILLED_MS)
    assert read_ledger(disowned).claimable_rows == 2


def test_a_journal_with_a_gap_proves_nothing() -> None:
    records = [{"seq": 1, "time_ms": 1, "kind": "reset"}, {"seq": 3, "time_ms": 1, "kind": "reset"}]

    with pytest.raises(ValueError, match="jumps from 1 to 3"):
        events_of(records)


def test_facts_end_where_they_are_asked_to(disowned: Database) -> None:
    facts = read_facts(disowned, [bought()], until_ms=FILLED_MS - 1)

    assert (facts.events, facts.until_ms, len(facts.ledger.orders)) == ((), FILLED_MS - 1, 1)
