"""A venue that counts the requests of an account over its life, and stops answering freely when they are used up."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class RequestBudget:
    """How many requests an account has made, and how many it may make with what it has traded so far."""

    used: int
    cap: int

    @property
    def left(self) -> int:
        return max(self.cap - self.used, 0)


@runtime_checkable
class CountsRequests(Protocol):
    """Tells what is left. A complete answer or VenueUnreachable; UnknownAnswer for one that is not in the catalogue."""

    def request_budget(self, address: str) -> RequestBudget:
        """The account's requests. Dear: keep the answer."""
        ...
