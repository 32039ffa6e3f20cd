"""Kills a process at one thing that it does, and writes down everything that it does.

Promises: a hook of the crew. It looks at the workers that are under test alone, numbers what they do in the order in which they do it,
and acts once. A transaction that is rolled back is no site: dying in it leaves what rolling it back leaves. A reply that is lost
looks to the process as the network's own error does, and the process dies once it has kept something, or has asked something else.
"""

import sys
from collections.abc import Callable
from types import FrameType

import requests
from botocore.exceptions import ConnectionClosedError

from local.crash.cases import Kill, Site
from local.simulation.workers import Worker
from outcry.runtime.edges import Edge
from outcry.runtime.errors import InfrastructureError

DATABASE = "database"
OURS = "outcry."
_BETWEEN = (
    "outcry.runtime.",
    "outcry.venues.",
    "outcry.custody.kms",
)  # what carries the work of others to an edge
_ENDS = frozenset({Edge.BEFORE_COMMIT, Edge.AFTER_REPLY})  # where one thing is whole but for being known
_KEPT = frozenset({Edge.AFTER_COMMIT, Edge.AFTER_REPLY})

Death = Callable[[Worker], None]


class Executioner:
    """Numbers what the workers under test do and kills one of them at the site that is asked for; `site` 0 kills nobody.

    `die` ends the worker: it raises Died, or, in a process of its own, ends the process.
    """

    def __init__(self, site: int = 0, kill: Kill = Kill.AFTER_COMMIT, *, die: Death = Worker.die) -> None:
        self._site, self._kill, self._die = site, kill, die
        self.sites: list[Site] = []
        self.invocation = 0
        self.under_test: set[Worker] = set()
        self.killed: Worker | None = None
        self.reached: set[str] = set()
        self._doomed: Worker | None = None
        self._after_commit: Worker | None = None

    def has_struck(self) -> bool:
        """Whether its site was come to."""
        return self.killed is not None or self._doomed is not None

    def __call__(self, worker: Worker, edge: Edge, what: str) -> None:
        """An edge was passed."""
        if what == DATABASE and edge is Edge.BEGIN:
            self.reached.add(_doer(what))
        if self.killed is not None or worker not in self.under_test:
            return
        if worker is self._after_commit:
            self._after_commit = None
            if edge is Edge.AFTER_COMMIT:
                self._end(worker)
        if worker is self._doomed and edge in _KEPT:
            self._end(worker)
        if edge not in _ENDS:
            return
        self.sites.append(Site(len(self.sites) + 1, what, _doer(what), self.invocation))
        if len(self.sites) == self._site:
            self._strike(worker, what)

    def _strike(self, worker: Worker, what: str) -> None:
        match self._kill:
            case Kill.BEFORE_COMMIT | Kill.BEFORE_REPLY:
                self._end(worker)
            case Kill.AFTER_COMMIT:
                self._after_commit = worker
            case Kill.REPLY_LOST:
                self._doomed = worker
                raise lost_reply(what)

    def _end(self, worker: Worker) -> None:
        self.killed = worker
        self._die(worker)


def lost_reply(what: str) -> Exception:
    """What the code that made the request sees when its connection breaks."""
    if what.startswith("hyperliquid"):
        return requests.exceptions.ConnectionError("the connection broke")
    if what.startswith("kms"):
        return ConnectionClosedError(endpoint_url=what)
    return InfrastructureError(f"{what} cannot be rung")


def _doer(what: str) -> str:
    """The function of ours on whose behalf the edge was passed, without the package's name."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(OURS) and not name.startswith(_BETWEEN):
            function = frame.f_code.co_qualname.split(".<locals>")[0]
            return f"{name.removeprefix(OURS)}.{function}"
        frame = frame.f_back
    return what
