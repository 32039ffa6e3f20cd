"""The invocation that is killed, in a process of its own: forked, and ended by SIGKILL at its edge. The parent carries on.

Promises: the child has a connection, caches and requests of its own; what it shares with the world it asks the parent for over a pipe:
messages that it rings, time that it waits, the venue, KMS, and the account's owner. Nothing of it outlives the call, and the parent
goes on only when Postgres has ended its session. To be used where no thread of this process is at work: those of the world wait.
"""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any
from uuid import uuid4

from local.crash.playing import Runs, in_a_thread
from local.crash.stage import Hands, Invocation, Stage
from local.hyperliquid.answers import BadRequest
from local.hyperliquid.config import VenueConfig
from local.simulation import functions
from local.simulation.workers import Worker
from outcry.custody.kms import Kms
from outcry.runtime import deliveries, edges
from outcry.runtime.edges import Edge
from outcry.runtime.queues import Queue, Ring

_APPLICATION = "killed"
_ENDS_WITHIN_S = 10.0


class NotKilled(Exception):
    """The process came to its end, although it should have died on the way."""


def in_a_process(invocation_number: int) -> Runs:
    """Carries out the invocation of this number in a process that dies for real, and those before it in threads."""

    def run(stage: Stage, invocation: Invocation) -> None:
        if stage.executioner.invocation != invocation_number:
            in_a_thread(stage, invocation)
            return
        if invocation.letter is not None:
            stage.world.queues.take(invocation.letter)
        ours, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads: they wait, and hold nothing
            child = os.fork()
        if child == 0:
            ours.close()
            _live(stage, invocation, theirs)
        theirs.close()
        _serve(stage, invocation, ours)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            stage.executioner.bury()
        _await_end_of_session(stage)

    return run


# ─── the parent's side ───────────────────────────────────────────────────────────────────────────────────────


def _serve(stage: Stage, invocation: Invocation, pipe: Connection) -> None:
    """Answer what the child asks until it is gone."""
    world = stage.world
    kms: Any = world.kms._client
    while True:
        try:
            what, *details = pipe.recv()
        except EOFError:
            pipe.close()
            return
        match what:
            case "ring":
                queue, rings, delay_s = details
                for ring in rings:
                    world.queues.put(queue, ring.body(), delay_s=delay_s)
            case "wait":
                stage.wait(details[0])
            case "kms":
                name, request = details
                pipe.send(getattr(kms, name)(**request))
                continue
            case "venue":
                pipe.send(_asked(stage, *details))
                continue
            case "approve":
                stage.approve(details[0])
            case "struck":
                stage.executioner.strike_elsewhere(*details)
            case "answered" if invocation.letter is not None:
                if invocation.letter.message_id not in details[0]:
                    world.queues.delete(invocation.letter)
        pipe.send(None)


def _asked(stage: Stage, name: str, about: tuple[Any, ...], how: dict[str, Any]) -> tuple[Any, Any]:
    """What the venue answers, or its refusal of the whole request."""
    try:
        return getattr(stage.world.engine, name)(*about, **how), None
    except BadRequest as bad:
        return None, (bad.status, bad.body)


def _await_end_of_session(stage: Stage) -> None:
    end = time.monotonic() + _ENDS_WITHIN_S
    sql = "select 1 from pg_stat_activity where application_name = :name"
    while stage.world.rows(sql, name=_APPLICATION):
        if time.monotonic() > end:
            raise AssertionError("the session of a dead process stands in Postgres")
        time.sleep(0.005)


# ─── the child's side ────────────────────────────────────────────────────────────────────────────────────────


class _Line:
    """The pipe to the parent, as the queues, the KMS client and the owner that the child works with."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def ask(self, *what: Any) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()

    def ring(self, queue: Queue, rings: Iterable[Ring], *, delay_s: int = 0) -> None:
        edges.reached(Edge.BEFORE_SEND, f"queue {queue}")
        self.ask("ring", queue, list(rings), delay_s)
        edges.reached(Edge.AFTER_REPLY, f"queue {queue}")

    def approve(self, address: str) -> None:
        self.ask("approve", address)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self.ask("kms", name, request)


class _Venue:
    """The venue, which lives in the parent."""

    def __init__(self, line: _Line, config: VenueConfig) -> None:
        self._line = line
        self.config = config

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*about: Any, **how: Any) -> Any:
            answer, bad = self._line.ask("venue", name, about, how)
            if bad is not None:
                raise BadRequest(*bad)
            return answer

        return ask


def _live(stage: Stage, invocation: Invocation, pipe: Connection) -> None:
    """Do the invocation and end. Never returns."""
    status = 1
    try:
        _work(stage, invocation, _Line(pipe))
        status = 0
    finally:
        os._exit(status)


def _work(stage: Stage, invocation: Invocation, line: _Line) -> None:
    world, executioner = stage.world, stage.executioner
    worker = Worker(_APPLICATION)
    executioner.under_test.add(worker)
    executioner.dies_by(lambda _: os.kill(os.getpid(), signal.SIGKILL), tell=line.ask)
    database = stage.place.ground.connect(_APPLICATION)

    def pause(seconds: float) -> None:
        line.ask("wait", seconds)
        world.clock.advance(timedelta(seconds=seconds))

    edges.watch(lambda edge, what: executioner(worker, edge, what))
    kms = Kms(line)
    venue: Any = _Venue(line, world.engine.config)
    if invocation.does is not None:
        invocation.does(Hands(database, kms, world.clock, venue, line.approve))
        return
    parts = functions.Parts(
        database=database,
        clock=world.clock,
        doorbell=line,
        engine=venue,
        kms=kms,
        feed=world.feed,
        new_id=uuid4,
        pause=pause,
    )
    _answer(stage, invocation, functions.build(invocation.function, parts), line)


def _answer(stage: Stage, invocation: Invocation, built: functions.Built, line: _Line) -> None:
    if invocation.letter is None:
        assert built.run is not None
        built.run()
        return
    work, give_up = built.work, built.give_up
    assert work is not None
    assert give_up is not None
    deadline = stage.now + functions.time_limit(invocation.function) - functions.MARGIN
    answer = deliveries.answer(
        {"Records": [invocation.letter.record()]},
        lambda message: work(message, deadline),
        give_up,
        last_receive=functions.last_receive(),
    )
    line.ask("answered", [each["itemIdentifier"] for each in answer["batchItemFailures"]])
