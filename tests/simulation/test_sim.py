"""The simulation as a whole: seeds that hold, a plan that is its seed's alone, and a report that says on what it rests."""

from collections import Counter

import pytest

from local.hyperliquid.draws import KINDS
from local.simulation import command
from local.simulation.jobs import results
from local.simulation.plan import FEED_BEHIND, House, What, draw
from local.simulation.report import ALL_KINDS, Result, Summary, of_a_failure, of_all
from local.simulation.run import play
from local.simulation.scenarios import lost_reply
from local.simulation.world import Site

SEEDS = 12


def a_result(seed: int, *violations: str) -> Result:
    return Result(seed, violations, {"SIZES": 3}, {"reply_lost": 2}, {"runs": 1, "fills": 4}, 0.5, 20.0)


def test_seeds_hold_in_processes_of_their_own() -> None:
    played = list(results(1, SEEDS, jobs=2))

    assert {result.seed: result.violations for result in played} == dict.fromkeys(range(1, SEEDS + 1), ())
    looked_at = Counter[str]()
    for result in played:
        looked_at.update(result.looked_at)
    assert all(
        looked_at[name] for name in ("FILL_SETS", "SIZES", "PROTECTION", "NONCES", "CAPS", "EXITS", "REDRIVE")
    )


def test_a_seed_is_the_same_run_each_time_edge_by_edge(place: Site) -> None:
    first, second = (play(place, draw(4), is_traced=True) for _ in range(2))

    assert len(first.trace) > 1_000
    assert first.trace == second.trace
    assert first.faults == second.faults


def test_a_plan_follows_from_its_seed_alone() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


def test_nothing_breaks_after_the_busy_time() -> None:
    for seed in range(200):
        plan = draw(seed)
        broken = [step for step in plan.steps if step.what in {What.VENUE, What.HOUSE}]

        assert all(step.at_s <= plan.busy_s for step in broken)


def test_every_kind_of_fault_is_drawn_by_some_seed() -> None:
    missing = {*KINDS, FEED_BEHIND, *House}

    for seed in range(1_500):
        if not missing:
            break
        missing -= {str(step.about.get("kind")) for step in draw(seed).steps}

    assert missing == set()


def test_f1_a_lost_reply_ends_in_one_fill_that_is_tracked_with_its_stop(place: Site) -> None:
    lines, is_well = lost_reply(place)

    assert is_well
    assert lines[-1] == "one dropped reply: one fill, tracked, with its stop"


def test_the_report_ends_with_the_number_of_violations_and_says_how_to_play_a_failure_again() -> None:
    summary = Summary()
    summary.add(a_result(1))
    summary.add(a_result(2, "SIZES: a place is wrong"))

    lines = list(of_all(summary, 12.0))

    assert lines[-1] == "violations 1"
    assert lines[-2] == "failing seeds: 2"
    assert any("reply_lost" in line and " 4" in line for line in lines)
    assert list(of_a_failure(a_result(2, "SIZES: a place is wrong")))[-1] == "  again: make sim SEED=2"


def test_the_report_names_each_kind_that_is_injected() -> None:
    assert {*KINDS, *(kind.value for kind in House)} <= set(ALL_KINDS)


@pytest.mark.parametrize(("violations", "code"), [((), 0), (("SIZES: a place is wrong",), 1)])
def test_a_violation_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, violations: tuple[str, ...], code: int
) -> None:
    monkeypatch.setattr(command, "results", lambda *_, **__: [a_result(1, *violations)])

    assert command.main(["--seeds", "1"]) == code
