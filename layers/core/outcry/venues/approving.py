"""A venue where an account's owner approves the keys that may trade for it, and which can be asked about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class NamedSigner:
    """A key that an owner approved under a name, and until when."""

    name: str
    address: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Role:
    """What the venue knows an address as, and for whom the address acts."""

    name: str
    owner: str | None


@runtime_checkable
class Approves(Protocol):
    """Reads, each a complete answer or VenueUnreachable; UnknownAnswer for one that is not in the catalogue."""

    def named_signers(self, master: str) -> Sequence[NamedSigner]:
        """The keys that `master` approved under a name. One without a name is not among them."""
        ...

    def role(self, address: str) -> Role:
        """What the venue knows the address as. Dear: ask only for what is not listed."""
        ...
