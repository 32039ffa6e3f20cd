"""LONG and SHORT: the one word that every room shares."""

from enum import StrEnum


class Side(StrEnum):
    """The side of a position, a call or a signal."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def sign(self) -> int:
        """+1 for LONG, -1 for SHORT."""
        return 1 if self is Side.LONG else -1

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SHORT if self is Side.LONG else Side.LONG
