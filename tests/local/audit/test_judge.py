"""The judge as a whole: silent where all is right, and it says on how much that rests."""

from local.audit.judge import judge
from local.audit.verdict import Facts, Invariant
from tests.local.audit.hand_made import END_MS, LEDGER, facts


def test_a_run_in_which_all_is_right_has_no_violation() -> None:
    verdict = judge(facts())

    assert verdict.violations == ()
    assert [each.invariant for each in verdict.judgements] == list(Invariant)


def test_each_invariant_counts_what_it_was_judged_on() -> None:
    looked_at = judge(facts()).looked_at

    assert looked_at == {
        Invariant.FILL_SETS: 2,
        Invariant.SIZES: 3,
        Invariant.PROTECTION: 1,
        Invariant.NONCES: 6,
        Invariant.CAPS: 1,
        Invariant.PAUSES: 1,
        Invariant.EXITS: 1,
        Invariant.LATENESS: 1,
        Invariant.PROFITS: 2,
        Invariant.FOREIGN: 3,
        Invariant.POISON: 5,
    }


def test_what_nothing_could_have_violated_is_named_as_proving_nothing() -> None:
    nothing = Facts((), type(LEDGER)(frozenset()), END_MS)

    verdict = judge(nothing)

    assert verdict.vacuous == tuple(Invariant)
    assert verdict.violations == ()
