"""The judge of a run: every invariant over the venue's journal and the ledger's rows. Pure.

Promises: one judgement an invariant, always the same ones in the same order; the same facts give the same verdict.
"""

from collections.abc import Callable, Mapping

from local.audit.invariants.caps import caps
from local.audit.invariants.fill_sets import fill_sets
from local.audit.invariants.foreign import foreign
from local.audit.invariants.lateness import lateness
from local.audit.invariants.nonces import nonces
from local.audit.invariants.obligations import exits
from local.audit.invariants.pauses import pauses
from local.audit.invariants.poison import poison
from local.audit.invariants.profits import profits
from local.audit.invariants.protection import protection
from local.audit.invariants.sizes import sizes
from local.audit.verdict import Facts, Invariant, Judgement, Verdict

JUDGES: Mapping[Invariant, Callable[[Facts], Judgement]] = {
    Invariant.FILL_SETS: fill_sets,
    Invariant.SIZES: sizes,
    Invariant.PROTECTION: protection,
    Invariant.NONCES: nonces,
    Invariant.CAPS: caps,
    Invariant.PAUSES: pauses,
    Invariant.EXITS: exits,
    Invariant.LATENESS: lateness,
    Invariant.PROFITS: profits,
    Invariant.FOREIGN: foreign,
    Invariant.POISON: poison,
}


def judge(facts: Facts) -> Verdict:
    """What every invariant says of the run."""
    return Verdict(tuple(each(facts) for each in JUDGES.values()))
