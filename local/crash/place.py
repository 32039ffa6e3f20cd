"""The ground on which thousands of runs follow one another: connections, with what Postgres has prepared on them, are kept for the next.

Promises: a connection is handed on only between transactions; one process of a run never shares it with another. To the functions it
is a new connection: what they prepared on an old one changes no answer.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.postgres import Postgres
from local.simulation.ground import Ground
from local.simulation.world import Site, site
from outcry.runtime.database import Database


class _Kept(Database):
    """A connection that goes back to its shelf when its process is gone."""

    shelf: list[Any]

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self.shelf.append(session)


class KeepingGround(Ground):
    """A ground that keeps the connections of processes that are gone, by the function that they were of."""

    def __init__(self, server: Postgres) -> None:
        self._shelves: dict[str, list[Any]] = defaultdict(list)
        super().__init__(server)

    def connect(self, application: str) -> Database:
        plain = super().connect(application)
        kept = _Kept.__new__(_Kept)
        kept.__dict__.update(plain.__dict__)
        kept.shelf = self._shelves[application.split(maxsplit=1)[0]]
        if kept.shelf:
            kept._session = kept.shelf.pop()
        return kept


@contextmanager
def place() -> Iterator[Site]:
    """Postgres and the venue for as long as the block runs."""
    with site(KeepingGround) as made:
        yield made
