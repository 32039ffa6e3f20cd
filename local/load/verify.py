"""What a load run must have left: every order at its end or at rest, no nonce and no client id twice, and the audit's verdict on the rest.

Promises: the venue's journal and the rows are compared by `local.audit`, which shares no code with the ledger.
"""

from dataclasses import dataclass

from local.audit.judge import judge
from local.audit.store import read_facts, read_journal
from local.load import store
from local.load.stage import Stage
from outcry.runtime.clock import to_milliseconds


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a run: how much there was, and every fault in words."""

    orders: int
    requests: int
    signers: int
    by_end: dict[str, int]
    looked_at: int
    faults: tuple[str, ...]


def verify(stage: Stage) -> Account:
    """Compare what the ledger says with what it should, and with what the venue did."""
    now = stage.clock.now()
    with stage.database.transaction() as tx:
        counted = store.count_orders(tx)
        unfinished = store.unfinished(tx)
        left, used = store.left_over(tx, now=now), store.nonces(tx)
    checks = {
        "orders are lost: neither at their end nor at rest": unfinished,
        "claims lapsed over unfinished work": left["lapsed"],
        "orders were set aside": left["quarantined"],
        "fills were set aside": left["fills_quarantined"],
        "pages were told": left["pages"],
        "nonces were used twice": used["doubled"],
        "nonces lie beyond what their signer's row gave": used["beyond"],
        "client ids were used twice": used["doubled_cloids"],
    }
    events = read_journal(stage.journal)
    verdict = judge(read_facts(stage.database, events, until_ms=to_milliseconds(now)))
    faults = [f"{count} {what}" for what, count in checks.items() if count]
    by_end: dict[str, int] = {}
    for row in counted:
        end = f"{row['kind']} {row['status']}" + (
            f" {row['reason']}" if row["status"] in {"SKIPPED", "REJECTED", "EXPIRED"} else ""
        )
        by_end[end] = by_end.get(end, 0) + row["n"]
    return Account(
        orders=sum(by_end.values()),
        requests=used["requests"],
        signers=used["signers"],
        by_end=by_end,
        looked_at=sum(verdict.looked_at.values()),
        faults=(*faults, *verdict.violations),
    )
