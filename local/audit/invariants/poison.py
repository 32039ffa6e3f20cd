"""What cannot go on is set aside with its reason, and everything else goes on. Pure.

Judged at the end of a run: a row that waits is held by somebody, or due not long since, or waits for a later time, or rests at
the venue; one that was set aside says why.
"""

from collections.abc import Iterator

from local.audit.invariants.words import when
from local.audit.model import LedgerWaiting
from local.audit.verdict import Facts, Invariant, Judgement

_WOKEN_BY_THE_VENUE = frozenset({"RESTING"})


def poison(facts: Facts) -> Judgement:
    """Judged on every claimable row: one that is done went on, whatever was set aside beside it."""
    found = tuple(what for row in facts.ledger.waiting for what in _judge(facts, row))
    return Judgement(Invariant.POISON, facts.ledger.claimable_rows, found)


def _judge(facts: Facts, row: LedgerWaiting) -> Iterator[str]:
    name = f"{row.table} {row.key} ({row.status})"
    if row.quarantined_ms is not None:
        if not row.last_error:
            yield f"{name} was set aside at {when(row.quarantined_ms)} without a reason"
        return
    if row.claimed_until_ms is not None and row.claimed_until_ms > facts.until_ms:
        return
    if row.due_ms is None:
        if row.is_unfinished and row.status not in _WOKEN_BY_THE_VENUE and facts.is_settled:
            yield f"{name} is unfinished, and nothing will ever ring for it"
    elif row.due_ms < facts.until_ms - facts.bounds.overdue_ms:
        why = f", last error: {row.last_error}" if row.last_error else ""
        yield f"{name} is due since {when(row.due_ms)} after {row.attempts} attempts and was not set aside{why}"
