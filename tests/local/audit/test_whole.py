"""The demo's audit: its five figures and the violations of the invariants come from the same facts."""

import json
from pathlib import Path

import pytest

from local.audit.whole import audit
from outcry.runtime.database import Database

AT_MS = 1_795_348_800_000


@pytest.fixture
def journal(tmp_path: Path, database: Database) -> Path:
    """A venue at which an account of the desk bought something that the ledger has never heard of."""
    with database.transaction() as tx:
        tx.execute(
            """
            insert into accounts (account_id, venue, network, address, created_at, updated_at)
            values ('live', 'hyperliquid', 'local', :address, now(), now())
            """,
            address="0x" + "a" * 40,
        )
    fill = {
        "seq": 1,
        "time_ms": AT_MS,
        "kind": "fill",
        "user": "0x" + "a" * 40,
        "coin": "BTC",
        "side": "B",
        "sz": "1",
    }
    fill |= {"px": "60000", "oid": 1, "cloid": None, "tid": 7, "fee": "1", "closed_pnl": "0", "by": "signed"}
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(fill) + "\n")
    return path


def test_a_run_is_clean_only_where_no_invariant_is_violated(database: Database, journal: Path) -> None:
    checks = audit(database, journal, until_ms=AT_MS + 120_000)

    assert not checks.are_clean
    assert checks.invariants == 11
    assert checks.judged > 0
    assert any(each.startswith("FILL_SETS: fill 7 of 1 in BTC") for each in checks.violations)
    assert any(each.startswith("PROTECTION: BTC") for each in checks.violations)
