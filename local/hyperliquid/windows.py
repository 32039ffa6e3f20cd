"""Switches that hold for a while: the venue behaves otherwise until a moment of block time, then as before.

Promises: of two windows over one switch the later begun holds while both are open; when the last one closes
the base value is back. Never reads a clock.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from local.hyperliquid.answers import BadRequest
from local.hyperliquid.config import Switches


def changed(base: Switches, changes: Mapping[str, Any]) -> Switches:
    """`base` with some switches set otherwise. Raises `BadRequest` (422) that names the field."""
    try:
        return Switches.model_validate({**base.model_dump(), **changes})
    except ValidationError as fault:
        first = fault.errors()[0]
        raise BadRequest(422, f"{first['loc'][0]}: {first['msg']}") from fault


class Windows:
    """The switches of now: a base, and what is open over it."""

    def __init__(self, base: Switches) -> None:
        self.base = base
        self._open: list[tuple[int, Mapping[str, Any]]] = []

    def set_base(self, changes: Mapping[str, Any]) -> None:
        self.base = changed(self.base, changes)

    def open(self, until_ms: int, changes: Mapping[str, Any]) -> None:
        """Raises `BadRequest` (422) for a switch or a value that there is not."""
        changed(self.base, changes)
        self._open.append((until_ms, dict(changes)))

    def at(self, now_ms: int) -> Switches:
        """The switches that hold at a moment; what closed by then is forgotten."""
        self._open = [row for row in self._open if row[0] > now_ms]
        found = self.base
        for _, changes in self._open:
            found = changed(found, changes)
        return found
