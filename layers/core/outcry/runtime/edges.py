"""Edges: the moments between which a process can die, and the one hook by which a test makes it die there.

Promises:
- Every transaction, every request to a venue, every signature by KMS and every ring of a queue passes `reached` on its way in and on
  its way out.
- Nothing watches in a deployed function: then passing an edge is one comparison. Nothing in this package sets a watcher.
- A watcher may raise, wait or end the process. It is called where no lock of the database is held, but at BEFORE_COMMIT.

The words: BEGIN nothing was done yet · BEFORE_COMMIT all statements ran, nothing is kept · AFTER_COMMIT it is kept, nobody was told ·
BEFORE_SEND nothing left this process · AFTER_REPLY the other side has acted, and its answer was not looked at.
"""

from collections.abc import Callable
from enum import StrEnum


class Edge(StrEnum):
    """On which side of what we are."""

    BEGIN = "begin"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"
    BEFORE_SEND = "before_send"
    AFTER_REPLY = "after_reply"


Watcher = Callable[[Edge, str], None]

_watcher: Watcher | None = None


def reached(edge: Edge, what: str) -> None:
    """Pass an edge. `what` names the work: `database`, `hyperliquid exchange`, `hyperliquid info`, `queue entries`, `kms decrypt`."""
    if _watcher is not None:
        _watcher(edge, what)


def watch(watcher: Watcher | None) -> None:
    """Have each edge of this process, in every thread, shown to `watcher`; None ends that. For tests and simulations alone."""
    global _watcher
    _watcher = watcher
