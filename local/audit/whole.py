"""A whole run, judged: the demo's five figures, and every invariant beside them."""

from dataclasses import replace
from pathlib import Path

from local.audit.checks import check
from local.audit.judge import judge
from local.audit.model import Checks
from local.audit.store import read_facts, read_journal
from outcry.runtime.database import Database


def audit(database: Database, journal: Path, *, until_ms: int) -> Checks:
    """What the audit says of a run up to `until_ms` (Unix milliseconds), which may end in the middle of something."""
    events = read_journal(journal)
    facts = read_facts(database, events, until_ms=until_ms, is_settled=False)
    verdict = judge(facts)
    return replace(
        check(events, facts.ledger, until_ms=until_ms),
        invariants=len(verdict.judgements),
        judged=sum(verdict.looked_at.values()),
        violations=verdict.violations,
    )
