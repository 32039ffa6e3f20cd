"""A place for worlds: one Postgres and one venue's address for a module's simulations."""

import logging
from collections.abc import Iterator

import pytest

from local.simulation.world import Site, site


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """Where worlds of this module are made, one after another."""
    logger = logging.getLogger("outcry")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with site() as made:
        yield made
    logger.setLevel(before)
