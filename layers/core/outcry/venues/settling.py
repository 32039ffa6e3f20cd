"""A venue that has to be told that time passed, because nothing but us moves it: the paper venue."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from outcry.venues.port import Marks


@runtime_checkable
class Settles(Protocol):
    """Evaluates resting triggers when it is told the marks."""

    def settle(self, marks: Marks, addresses: Sequence[str]) -> None:
        """Let the marks act on the books of these addresses. Doing so twice with the same marks changes nothing."""
        ...
