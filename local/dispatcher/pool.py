"""Execution environments: started when needed, kept warm, one event at a time, killed at the function's time
limit.

Promises: an environment that ran into its limit, died or could not be imported is replaced by a new one for
the next event; an event is given to one environment only and has exactly one result. Concurrency is bounded
by whoever submits.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from local.dispatcher.blueprint import FunctionSpec
from local.dispatcher.channel import Channel
from local.processes import Process, start, stop_all

_ROOT = Path(__file__).resolve().parents[2]
_INIT_LIMIT_S = (
    60.0  # Lambda gives ten seconds; a busy machine that compiles everything for the first time needs more
)
_LEAVE_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended. `error` is None for success; `answer` is what the handler returned."""

    function: str
    answer: Any
    error: str | None
    took_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A function sent something to a queue, visible after `delay_s`."""

    queue_url: str
    delay_s: int


@dataclass(slots=True)
class _Run:
    event: Any
    request_id: UUID
    done: Callable[[Result], None]


@dataclass(slots=True)
class _Environment:
    function: FunctionSpec
    process: Process
    channel: Channel
    started_s: float
    is_ready: bool = False
    run: _Run | None = None
    run_since_s: float = 0.0

    def begin(self) -> None:
        """Hand the waiting event over, once the environment can take it."""
        if self.run is not None and self.is_ready:
            self.run_since_s = time.monotonic()
            self.channel.send({"event": self.run.event, "request_id": str(self.run.request_id)})

    @property
    def limit_s(self) -> float | None:
        """When it is to be killed, in monotonic time; None while it only waits for work."""
        if not self.is_ready:
            return self.started_s + _INIT_LIMIT_S
        return None if self.run is None else self.run_since_s + self.function.timeout_s


@dataclass(slots=True)
class Pool:
    """All environments of one run."""

    variables: Mapping[str, str]
    logs: Path
    new_id: Callable[[], UUID]
    on_sent: Callable[[Sent], None]
    on_killed: Callable[[], None]
    sabotage: str | None = None
    _environments: list[_Environment] = field(default_factory=list)
    _made: int = 0

    @property
    def is_busy(self) -> bool:
        """Whether any event is being worked on or waits for its environment."""
        return any(environment.run is not None for environment in self._environments)

    @property
    def is_starting(self) -> bool:
        """Whether any environment is not ready yet."""
        return any(not environment.is_ready for environment in self._environments)

    def busy(self) -> list[str]:
        """The functions at work, one name for each environment."""
        return sorted(e.function.name for e in self._environments if e.run is not None)

    def warm(self, function: FunctionSpec) -> None:
        """Start an environment before it is needed."""
        self._start(function)

    def submit(self, function: FunctionSpec, event: Any, done: Callable[[Result], None]) -> None:
        """Run the function on the event; `done` is called from `poll` with the result."""
        run = _Run(event, self.new_id(), done)
        idle = [e for e in self._environments if e.run is None and e.function is function]
        environment = (
            next((e for e in idle if e.is_ready), None) or next(iter(idle), None) or self._start(function)
        )
        environment.run = run
        try:
            environment.begin()
        except OSError:
            self._end(environment, "the environment had died")

    def poll(self, wait_s: float) -> None:
        """Take what environments have to say, waiting at most `wait_s` for it, and kill those beyond their
        limit.
        """
        if self._environments:
            self._wait(wait_s)
        elif wait_s > 0:
            time.sleep(wait_s)
        for environment in list(self._environments):
            for message in environment.channel.receive_all():
                self._take(environment, message)
            if environment.channel.is_closed:
                self._end(environment, "the environment died")
            elif environment.limit_s is not None and time.monotonic() > environment.limit_s:
                self._end(environment, f"killed at its limit of {environment.function.timeout_s} s")

    def close(self) -> None:
        """End every environment: those that wait for work end by themselves when nobody is there to give
        it.
        """
        ending, self._environments = self._environments, []
        for environment in ending:
            environment.channel.close()
        deadline_s = time.monotonic() + _LEAVE_S
        for environment in ending:
            if environment.is_ready and environment.run is None:
                environment.process.wait(max(0.0, deadline_s - time.monotonic()))
        stop_all([environment.process for environment in ending], grace_s=2.0)

    def _wait(self, wait_s: float) -> None:
        limits = [limit for e in self._environments if (limit := e.limit_s) is not None]
        if limits:
            wait_s = min(wait_s, max(0.0, min(limits) - time.monotonic()))
        select.select([environment.channel for environment in self._environments], [], [], max(0.0, wait_s))

    def _take(self, environment: _Environment, message: Mapping[str, Any]) -> None:
        if "ready" in message:
            environment.is_ready = True
            environment.begin()
        elif "sent" in message:
            for url, delay in message["sent"]:
                self.on_sent(Sent(str(url), int(delay)))
        elif "init_error" in message:
            error = message["init_error"]
            self._end(environment, f"{error['type']}: {error['message']}")
        else:
            error = message.get("error")
            self._finish(environment, message.get("answer"), error and f"{error['type']}: {error['message']}")

    def _finish(self, environment: _Environment, answer: Any, error: str | None) -> None:
        run, environment.run = environment.run, None
        if run is not None:
            took_s = time.monotonic() - environment.run_since_s if environment.run_since_s else 0.0
            run.done(Result(environment.function.name, answer, error, took_s))

    def _end(self, environment: _Environment, why: str) -> None:
        """Take an environment away; whatever it had sent without telling is looked for."""
        if environment in self._environments:
            self._environments.remove(environment)
            environment.process.kill()
            environment.channel.close()
            self.on_killed()
            self._finish(environment, None, why)

    def _start(self, function: FunctionSpec) -> _Environment:
        ours, theirs = socket.socketpair()
        self._made += 1
        process = start(
            [
                *(sys.executable, "-m", "local.dispatcher.environment", function.name),
                *("--folder", function.folder, "--handler", f"{function.module}.{function.handler}"),
                *("--timeout", str(function.timeout_s), "--memory", str(function.memory_mb)),
                *("--channel", str(theirs.fileno())),
                *(("--break", self.sabotage) if self.sabotage else ()),
            ],
            name=f"An environment of {function.name}",
            log=self.logs / f"{function.name}-{self._made:03d}.log",
            environment=self._environment_of(function),
            directory=function.folder,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        environment = _Environment(function, process, Channel(ours), time.monotonic())
        self._environments.append(environment)
        return environment

    def _environment_of(self, function: FunctionSpec) -> dict[str, str]:
        """The template's variables, the local endpoints, what Lambda itself sets, and nothing of ours."""
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(_ROOT),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": str(function.folder),
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            **function.variables,
            **self.variables,
        }
