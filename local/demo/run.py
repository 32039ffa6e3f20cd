"""`make demo`: set up, replay, show, audit, sum up.

Promises: what is wrong with the arguments or the files is one message and exit code 2, before anything is
started; the run ends by itself within 90 s after set-up, and says how far it got where that was not to the
end of its files; nothing that was started is left behind, however it ends. Exit code 1 where the audit found
something that was not broken on purpose.
"""

import json
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from types import FrameType

from local.audit.model import Checks
from local.audit.whole import audit
from local.demo.inputs import TAIL, InputProblem, Inputs, not_followed_line, read_inputs
from local.demo.options import Options, read_options
from local.demo.remarks import Reach, doubled_lines, reach_lines
from local.demo.report import as_object
from local.demo.show import Show, choose, stream_for
from local.demo.stage import Stage, set_up
from local.demo.store import read_story
from local.demo.story import Teller
from local.demo.summary import lines_of
from local.dispatcher.cloudformation import TemplateError
from local.dispatcher.dispatcher import FunctionError
from local.processes import NotStarted
from outcry.runtime.clock import to_milliseconds

LONGEST_RUN_S = 82.0  # of the 90 s; what is left is for the audit and for taking everything down
WATCHED_RUN_S = 60.0  # where a person watches, the replay is not faster than they can follow
_LOOK_EVERY_S = 0.4


class Interrupted(BaseException):
    """A person, or the system, wants the demo to end. No library may take it for a fault and try again."""


def main(arguments: Sequence[str]) -> int:
    """Run the demo; the exit code."""
    options = read_options(arguments)
    stream = stream_for(as_json=options.as_json)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        inputs = read_inputs(options.posts, options.prices, options.desk)
        with choose(stream) as show:
            return _perform(inputs, options, show)
    except (InputProblem, NotStarted, TemplateError, FunctionError) as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 2
    except Interrupted:
        print("demo: interrupted; everything was stopped", file=sys.stderr)
        return 130


def _interrupt(_: int, __: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is an orderly end
    raise Interrupted


def _perform(inputs: Inputs, options: Options, show: Show) -> int:
    with set_up(inputs, options, show.progress) as stage:
        began_s = time.monotonic()
        begin, end = stage.clock.now(), inputs.last_at + TAIL
        strangers = not_followed_line(inputs)
        if strangers:
            show.progress(strangers)
        show.progress(f"replaying {inputs.first_at:%Y-%m-%d %H:%M} to {inputs.last_at:%H:%M} UTC")
        reached = _replay(stage, show, begin, end, began_s)
        elapsed_s = time.monotonic() - began_s
        checks = _audit(stage)
        story = read_story(stage.database, stage.clock.now())
        tally = stage.dispatcher.tally
        reach = Reach.at(inputs, reached)
        remarks = [*([strangers] if strangers else []), *doubled_lines(inputs, options, story)]
        for line in lines_of(
            story, checks, tally, market_time=reached - begin, took_s=elapsed_s, remarks=remarks
        ):
            show.say(line)
        for line in reach_lines(reach):
            show.say(line)
        found = as_object(story, checks, reach, elapsed_s)
    if options.as_json:
        print(json.dumps(found), flush=True)
    return 0 if checks.are_clean or options.sabotage else 1


def _replay(stage: Stage, show: Show, begin: datetime, end: datetime, began_s: float) -> datetime:
    """Run to the end of the time line, or for as long as a run may take; how far it got."""
    teller = Teller()
    looked_s = 0.0
    while stage.dispatcher.step(end):
        if show.is_watched and not stage.pool.is_busy:
            _pace(stage, begin, end, began_s)
        now_s = time.monotonic()
        if now_s - looked_s >= _LOOK_EVERY_S:
            looked_s = now_s
            _tell(stage, show, teller, begin, end)
        if now_s - began_s > LONGEST_RUN_S:
            break
    _tell(stage, show, teller, begin, end, is_last=True)
    return min(stage.clock.now(), end)


def _pace(stage: Stage, begin: datetime, end: datetime, began_s: float) -> None:
    """Wait where the run is ahead of what a person can follow; time flows meanwhile, and nothing is
    missed.
    """
    done = (stage.clock.now() - begin) / (end - begin)
    ahead_s = done * WATCHED_RUN_S - (time.monotonic() - began_s)
    if ahead_s > 0:
        time.sleep(min(ahead_s, _LOOK_EVERY_S))


def _tell(
    stage: Stage, show: Show, teller: Teller, begin: datetime, end: datetime, *, is_last: bool = False
) -> None:
    story = read_story(stage.database, stage.clock.now())
    lines = teller.new_lines(story, is_last=is_last)
    show.happened(lines, story, begin=begin, end=end, busy=stage.pool.busy())


def _audit(stage: Stage) -> Checks:
    until_ms = to_milliseconds(stage.clock.now())
    return audit(stage.database, stage.journal, until_ms=until_ms)
