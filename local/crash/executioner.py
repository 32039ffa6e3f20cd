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
Tell = Callable[..., object]


class Executioner:
    """Numbers what the workers under test do and kills one of them at the site that is asked for; `site` 0 kills nobody."""

    def __init__(self, site: int = 0, kill: Kill = Kill.AFTER_COMMIT) -> None:
        self._site, self._kill = site, kill
        self._die: Death = Worker.die
        self._tell: Tell = lambda *_: None
        self.sites: list[Site] = []
        self.invocation = 0
        self.under_test: set[Worker] = set()
        self.reached: set[str] = set()
        self._is_over = False
        self._doomed: Worker | None = None
        self._after_commit: Worker | None = None
        self._is_struck = False

    def has_struck(self) -> bool:
        """Whether its site was come to."""
        return self._is_struck

    def dies_by(self, die: Death, *, tell: Tell) -> None:
        """In a process of its own: how it ends, and whom it tells of its site before that."""
        self._die, self._tell = die, tell

    def bury(self) -> None:
        """The process that was under test is gone."""
        self._is_over = self._is_struck = True

    def strike_elsewhere(self, sites: list[Site]) -> None:
        """A process of its own has come to the site; `sites` is what it did."""
        self.sites, self._is_struck = sites, True

    def __call__(self, worker: Worker, edge: Edge, what: str) -> None:
        """An edge was passed."""
        if what == DATABASE and edge is Edge.BEGIN:
            self.reached.add(_doer(what))
        if self._is_over or worker not in self.under_test:
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
        self._is_struck = True
        self._tell("struck", self.sites)
        match self._kill:
            case Kill.BEFORE_COMMIT | Kill.BEFORE_REPLY:
                self._end(worker)
            case Kill.AFTER_COMMIT:
                self._after_commit = worker
            case Kill.REPLY_LOST:
                self._doomed = worker
                raise lost_reply(what)

    def _end(self, worker: Worker) -> None:
        self._is_over = True
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
