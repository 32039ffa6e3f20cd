"""One process of a simulation: plays seeds one after another and writes a line of JSON for each. Started by `command`.

`python -m local.simulation.process FIRST COUNT STEP [MUTANT]` plays FIRST, FIRST+STEP, … . Needs PYTHONHASHSEED=0: the order of a set
of words must not differ from one process to the next.
"""

import dataclasses
import json
import logging
import os
import sys

from local.simulation import mutants
from local.simulation.plan import draw
from local.simulation.report import Result
from local.simulation.run import Outcome, play
from local.simulation.world import site
from outcry.runtime.observability import logger


def result_of(outcome: Outcome) -> Result:
    """What is told of an outcome: all but its trace."""
    return Result(
        outcome.seed,
        tuple(outcome.violations),
        dict(outcome.looked_at),
        dict(outcome.faults),
        dict(outcome.counts),
        outcome.seconds,
        outcome.minutes,
    )


def main(arguments: list[str]) -> int:
    """Play the seeds; 0 also where some fail, since each line says so."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        print("set PYTHONHASHSEED=0: a run could not be repeated", file=sys.stderr)
        return 2
    first, count, step = (int(each) for each in arguments[:3])
    logger.setLevel(logging.CRITICAL)
    if len(arguments) > 3:
        mutants.apply(arguments[3])
    with site() as place:
        for seed in range(first, first + count * step, step):
            outcome = play(place, draw(seed))
            print(json.dumps(dataclasses.asdict(result_of(outcome))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
