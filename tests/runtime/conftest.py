"""Several connections to one database, as several processes have."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outcry.runtime.database import Address, Database
from tests.runtime.guarded import authority, guarded, serve, socket_path

__all__ = ["authority", "guarded", "serve", "socket_path"]


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[..., Database]]:
    """Another connection to this test's own database, with any setting of its own."""
    opened: list[Database] = []

    def make(**settings: Any) -> Database:
        opened.append(Database(Address.from_url(database_url), network="local", **settings))
        return opened[-1]

    yield make
    for connection in opened:
        connection.close()
