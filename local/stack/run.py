"""`make stack`: build, deploy, trade, update, fail and roll back, break and mend, delete; and say what was seen.

Promises: the first thing that is not as it should be ends the run with exit code 1 and its reason, after everything that was
started is stopped; exit code 2 where a server or a tool could not be started; the transcript goes to stderr, and `--json` puts
one object with every step's figures on stdout as the last line.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from local.processes import NotStarted, temporary_directory
from local.stack import operating, outages, permissions, rehearsal
from local.stack.deployed import Deployed
from local.stack.market import Market
from local.stack.report import Report, StackFailure
from local.stack.rig import running_rig
from local.stack.sam import Sam

Phase = Callable[[Deployed], None]
PHASES: dict[str, Phase] = {
    "deploy": rehearsal.deploy,
    "refuse": rehearsal.refuse,
    "trade": rehearsal.trade,
    "operate": operating.operate,
    "update": rehearsal.update,
    "rollback": rehearsal.roll_back,
    "chaos": outages.chaos,
    "tools": rehearsal.use_tools,
    "flatten": operating.flatten,
    "delete": rehearsal.delete,
    "permissions": permissions.of_stack,
}
_ALWAYS = ("deploy",)


class Interrupted(BaseException):
    """A person, or the system, wants the run to end."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    phases: tuple[str, ...]
    as_json: bool
    keep: Path | None


def main(arguments: Sequence[str]) -> int:
    """Run the phases; the exit code."""
    options = _options(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    report = Report()
    try:
        _perform(options, report)
    except NotStarted as problem:
        print(f"stack: {problem}", file=sys.stderr)
        return 2
    except StackFailure:
        report.say(f"stack: FAILED in {', '.join(report.failed)}")
        return _end(options, report, 1)
    except Interrupted:
        print("stack: interrupted; everything was stopped", file=sys.stderr)
        return 130
    report.say(f"stack: passed, {len(report.steps)} steps")
    return _end(options, report, 0)


def _perform(options: Options, report: Report) -> None:
    with temporary_directory("tree") as folder, running_rig(options.keep) as rig:
        sam = Sam(rig.aws, options.keep or folder)
        market = Market(rig.venue_url, rig.x_url)
        stack = Deployed(rig, sam, report, market, folder, {})
        stack.make_secrets()
        with market.pulse():
            try:
                for name in options.phases:
                    PHASES[name](stack)
            finally:
                stack.keep_logs()


def _end(options: Options, report: Report, code: int) -> int:
    if options.as_json:
        print(report.as_json(), flush=True)
    return code


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m local stack", description="Rehearse the deployed stack on this machine."
    )
    parser.add_argument(
        "--phases", default=",".join(PHASES), help=f"some of {','.join(PHASES)}, in this order"
    )
    parser.add_argument("--json", action="store_true", help="one object with every figure, on stdout")
    parser.add_argument("--keep", type=Path, help="leave logs and the venue's journal in this directory")
    given = parser.parse_args(arguments)
    asked = {name.strip() for name in given.phases.split(",")}
    unknown = asked - PHASES.keys()
    if unknown:
        parser.error(f"--phases: there is no phase {min(unknown)!r}; there are {', '.join(PHASES)}")
    return Options(
        tuple(name for name in PHASES if name in asked or name in _ALWAYS),
        given.json,
        given.keep.resolve() if given.keep else None,
    )


def _interrupt(_: int, __: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted
