"""Each guard that is removed on purpose is noticed by the simulation, under a seed that was found and is kept."""

import pytest

from local.simulation import mutants
from local.simulation.jobs import results
from local.simulation.report import Result

GUARDS = {
    "claim",
    "stored-bytes",
    "nonce-row",
    "reduce-only",
    "protect-after-fill",
    "reservation",
    "fill-uniqueness",
    "in-flight",
}


def play(seed: int, mutant: str | None = None) -> Result:
    (result,) = results(seed, 1, mutant=mutant)
    return result


def test_there_is_a_mutant_for_each_of_the_eight_guards() -> None:
    assert set(mutants.NAMES) == GUARDS
    assert all(mutants.KILLED_BY.values())


@pytest.mark.parametrize("name", mutants.NAMES)
def test_a_guard_that_is_removed_is_noticed_by_a_seed_that_is_kept(name: str) -> None:
    killers = (play(seed, name) for seed in mutants.KILLED_BY[name])

    assert any(result.violations for result in killers)


@pytest.mark.parametrize(
    "seed", sorted({seed for seeds in mutants.KILLED_BY.values() for seed in seeds} - set(range(1, 13)))
)
def test_with_every_guard_in_its_place_the_same_seed_holds(seed: int) -> None:
    """Those from 1 to 12 are played by test_sim."""
    assert play(seed).violations == ()


def test_a_guard_that_is_not_there_any_more_cannot_be_removed() -> None:
    with pytest.raises(AssertionError, match="no gone to remove"):
        mutants.replaced(mutants, "gone", lambda: None)


def test_the_table_names_the_killer_and_says_how_many_survived(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def played(first: int, seeds: int, *, jobs: int, mutant: str | None = None) -> list[Result]:
        said = ("SIZES: a place is wrong",) if mutant != "in-flight" else ()
        return [Result(first, said, {}, {}, {}, 0.1, 1.0)]

    monkeypatch.setattr(mutants, "results", played)

    code = mutants.main(most=1, jobs=1)

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-1] == "mutants 8, survivors 1"
    assert any(line.startswith("in-flight") and "nobody" in line for line in lines)
